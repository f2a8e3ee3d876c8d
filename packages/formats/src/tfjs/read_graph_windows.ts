/** Convolutions, pools and other windows of TensorFlow graphs. */
import type { Padding, Pair } from "@depthwise/core";
import { scalarOf } from "../importer/arithmetic.ts";
import { shapeOfValue } from "../importer/channels.ts";
import type { Constant, ForeignValue, View } from "../importer/foreign_value.ts";
import { type ResizeRule, resize } from "../importer/resize.ts";
import {
  averagePool,
  convolve,
  maxPool,
  noPadding,
  pad,
  samePadding,
  type WindowAttributes,
} from "../importer/windows.ts";
import type { GraphNode } from "./graph_node.ts";

/** Conv2D: a kernel `[kh, kw, in/groups, out]`. */
export function readConvolution(from: GraphNode, bias: Constant | undefined): View {
  const kernel = from.constant(1);
  const channels = channelsOf(from);
  const perGroup = kernel.shape[2] ?? 1;
  const groups = channels % perGroup === 0 ? channels / perGroup : 1;
  return convolve(from.to, from.view(0), from.layout(), {
    ...windowOf(from),
    kernel,
    kernelOrder: [0, 1, 2, 3],
    bias,
    groups,
  });
}

/** DepthwiseConv2dNative: a kernel `[kh, kw, C, outputs for each]`. */
export function readDepthwiseConvolution(from: GraphNode, bias: Constant | undefined): View {
  const kernel = from.constant(1);
  const [kh = 1, kw = 1, channels = 1, multiplier = 1] = kernel.shape;
  return convolve(from.to, from.view(0), from.layout(), {
    ...windowOf(from),
    kernel,
    kernelOrder: [0, 1, 2, 3],
    kernelShape: [kh, kw, 1, channels * multiplier],
    bias,
    groups: channels,
  });
}

export function readMaxPool(from: GraphNode): ForeignValue {
  return maxPool(from.to, from.view(0), from.layout(), {
    ...windowOf(from),
    kernel: pairOf(from, "ksize"),
    ceil: false,
  });
}

/** Cells of padding never count. */
export function readAveragePool(from: GraphNode): ForeignValue {
  const window = { ...windowOf(from), kernel: pairOf(from, "ksize"), ceil: false, countIncludePad: false };
  return averagePool(from.to, from.view(0), from.layout(), window);
}

/** Pad and PadV2: cells before and after each axis, `[rank, 2]`. */
export function readPad(from: GraphNode): ForeignValue {
  const cells = from.numbers(1);
  const value = from.inputs.length > 2 ? scalarOf(from.to, from.constant(2)) : 0;
  const rank = shapeOfValue(from.value(0)).length;
  if (cells.length !== 2 * rank) throw from.to.unsupported(`pads ${rank} axes by ${cells.length} numbers`);
  const sides = [0, 1].map((side) => cells.filter((_, i) => i % 2 === side)) as [number[], number[]];
  return pad(from.to, from.view(0), "NHWC", ...sides, value);
}

export function readResizeBilinear(from: GraphNode): ForeignValue {
  return resize(from.to, from.view(0), "NHWC", sizeOf(from), { ...rulesOf(from), mode: "bilinear" });
}

export function readResizeNearest(from: GraphNode): ForeignValue {
  return resize(from.to, from.view(0), "NHWC", sizeOf(from), { ...rulesOf(from), mode: "nearest" });
}

/** TensorFlow's three rules for where cells lie; with half pixels, `nearest` is what TensorFlow.js rounds down. */
function rulesOf(from: GraphNode): Omit<ResizeRule, "mode"> {
  const isAligned = from.boolean("align_corners");
  const isHalf = from.boolean("half_pixel_centers");
  return {
    position: (o, size, count) => {
      if (isAligned && count > 1) return (o * (size - 1)) / (count - 1);
      return isHalf ? ((o + 0.5) * size) / count - 0.5 : (o * size) / count;
    },
    nearest: (position) => (isAligned ? Math.round(position) : Math.floor(isHalf ? position + 0.5 : position)),
  };
}

function sizeOf(from: GraphNode): Pair {
  const [height = 0, width = 0] = from.numbers(1);
  return [height, width];
}

function channelsOf(from: GraphNode): number {
  const shape = shapeOfValue(from.view(0));
  return shape[from.layout() === "NCHW" ? 1 : shape.length - 1] ?? 1;
}

/** The numbers for rows and columns among those for all four axes; 1 where the attribute is not there. */
function pairOf(from: GraphNode, name: string): Pair {
  const numbers = from.integers(name);
  const [vertical, horizontal] = from.layout() === "NCHW" ? [2, 3] : [1, 2];
  return [numbers[vertical as number] ?? 1, numbers[horizontal as number] ?? 1];
}

function windowOf(from: GraphNode): WindowAttributes {
  const stride = pairOf(from, "strides");
  return { stride, dilation: pairOf(from, "dilations"), padding: paddingOf(from, stride) };
}

function paddingOf(from: GraphNode, stride: Pair): WindowAttributes["padding"] {
  const rule = from.text("padding", "VALID");
  if (rule === "SAME") return samePadding(stride, "after");
  if (rule === "VALID") return () => noPadding;
  const cells = from.integers("explicit_paddings");
  if (rule !== "EXPLICIT" || cells.length !== 8 || cells.some((each) => each < 0)) {
    throw from.to.unsupported(`pads by "${rule.slice(0, 20)}"`);
  }
  const [row, column] = from.layout() === "NCHW" ? [4, 6] : [2, 4];
  const padding: Padding = {
    top: cells[row as number] as number,
    bottom: cells[(row as number) + 1] as number,
    left: cells[column as number] as number,
    right: cells[(column as number) + 1] as number,
  };
  return () => padding;
}
