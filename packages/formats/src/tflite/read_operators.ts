/** What each TFLite operator that is read becomes. */
import type { Activation } from "@depthwise/core";
import { activate, combine } from "../importer/arithmetic.ts";
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
} from "../importer/channels.ts";
import { type Arithmetic, foldCast } from "../importer/fold.ts";
import { type Constant, type ForeignValue, integerConstant, type View } from "../importer/foreign_value.ts";
import { linear, softmax } from "../importer/layers.ts";
import { averageOver } from "../importer/windows.ts";
import type { OperatorReader } from "./operator_reader.ts";
import {
  readAveragePool,
  readConvolution,
  readDepthwiseConvolution,
  readMaxPool,
  readPad,
  readResizeBilinear,
  readResizeNearest,
} from "./read_windows.ts";

/** Reads one operator: the value of its first output, or of all. */
type Reader = (from: OperatorReader) => ForeignValue | readonly ForeignValue[];

/** An operator that is read. */
interface ReadOperator {
  /** Its name in the schema. */
  readonly name: string;
  readonly read: Reader;
  /** Place of the activation among the options, of operators that take one along. */
  readonly activation?: number;
}

/** By BuiltinOperator. */
const operators: ReadonlyMap<number, ReadOperator> = new Map<number, ReadOperator>([
  [0, { name: "ADD", read: arithmetic("add"), activation: 0 }],
  [1, { name: "AVERAGE_POOL_2D", read: readAveragePool, activation: 5 }],
  [2, { name: "CONCATENATION", read: readConcatenation, activation: 1 }],
  [3, { name: "CONV_2D", read: readConvolution, activation: 3 }],
  [4, { name: "DEPTHWISE_CONV_2D", read: readDepthwiseConvolution, activation: 4 }],
  [6, { name: "DEQUANTIZE", read: (from) => from.value(0) }],
  [9, { name: "FULLY_CONNECTED", read: readFullyConnected, activation: 0 }],
  [14, { name: "LOGISTIC", read: activation("sigmoid") }],
  [17, { name: "MAX_POOL_2D", read: readMaxPool, activation: 5 }],
  [18, { name: "MUL", read: arithmetic("multiply"), activation: 0 }],
  [19, { name: "RELU", read: activation("relu") }],
  [21, { name: "RELU6", read: activation("relu6") }],
  [22, { name: "RESHAPE", read: readReshape }],
  [23, { name: "RESIZE_BILINEAR", read: readResizeBilinear }],
  [25, { name: "SOFTMAX", read: readSoftmax }],
  [34, { name: "PAD", read: readPad }],
  [36, { name: "GATHER", read: readGather }],
  [39, { name: "TRANSPOSE", read: (from) => transposeAxes(from.to, from.value(0), from.numbers(1) ?? []) }],
  [40, { name: "MEAN", read: readMean }],
  [41, { name: "SUB", read: arithmetic("subtract"), activation: 0 }],
  [42, { name: "DIV", read: arithmetic("divide"), activation: 0 }],
  [43, { name: "SQUEEZE", read: readSqueeze }],
  [45, { name: "STRIDED_SLICE", read: readStridedSlice }],
  [49, { name: "SPLIT", read: readSplit }],
  [53, { name: "CAST", read: readCast }],
  [55, { name: "MAXIMUM", read: arithmetic("maximum") }],
  [57, { name: "MINIMUM", read: arithmetic("minimum") }],
  [60, { name: "PADV2", read: readPad }],
  [65, { name: "SLICE", read: readSlice }],
  [70, { name: "EXPAND_DIMS", read: (from) => unsqueeze(from.to, from.value(0), from.numbers(1) ?? []) }],
  [77, { name: "SHAPE", read: readShape }],
  [83, { name: "PACK", read: readPack }],
  [88, { name: "UNPACK", read: readUnpack }],
  [97, { name: "RESIZE_NEAREST_NEIGHBOR", read: readResizeNearest }],
  [102, { name: "SPLIT_V", read: readSplitByLengths }],
  [114, { name: "QUANTIZE", read: (from) => from.value(0) }],
  [117, { name: "HARD_SWISH", read: activation("hard_swish") }],
]);

