import { OptionError, ShapeError, WeightsError } from "../errors.ts";
import { formatShape, type Shape, sameShape, type Tensor, toFloat32, type Weights } from "../tensor.ts";
import { type Graph, isNode, type Node, nodesOf, type ValueId, verifyGraph } from "./graph.ts";
import { interpretOperation } from "./interpret_operation.ts";
import type { Operand } from "./operand.ts";

/** How values are stored between nodes. Sums inside a node are always double. */
export type Precision = "f32" | "f64";

/** Numbers for an input: float32 in the input's memory order, or a tensor of the input's shape. */
export type InputNumbers = Float32Array | Tensor;

/** Options of `interpret`. */
export interface InterpretOptions<P extends Precision = "f32"> {
  /** Names of nodes whose values are returned too. */
  readonly keep?: readonly string[];
  /** Called before each node is computed, parameters and inputs included. */
  readonly onNode?: (node: Node, index: number, count: number) => void;
  /** Default `f32`, as compiled networks store their values. `f64` keeps double between nodes, for checks of gradients. */
  readonly precision?: P;
}

/** What `interpret` returns. */
export interface Interpretation<P extends Precision = "f32"> {
  /** By output name. */
  readonly outputs: Record<string, Tensor<P>>;
  /** By node name, as asked for by `keep`. */
  readonly kept: Record<string, Tensor<P>>;
}

/**
 * Runs a graph by the plainest loops: the specification that compiled networks are tested against. Sums are double; NaN and infinity
 * go through as IEEE 754 says. A value's memory is let go after its last use. Neither weights nor inputs are changed or returned.
 *
 * @param weights numbers of every parameter, by name; more than the graph needs may be there
 * @param inputs numbers of every input, by node name
 * @throws {GraphError | ShapeError} if the graph does not verify
 * @throws {WeightsError} listing every missing or mis-shaped parameter
 * @throws {ShapeError} listing every missing, unknown or mis-shaped input
 * @throws {OptionError} if `keep` names no node
 */
export function interpret<P extends Precision = "f32">(
  graph: Graph,
  weights: Weights,
  inputs: Readonly<Record<string, InputNumbers>>,
  options: InterpretOptions<P> = {},
): Interpretation<P> {
  verifyGraph(graph);
  checkWeights(graph, weights);
  checkInputs(graph, inputs);
  const kept = keptNodes(graph, options.keep ?? []);
  const precision = (options.precision ?? "f32") as P;
  const lastUse = lastUses(graph);
  const values: (Operand | undefined)[] = [];
  const give = (value: ValueId): Tensor<P> => copyOut(values[value] as Operand, precision);
  const keptValues: [string, Tensor<P>][] = [];
  const outputs = new Map<string, Tensor<P>>();

  for (const [index, node] of graph.nodes.entries()) {
    options.onNode?.(node, index, graph.nodes.length);
    values[index] = evaluate(node, values, weights, inputs, precision);
    if (kept.has(node.name)) keptValues.push([node.name, give(node.id)]);
    for (const output of graph.outputs) if (output.value === node.id) outputs.set(output.name, give(node.id));
    for (const value of [...node.inputs, node.id]) if ((lastUse[value] as number) <= index) values[value] = undefined;
  }
  return {
    // fromEntries makes own properties of every name, `__proto__` included.
    outputs: Object.fromEntries(graph.outputs.map(({ name }) => [name, outputs.get(name) as Tensor<P>])),
    kept: Object.fromEntries(keptValues),
  };
}

function evaluate(
  node: Node,
  values: readonly (Operand | undefined)[],
  weights: Weights,
  inputs: Readonly<Record<string, InputNumbers>>,
  precision: Precision,
): Operand {
  const { name, operation, shape } = node;
  if (operation.op === "parameter") return { shape, data: numbersOf(weights.get(name) as Tensor, precision) };
  if (operation.op === "input") return { shape, data: numbersOf(inputs[name] as InputNumbers, precision) };
  const output: Operand = { shape, data: zeros(shape, precision) };
  const operands = node.inputs.map((input) => values[input] as Operand);
  interpretOperation(operation, operands, output);
  return output;
}

