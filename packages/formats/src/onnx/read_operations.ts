/** What each ONNX operator that is read becomes. */
import { elementCount } from "@depthwise/core";
import { activate, clip, combine, scalarOf } from "../importer/arithmetic.ts";
import { shapeOf } from "../importer/axes.ts";
import {
  concatenate,
  MOST_AXES,
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
import { dequantize, foldBroadcast, foldCast, foldFill, foldUnary } from "../importer/fold.ts";
import {
  type Constant,
  type ForeignValue,
  floatConstant,
  integerConstant,
  type View,
} from "../importer/foreign_value.ts";
import { batchNorm, linear, softmax } from "../importer/layers.ts";
import { dequantized, quantized } from "../importer/quantization.ts";
import { averageOver, globalMaxPool } from "../importer/windows.ts";
import type { NodeReader } from "./node_reader.ts";
import { readAveragePool, readConvolution, readMaxPool, readPad, readResize } from "./read_windows.ts";
import { constantOf, isFloatType, readTensor } from "./tensors.ts";

/** Reads one node: the value of its first output, or of all. */
type Reader = (from: NodeReader) => ForeignValue | readonly ForeignValue[];

const readers: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  ["Conv", readConvolution],
  ["MaxPool", readMaxPool],
  ["AveragePool", readAveragePool],
  ["Pad", readPad],
  ["Resize", readResize],
  ["Upsample", readResize],
  ["GlobalAveragePool", (from) => averageOver(from.to, from.view(0), axesFrom(from.view(0), 2), true)],
  ["GlobalMaxPool", (from) => globalMaxPool(from.to, from.view(0), "NCHW")],
  ["ReduceMean", readReduceMean],
  ["BatchNormalization", readBatchNorm],
  ["Relu", (from) => activate(from.to, from.view(0), "relu")],
  ["Sigmoid", (from) => activate(from.to, from.view(0), "sigmoid")],
  ["HardSwish", (from) => activate(from.to, from.view(0), "hard_swish")],
  ["HardSigmoid", readHardSigmoid],
  ["Clip", readClip],
  ["Softmax", readSoftmax],
  ["Gemm", readGemm],
  ["MatMul", readMatMul],
  ["Add", (from) => combine(from.to, "add", from.value(0), from.value(1))],
  ["Sub", (from) => combine(from.to, "subtract", from.value(0), from.value(1))],
  ["Mul", (from) => combine(from.to, "multiply", from.value(0), from.value(1))],
  ["Div", (from) => combine(from.to, "divide", from.value(0), from.value(1))],
  ["Sum", (from) => from.inputs.slice(1).reduce((sum, each) => combine(from.to, "add", sum, each), from.value(0))],
  ["Max", (from) => from.inputs.slice(1).reduce((sum, each) => combine(from.to, "maximum", sum, each), from.value(0))],
  ["Min", (from) => from.inputs.slice(1).reduce((sum, each) => combine(from.to, "minimum", sum, each), from.value(0))],
  ["Concat", (from) => concatenate(from.to, from.inputs, from.axis(from.value(0), 1))],
  ["Split", readSplit],
  ["Slice", readSlice],
  ["Gather", readGather],
  ["Reshape", readReshape],
  ["Flatten", readFlatten],
  ["Squeeze", (from) => squeeze(from.to, from.value(0), axesOf(from))],
  ["Unsqueeze", (from) => unsqueeze(from.to, from.value(0), axesOf(from) ?? [])],
  ["Transpose", readTranspose],
  ["Expand", readExpand],
  ["Identity", (from) => from.value(0)],
  ["Dropout", (from) => from.value(0)],
  ["Cast", readCast],
  ["Constant", readConstant],
  ["ConstantOfShape", readConstantOfShape],
  ["Shape", readShape],
  ["Floor", (from) => foldUnary(from.to.budget, from.constant(0), Math.floor)],
  ["Ceil", (from) => foldUnary(from.to.budget, from.constant(0), Math.ceil)],
  ["Sqrt", (from) => foldUnary(from.to.budget, from.constant(0), Math.sqrt)],
  ["Reciprocal", (from) => foldUnary(from.to.budget, from.constant(0), (value) => 1 / value)],
  ["Neg", readNegative],
  ["QuantizeLinear", readQuantize],
  ["DequantizeLinear", readDequantize],
]);

