import { GraphError, UnsupportedError, WeightsError } from "../errors.ts";
import { findNode, type Graph, isNode, type Node, nodeOf, type ValueId } from "../graph/graph.ts";
import type { OperationName, OperationOf, Pair, Window } from "../graph/operations.ts";
import { permutationOrder } from "../graph/permutation.ts";
import { type Shape, type Tensor, tensor, toFloat32, type Weights } from "../tensor.ts";

/** A stretch of a graph as one dense convolution. */
export interface ComposedKernel extends Window {
  readonly dilation: Pair;
  /** `[kh, kw, in, out]`: for a stretch of 1x1 convolutions the matrix `W_L P_{L-1} ... P_1 W_1`, transposed. */
  readonly kernel: Tensor<"f32">;
  /** `[out]`; zeros where no bias and no norm stand in the stretch. */
  readonly bias: Tensor<"f32">;
}

/** A value as an affine function of the first value: `taps` matrices `[in, channels]`, and an offset. */
interface Affine {
  readonly window: Window & { readonly kernel: Pair; readonly dilation: Pair };
  readonly channels: number;
  /** `[taps, in, channels]`. */
  readonly matrix: Float64Array;
  /** `[channels]`. */
  readonly offset: Float64Array;
}

interface Step {
  readonly node: Node;
  readonly inputs: readonly (Affine | undefined)[];
  /** Numbers of the node's parameters, by position among its inputs. */
  readonly numbers: (input: number) => Float32Array;
  /** `[kh, kw, in/groups, out]` of a convolution's kernel. */
  readonly kernelShape: Shape;
  /** Channels of the first value. */
  readonly rows: number;
}

type ComposeRule<K extends OperationName> = (operation: OperationOf<K>, step: Step) => Affine;

const noWindow: Affine["window"] = {
  kernel: [1, 1],
  stride: [1, 1],
  padding: { top: 0, bottom: 0, left: 0, right: 0 },
  dilation: [1, 1],
};

/**
 * Multiplies a stretch of convolutions, permutations and norms out into one dense convolution: IGCV2's composed kernel
 * `W_3 P_2 W_2 P_1 W_1` (arXiv:1804.06202, section 3). Convolved with it, the first value gives the second, to rounding.
 *
 * @param from name of the node whose output is the first value
 * @param to name of the node whose output is the second
 * @throws {GraphError} if a name is unknown, or nothing leads from one to the other
 * @throws {UnsupportedError} naming the node, if the stretch is no single convolution: an activation, a second window, a shift before a
 *   padded window
 * @throws {WeightsError} if a parameter has no numbers
 */
export function composeKernel(graph: Graph, weights: Weights, from: string, to: string): ComposedKernel {
  const [first, last] = [from, to].map((name) => {
    const node = findNode(graph, name);
    if (node === undefined) throw new GraphError(`Graph "${graph.name}" has no node "${name}".`);
    return node;
  }) as [Node, Node];
  const rows = first.shape.at(-1) ?? 1;
  const values = new Map<ValueId, Affine>([[first.id, identity(rows)]]);
  const needed = nodesBetween(graph, first, last);
  for (const node of graph.nodes.slice(first.id + 1, last.id + 1)) {
    if (!needed.has(node.id) || isNode(node, "parameter")) continue;
    const rule = composeRules[node.operation.op] as ComposeRule<OperationName>;
    const inputs = node.inputs.map((input) => values.get(input));
    const kernelShape = isNode(node, "convolution") ? nodeOf(graph, node.inputs[1] as ValueId).shape : [];
    const numbers = (input: number) => numbersOf(graph, weights, node, input);
    values.set(node.id, rule(node.operation, { node, inputs, rows, kernelShape, numbers }));
  }
  const result = values.get(last.id);
  if (result === undefined) throw new GraphError(`"${to}" does not depend on "${from}".`);
  const { kernel, ...window } = result.window;
  return {
    ...window,
    kernel: tensor([...kernel, rows, result.channels], Float32Array.from(result.matrix)),
    bias: tensor([result.channels], Float32Array.from(result.offset)),
  };
}

