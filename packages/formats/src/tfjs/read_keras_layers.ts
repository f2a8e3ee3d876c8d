/** What each Keras layer that is read becomes. */
import type { Activation, Pair } from "@depthwise/core";
import { activate, clip, combine } from "../importer/arithmetic.ts";
import { concatenate, reshape, resolveShape, shapeOfValue, transposeAxes, wrapped } from "../importer/channels.ts";
import { foldFill } from "../importer/fold.ts";
import type { Constant, ForeignValue, View } from "../importer/foreign_value.ts";
import { batchNorm, linear, softmax } from "../importer/layers.ts";
import { resize } from "../importer/resize.ts";
import { averageOver, averagePool, convolve, globalMaxPool, maxPool, noPadding, pad } from "../importer/windows.ts";
import { field, integers, type JsonObject, textField } from "./json_value.ts";
import type { KerasLayer } from "./keras_layer.ts";

type Reader = (from: KerasLayer) => ForeignValue;

const identity: Reader = (from) => from.view();

/** All inputs, added or multiplied. */
function combined(operation: "add" | "multiply"): Reader {
  return (from) => {
    const rest = from.inputs.slice(1);
    return rest.reduce((result: ForeignValue, input) => combine(from.to, operation, result, input), from.view());
  };
}

const readers: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  ["Activation", (from) => applied(from, from.view(), from.activation("activation"))],
  ["ActivityRegularization", identity],
  ["Add", combined("add")],
  ["AlphaDropout", identity],
  ["AveragePooling2D", readAveragePooling],
  ["BatchNormalization", readBatchNormalization],
  ["Concatenate", readConcatenate],
  ["Conv2D", readConvolution],
  ["Dense", readDense],
  ["DepthwiseConv2D", readDepthwiseConvolution],
  ["Dropout", identity],
  ["Flatten", readFlatten],
  ["GaussianDropout", identity],
  ["GaussianNoise", identity],
  ["GlobalAveragePooling2D", readGlobalAveragePooling],
  ["GlobalMaxPooling2D", readGlobalMaxPooling],
  ["MaxPooling2D", readMaxPooling],
  ["Multiply", combined("multiply")],
  ["Permute", (from) => transposeAxes(from.to, from.view(), [0, ...integers(field(from.config, "dims"), "dims")])],
  ["ReLU", readReLU],
  ["Rescaling", readRescaling],
  ["Reshape", readReshape],
  ["SeparableConv2D", readSeparableConvolution],
  ["Softmax", (from) => softmax(from.to, from.view(), [axisOf(from, from.view())])],
  ["SpatialDropout2D", identity],
  ["UpSampling2D", readUpSampling],
  ["ZeroPadding2D", readZeroPadding],
]);

/** Reads one layer. */
export function readKerasLayer(className: string, from: KerasLayer): ForeignValue {
  const reader = readers.get(className);
  if (reader === undefined) throw from.to.unsupported("no operation of ours is this layer");
  return reader(from);
}

/** Activations by their names, without underscores. */
const activations: ReadonlyMap<string, Activation> = new Map([
  ["linear", "none"],
  ["relu", "relu"],
  ["relu6", "relu6"],
  ["sigmoid", "sigmoid"],
  ["swish", "swish"],
  ["silu", "swish"],
  ["hardswish", "hard_swish"],
  ["hardsilu", "hard_swish"],
]);

function applied(from: KerasLayer, view: View, name: string): View {
  const key = name.replaceAll("_", "").toLowerCase();
  const known = activations.get(key);
  if (known !== undefined) return activate(from.to, view, known, known);
  if (key === "softmax") return softmax(from.to, view, [view.axes.length - 1]);
  if (key === "hardsigmoid") return hardSigmoid(from, view);
  throw from.to.unsupported(`has the activation "${name.slice(0, 40)}"`);
}