/** Reads one node: the values of its outputs that have any. */
export function readOperation(from: NodeReader): readonly ForeignValue[] {
  const { opType, domain } = from.node;
  const read = domain === "" || domain === "ai.onnx" ? readers.get(opType) : undefined;
  if (read === undefined) {
    const isQuantized = opType.startsWith("QLinear") || opType.endsWith("Integer");
    throw from.to.unsupported(
      `no operation of ours is ${domain === "" ? "" : `${domain}.`}${opType}`,
      isQuantized
        ? "Export quantised models in the QDQ form: QuantizeLinear and DequantizeLinear around floats."
        : undefined,
    );
  }
  const values = read(from);
  return "kind" in values ? [values] : values;
}

/** All axes from one on. */
function axesFrom(view: View, first: number): readonly number[] {
  return view.axes.map((_, axis) => axis).slice(first);
}

/** The axes that are an attribute in old files and an input in new ones. */
function axesOf(from: NodeReader): readonly number[] | undefined {
  return from.numbers(1) ?? from.ints("axes");
}

function readReduceMean(from: NodeReader): ForeignValue {
  const view = from.view(0);
  const axes = axesOf(from) ?? [];
  const rank = view.axes.length;
  if (axes.length === 0 && from.int("noop_with_empty_axes", 0) !== 0) return view;
  const wanted = axes.length === 0 ? axesFrom(view, 0) : axes.map((axis) => wrapped(from.to, axis, rank));
  return averageOver(from.to, view, wanted, from.int("keepdims", 1) !== 0);
}

function readBatchNorm(from: NodeReader): ForeignValue {
  if (from.int("spatial", 1) === 0 || from.int("training_mode", 0) !== 0) {
    throw from.to.unsupported("is a batch norm of each position, or in training mode");
  }
  return batchNorm(from.to, from.view(0), 1, {
    gamma: from.constant(1),
    beta: from.constant(2),
    mean: from.constant(3),
    variance: from.constant(4),
    epsilon: from.float("epsilon", 1e-5),
  });
}

/** max(0, min(1, alpha·x + beta)), as ours of a scaled x: relu6(y + 3)/6 for y = 6·(alpha·x + beta) − 3. */
function readHardSigmoid(from: NodeReader): ForeignValue {
  const [scale, shift] = [6 * from.float("alpha", 0.2), 6 * from.float("beta", 0.5) - 3];
  // Float32's sixth is not a sixth.
  const isOurs = Math.abs(scale - 1) < 1e-5 && Math.abs(shift) < 1e-5;
  return activate(from.to, isOurs ? from.view(0) : from.to.withAffine(from.view(0), scale, shift), "hard_sigmoid");
}

function readClip(from: NodeReader): ForeignValue {
  const isAttribute = from.opset < 11;
  const least = isAttribute ? from.float("min", Number.NEGATIVE_INFINITY) : from.number(1);
  const greatest = isAttribute ? from.float("max", Number.POSITIVE_INFINITY) : from.number(2);
  return clip(from.to, from.view(0), least ?? Number.NEGATIVE_INFINITY, greatest ?? Number.POSITIVE_INFINITY);
}

/** Before operator set 13 all axes from the given one on are taken as one. */
function readSoftmax(from: NodeReader): ForeignValue {
  const view = from.view(0);
  const axis = from.axis(view, from.opset < 13 ? 1 : -1);
  return softmax(from.to, view, from.opset < 13 ? axesFrom(view, axis) : [axis]);
}

