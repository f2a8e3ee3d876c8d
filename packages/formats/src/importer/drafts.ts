import {
  type Graph,
  type GraphBuilder,
  graphBuilder,
  type Operation,
  type OperationOf,
  type Shape,
  type Tensor,
  tensor,
  type Value,
} from "@depthwise/core";
import type { MemoryBudget } from "../memory_budget.ts";
import { uniqueNames } from "../unique_names.ts";

/** A node as it was asked for. */
export interface Draft {
  /** The name it should have. */
  readonly name: string;
  readonly operation: Operation;
  readonly inputs: readonly Value[];
  readonly value: Value;
}

/** A network that was read. */
export interface ImportedNetwork {
  readonly graph: Graph;
  readonly weights: ReadonlyMap<string, Tensor>;
}

/** Bytes that a node takes here and in the graph, roughly. */
const NODE_BYTES = 600;

/**
 * Nodes while a foreign graph is read. More are asked for than will be needed, for what a value is used for shows later: `finish` takes
 * those that an output depends on.
 */
export class Drafts {
  readonly #budget: MemoryBudget;
  readonly #name: string;
  readonly #shapes: GraphBuilder;
  readonly #names = uniqueNames();
  readonly #drafts: Draft[] = [];
  readonly #numbers = new Map<Value["id"], Float32Array>();
  readonly #onlyNumbers = new Map<Value["id"], number | undefined>();

  constructor(name: string, budget: MemoryBudget) {
    this.#name = name;
    this.#budget = budget;
    this.#shapes = graphBuilder(name);
  }

  /**
   * Adds a node.
   *
   * @throws {ShapeError} if its inputs do not fit it
   */
  add(name: string, operation: Operation, inputs: readonly Value[]): Value {
    this.#budget.spend(NODE_BYTES, "The network's nodes");
    const value = this.#shapes.node(this.#names.take(name), operation, inputs);
    this.#drafts.push({ name, operation, inputs, value });
    return value;
  }

  /** How many nodes were asked for. */
  get count(): number {
    return this.#drafts.length;
  }

  /** Adds a parameter with its numbers, which are taken as they are. */
  parameter(name: string, shape: Shape, numbers: Float32Array, trainable = true): Value {
    const value = this.add(name, parameterOf(shape, trainable), []);
    this.#numbers.set(value.id, numbers);
    return value;
  }

  /** A parameter under another shape of as many elements. */
  reshapedParameter(value: Value, shape: Shape): Value {
    return this.parameter(this.draftOf(value).name, shape, this.#numbers.get(value.id) as Float32Array);
  }

  /** What was asked for where the value was made. */
  draftOf(value: Value): Draft {
    return this.#drafts[value.id] as Draft;
  }

  /** The network of what the outputs depend on, inputs included though nothing may read them. */
  finish(outputs: readonly (readonly [name: string, value: Value])[]): ImportedNetwork {
    const outputIds = new Set(outputs.map(([, { id }]) => id));
    const builder = graphBuilder(this.#name);
    const names = uniqueNames();
    const weights = new Map<string, Tensor>();
    const values = new Map<Value["id"], Value>();
    for (const { name, operation, inputs, value } of neededOf(this.#withBiases(outputIds), outputIds)) {
      const unique = names.take(name);
      const operands = inputs.map(({ id }) => values.get(id) as Value);
      values.set(value.id, builder.node(unique, operation, operands));
      if (operation.op !== "parameter") continue;
      weights.set(unique, tensor(operation.shape, this.#numbers.get(value.id) as Float32Array));
    }
    const named = outputs.map(([name, { id }]) => ({ name, value: (values.get(id) as Value).id }));
    // A record would put names that are numbers first.
    const graph = builder.build({ output: values.get((outputs[0] as readonly [string, Value])[1].id) as Value });
    return { graph: { ...graph, outputs: named }, weights };
  }

  /**
   * Offsets that alone read a convolution or a linear layer without a bias become its bias: frameworks write `MatMul` and `Add`. The layer
   * takes the offset's place, so that its bias comes before it.
   */
  #withBiases(outputs: ReadonlySet<Value["id"]>): readonly Draft[] {
    const readers = new Map<Value["id"], number>();
    for (const { inputs } of neededOf(this.#drafts, outputs)) {
      for (const { id } of inputs) readers.set(id, (readers.get(id) ?? 0) + 1);
    }
    const isReadOnce = ({ id }: Value): boolean => readers.get(id) === 1 && !outputs.has(id);
    const drafts = [...this.#drafts];
    for (const [position, draft] of this.#drafts.entries()) {
      const layer = this.#shifted(draft);
      if (layer === undefined || !isReadOnce(layer.value)) continue;
      const bias = draft.inputs[2] as Value;
      drafts[bias.id] = { ...(drafts[bias.id] as Draft), name: `${layer.name}/bias` };
      const operation = { ...layer.operation, bias: true };
      drafts[position] = { ...layer, operation, inputs: [...layer.inputs, bias], value: draft.value };
    }
    return drafts;
  }

  /** The layer without a bias that this node, a batch norm, does nothing but shift. */
  #shifted({ operation, inputs }: Draft): (Draft & { readonly operation: Layer }) | undefined {
    if (operation.op !== "batch_norm" || operation.epsilon !== 0) return undefined;
    const [x, gamma, , mean, variance] = inputs as [Value, Value, Value, Value, Value];
    const source = this.draftOf(x);
    const layer = source.operation;
    if (!(layer.op === "convolution" || layer.op === "linear") || layer.bias || layer.activation !== "none") {
      return undefined;
    }
    const isShift = this.#onlyNumber(gamma) === 1 && this.#onlyNumber(mean) === 0 && this.#onlyNumber(variance) === 1;
    return isShift ? { ...source, operation: layer } : undefined;
  }

  /** The number that all elements of a parameter are, if they are one; looked for once. */
  #onlyNumber({ id }: Value): number | undefined {
    if (this.#onlyNumbers.has(id)) return this.#onlyNumbers.get(id);
    const numbers = this.#numbers.get(id);
    const [first] = numbers ?? [];
    const only = numbers?.every((each) => each === first) ? first : undefined;
    this.#onlyNumbers.set(id, only);
    return only;
  }
}

type Layer = OperationOf<"convolution" | "linear">;

function parameterOf(shape: Shape, trainable: boolean): Operation {
  return { op: "parameter", shape, initializer: { kind: "constant", value: 0 }, trainable };
}

/** The nodes that the given values depend on, themselves and every input of the network included. */
function neededOf(drafts: readonly Draft[], values: ReadonlySet<Value["id"]>): readonly Draft[] {
  const needed = new Set(values);
  for (const { operation, inputs, value } of drafts.toReversed()) {
    if (operation.op === "input") needed.add(value.id);
    if (needed.has(value.id)) for (const { id } of inputs) needed.add(id);
  }
  return drafts.filter(({ value }) => needed.has(value.id));
}
