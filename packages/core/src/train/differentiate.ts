import { invariant } from "../errors.ts";
import type { Value } from "../graph/builder.ts";
import type { ValueId } from "../graph/graph.ts";
import { type Backward, giveGradients, letInputsGo } from "./gradient_rules.ts";
import type { StepBuilder } from "./step_builder.ts";
import type { StepNode, StepOperation } from "./step_graph.ts";

/** A part of a value's channels that somebody read, and the gradient by it. */
interface Part {
  readonly start: number;
  readonly gradient: Value;
}

/** What is known so far of the gradient by one value. */
interface Incoming {
  /** How many contributions there will be; all slices together are one. */
  readonly expected: number;
  received: number;
  sum: Value | undefined;
  readonly parts: Part[];
}

/**
 * Adds the gradients by `wanted` nodes to the step, by reverse accumulation: from the last node to the first, each gives its gradient on
 * to those that it read. Nothing is computed that no wanted gradient needs. Where a value is read several times, each contribution is
 * added as soon as it is there, in the order of the readers, the last one first.
 *
 * @param output what `seed` is the gradient by
 * @param wanted by which nodes gradients are asked for
 * @returns by node name, in the order of the nodes; without those that `output` does not depend on
 */
export function differentiate(
  builder: StepBuilder,
  output: Value,
  seed: Value,
  wanted: (node: StepNode) => boolean,
): ReadonlyMap<string, Value> {
  const forward = builder.nodes.slice(0, output.id + 1);
  const incoming = expectedGradients(forward, output.id, wanted);
  receive(builder, forward, incoming, output.id, () => seed);
  const gradients = new Map<ValueId, Value>();
  const again = normalizedAgain(builder, forward, incoming);

  for (const node of forward.toReversed()) {
    const known = incoming.get(node.id);
    if (known === undefined) continue;
    const gradient = joined(builder, node, known);
    if (wanted(node)) gradients.set(node.id, gradient);
    const readsWanted = node.inputs.some((input) => incoming.has(input));
    if (!readsWanted) continue;
    const backward: Backward = {
      gradient,
      inputs: node.inputs.map((input) => forward[input] as StepNode),
      wants: (index) => incoming.has(node.inputs[index] as ValueId),
      node: (name, operation, inputs) => builder.derived(name, operation, inputs),
      again: (index) => again(node.inputs[index] as ValueId),
      pass: (index, value) => receive(builder, forward, incoming, node.inputs[index] as ValueId, () => value),
      give: (index, operation, inputs) =>
        receive(builder, forward, incoming, node.inputs[index] as ValueId, (name) =>
          builder.derived(name, operation, inputs),
        ),
      givePart(start) {
        incoming.get(node.inputs[0] as ValueId)?.parts.push({ start, gradient });
      },
    };
    giveGradients(node, backward);
  }
  return new Map(
    forward.flatMap(({ id, name }) => {
      const gradient = gradients.get(id);
      return gradient === undefined ? [] : [[name, gradient] as const];
    }),
  );
}

/**
 * What was normalized, permuted or not, for those who want it once more: computed again from what it was computed from, which its own
 * gradient needs too. So it need not be kept from forward to backward, and half of a network's activations never leave the cache. Where
 * somebody keeps it anyway, or nothing keeps what it was computed from, it is what it was.
 */
function normalizedAgain(
  builder: StepBuilder,
  forward: readonly StepNode[],
  incoming: ReadonlyMap<ValueId, Incoming>,
): (value: ValueId) => Value {
  const kept = keptValues(forward);
  const made = new Map<ValueId, Value>();
  const again = (value: ValueId): Value => {
    const known = made.get(value) ?? make(forward[value] as StepNode);
    made.set(value, known);
    return known;
  };
  const make = (node: StepNode): Value => {
    const { name, operation, inputs } = node;
    if (kept.has(node.id) || !incoming.has(node.id)) return node;
    if (operation.op === "normalize") {
      const read = inputs.map((input) => forward[input] as StepNode);
      return builder.derived(`${name}/again`, operation, read);
    }
    if (operation.op !== "permute") return node;
    const read = again(inputs[0] as ValueId);
    return read.id === inputs[0] ? node : builder.derived(`${name}/again`, operation, [read]);
  };
  return again;
}