function zeros(shape: Shape, precision: Precision): Operand["data"] {
  const count = shape.reduce((product, length) => product * length, 1);
  return precision === "f32" ? new Float32Array(count) : new Float64Array(count);
}

function numbersOf(source: InputNumbers, precision: Precision): Operand["data"] {
  if (precision === "f32") return source instanceof Float32Array ? source : toFloat32(source);
  if (source instanceof Float32Array) return Float64Array.from(source);
  return source.dtype === "f64" ? (source.data as Float64Array) : Float64Array.from(toFloat32(source));
}

/** A copy, so that what callers get never shares memory with their inputs, their weights or another output. */
function copyOut<P extends Precision>({ shape, data }: Operand, precision: P): Tensor<P> {
  return { dtype: precision, shape, data: data.slice() } as Tensor<P>;
}

/** For each value, the position of the last node that reads it; its own position where none does. */
function lastUses(graph: Graph): readonly number[] {
  const last = graph.nodes.map((_, index) => index);
  for (const [index, node] of graph.nodes.entries()) for (const input of node.inputs) last[input] = index;
  return last;
}

function keptNodes(graph: Graph, keep: readonly string[]): ReadonlySet<string> {
  const names = new Set(graph.nodes.map((node) => node.name));
  const unknown = keep.filter((name) => !names.has(name));
  if (unknown.length > 0) {
    throw new OptionError(`Graph "${graph.name}" has no node named ${unknown.map((name) => `"${name}"`).join(", ")}.`, {
      hint: "printGraph lists the names of the nodes.",
    });
  }
  return new Set(keep);
}

/** "expected 3x3x1x8, received 3x3x8x1", or what else is wrong with the numbers; undefined if nothing is. */
function mismatch(shape: Shape, numbers: InputNumbers): string | undefined {
  const count = shape.reduce((product, length) => product * length, 1);
  if (numbers instanceof Float32Array) {
    if (numbers.length === count) return undefined;
    return `expected ${count} numbers (${formatShape(shape)}), received ${numbers.length}`;
  }
  if (!sameShape(numbers.shape, shape)) {
    return `expected ${formatShape(shape)}, received ${formatShape(numbers.shape)}`;
  }
  if (numbers.data.length === count) return undefined;
  return `shape ${formatShape(shape)} needs ${count} elements, received ${numbers.data.length}`;
}

function checkWeights(graph: Graph, weights: Weights): void {
  const problems: string[] = [];
  for (const { name, shape } of nodesOf(graph, "parameter")) {
    const numbers = weights.get(name);
    const problem = numbers === undefined ? `missing, expected ${formatShape(shape)}` : mismatch(shape, numbers);
    if (problem !== undefined) problems.push(`"${name}": ${problem}`);
  }
  if (problems.length > 0) {
    throw new WeightsError(`The weights do not fit graph "${graph.name}":\n  ${problems.join("\n  ")}`);
  }
}

function checkInputs(graph: Graph, inputs: Readonly<Record<string, InputNumbers>>): void {
  const problems: string[] = [];
  const nodes = graph.nodes.filter((node) => isNode(node, "input"));
  for (const { name, shape } of nodes) {
    const numbers = Object.hasOwn(inputs, name) ? inputs[name] : undefined;
    const problem = numbers === undefined ? `missing, expected ${formatShape(shape)}` : mismatch(shape, numbers);
    if (problem !== undefined) problems.push(`"${name}": ${problem}`);
  }
  const known = new Set(nodes.map((node) => node.name));
  for (const name of Object.keys(inputs)) {
    if (!known.has(name)) problems.push(`"${name}": the graph has no such input; it has ${[...known].join(", ")}`);
  }
  if (problems.length > 0) {
    throw new ShapeError(`The inputs do not fit graph "${graph.name}":\n  ${problems.join("\n  ")}`);
  }
}