/** ActivationFunctionType: those that are read. */
const activations: ReadonlyMap<number, Activation> = new Map([
  [0, "none"],
  [1, "relu"],
  [3, "relu6"],
]);

/** Name of an operator, for messages. */
export function operatorName(code: number, customCode: string | undefined): string {
  return operators.get(code)?.name ?? customCode ?? `operator ${code}`;
}

/** Reads one operator: the values of its outputs. */
export function readOperator(from: OperatorReader): readonly ForeignValue[] {
  const { code, options } = from.operator;
  const operator = operators.get(code);
  if (operator === undefined) throw from.to.unsupported("no operation of ours is this operator");
  const result = operator.read(from);
  const values: readonly ForeignValue[] = "kind" in result ? [result] : result;
  const number = operator.activation === undefined ? 0 : (options?.int8(operator.activation) ?? 0);
  const fused = activations.get(number);
  if (fused === undefined) throw from.to.unsupported(`takes along activation ${number} (ActivationFunctionType)`);
  return values.map((value) => (value.kind === "view" ? activate(from.to, value, fused, fused) : value));
}

function arithmetic(operation: Arithmetic): Reader {
  return (from) => combine(from.to, operation, from.value(0), from.value(1));
}

function activation(name: Activation): Reader {
  return (from) => activate(from.to, from.view(0), name);
}

function readConcatenation(from: OperatorReader): ForeignValue {
  return concatenate(from.to, from.inputs, from.axis(from.value(0), from.options().int32(0)));
}

function readFullyConnected(from: OperatorReader): ForeignValue {
  const { options } = from.operator;
  if ((options?.int8(1) ?? 0) !== 0) throw from.to.unsupported("has weights in a shuffled format");
  const kernel = from.constant(1);
  const view = from.view(0);
  const length = kernel.shape[1] ?? 0;
  const keepsAxes = options?.bool(2) ?? false;
  const x = keepsAxes ? view : (reshape(from.to, view, resolveShape(from.to, view, [-1, length], false)) as View);
  return linear(from.to, x, { kernel, isOutFirst: true, bias: from.optional(2) });
}

function readReshape(from: OperatorReader): ForeignValue {
  const value = from.value(0);
  const wanted = from.numbers(1) ?? from.operator.options?.int32s(0) ?? [];
  return reshape(from.to, value, resolveShape(from.to, value, wanted, false));
}

function readSoftmax(from: OperatorReader): ForeignValue {
  const view = from.view(0);
  const beta = from.options().float32(0);
  return softmax(from.to, beta === 1 ? view : from.to.withAffine(view, beta, 0), [view.axes.length - 1]);
}

function readGather(from: OperatorReader): ForeignValue {
  const value = from.value(0);
  const { options } = from.operator;
  if ((options?.int32(1) ?? 0) !== 0) throw from.to.unsupported("gathers for each of a batch by itself");
  const axis = from.axis(value, options?.int32(0) ?? 0);
  const length = shapeOfValue(value)[axis] as number;
  const indices = from.numbers(1) ?? [];
  if (!indices.every((index) => index >= 0 && index < length))
    throw from.to.unsupported(`gathers from outside of ${length}`);
  const taken = select(from.to, value, axis, indices);
  return reshape(from.to, taken, shapeOfValue(taken).toSpliced(axis, 1, ...from.constant(1).shape));
}

function readMean(from: OperatorReader): ForeignValue {
  const view = from.view(0);
  const axes = (from.numbers(1) ?? []).map((axis) => from.axis(view, axis));
  return averageOver(from.to, view, axes, from.operator.options?.bool(0) ?? false);
}

function readSqueeze(from: OperatorReader): ForeignValue {
  const axes = from.operator.options?.int32s(0) ?? [];
  return squeeze(from.to, from.value(0), axes.length === 0 ? undefined : axes);
}