/** Nodes on a way from `first` to `last`, and what they need: `first`'s own inputs left out. */
function nodesBetween(graph: Graph, first: Node, last: Node): ReadonlySet<ValueId> {
  const needed = new Set<ValueId>([last.id]);
  for (let id = last.id; id > first.id; id--) {
    const node = graph.nodes[id] as Node;
    if (needed.has(node.id)) for (const input of node.inputs) needed.add(input);
  }
  return needed;
}

function numbersOf(graph: Graph, weights: Weights, node: Node, input: number): Float32Array {
  const { name } = nodeOf(graph, node.inputs[input] as ValueId);
  const found = weights.get(name);
  if (found === undefined) throw new WeightsError(`"${node.name}" needs numbers for "${name}", and there are none.`);
  return toFloat32(found);
}

function identity(channels: number): Affine {
  const matrix = new Float64Array(channels * channels);
  for (let c = 0; c < channels; c++) matrix[c * channels + c] = 1;
  return { window: noWindow, channels, matrix, offset: new Float64Array(channels) };
}

/** The value that the step reads first; every value in the stretch must come from the first one. */
function affine({ node, inputs }: Step, input: number = 0): Affine {
  const value = inputs[input];
  if (value === undefined) throw refusal(node, "reads a value from outside the stretch");
  return value;
}

function refusal(node: Node, why: string): UnsupportedError {
  return new UnsupportedError(`The stretch is no single convolution: ${node.operation.op} "${node.name}" ${why}.`, {
    hint: "End it before, or start it after.",
  });
}

const unlike = (_: unknown, { node }: Step): Affine => {
  throw refusal(node, "is not linear, or no convolution of one window");
};
const same = (_: unknown, step: Step): Affine => affine(step);

