/** Convolutions and pools: what slides a window over a picture. */
import type { Activation, Node, OperationOf, Padding, Pair, Shape, ValueId } from "@depthwise/core";
import { isPadded, poolPadding } from "../pool_padding.ts";
import {
  geometryOf,
  leastPadding,
  paddedShape,
  paddingRule,
  planAverage,
  reachedPadding,
  type WindowGeometry,
} from "../tflite/window_padding.ts";
import { windowScales } from "../window_scales.ts";
import type { TfjsBuilder } from "./tfjs_builder.ts";
import { int32, integerList, type TfjsAttribute, text, textList } from "./tfjs_model.ts";

type Picture = readonly [N: number, H: number, W: number, C: number];
type Convolution = OperationOf<"convolution">;

/** A convolution with its activation. TensorFlow.js has no groups: each is sliced out, and the results joined. */
export function writeConvolution(to: TfjsBuilder, operation: Convolution, node: Node): string {
  const [x, kernel, ...others] = node.inputs as [ValueId, ValueId, ...ValueId[]];
  const bias = operation.bias ? (others[0] as ValueId) : undefined;
  const [kh, kw, perGroup, out] = to.shape(kernel) as Picture;
  const { groups, stride, dilation } = operation;
  const span: Pair = [(kh - 1) * dilation[0] + 1, (kw - 1) * dilation[1] + 1];
  const window = padded(
    to,
    to.read(x),
    to.shape(x),
    operation.padding,
    geometryOf(to.shape(x), node.shape, span, stride),
  );
  const isDepthwise = perGroup === 1 && groups > 1;
  const spread = spreadKernel(to, kernel, operation);
  const attributes: Readonly<Record<string, TfjsAttribute>> = {
    strides: integerList(1, ...stride, 1),
    padding: text(window.rule),
    data_format: text("NHWC"),
    dilations: integerList(1, ...(spread === undefined ? dilation : [1, 1]), 1),
  };
  const write = (input: string, weights: string, offsets: string | undefined): string => {
    return writePart(to, [input, weights], offsets, operation.activation, attributes, isDepthwise);
  };
  const size = spread?.size ?? [kh, kw];
  const offset = (): string | undefined => (bias === undefined ? undefined : to.read(bias));
  const whole = (): string => {
    if (!isDepthwise) return write(window.x, spread?.name ?? to.read(kernel), offset());
    const shape = [...size, groups, out / groups];
    return write(window.x, spread === undefined ? to.readAs(kernel, shape) : to.reshape(spread.name, shape), offset());
  };
  const part = (group: number): string => {
    const count = out / groups;
    const x = sliceLast(to, window.x, window.shape, group * perGroup, perGroup);
    const weights =
      spread === undefined
        ? partOf(to, kernel, group * count, count)
        : sliceLast(to, spread.name, [...size, perGroup, out], group * count, count);
    return write(x, weights, bias === undefined ? undefined : partOf(to, bias, group * count, count));
  };
  const isWhole = isDepthwise || groups === 1;
  const convolved = isWhole
    ? whole()
    : joinLast(
        to,
        Array.from({ length: groups }, (_, group) => part(group)),
        4,
      );
  if (!operation.residual) return convolved;
  const sum = to.emit("AddV2", [convolved, to.read(others.at(-1) as ValueId)]);
  return emitActivation(to, operation.residualActivation, sum);
}

/** Activations that a convolution takes along, by their names there. */
const fusedActivations: { readonly [A in Activation]?: readonly string[] } = {
  none: [],
  relu: ["Relu"],
  relu6: ["Relu6"],
};