function readGemm(from: NodeReader): ForeignValue {
  const view = from.view(0);
  if (view.axes.length !== 2) throw from.to.unsupported(`multiplies a tensor of ${view.axes.length} axes as a matrix`);
  const x = from.int("transA", 0) === 0 ? view : transposeAxes(from.to, view, [1, 0]);
  const product = linear(from.to, x as View, {
    kernel: from.constant(1),
    isOutFirst: from.int("transB", 0) !== 0,
    scale: from.float("alpha", 1),
    bias: undefined,
  });
  const offset = from.optional(2);
  if (offset === undefined) return product;
  const beta = from.float("beta", 1);
  const scaled = beta === 1 ? offset : combine(from.to, "multiply", offset, floatConstant([], Float32Array.of(beta)));
  return combine(from.to, "add", product, scaled);
}

function readMatMul(from: NodeReader): ForeignValue {
  const [kernel, extra] = [from.constant(1), from.constant(1).shape.slice(0, -2)];
  const matrix = elementCount(extra) === 1 ? { ...kernel, shape: kernel.shape.slice(-2) } : kernel;
  return linear(from.to, from.view(0), {
    kernel: extra.length === 0 ? kernel : matrix,
    isOutFirst: false,
    bias: undefined,
  });
}

function readSplit(from: NodeReader): readonly ForeignValue[] {
  const value = from.value(0);
  const axis = from.axis(value, 0);
  const length = shapeOfValue(value)[axis] as number;
  const count = from.node.outputs.length;
  const given = from.numbers(1) ?? from.ints("split") ?? [];
  const each = Math.ceil(length / count);
  const even = Array.from({ length: count }, (_, i) => Math.min(each, length - i * each));
  return splitAxis(from.to, value, axis, given.length === 0 ? even : given);
}

function readSlice(from: NodeReader): ForeignValue {
  const isAttribute = from.opset < 10;
  const starts = (isAttribute ? from.ints("starts") : from.numbers(1)) ?? [];
  const ends = (isAttribute ? from.ints("ends") : from.numbers(2)) ?? [];
  const axes = (isAttribute ? from.ints("axes") : from.numbers(3)) ?? starts.map((_, i) => i);
  const steps = (isAttribute ? undefined : from.numbers(4)) ?? starts.map(() => 1);
  if (new Set([starts.length, ends.length, axes.length, steps.length]).size !== 1 || starts.length > MOST_AXES) {
    throw from.to.unsupported("has lists of starts, ends, axes and steps of several lengths");
  }
  return axes.reduce((value: ForeignValue, each, i) => {
    const shape = shapeOfValue(value);
    const axis = wrapped(from.to, each, shape.length);
    const length = shape[axis] as number;
    const indices = sliceRange(from.to, length, starts[i] as number, ends[i] as number, steps[i] as number);
    return select(from.to, value, axis, indices);
  }, from.value(0));
}

function readGather(from: NodeReader): ForeignValue {
  const value = from.value(0);
  const axis = from.axis(value, 0);
  const indices = from.constant(1);
  const length = shapeOfValue(value)[axis] as number;
  const wanted = (from.numbers(1) ?? []).map((index) => wrapped(from.to, index, length));
  const taken = select(from.to, value, axis, wanted);
  // One number takes the axis away, a list keeps it, a table would make two of it.
  return reshape(from.to, taken, shapeOfValue(taken).toSpliced(axis, 1, ...indices.shape));
}

function readReshape(from: NodeReader): ForeignValue {
  const value = from.value(0);
  const wanted = from.numbers(1) ?? from.ints("shape") ?? [];
  return reshape(from.to, value, resolveShape(from.to, value, wanted, from.int("allowzero", 0) === 0));
}

function readFlatten(from: NodeReader): ForeignValue {
  const value = from.value(0);
  const shape = shapeOfValue(value);
  const axis = from.int("axis", 1);
  const position = axis === shape.length ? axis : wrapped(from.to, axis, shape.length);
  return reshape(from.to, value, [elementCount(shape.slice(0, position)), elementCount(shape.slice(position))]);
}

function readTranspose(from: NodeReader): ForeignValue {
  const value = from.value(0);
  const reversed = shapeOfValue(value)
    .map((_, axis) => axis)
    .toReversed();
  return transposeAxes(from.to, value, from.ints("perm") ?? reversed);
}

