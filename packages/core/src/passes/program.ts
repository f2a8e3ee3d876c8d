import { WeightsError } from "../errors.ts";
import { type GraphBuilder, graphBuilder, type Value } from "../graph/builder.ts";
import { type Graph, isNode, type Node, nodeOf, usersOf, type ValueId } from "../graph/graph.ts";
import { formatShape, type Shape, sameShape, type Tensor, toFloat32 } from "../tensor.ts";

/** A graph and the numbers of its parameters: what passes rewrite. */
export interface Program {
  readonly graph: Graph;
  readonly weights: ReadonlyMap<string, Float32Array>;
}

/** One rewrite. Pure: it returns the same object when nothing changed. */
export interface Pass {
  readonly name: string;
  run(program: Program): Program;
}

/**
 * A program from a graph and its weights.
 *
 * @throws {WeightsError} that lists every missing or mis-shaped parameter
 */
export function toProgram(graph: Graph, weights: ReadonlyMap<string, Tensor>): Program {
  const problems: string[] = [];
  const numbers = new Map<string, Float32Array>();
  for (const node of graph.nodes) {
    if (!isNode(node, "parameter")) continue;
    const found = weights.get(node.name);
    if (found === undefined) problems.push(`${node.name} is missing (expected ${formatShape(node.shape)})`);
    else if (!sameShape(found.shape, node.shape)) {
      problems.push(`${node.name} has shape ${formatShape(found.shape)}, expected ${formatShape(node.shape)}`);
    } else numbers.set(node.name, toFloat32(found));
  }
  if (problems.length > 0)
    throw new WeightsError(`Weights do not fit graph "${graph.name}":\n  ${problems.join("\n  ")}`);
  return { graph, weights: numbers };
}

/** The program's numbers as tensors again. */
export function toWeights(program: Program): ReadonlyMap<string, Tensor> {
  const weights = new Map<string, Tensor>();
  for (const node of program.graph.nodes) {
    const data = program.weights.get(node.name);
    if (isNode(node, "parameter") && data) weights.set(node.name, { dtype: "f32", shape: node.shape, data });
  }
  return weights;
}

/** What a rewrite sees of the old program and may put into the new one. */
export interface Rewriting {
  readonly old: Graph;
  readonly builder: GraphBuilder;
  /** The new value that stands for an old one. */
  value(old: ValueId): Value;
  /** The numbers of an old parameter. */
  numbers(old: ValueId): Float32Array;
  /** A new parameter with its numbers. Its name is made unique. */
  parameter(name: string, shape: Shape, numbers: Float32Array): Value;
  /** How many inputs and outputs of the graph read the old value. */
  useCount(old: ValueId): number;
}

/**
 * Rebuilds a program node by node. `visit` returns the new value for an old node, or undefined to keep the node as it is. When every
 * node was kept, the same program comes back.
 */
export function rewrite(program: Program, visit: (node: Node, to: Rewriting) => Value | undefined): Program {
  const { graph } = program;
  const builder = graphBuilder(graph.name);
  const weights = new Map<string, Float32Array>();
  const values: Value[] = [];
  const counts = useCounts(graph);
  const taken = new Set(graph.nodes.map((node) => node.name));
  const to: Rewriting = {
    old: graph,
    builder,
    value: (old) => values[old] as Value,
    numbers: (old) => program.weights.get(nodeOf(graph, old).name) as Float32Array,
    useCount: (old) => counts[old] as number,
    parameter(name, shape, numbers) {
      let unique = name;
      for (let i = 2; taken.has(unique); i++) unique = `${name}_${i}`;
      taken.add(unique);
      weights.set(unique, numbers);
      return builder.node(
        unique,
        { op: "parameter", shape, initializer: { kind: "constant", value: 0 }, trainable: false },
        [],
      );
    },
  };
  let changed = false;
  for (const node of graph.nodes) {
    const replacement = visit(node, to);
    if (replacement !== undefined) changed = true;
    values.push(replacement ?? builder.node(node.name, node.operation, node.inputs.map(to.value)));
    const numbers = program.weights.get(node.name);
    if (isNode(node, "parameter") && numbers) weights.set(node.name, numbers);
  }
  if (!changed) return program;
  const outputs = Object.fromEntries(graph.outputs.map(({ name, value }) => [name, to.value(value)]));
  return removeDeadNodes({ graph: builder.build(outputs), weights });
}

/** How often each value is read, by nodes (an input listed twice counts twice) and as an output. */
export function useCounts(graph: Graph): readonly number[] {
  const counts = new Array<number>(graph.nodes.length).fill(0);
  const count = (value: ValueId) => {
    counts[value] = (counts[value] ?? 0) + 1;
  };
  for (const node of graph.nodes) node.inputs.forEach(count);
  for (const output of graph.outputs) count(output.value);
  return counts;
}

/** Drops nodes that no output needs. Inputs stay: they are the caller's contract. */
export function removeDeadNodes(program: Program): Program {
  const { graph } = program;
  const users = usersOf(graph);
  const alive = new Set<ValueId>(graph.outputs.map((output) => output.value));
  for (const node of [...graph.nodes].reverse()) {
    if (isNode(node, "input") || (users[node.id] ?? []).some((user) => alive.has(user.id))) alive.add(node.id);
  }
  if (alive.size === graph.nodes.length) return program;
  const ids = new Map<ValueId, ValueId>();
  const nodes: Node[] = [];
  const weights = new Map<string, Float32Array>();
  for (const node of graph.nodes) {
    if (!alive.has(node.id)) continue;
    const id = nodes.length as ValueId;
    ids.set(node.id, id);
    nodes.push({ ...node, id, inputs: node.inputs.map((input) => ids.get(input) as ValueId) });
    const numbers = program.weights.get(node.name);
    if (numbers) weights.set(node.name, numbers);
  }
  const outputs = graph.outputs.map(({ name, value }) => ({ name, value: ids.get(value) as ValueId }));
  return { graph: { name: graph.name, nodes, outputs }, weights };
}