function readSlice(from: OperatorReader): ForeignValue {
  const [begins, sizes] = [from.numbers(1) ?? [], from.numbers(2) ?? []];
  const rank = shapeOfValue(from.value(0)).length;
  if (begins.length !== rank || sizes.length !== rank) throw from.to.unsupported(`slices ${rank} axes by other lists`);
  return begins.reduce((value: ForeignValue, begin, axis) => {
    const length = shapeOfValue(value)[axis] as number;
    const size = sizes[axis] as number;
    return select(from.to, value, axis, sliceRange(from.to, length, begin, size === -1 ? length : begin + size, 1));
  }, from.value(0));
}

/** Python's slices of all axes; a bit of each mask for each axis. */
function readStridedSlice(from: OperatorReader): ForeignValue {
  const options = from.options();
  const [begins, ends, steps] = [from.numbers(1) ?? [], from.numbers(2) ?? [], from.numbers(3) ?? []];
  const rank = shapeOfValue(from.value(0)).length;
  const isPlain = options.int32(2) === 0 && options.int32(3) === 0 && !options.bool(5);
  if (!isPlain || begins.length > rank || ends.length !== begins.length || steps.length !== begins.length) {
    throw from.to.unsupported("slices with an ellipsis, new axes, or lists of several lengths");
  }
  const has = (field: number, axis: number): boolean => ((options.int32(field) >> axis) & 1) === 1;
  const removed: number[] = [];
  const sliced = begins.reduce((value: ForeignValue, begin, axis) => {
    const length = shapeOfValue(value)[axis] as number;
    const step = steps[axis] as number;
    if (has(4, axis)) {
      removed.push(axis);
      return select(from.to, value, axis, [from.axisPosition(begin, length)]);
    }
    const first = has(0, axis) ? (step > 0 ? 0 : length - 1) : begin;
    const before = has(1, axis) ? (step > 0 ? length : -length - 1) : (ends[axis] as number);
    return select(from.to, value, axis, sliceRange(from.to, length, first, before, step));
  }, from.value(0));
  return removed.length === 0 ? sliced : squeeze(from.to, sliced, removed);
}

function readSplit(from: OperatorReader): readonly ForeignValue[] {
  const value = from.value(1);
  const axis = from.axis(value, from.numbers(0)?.[0] ?? 0);
  const count = from.options().int32(0);
  const length = shapeOfValue(value)[axis] as number;
  if (count !== from.operator.outputs.length) throw from.to.unsupported(`cuts into ${count} parts for other outputs`);
  return splitAxis(from.to, value, axis, Array<number>(count).fill(length / count));
}

function readSplitByLengths(from: OperatorReader): readonly ForeignValue[] {
  const value = from.value(0);
  const axis = from.axis(value, from.numbers(2)?.[0] ?? 0);
  const lengths = from.numbers(1) ?? [];
  const rest =
    (shapeOfValue(value)[axis] as number) - lengths.filter((each) => each >= 0).reduce((sum, each) => sum + each, 0);
  return splitAxis(
    from.to,
    value,
    axis,
    lengths.map((each) => (each === -1 ? rest : each)),
  );
}

function readCast(from: OperatorReader): ForeignValue {
  const value = from.value(0);
  // CastOptions: in_data_type, out_data_type; files without them leave floats floats.
  const isInteger = ![0, 1, 10].includes(from.operator.options?.int8(1) ?? 0);
  if (value.kind === "constant") return foldCast(from.to.budget, value, isInteger);
  if (!isInteger) return value;
  throw from.to.unsupported("makes integers of computed values");
}

function readShape(from: OperatorReader): Constant {
  const shape = shapeOfValue(from.value(0));
  return integerConstant([shape.length], shape);
}

function readPack(from: OperatorReader): ForeignValue {
  const axis = from.options().int32(1);
  const parts = from.inputs.map((input) => unsqueeze(from.to, input, [axis]));
  return concatenate(from.to, parts, from.axis(parts[0] ?? from.value(0), axis));
}

function readUnpack(from: OperatorReader): readonly ForeignValue[] {
  const value = from.value(0);
  const axis = from.axis(value, from.options().int32(1));
  const length = shapeOfValue(value)[axis] as number;
  const parts = splitAxis(from.to, value, axis, Array<number>(Math.min(length, from.operator.outputs.length)).fill(1));
  return parts.map((part) => squeeze(from.to, part, [axis]));
}