/** Keras's, as TensorFlow.js computes it: 0.2·x + 0.5 between 0 and 1, which is relu6(1.2·x + 3) / 6. */
function hardSigmoid({ to }: KerasLayer, view: View): View {
  const scaled = to.settle(to.withAffine(view, 1.2, 0));
  return to.withAffine(activate(to, to.withAffine(scaled, 1, 3), "relu6"), 1 / 6, 0);
}

function withActivation(from: KerasLayer, view: View): View {
  return applied(from, view, from.activation("activation"));
}

function readConvolution(from: KerasLayer): ForeignValue {
  const convolved = convolve(from.to, from.view(), from.layout(), {
    ...from.window(),
    kernel: from.weight("kernel"),
    kernelOrder: [0, 1, 2, 3],
    bias: from.bias(),
    groups: from.number("groups", 1),
  });
  return withActivation(from, convolved);
}

function depthwise(from: KerasLayer, kernel: Constant, bias: Constant | undefined): View {
  const [kh = 1, kw = 1, channels = 1, multiplier = 1] = kernel.shape;
  return convolve(from.to, from.view(), from.layout(), {
    ...from.window(),
    kernel,
    kernelOrder: [0, 1, 2, 3],
    kernelShape: [kh, kw, 1, channels * multiplier],
    bias,
    groups: channels,
  });
}

function readDepthwiseConvolution(from: KerasLayer): ForeignValue {
  return withActivation(from, depthwise(from, from.weight("depthwise_kernel", "kernel"), from.bias()));
}

function readSeparableConvolution(from: KerasLayer): ForeignValue {
  const { to } = from;
  const { current } = to;
  to.current = `${current}/depthwise`;
  const filtered = depthwise(from, from.weight("depthwise_kernel"), undefined);
  to.current = current;
  const mixed = convolve(to, filtered, from.layout(), {
    kernel: from.weight("pointwise_kernel"),
    kernelOrder: [0, 1, 2, 3],
    bias: from.bias(),
    groups: 1,
    stride: [1, 1],
    dilation: [1, 1],
    padding: () => noPadding,
  });
  return withActivation(from, mixed);
}

function readDense(from: KerasLayer): ForeignValue {
  const dense = linear(from.to, from.view(), { kernel: from.weight("kernel"), isOutFirst: false, bias: from.bias() });
  return withActivation(from, dense);
}

function readBatchNormalization(from: KerasLayer): ForeignValue {
  const view = from.view();
  const [mean, variance] = [from.weight("moving_mean"), from.weight("moving_variance")];
  const filled = (value: number): Constant => foldFill(from.to.budget, mean.shape, value, false);
  return batchNorm(from.to, view, axisOf(from, view), {
    gamma: from.boolean("scale", true) ? from.weight("gamma") : filled(1),
    beta: from.boolean("center", true) ? from.weight("beta") : filled(0),
    mean,
    variance,
    epsilon: from.number("epsilon", 1e-3),
  });
}

/** The axis that a layer works on: a number, in some versions in a list. */
function axisOf(from: KerasLayer, value: ForeignValue): number {
  const axis = field(from.config, "axis") ?? -1;
  const [only = -1, ...others] = typeof axis === "number" ? [axis] : integers(axis, "axis");
  if (others.length > 0) throw from.to.unsupported("works on several axes");
  return wrapped(from.to, only, shapeOfValue(value).length);
}

/** ReLU up to `max_value`. */
function readReLU(from: KerasLayer): ForeignValue {
  if (from.number("negative_slope", 0) !== 0 || from.number("threshold", 0) !== 0) {
    throw from.to.unsupported("has a slope below zero, or another threshold");
  }
  return clip(from.to, from.view(), 0, from.number("max_value", Number.POSITIVE_INFINITY));
}

function readConcatenate(from: KerasLayer): ForeignValue {
  return concatenate(from.to, from.inputs, axisOf(from, from.view()));
}

function poolOf(from: KerasLayer) {
  const kernel = from.pair("pool_size", [2, 2]);
  return { ...from.window(kernel), kernel, ceil: false };
}