/** What stays because gradients read it as it was, or read something that is a view of it. */
function keptValues(forward: readonly StepNode[]): ReadonlySet<ValueId> {
  const kept = new Set<ValueId>();
  for (const { id, operation, inputs } of forward.toReversed()) {
    const letsGo = letInputsGo.has(operation.op) || (operation.op === "permute" && !kept.has(id));
    if (!letsGo) for (const input of inputs) kept.add(input);
  }
  return kept;
}

/** The values whose gradients are needed: those on a way from a wanted node to the output. */
function expectedGradients(
  forward: readonly StepNode[],
  output: ValueId,
  wanted: (node: StepNode) => boolean,
): Map<ValueId, Incoming> {
  const depends: boolean[] = [];
  for (const node of forward) {
    // Moments have no gradient of their own: normalize_gradient goes through them.
    const reads = node.operation.op !== "moments" && node.inputs.some((input) => depends[input]);
    depends.push(reads || wanted(node));
  }
  const expected = new Map<ValueId, number>();
  if (depends[output]) expected.set(output, 1);
  const sliced = new Set<ValueId>();
  for (const node of forward.toReversed()) {
    if (!expected.has(node.id)) continue;
    for (const input of node.inputs) {
      if (!depends[input]) continue;
      const isFurtherSlice = node.operation.op === "slice" && sliced.has(input);
      if (node.operation.op === "slice") sliced.add(input);
      expected.set(input, (expected.get(input) ?? 0) + (isFurtherSlice ? 0 : 1));
    }
  }
  return new Map([...expected].map(([id, count]) => [id, { expected: count, received: 0, sum: undefined, parts: [] }]));
}

/** Takes one contribution to the gradient by a value, if that is needed, and adds it to the others. */
function receive(
  builder: StepBuilder,
  forward: readonly StepNode[],
  incoming: ReadonlyMap<ValueId, Incoming>,
  value: ValueId,
  make: (name: string) => Value,
): void {
  const known = incoming.get(value);
  if (known === undefined) return;
  const name = `${(forward[value] as StepNode).name}/gradient`;
  known.received++;
  const contribution = make(known.expected === 1 ? name : `${name}/${known.received}`);
  known.sum = known.sum === undefined ? contribution : added(builder, name, known, known.sum, contribution);
}

function added(builder: StepBuilder, name: string, known: Incoming, a: Value, b: Value): Value {
  const sumName = known.received === known.expected ? name : `${name}/sum_${known.received}`;
  return builder.derived(sumName, { op: "add", activation: "none" }, [a, b]);
}

/** The whole gradient by a node, once all its readers have given theirs. */
function joined(builder: StepBuilder, node: StepNode, known: Incoming): Value {
  const name = `${node.name}/gradient`;
  if (known.parts.length > 0) {
    known.received++;
    const whole = joinedParts(builder, node, known);
    known.sum = known.sum === undefined ? whole : added(builder, name, known, known.sum, whole);
  }
  invariant(
    known.sum !== undefined && known.received === known.expected,
    `the gradient by "${node.name}" is the sum of ${known.expected} values, but ${known.received} came`,
  );
  return known.sum;
}

/** One concatenation where slices tile the channels, else each between zeros, summed. */
function joinedParts(builder: StepBuilder, node: StepNode, known: Incoming): Value {
  const name = `${node.name}/gradient${known.expected === 1 ? "" : `/${known.received}`}`;
  const channels = node.shape.at(-1) as number;
  const parts = known.parts.toSorted((a, b) => a.start - b.start);
  let end = 0;
  const tiles = parts.every(({ start, gradient }) => {
    const fits = start === end;
    end += gradient.shape.at(-1) as number;
    return fits;
  });
  if (tiles && end === channels) {
    const gradients = parts.map(({ gradient }) => gradient);
    return gradients.length === 1 ? (gradients[0] as Value) : builder.derived(name, { op: "concatenate" }, gradients);
  }
  const embedded = (part: Part, partName: string): Value => {
    const operation: StepOperation = { op: "embed", start: part.start, channels };
    return builder.derived(partName, operation, [part.gradient]);
  };
  const [first, ...others] = parts as [Part, ...Part[]];
  if (others.length === 0) return embedded(first, name);
  return others.reduce(
    (sum, part, index) => {
      const operation: StepOperation = { op: "add", activation: "none" };
      const sumName = index === others.length - 1 ? name : `${name}/sum_${index + 2}`;
      return builder.derived(sumName, operation, [sum, embedded(part, `${name}/part_${index + 2}`)]);
    },
    embedded(first, `${name}/part_1`),
  );
}