function writePart(
  to: TfjsBuilder,
  inputs: readonly [x: string, kernel: string],
  bias: string | undefined,
  activation: Activation,
  attributes: Readonly<Record<string, TfjsAttribute>>,
  isDepthwise: boolean,
): string {
  const fused = fusedActivations[activation];
  if (bias === undefined) {
    const plain = to.emit(isDepthwise ? "DepthwiseConv2dNative" : "Conv2D", inputs, attributes);
    return emitActivation(to, activation, plain);
  }
  const sum = to.emit(isDepthwise ? "FusedDepthwiseConv2dNative" : "_FusedConv2D", [...inputs, bias], {
    ...attributes,
    ...fusedAttributes(fused ?? []),
  });
  return fused === undefined ? emitActivation(to, activation, sum) : sum;
}

/** What an operation takes along after its bias. */
export function fusedAttributes(activations: readonly string[]): Readonly<Record<string, TfjsAttribute>> {
  return { fused_ops: textList("BiasAdd", ...activations), num_args: { i: "1" }, epsilon: { f: 0 } };
}

/** An activation as nodes of its own. */
export function emitActivation(to: TfjsBuilder, activation: Activation, x: string): string {
  switch (activation) {
    case "none":
      return x;
    case "relu":
      return to.emit("Relu", [x]);
    case "relu6":
      return to.emit("Relu6", [x]);
    case "sigmoid":
      return to.emit("Sigmoid", [x]);
    case "swish":
      return to.emit("Mul", [x, to.emit("Sigmoid", [x])]);
    case "hard_sigmoid": {
      const clipped = to.emit("Relu6", [to.emit("AddV2", [x, to.scalar(3)])]);
      return to.emit("Mul", [clipped, to.constant("scalar/sixth", [], () => Float32Array.of(1 / 6))]);
    }
    case "hard_swish":
      return to.emit("Mul", [x, emitActivation(to, "hard_sigmoid", x)]);
    default:
      return activation satisfies never;
  }
}

/**
 * The kernel with zeros in its holes: TensorFlow.js has stride or dilation, not both. Undefined where that is not needed.
 *
 * @returns the constant's or node's name, and the window's size
 */
function spreadKernel(
  to: TfjsBuilder,
  kernel: ValueId,
  { stride, dilation }: Convolution,
): { readonly name: string; readonly size: Pair } | undefined {
  if (Math.max(...stride) === 1 || Math.max(...dilation) === 1) return undefined;
  const [kh, kw, inputs, out] = to.shape(kernel) as Picture;
  const size: Pair = [(kh - 1) * dilation[0] + 1, (kw - 1) * dilation[1] + 1];
  // Cells go to the first of `dilation` rows and columns, and what is beyond the last ones is cut off.
  const each = [kh, 1, kw, 1, inputs * out];
  const mask = to.constant(`spread/${dilation.join("x")}`, [1, dilation[0], 1, dilation[1], 1], () => {
    const corner = new Float32Array(dilation[0] * dilation[1]);
    corner[0] = 1;
    return corner;
  });
  const whole = to.emit("Mul", [to.readAs(kernel, each), mask]);
  const rows = to.reshape(whole, [kh * dilation[0], kw * dilation[1], inputs, out]);
  const name = to.emit("Slice", [rows, to.integers(0, 0, 0, 0), to.integers(...size, inputs, out)], { Index: int32 });
  return { name, size };
}

/** `count` positions of the last axis of a value: of a parameter as a constant, so that nothing is cut at each run. */
function partOf(to: TfjsBuilder, value: ValueId, start: number, count: number): string {
  const shape = to.shape(value);
  const numbers = to.numbers(value);
  if (numbers === undefined) return sliceLast(to, to.read(value), shape, start, count);
  const length = shape.at(-1) as number;
  return to.ownConstant(`${shape.length === 1 ? "bias" : "kernel"}/${start}`, shape.with(-1, count), () => {
    const rows = numbers.length / length;
    return Float32Array.from({ length: rows * count }, (_, i) => {
      return numbers[Math.floor(i / count) * length + start + (i % count)] as number;
    });
  });
}

