/** What each operation of a TensorFlow graph that is read becomes. */
import type { Activation } from "@depthwise/core";
import { activate, clip, combine, scalarOf } from "../importer/arithmetic.ts";
import {
  concatenate,
  reshape,
  resolveShape,
  select,
  shapeOfValue,
  sliceRange,
  splitAxis,
  squeeze,
  transposeAxes,
  unsqueeze,
  wrapped,
} from "../importer/channels.ts";
import { type Arithmetic, foldCast, foldFill, foldUnary } from "../importer/fold.ts";
import { type Constant, type ForeignValue, integerConstant, type View } from "../importer/foreign_value.ts";
import { batchNorm, linear, softmax } from "../importer/layers.ts";
import { averageOver } from "../importer/windows.ts";
import type { GraphNode } from "./graph_node.ts";
import {
  readAveragePool,
  readConvolution,
  readDepthwiseConvolution,
  readMaxPool,
  readPad,
  readResizeBilinear,
  readResizeNearest,
} from "./read_graph_windows.ts";

/** Reads one node: the value of its first output, or of all. */
type Reader = (from: GraphNode) => ForeignValue | readonly ForeignValue[];

const readers: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  ["_FusedConv2D", (from) => fused(from, readConvolution)],
  ["_FusedMatMul", (from) => fused(from, readMatMul)],
  ["Add", arithmetic("add")],
  ["AddN", readSum],
  ["AddV2", arithmetic("add")],
  ["AvgPool", readAveragePool],
  ["BiasAdd", readBiasAdd],
  ["BiasAddV1", readBiasAdd],
  ["Cast", readCast],
  [
    "ClipByValue",
    (from) => clip(from.to, from.view(0), scalarOf(from.to, from.constant(1)), scalarOf(from.to, from.constant(2))),
  ],
  ["Concat", (from) => concatenate(from.to, from.inputs.slice(1), from.axis(from.value(1), from.numbers(0)[0]))],
  ["ConcatV2", (from) => concatenate(from.to, from.inputs.slice(0, -1), from.axis(from.value(0), from.numbers(-1)[0]))],
  ["Conv2D", (from) => readConvolution(from, undefined)],
  ["DepthwiseConv2d", (from) => readDepthwiseConvolution(from, undefined)],
  ["DepthwiseConv2dNative", (from) => readDepthwiseConvolution(from, undefined)],
  ["Div", arithmetic("divide")],
  ["ExpandDims", (from) => unsqueeze(from.to, from.value(0), from.numbers(1))],
  [
    "Fill",
    (from) =>
      foldFill(from.to.budget, from.numbers(0), scalarOf(from.to, from.constant(1)), from.constant(1).isInteger),
  ],
  ["FusedBatchNorm", readBatchNorm],
  ["FusedBatchNormV2", readBatchNorm],
  ["FusedBatchNormV3", readBatchNorm],
  ["FusedDepthwiseConv2dNative", (from) => fused(from, readDepthwiseConvolution)],
  ["GatherV2", readGather],
  ["Identity", (from) => from.value(0)],
  ["IdentityN", (from) => from.inputs],
  ["MatMul", (from) => readMatMul(from, undefined)],
  ["MaxPool", readMaxPool],
  ["Maximum", arithmetic("maximum")],
  ["Mean", readMean],
  ["Minimum", arithmetic("minimum")],
  ["Mul", arithmetic("multiply")],
  ["Neg", (from) => combine(from.to, "multiply", from.value(0), scalar(-1))],
  ["Pack", readPack],
  ["Pad", readPad],
  ["PadV2", readPad],
  ["PlaceholderWithDefault", (from) => from.value(0)],
  ["RealDiv", arithmetic("divide")],
  ["Relu", activation("relu")],
  ["Relu6", activation("relu6")],
  ["Reshape", readReshape],
  ["ResizeBilinear", readResizeBilinear],
  ["ResizeNearestNeighbor", readResizeNearest],
  ["Rsqrt", (from) => foldUnary(from.to.budget, from.constant(0), (value) => 1 / Math.sqrt(value))],
  ["Shape", (from) => shapeConstant(from.value(0))],
  ["Sigmoid", activation("sigmoid")],
  ["Slice", readSlice],
  ["Softmax", (from) => softmax(from.to, from.view(0), [from.view(0).axes.length - 1])],
  ["Split", readSplit],
  ["SplitV", readSplitByLengths],
  ["Sqrt", (from) => foldUnary(from.to.budget, from.constant(0), Math.sqrt)],
  ["Squeeze", readSqueeze],
  ["StopGradient", (from) => from.value(0)],
  ["StridedSlice", readStridedSlice],
  ["Sub", arithmetic("subtract")],
  ["Transpose", (from) => transposeAxes(from.to, from.value(0), from.numbers(1))],
]);