function readMaxPooling(from: KerasLayer): ForeignValue {
  return maxPool(from.to, from.view(), from.layout(), poolOf(from));
}

/** Cells of padding never count. */
function readAveragePooling(from: KerasLayer): ForeignValue {
  return averagePool(from.to, from.view(), from.layout(), { ...poolOf(from), countIncludePad: false });
}

/** Rows and columns among a picture's axes. */
function pixelAxes(from: KerasLayer): readonly number[] {
  return from.layout() === "NCHW" ? [2, 3] : [1, 2];
}

function readGlobalAveragePooling(from: KerasLayer): ForeignValue {
  return averageOver(from.to, from.view(), pixelAxes(from), from.boolean("keepdims", false));
}

function readGlobalMaxPooling(from: KerasLayer): ForeignValue {
  const pooled = globalMaxPool(from.to, from.view(), from.layout());
  if (from.boolean("keepdims", false)) return pooled;
  const axes = pixelAxes(from);
  return reshape(
    from.to,
    pooled,
    shapeOfValue(pooled).filter((_, axis) => !axes.includes(axis)),
  );
}

function readFlatten(from: KerasLayer): ForeignValue {
  const view = from.view();
  // Of pictures with channels second, Keras puts them last before it flattens.
  const ordered =
    from.layout() === "NCHW" && view.axes.length === 4 ? transposeAxes(from.to, view, [0, 2, 3, 1]) : view;
  const [batch = 1] = shapeOfValue(view);
  return reshape(from.to, ordered, resolveShape(from.to, ordered, [batch, -1], false));
}

function readReshape(from: KerasLayer): ForeignValue {
  const view = from.view();
  const [batch = 1] = shapeOfValue(view);
  const target = integers(field(from.config, "target_shape"), "target_shape");
  return reshape(from.to, view, resolveShape(from.to, view, [batch, ...target], false));
}

function readZeroPadding(from: KerasLayer): ForeignValue {
  const [[top, bottom], [left, right]] = cellsOf(from);
  const [row, column] = pixelAxes(from);
  const sides = (vertical: number, horizontal: number): readonly number[] => {
    return [0, 1, 2, 3].map((axis) => (axis === row ? vertical : axis === column ? horizontal : 0));
  };
  return pad(from.to, from.view(), from.layout(), sides(top, left), sides(bottom, right), 0);
}

/** One number for all sides, one for rows and one for columns, or each side. */
function cellsOf(from: KerasLayer): readonly [Pair, Pair] {
  const value = field(from.config, "padding") ?? 1;
  if (typeof value === "number") {
    return [
      [value, value],
      [value, value],
    ];
  }
  const isNested = Array.isArray(value) && Array.isArray(value[0]);
  const sides = isNested ? value.flat() : [integers(value, "padding")[0], integers(value, "padding")[0]];
  const rest = isNested ? [] : [integers(value, "padding")[1], integers(value, "padding")[1]];
  const [top = 0, bottom = 0, left = 0, right = 0] = integers([...sides, ...rest], "padding");
  return [
    [top, bottom],
    [left, right],
  ];
}

function readRescaling(from: KerasLayer): ForeignValue {
  return from.to.withAffine(from.view(), from.number("scale", 1), from.number("offset", 0));
}

function readUpSampling(from: KerasLayer): ForeignValue {
  const [vertical, horizontal] = from.pair("size", [2, 2]);
  const shape = shapeOfValue(from.view());
  const [row = 1, column = 2] = pixelAxes(from);
  const size: Pair = [(shape[row] ?? 1) * vertical, (shape[column] ?? 1) * horizontal];
  const mode = textField(from.config as JsonObject, "interpolation", "nearest");
  if (mode !== "nearest" && mode !== "bilinear") throw from.to.unsupported(`resizes by "${mode.slice(0, 20)}"`);
  return resize(from.to, from.view(), from.layout(), size, {
    mode,
    position: (o, length, count) => (o * length) / count,
    nearest: Math.floor,
  });
}