/** `count` positions of the last axis. */
export function sliceLast(to: TfjsBuilder, x: string, shape: Shape, start: number, count: number): string {
  const begin = shape.map((_, axis) => (axis === shape.length - 1 ? start : 0));
  return to.emit("Slice", [x, to.integers(...begin), to.integers(...shape.with(-1, count))], { Index: int32 });
}

/** Values joined along the last of so many axes. */
export function joinLast(to: TfjsBuilder, parts: readonly string[], rank: number): string {
  if (parts.length === 1) return parts[0] as string;
  return to.emit("ConcatV2", [...parts, to.integer(rank - 1)], { N: { i: String(parts.length) }, Tidx: int32 });
}

/** A maximum. Padding is cells of the least number, or of zero where no value is below. */
export function writeMaxPool(
  to: TfjsBuilder,
  operation: OperationOf<"max_pool">,
  node: Node,
  isInputNonNegative: boolean,
): string {
  const x = node.inputs[0] as ValueId;
  const geometry = geometryOf(to.shape(x), node.shape, operation.kernel, operation.stride);
  const { uncounted } = poolPadding(operation, to.shape(x), node.shape);
  const least = leastPadding(isInputNonNegative);
  const window = padded(to, to.read(x), to.shape(x), uncounted, geometry, least);
  return to.emit("MaxPool", [window.x], poolAttributes(operation, window.rule));
}

/** An average. TensorFlow's never counts padding: what counts is cells of zero, and where only a part counts the sums are scaled. */
export function writeAveragePool(to: TfjsBuilder, operation: OperationOf<"average_pool">, node: Node): string {
  const x = node.inputs[0] as ValueId;
  const plan = planAverage(operation, to.shape(x), node.shape);
  if (plan.rule !== undefined) return to.emit("AvgPool", [to.read(x)], poolAttributes(operation, plan.rule));
  const { around, cells, beyond } = plan;
  const mean = to.emit("AvgPool", [emitPad(to, to.read(x), around, 0)], poolAttributes(operation, "VALID"));
  if (beyond === undefined) return mean;
  const [, oh, ow] = node.shape as Picture;
  const scales = to.ownConstant("scales", [1, oh, ow, 1], () => windowScales(operation, cells, node.shape, beyond));
  return to.emit("Mul", [mean, scales]);
}

/** Rows and columns of a number around a picture. */
export function emitPad(to: TfjsBuilder, x: string, padding: Padding, value: number): string {
  if (!isPadded(padding)) return x;
  const cells = [0, 0, padding.top, padding.bottom, padding.left, padding.right, 0, 0];
  const table = to.constant(`paddings/${cells.join(",")}`, [4, 2], () => Int32Array.from(cells));
  if (value === 0) return to.emit("Pad", [x, table], { Tpaddings: int32 });
  return to.emit("PadV2", [x, table, to.scalar(value)], { Tpaddings: int32 });
}

function poolAttributes(
  { kernel, stride }: OperationOf<"max_pool" | "average_pool">,
  rule: "SAME" | "VALID",
): Readonly<Record<string, TfjsAttribute>> {
  return {
    ksize: integerList(1, ...kernel, 1),
    strides: integerList(1, ...stride, 1),
    padding: text(rule),
    data_format: text("NHWC"),
  };
}

/** The input for a window by one of TensorFlow's rules: with cells around it where neither gives the padding. */
function padded(
  to: TfjsBuilder,
  x: string,
  shape: Shape,
  padding: Padding,
  geometry: WindowGeometry,
  value = 0,
): { readonly x: string; readonly shape: Picture; readonly rule: "SAME" | "VALID" } {
  const rule = paddingRule(padding, geometry);
  if (rule !== undefined) return { x, shape: shape as Picture, rule };
  const reached = reachedPadding(padding, geometry);
  return { x: emitPad(to, x, reached, value), shape: paddedShape(shape, reached), rule: "VALID" };
}
