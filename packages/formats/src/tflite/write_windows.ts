/** Convolutions and pools: what slides a window over a picture. */
import type { Node, OperationOf, Padding, Pair, Shape, ValueId } from "@depthwise/core";
import { isPadded, poolPadding } from "../pool_padding.ts";
import { windowScales } from "../window_scales.ts";
import { emitActivation, fusedCode, mulOptions, split } from "./activations.ts";
import type { TensorIndex, TfliteBuilder } from "./tflite_builder.ts";
import { paddings, type TfliteOptions } from "./tflite_model.ts";
import {
  geometryOf,
  leastPadding,
  paddedShape,
  paddingRule,
  planAverage,
  reachedPadding,
  type WindowGeometry,
} from "./window_padding.ts";

type Picture = readonly [N: number, H: number, W: number, C: number];

/** `[kh, kw, in/groups, out]` as `[out, kh, kw, in/groups]`. */
const ohwi = [3, 0, 1, 2] as const;
/** As it is: a depthwise kernel is `[1, kh, kw, out]` there. */
const hwio = [0, 1, 2, 3] as const;

/** The version of CONV_2D that has groups. */
const GROUPED_VERSION = 6;
/** The version of DEPTHWISE_CONV_2D that has dilation. */
const DILATED_VERSION = 2;

/** A convolution with what is fused into it. */
export function writeConvolution(to: TfliteBuilder, operation: OperationOf<"convolution">, node: Node): TensorIndex {
  const [x, kernel, ...others] = node.inputs as [ValueId, ValueId, ...ValueId[]];
  const [kh, kw, , out] = to.shape(kernel) as Picture;
  const { stride, dilation, groups } = operation;
  const span: Pair = [(kh - 1) * dilation[0] + 1, (kw - 1) * dilation[1] + 1];
  const geometry = geometryOf(to.shape(x), node.shape, span, stride);
  const window = padded(to, to.read(x), to.shape(x), operation.padding, geometry);
  const { fused, rest } = split(operation.activation);
  const common = {
    padding: paddings[window.rule],
    stride_h: stride[0],
    stride_w: stride[1],
    dilation_h_factor: dilation[0],
    dilation_w_factor: dilation[1],
    fused_activation_function: fusedCode(fused),
  };
  const bias = operation.bias ? to.read(others[0] as ValueId) : zeros(to, out);
  const channels = to.shape(x)[3] as number;
  const isDepthwise = groups === channels && groups > 1;
  const sum = isDepthwise
    ? to.emit(
        "DEPTHWISE_CONV_2D",
        [window.x, to.readTransposed(kernel, hwio, [1, kh, kw, out]), bias],
        node.shape,
        { table: "DepthwiseConv2DOptions", values: { ...common, depth_multiplier: out / channels } },
        dilation[0] * dilation[1] > 1 ? DILATED_VERSION : 1,
      )
    : to.emit(
        "CONV_2D",
        [window.x, to.readTransposed(kernel, ohwi, [out, kh, kw, channels / groups]), bias],
        node.shape,
        { table: "Conv2DOptions", values: common },
        groups > 1 ? GROUPED_VERSION : 1,
      );
  const activated = emitActivation(to, rest, sum, node.shape);
  if (!operation.residual) return activated;
  return emitAdd(to, activated, to.read(others.at(-1) as ValueId), operation.residualActivation, node.shape);
}

/** An addition with its activation. */
export function emitAdd(
  to: TfliteBuilder,
  a: TensorIndex,
  b: TensorIndex,
  activation: OperationOf<"add">["activation"],
  shape: Shape,
): TensorIndex {
  const { fused, rest } = split(activation);
  const options: TfliteOptions = { table: "AddOptions", values: { fused_activation_function: fusedCode(fused) } };
  return emitActivation(to, rest, to.emit("ADD", [a, b], shape, options), shape);
}

/** A bias of nothing: some runtimes ask for one. */
export function zeros(to: TfliteBuilder, channels: number): TensorIndex {
  return to.constant(`zeros/${channels}`, [channels], () => new Float32Array(channels));
}

/** A maximum. Padding is cells of the least number, or of zero where no value is below. */
export function writeMaxPool(
  to: TfliteBuilder,
  operation: OperationOf<"max_pool">,
  node: Node,
  isInputNonNegative: boolean,
): TensorIndex {
  const x = node.inputs[0] as ValueId;
  const geometry = geometryOf(to.shape(x), node.shape, operation.kernel, operation.stride);
  const { uncounted } = poolPadding(operation, to.shape(x), node.shape);
  const least = leastPadding(isInputNonNegative);
  const window = padded(to, to.read(x), to.shape(x), uncounted, geometry, least);
  return to.emit("MAX_POOL_2D", [window.x], node.shape, poolOptions(operation, window.rule));
}

/** An average. TFLite's never counts padding: what counts is cells of zero, and where only a part counts the sums are scaled. */
export function writeAveragePool(to: TfliteBuilder, operation: OperationOf<"average_pool">, node: Node): TensorIndex {
  const x = node.inputs[0] as ValueId;
  const shape = to.shape(x);
  const plan = planAverage(operation, shape, node.shape);
  const average = (input: TensorIndex, rule: "SAME" | "VALID") =>
    to.emit("AVERAGE_POOL_2D", [input], node.shape, poolOptions(operation, rule));
  if (plan.rule !== undefined) return average(to.read(x), plan.rule);
  const { around, cells, beyond } = plan;
  const mean = average(emitPad(to, to.read(x), shape, around, 0), "VALID");
  if (beyond === undefined) return mean;
  const [, oh, ow] = node.shape as Picture;
  const scales = to.ownConstant("scales", [1, oh, ow, 1], () => {
    return windowScales(operation, cells, node.shape, beyond);
  });
  return to.emit("MUL", [mean, scales], node.shape, mulOptions);
}

/** Rows and columns of a constant around a picture. */
export function emitPad(to: TfliteBuilder, x: TensorIndex, shape: Shape, padding: Padding, value: number): TensorIndex {
  if (!isPadded(padding)) return x;
  const cells = [0, 0, padding.top, padding.bottom, padding.left, padding.right, 0, 0];
  const paddingTable = to.constant(`paddings/${cells.join(",")}`, [4, 2], () => Int32Array.from(cells));
  const output = paddedShape(shape, padding);
  if (value === 0) return to.emit("PAD", [x, paddingTable], output);
  const constant = to.constant(`scalar/${value}`, [1], () => Float32Array.of(value));
  return to.emit("PADV2", [x, paddingTable, constant], output);
}

function poolOptions(
  { kernel, stride }: OperationOf<"max_pool" | "average_pool">,
  rule: "SAME" | "VALID",
): TfliteOptions {
  const window = { stride_h: stride[0], stride_w: stride[1], filter_height: kernel[0], filter_width: kernel[1] };
  return { table: "Pool2DOptions", values: { padding: paddings[rule], ...window } };
}

/** The input for a window by one of TFLite's rules: with cells around it where neither gives the padding. */
function padded(
  to: TfliteBuilder,
  x: TensorIndex,
  shape: Shape,
  padding: Padding,
  geometry: WindowGeometry,
  value = 0,
): { readonly x: TensorIndex; readonly rule: "SAME" | "VALID" } {
  const rule = paddingRule(padding, geometry);
  if (rule !== undefined) return { x, rule };
  return { x: emitPad(to, x, shape, reachedPadding(padding, geometry), value), rule: "VALID" };
}
