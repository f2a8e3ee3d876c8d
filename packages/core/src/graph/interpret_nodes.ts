import { OptionError, ShapeError, WeightsError } from "../errors.ts";
import { elementCount, formatShape, type Shape, sameShape, type Tensor, toFloat32, type Weights } from "../tensor.ts";
import type { ValueId } from "./graph.ts";
import type { Operand } from "./operand.ts";

/** How values are stored between nodes. Sums inside a node are always double. */
export type Precision = "f32" | "f64";

/** Numbers for an input: float32 in the input's memory order, or a tensor of the input's shape. */
export type InputNumbers = Float32Array | Tensor;

/** What is interpreted: a graph's nodes, or a training step's, which has more operations. */
export interface Computation<O extends { readonly op: string }> {
  readonly name: string;
  /** In topological order. */
  readonly nodes: readonly ComputedNode<O>[];
  readonly outputs: readonly { readonly name: string; readonly value: ValueId }[];
}

interface ComputedNode<O extends { readonly op: string }> {
  readonly id: ValueId;
  readonly name: string;
  readonly operation: O;
  readonly inputs: readonly ValueId[];
  readonly shape: Shape;
}

/** Options of `interpretNodes`. */
export interface NodesOptions<O extends { readonly op: string }, P extends Precision> {
  readonly precision: P;
  readonly keep: readonly string[];
  readonly onNode?: ((node: Computation<O>["nodes"][number], index: number, count: number) => void) | undefined;
  /** Writes the output of an operation that is neither an input nor a parameter. */
  readonly compute: (operation: O, inputs: readonly Operand[], output: Operand) => void;
}

/** Runs nodes one after another. See `interpret` for what it promises; the nodes must have been verified. */
export function interpretNodes<O extends { readonly op: string }, P extends Precision>(
  computation: Computation<O>,
  weights: Weights,
  inputs: Readonly<Record<string, InputNumbers>>,
  options: NodesOptions<O, P>,
): { readonly outputs: Record<string, Tensor<P>>; readonly kept: Record<string, Tensor<P>> } {
  const { precision, compute } = options;
  checkWeights(computation, weights);
  checkInputs(computation, inputs);
  const kept = keptNodes(computation, options.keep);
  const lastUse = lastUses(computation);
  const values: (Operand | undefined)[] = [];
  const give = (value: ValueId): Tensor<P> => copyOut(values[value] as Operand, precision);
  const keptValues: [string, Tensor<P>][] = [];
  const outputs = new Map<string, Tensor<P>>();

  for (const [index, node] of computation.nodes.entries()) {
    options.onNode?.(node, index, computation.nodes.length);
    const { name, operation, shape } = node;
    if (operation.op === "parameter") {
      values[index] = { shape, data: numbersOf(weights.get(name) as Tensor, precision) };
    } else if (operation.op === "input") {
      values[index] = { shape, data: numbersOf(inputs[name] as InputNumbers, precision) };
    } else {
      const output: Operand = { shape, data: zeros(shape, precision) };
      const operands = node.inputs.map((input) => values[input] as Operand);
      compute(operation, operands, output);
      values[index] = output;
    }
    if (kept.has(name)) keptValues.push([name, give(node.id)]);
    for (const output of computation.outputs) if (output.value === node.id) outputs.set(output.name, give(node.id));
    for (const value of [...node.inputs, node.id]) if ((lastUse[value] as number) <= index) values[value] = undefined;
  }
  return {
    // fromEntries makes own properties of every name, `__proto__` included.
    outputs: Object.fromEntries(computation.outputs.map(({ name }) => [name, outputs.get(name) as Tensor<P>])),
    kept: Object.fromEntries(keptValues),
  };
}

function zeros(shape: Shape, precision: Precision): Operand["data"] {
  const count = elementCount(shape);
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

type AnyComputation = Computation<{ readonly op: string }>;

/** For each value, the position of the last node that reads it; its own position where none does. */
function lastUses({ nodes }: AnyComputation): readonly number[] {
  const last = nodes.map((_, index) => index);
  for (const [index, node] of nodes.entries()) for (const input of node.inputs) last[input] = index;
  return last;
}

function keptNodes(computation: AnyComputation, keep: readonly string[]): ReadonlySet<string> {
  const names = new Set(computation.nodes.map((node) => node.name));
  const unknown = keep.filter((name) => !names.has(name));
  if (unknown.length > 0) {
    throw new OptionError(
      `Graph "${computation.name}" has no node named ${unknown.map((name) => `"${name}"`).join(", ")}.`,
      { hint: "printGraph lists the names of the nodes." },
    );
  }
  return new Set(keep);
}

/** "expected 3x3x1x8, received 3x3x8x1", or what else is wrong with the numbers; undefined if nothing is. */
function mismatch(shape: Shape, numbers: InputNumbers): string | undefined {
  const count = elementCount(shape);
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

function checkWeights({ name: graphName, nodes }: AnyComputation, weights: Weights): void {
  const problems: string[] = [];
  for (const { name, shape } of nodes.filter(({ operation }) => operation.op === "parameter")) {
    const numbers = weights.get(name);
    const problem = numbers === undefined ? `missing, expected ${formatShape(shape)}` : mismatch(shape, numbers);
    if (problem !== undefined) problems.push(`"${name}": ${problem}`);
  }
  if (problems.length > 0) {
    throw new WeightsError(`The weights do not fit graph "${graphName}":\n  ${problems.join("\n  ")}`);
  }
}

function checkInputs({ name: graphName, nodes }: AnyComputation, inputs: Readonly<Record<string, InputNumbers>>): void {
  const problems: string[] = [];
  const expected = nodes.filter(({ operation }) => operation.op === "input");
  for (const { name, shape } of expected) {
    const numbers = Object.hasOwn(inputs, name) ? inputs[name] : undefined;
    const problem = numbers === undefined ? `missing, expected ${formatShape(shape)}` : mismatch(shape, numbers);
    if (problem !== undefined) problems.push(`"${name}": ${problem}`);
  }
  const known = new Set(expected.map((node) => node.name));
  for (const name of Object.keys(inputs)) {
    if (!known.has(name)) problems.push(`"${name}": the graph has no such input; it has ${[...known].join(", ")}`);
  }
  if (problems.length > 0) {
    throw new ShapeError(`The inputs do not fit graph "${graphName}":\n  ${problems.join("\n  ")}`);
  }
}