/** Reads one node: the values of its outputs. */
export function readOperation(from: GraphNode): readonly ForeignValue[] {
  const reader = readers.get(from.node.op);
  if (reader === undefined) throw from.to.unsupported("no operation of ours is this operation");
  const result = reader(from);
  return "kind" in result ? [result] : result;
}

function arithmetic(operation: Arithmetic): Reader {
  return (from) => combine(from.to, operation, from.value(0), from.value(1));
}

function activation(name: Activation): Reader {
  return (from) => activate(from.to, from.view(0), name);
}

function readSum(from: GraphNode): ForeignValue {
  const rest = from.inputs.slice(1);
  return rest.reduce((sum, input) => combine(from.to, "add", sum, input), from.value(0));
}

function scalar(value: number): Constant {
  return { kind: "constant", shape: [], data: Float32Array.of(value), isInteger: false };
}

/** Activations that operations take along, by their names there. */
const fusedActivations: ReadonlyMap<string, Activation> = new Map([
  ["Relu", "relu"],
  ["Relu6", "relu6"],
  ["Sigmoid", "sigmoid"],
]);

/** An operation that takes a bias and an activation along. */
function fused(from: GraphNode, read: (from: GraphNode, bias: Constant | undefined) => View): ForeignValue {
  const [first, ...rest] = from.texts("fused_ops");
  const hasBias = first === "BiasAdd";
  const [name, ...others] = hasBias ? rest : first === undefined ? rest : [first, ...rest];
  const activationName = name === undefined ? "none" : fusedActivations.get(name);
  if (activationName === undefined || others.length > 0) {
    throw from.to.unsupported(`takes along ${from.texts("fused_ops").slice(0, 8).join(", ")}`);
  }
  return activate(from.to, read(from, hasBias ? from.constant(2) : undefined), activationName, activationName);
}

function readBiasAdd(from: GraphNode): ForeignValue {
  const bias = from.constant(1);
  const isSecond = from.layout() === "NCHW" && shapeOfValue(from.value(0)).length === 4;
  return combine(from.to, "add", from.value(0), isSecond ? { ...bias, shape: [...bias.shape, 1, 1] } : bias);
}

function readBatchNorm(from: GraphNode): ForeignValue {
  if (from.boolean("is_training")) throw from.to.unsupported("is for training, by the statistics of the batch");
  const [gamma, beta, mean, variance] = [1, 2, 3, 4].map((position) => from.constant(position)) as [
    Constant,
    Constant,
    Constant,
    Constant,
  ];
  const axis = from.layout() === "NCHW" ? 1 : from.view(0).axes.length - 1;
  return batchNorm(from.to, from.view(0), axis, { gamma, beta, mean, variance, epsilon: from.float("epsilon", 1e-4) });
}

function readMatMul(from: GraphNode, bias: Constant | undefined): View {
  if (from.boolean("transpose_a")) throw from.to.unsupported("transposes what it multiplies");
  const view = from.view(0);
  if (view.axes.length !== 2) throw from.to.unsupported(`multiplies a tensor of ${view.axes.length} axes by a matrix`);
  return linear(from.to, view, { kernel: from.constant(1), isOutFirst: from.boolean("transpose_b"), bias });
}

function readMean(from: GraphNode): ForeignValue {
  const view = from.view(0);
  const axes = from.numbers(1).map((axis) => from.axis(view, axis));
  return averageOver(from.to, view, axes, from.boolean("keep_dims"));
}

function readReshape(from: GraphNode): ForeignValue {
  const value = from.value(0);
  return reshape(from.to, value, resolveShape(from.to, value, from.numbers(1), false));
}

function readSqueeze(from: GraphNode): ForeignValue {
  const axes = from.integers("squeeze_dims");
  return squeeze(from.to, from.value(0), axes.length === 0 ? undefined : axes);
}

function readGather(from: GraphNode): ForeignValue {
  const value = from.value(0);
  const axis = from.inputs.length > 2 ? from.axis(value, from.numbers(2)[0]) : 0;
  const length = shapeOfValue(value)[axis] as number;
  const indices = from.numbers(1);
  if (!indices.every((index) => index >= 0 && index < length)) {
    throw from.to.unsupported(`gathers from outside of ${length} positions`);
  }
  const taken = select(from.to, value, axis, indices);
  return reshape(from.to, taken, shapeOfValue(taken).toSpliced(axis, 1, ...from.constant(1).shape));
}