function readExpand(from: NodeReader): ForeignValue {
  const value = from.value(0);
  const wanted = from.numbers(1) ?? [];
  if (wanted.length > MOST_AXES) throw from.to.unsupported(`makes a tensor of ${wanted.length} axes`);
  if (value.kind === "constant") return foldBroadcast(from.to.budget, value, wanted);
  const shape = shapeOf(value.axes);
  const isSame =
    wanted.length <= shape.length &&
    wanted.every((length, i) => [1, shape[shape.length - wanted.length + i]].includes(length));
  if (isSame) return value;
  throw from.to.unsupported(`repeats a computed tensor of shape ${shape.join("x")} to ${wanted.join("x")}`);
}

function readCast(from: NodeReader): ForeignValue {
  const value = from.value(0);
  const isFloat = isFloatType(from.int("to", 1));
  if (value.kind === "constant") return foldCast(from.to.budget, value, !isFloat);
  if (isFloat) return value;
  throw from.to.unsupported("makes integers of computed values");
}

function readConstant(from: NodeReader): Constant {
  const tensor = from.tensor("value");
  if (tensor !== undefined) return constantOf(readTensor(tensor, from.to.budget), from.to.budget);
  const { attributes } = from.node;
  const { float, int } = { float: attributes.get("value_float")?.float, int: attributes.get("value_int")?.int };
  if (float !== undefined) return floatConstant([], Float32Array.of(float));
  if (int !== undefined) return integerConstant([], [int]);
  const [floats, ints] = [attributes.get("value_floats")?.floats, attributes.get("value_ints")?.ints];
  if (floats !== undefined) return floatConstant([floats.length], Float32Array.from(floats));
  if (ints !== undefined) return integerConstant([ints.length], ints);
  throw from.to.unsupported("is a constant of text, or sparse");
}

function readConstantOfShape(from: NodeReader): Constant {
  const shape = from.numbers(0) ?? [];
  const tensor = from.tensor("value");
  if (shape.length > MOST_AXES || !shape.every((length) => Number.isSafeInteger(length) && length >= 0)) {
    throw from.to.unsupported("makes a constant of a shape that is none");
  }
  if (tensor === undefined) return foldFill(from.to.budget, shape, 0, false);
  const value = constantOf(readTensor(tensor, from.to.budget), from.to.budget);
  return foldFill(from.to.budget, shape, scalarOf(from.to, value), value.isInteger);
}

function readShape(from: NodeReader): Constant {
  const shape = shapeOfValue(from.value(0));
  const end = from.node.attributes.get("end")?.int;
  const part = shape.slice(from.int("start", 0), end);
  return integerConstant([part.length], part);
}

function readNegative(from: NodeReader): ForeignValue {
  const value = from.value(0);
  if (value.kind === "constant") return foldUnary(from.to.budget, value, (each) => -each);
  return from.to.withAffine(value, -1, 0);
}

function readQuantize(from: NodeReader): ForeignValue {
  const [view, scale, zeroPoint] = [from.view(0), from.constant(1), from.optional(2)];
  if (scale.data.length !== 1) throw from.to.unsupported("quantises each channel of computed values by its own scale");
  const isSigned =
    zeroPoint !== undefined && !(zeroPoint.data instanceof Uint8Array || zeroPoint.data instanceof Uint16Array);
  const bits = zeroPoint?.data.BYTES_PER_ELEMENT === 2 ? 16 : 8;
  const least = isSigned ? -(2 ** (bits - 1)) : 0;
  return quantized(from.to, view, {
    scale: scale.data[0] as number,
    zeroPoint: zeroPoint?.data[0] ?? 0,
    least,
    greatest: least + 2 ** bits - 1,
  });
}

function readDequantize(from: NodeReader): ForeignValue {
  const value = from.value(0);
  const [scale, zeroPoint] = [from.constant(1), from.optional(2)];
  if (value.kind === "view") return dequantized(from.to, value, scale, zeroPoint);
  const axis = value.shape.length === 0 ? 0 : from.int("axis", 1);
  const own = axis < 0 ? axis + value.shape.length : axis;
  return dequantize(from.to.budget, value, scale, zeroPoint, own);
}
