import { WeightsError } from "../errors.ts";
import { graphBuilder, type Value } from "../graph/builder.ts";
import { type Graph, isNode, type Node, nodeOf, usersOf, type ValueId } from "../graph/graph.ts";
import type { Operation } from "../graph/operations.ts";
import { formatShape, type Shape, sameShape, type Tensor, toFloat32 } from "../tensor.ts";

/** A graph and the numbers of its parameters: what passes rewrite. */
export interface Program {
  readonly graph: Graph;
  readonly weights: ReadonlyMap<string, Float32Array>;
}

/**
 * One rewrite. Pure: it returns the same object when nothing changed, as it does when it is run on its own result. What no output needs
 * is dropped on the way.
 */
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
  /** A new node. Its name is made unique. */
  node(name: string, operation: Operation, inputs: readonly Value[]): Value;
  /** The new value that stands for an old one. */
  value(old: ValueId): Value;
  /** The numbers of an old parameter. */
  numbers(old: ValueId): Float32Array;
  /** A new parameter with its numbers. Its name is made unique. */
  parameter(name: string, shape: Shape, numbers: Float32Array): Value;
  /** How many inputs and outputs of the graph read the old value. */
  useCount(old: ValueId): number;
}

/** Returns the new value for an old node, or undefined to keep the node as it is. */
export type Visit = (node: Node, to: Rewriting) => Value | undefined;

/** Rewrites again until nothing changes: for rewrites that make room for one another. */
export function rewriteFully(program: Program, visit: Visit): Program {
  let current = program;
  for (let next = rewrite(current, visit); next !== current; next = rewrite(current, visit)) current = next;
  return current;
}

/** Rebuilds a program node by node. When every node was kept and is needed, the same program comes back. */
export function rewrite(unpruned: Program, visit: Visit): Program {
  // First, so that reads by nodes that nobody needs do not keep others from being fused.
  const program = removeDeadNodes(unpruned);
  const { graph } = program;
  const builder = graphBuilder(graph.name);
  const weights = new Map<string, Float32Array>();
  const values: Value[] = [];
  const counts = useCounts(graph);
  // Names of nodes still to come are taken: those that are kept come back under them.
  const taken = new Set(graph.nodes.map((node) => node.name));
  const uniqueName = (name: string) => {
    let unique = name;
    for (let i = 2; taken.has(unique); i++) unique = `${name}_${i}`;
    taken.add(unique);
    return unique;
  };
  const to: Rewriting = {
    old: graph,
    node: (name, operation, inputs) => builder.node(uniqueName(name), operation, inputs),
    value: (old) => values[old] as Value,
    numbers: (old) => program.weights.get(nodeOf(graph, old).name) as Float32Array,
    useCount: (old) => counts[old] as number,
    parameter(name, shape, numbers) {
      const unique = uniqueName(name);
      weights.set(unique, numbers);
      // The numbers are there already: how they would be drawn does not matter.
      const operation = {
        op: "parameter",
        shape,
        initializer: { kind: "constant", value: 0 },
        trainable: false,
      } as const;
      return builder.node(unique, operation, []);
    },
  };
  let changed = false;
  for (const node of graph.nodes) {
    // What replaces a node may have its name.
    taken.delete(node.name);
    const replacement = visit(node, to);
    taken.add(node.name);
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