const composeRules = {
  input: unlike,
  parameter: unlike,
  convolution: composeConvolution,
  batch_norm: ({ epsilon }, step) => {
    const x = affine(step);
    const [gamma, beta, mean, variance] = [1, 2, 3, 4].map((input) => step.numbers(input)) as [
      Float32Array,
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    const scale = Float64Array.from(gamma, (value, c) => value / Math.sqrt((variance[c] as number) + epsilon));
    return {
      ...x,
      matrix: x.matrix.map((value, index) => value * (scale[index % x.channels] as number)),
      offset: x.offset.map((value, c) => (value - (mean[c] as number)) * (scale[c] as number) + (beta[c] as number)),
    };
  },
  activation: ({ activation }, step) => (activation === "none" ? affine(step) : unlike(undefined, step)),
  add: ({ activation }, step) => {
    if (activation !== "none") throw refusal(step.node, `applies ${activation}`);
    const [a, b] = [affine(step, 0), affine(step, 1)];
    expectSameWindow(step.node, [a, b]);
    return {
      ...a,
      matrix: a.matrix.map((value, index) => value + (b.matrix[index] as number)),
      offset: a.offset.map((value, index) => value + (b.offset[index] as number)),
    };
  },
  multiply: unlike,
  concatenate: (_, step) => {
    const parts = step.inputs.map((__, input) => affine(step, input));
    expectSameWindow(step.node, parts);
    // Gathering from all parts side by side: channel c of part p is column c of its matrix.
    const columns = parts.flatMap((part) =>
      Array.from({ length: part.channels }, (__, channel) => ({ part, channel })),
    );
    return columnsOf(parts[0] as Affine, columns);
  },
  slice: ({ start, count }, step) => {
    const part = affine(step);
    return columnsOf(
      part,
      Array.from({ length: count }, (_, c) => ({ part, channel: start + c })),
    );
  },
  permute: ({ permutation }, step) => {
    const part = affine(step);
    return columnsOf(
      part,
      permutationOrder(permutation, part.channels).map((channel) => ({ part, channel })),
    );
  },
  max_pool: unlike,
  average_pool: unlike,
  global_average_pool: unlike,
  linear: unlike,
  softmax: unlike,
  flatten: unlike,
  dropout: same,
  pad: unlike,
  resize: unlike,
} satisfies { readonly [K in OperationName]: ComposeRule<K> };

function composeConvolution(operation: OperationOf<"convolution">, step: Step): Affine {
  const { node, numbers, rows, kernelShape } = step;
  const x = affine(step);
  const { groups, bias, activation, residual, residualActivation, stride, padding, dilation } = operation;
  if (residual || activation !== "none" || residualActivation !== "none") {
    throw refusal(node, "has an activation or a residual");
  }
  const [kh = 1, kw = 1] = kernelShape;
  const isPadded = [padding.top, padding.bottom, padding.left, padding.right].some((cells) => cells > 0);
  const isPlain = [kh, kw, ...stride, ...dilation].every((value) => value === 1) && !isPadded;
  if (!isPlain && x.window !== noWindow) throw refusal(node, "is the second with a window, a stride or padding");
  if (isPadded && x.offset.some((value) => value !== 0)) {
    throw refusal(node, "pads with zeros a value that was shifted");
  }
  const weights: GroupedWeights = { numbers: numbers(1), groups, taps: kh * kw, outputs: node.shape[3] ?? 1 };
  const taps = isPlain ? x.matrix.length / (rows * x.channels) : kh * kw;
  const matrix = new Float64Array(taps * rows * weights.outputs);
  for (let tap = 0; tap < taps; tap++) {
    // Either x has one tap for all of the kernel's, or the kernel has one for all of x's.
    const [weightTap, xTap] = isPlain ? [0, tap] : [tap, 0];
    const xRows = x.matrix.subarray(xTap * rows * x.channels, (xTap + 1) * rows * x.channels);
    multiplyRows(xRows, x.channels, weights, weightTap, matrix.subarray(tap * rows * weights.outputs));
  }
  const offset = Float64Array.from(bias ? numbers(2) : new Float64Array(weights.outputs));
  for (let tap = 0; tap < weights.taps; tap++) multiplyRows(x.offset, x.channels, weights, tap, offset);
  const window = isPlain ? x.window : { kernel: [kh, kw] as const, stride, padding, dilation };
  return { window, channels: weights.outputs, matrix, offset };
}

interface GroupedWeights {
  /** `[taps, channels/groups, outputs]`. */
  readonly numbers: Float32Array;
  readonly groups: number;
  readonly taps: number;
  readonly outputs: number;
}

/** Adds `x[rows, channels]` times one tap of the weights to `result[rows, outputs]`. */
function multiplyRows(
  x: Float64Array,
  channels: number,
  weights: GroupedWeights,
  tap: number,
  result: Float64Array,
): void {
  const { numbers, groups, outputs } = weights;
  const [inputsPerGroup, outputsPerGroup] = [channels / groups, outputs / groups];
  for (let row = 0; row < x.length / channels; row++) {
    for (let ic = 0; ic < channels; ic++) {
      const value = x[row * channels + ic] as number;
      if (value === 0) continue;
      const first = Math.floor(ic / inputsPerGroup) * outputsPerGroup;
      const weightRow = (tap * inputsPerGroup + (ic % inputsPerGroup)) * outputs;
      for (let oc = first; oc < first + outputsPerGroup; oc++) {
        const sum = (result[row * outputs + oc] as number) + value * (numbers[weightRow + oc] as number);
        result[row * outputs + oc] = sum;
      }
    }
  }
}

/** A value whose channel `c` is a channel of another one. All have the same window. */
function columnsOf(like: Affine, columns: readonly { readonly part: Affine; readonly channel: number }[]): Affine {
  const rows = like.matrix.length / like.channels;
  const channels = columns.length;
  const matrix = new Float64Array(rows * channels);
  const offset = new Float64Array(channels);
  for (const [c, { part, channel }] of columns.entries()) {
    offset[c] = part.offset[channel] as number;
    for (let row = 0; row < rows; row++)
      matrix[row * channels + c] = part.matrix[row * part.channels + channel] as number;
  }
  return { window: like.window, channels, matrix, offset };
}

function expectSameWindow(node: Node, parts: readonly Affine[]): void {
  const [first, ...others] = parts.map(({ window }) => JSON.stringify(window));
  if (others.some((other) => other !== first)) throw refusal(node, "joins values of different windows");
}