function readSlice(from: GraphNode): ForeignValue {
  const [begins, sizes] = [from.numbers(1), from.numbers(2)];
  const rank = shapeOfValue(from.value(0)).length;
  if (begins.length !== rank || sizes.length !== rank) throw from.to.unsupported(`slices ${rank} axes by other lists`);
  return begins.reduce((value: ForeignValue, begin, axis) => {
    const length = shapeOfValue(value)[axis] as number;
    const size = sizes[axis] as number;
    return select(from.to, value, axis, sliceRange(from.to, length, begin, size === -1 ? length : begin + size, 1));
  }, from.value(0));
}

/** Python's slices; a bit of each mask for each axis. */
function readStridedSlice(from: GraphNode): ForeignValue {
  const [begins, ends, steps] = [from.numbers(1), from.numbers(2), from.numbers(3)];
  const rank = shapeOfValue(from.value(0)).length;
  const isPlain = from.integer("ellipsis_mask", 0) === 0 && from.integer("new_axis_mask", 0) === 0;
  if (!isPlain || begins.length > rank || ends.length !== begins.length || steps.length !== begins.length) {
    throw from.to.unsupported("slices with an ellipsis, new axes, or lists of several lengths");
  }
  const has = (mask: string, axis: number): boolean => ((from.integer(mask, 0) >> axis) & 1) === 1;
  const removed: number[] = [];
  const sliced = begins.reduce((value: ForeignValue, begin, axis) => {
    const length = shapeOfValue(value)[axis] as number;
    const step = steps[axis] as number;
    if (has("shrink_axis_mask", axis)) {
      removed.push(axis);
      return select(from.to, value, axis, [wrapped(from.to, begin, length)]);
    }
    const first = has("begin_mask", axis) ? (step > 0 ? 0 : length - 1) : begin;
    const before = has("end_mask", axis) ? (step > 0 ? length : -length - 1) : (ends[axis] as number);
    return select(from.to, value, axis, sliceRange(from.to, length, first, before, step));
  }, from.value(0));
  return removed.length === 0 ? sliced : squeeze(from.to, sliced, removed);
}

function readSplit(from: GraphNode): readonly ForeignValue[] {
  const value = from.value(1);
  const axis = from.axis(value, from.numbers(0)[0]);
  const length = shapeOfValue(value)[axis] as number;
  const count = from.integer("num_split", 1);
  if (!(count >= 1 && length % count === 0)) throw from.to.unsupported(`cuts ${length} positions into ${count} parts`);
  from.to.budget.spend(100 * count, "Parts of a tensor");
  return splitAxis(from.to, value, axis, Array<number>(count).fill(length / count));
}

function readSplitByLengths(from: GraphNode): readonly ForeignValue[] {
  const value = from.value(0);
  const axis = from.axis(value, from.numbers(2)[0]);
  const lengths = from.numbers(1);
  const known = lengths.filter((each) => each >= 0).reduce((sum, each) => sum + each, 0);
  const rest = (shapeOfValue(value)[axis] as number) - known;
  return splitAxis(
    from.to,
    value,
    axis,
    lengths.map((each) => (each === -1 ? rest : each)),
  );
}

/** Types of whole numbers; what is computed stays as it is, for pictures may come as bytes. */
const integerTypes: ReadonlySet<unknown> = new Set([
  "DT_INT32",
  "DT_INT64",
  "DT_UINT8",
  "DT_INT8",
  "DT_BOOL",
  3,
  9,
  4,
  6,
  10,
]);

function readCast(from: GraphNode): ForeignValue {
  const value = from.value(0);
  const isInteger = integerTypes.has(from.type("DstT"));
  if (value.kind === "constant") return foldCast(from.to.budget, value, isInteger);
  if (!isInteger) return value;
  throw from.to.unsupported("makes integers of computed values");
}

function shapeConstant(value: ForeignValue): Constant {
  const shape = shapeOfValue(value);
  return integerConstant([shape.length], shape);
}

function readPack(from: GraphNode): ForeignValue {
  const axis = from.integer("axis", 0);
  const parts = from.inputs.map((input) => unsqueeze(from.to, input, [axis]));
  return concatenate(from.to, parts, from.axis(parts[0] ?? from.value(0), axis));
}
