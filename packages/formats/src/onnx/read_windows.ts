/** ONNX's convolutions, pools, padding and resizing. */
import type { Padding, Pair } from "@depthwise/core";
import { shapeOf } from "../importer/axes.ts";
import { wrapped } from "../importer/channels.ts";
import type { ForeignValue } from "../importer/foreign_value.ts";
import { type ResizeRule, resize } from "../importer/resize.ts";
import {
  averagePool,
  convolve,
  maxPool,
  type PoolAttributes,
  pad,
  samePadding,
  type WindowAttributes,
} from "../importer/windows.ts";
import type { NodeReader } from "./node_reader.ts";

/** Axes of ONNX's kernels `[out, in/groups, kh, kw]` in our order. */
const hwio = [2, 3, 1, 0] as const;

/** Conv. */
export function readConvolution(from: NodeReader): ForeignValue {
  return convolve(from.to, from.view(0), "NCHW", {
    ...windowOf(from),
    kernel: from.constant(1),
    kernelOrder: hwio,
    bias: from.optional(2),
    groups: from.int("group", 1),
  });
}

/** MaxPool. */
export function readMaxPool(from: NodeReader): ForeignValue {
  return maxPool(from.to, from.view(0), "NCHW", poolOf(from));
}

/** AveragePool. */
export function readAveragePool(from: NodeReader): ForeignValue {
  const countIncludePad = from.int("count_include_pad", 0) !== 0;
  return averagePool(from.to, from.view(0), "NCHW", { ...poolOf(from), countIncludePad });
}

function poolOf(from: NodeReader): PoolAttributes {
  const kernel = pairOf(from, "kernel_shape");
  if (kernel === undefined) throw from.to.unsupported("has no kernel_shape");
  return { ...windowOf(from), kernel, ceil: from.int("ceil_mode", 0) !== 0 };
}

function windowOf(from: NodeReader): WindowAttributes {
  const stride = pairOf(from, "strides") ?? [1, 1];
  return { stride, dilation: pairOf(from, "dilations") ?? [1, 1], padding: paddingOf(from, stride) };
}

function pairOf(from: NodeReader, name: string): Pair | undefined {
  const values = from.ints(name);
  if (values === undefined || values.length === 0) return undefined;
  const [vertical, horizontal] = values;
  if (values.length === 2 && vertical !== undefined && horizontal !== undefined) return [vertical, horizontal];
  throw from.to.unsupported(`has ${values.length} numbers for ${name}; windows of two axes are read`);
}

function paddingOf(from: NodeReader, stride: Pair): WindowAttributes["padding"] {
  const rule = from.text("auto_pad", "NOTSET");
  switch (rule) {
    case "SAME_UPPER":
      return samePadding(stride, "after");
    case "SAME_LOWER":
      return samePadding(stride, "before");
    case "VALID":
      return () => ({ top: 0, bottom: 0, left: 0, right: 0 });
    case "NOTSET":
    case "":
      return explicitPadding(from);
    default:
      throw from.to.unsupported(`has the padding rule "${rule}"`);
  }
}

function explicitPadding(from: NodeReader): WindowAttributes["padding"] {
  const pads = from.ints("pads") ?? [];
  if (pads.length !== 4 && pads.length !== 0) throw from.to.unsupported(`has ${pads.length} numbers for pads`);
  const [top = 0, left = 0, bottom = 0, right = 0] = pads;
  const padding: Padding = { top, bottom, left, right };
  return () => padding;
}

/** Pad, with a constant. */
export function readPad(from: NodeReader): ForeignValue {
  const mode = from.text("mode", "constant");
  if (mode !== "constant") throw from.to.unsupported(`pads by the mode "${mode}"; constants are read`);
  const view = from.view(0);
  const rank = view.axes.length;
  const isAttribute = from.opset < 11;
  const pads = (isAttribute ? (from.ints("pads") ?? from.ints("paddings")) : from.numbers(1)) ?? [];
  const value = isAttribute ? from.float("value", 0) : (from.number(2) ?? 0);
  const axes = (isAttribute ? undefined : from.numbers(3)) ?? Array.from({ length: rank }, (_, axis) => axis);
  if (pads.length !== 2 * axes.length) {
    throw from.to.unsupported(`has ${pads.length} paddings for ${axes.length} axes`);
  }
  const [before, after] = [Array<number>(rank).fill(0), Array<number>(rank).fill(0)];
  for (const [i, axis] of axes.entries()) {
    const own = wrapped(from.to, axis, rank);
    before[own] = pads[i] as number;
    after[own] = pads[i + axes.length] as number;
  }
  return pad(from.to, view, "NCHW", before, after, value);
}

/** Resize, and Upsample as it was before. */
export function readResize(from: NodeReader): ForeignValue {
  const view = from.view(0);
  const shape = shapeOf(view.axes);
  if (shape.length !== 4) throw from.to.unsupported(`resizes a tensor of ${shape.length} axes`);
  const isOld = from.opset < 11;
  const scales = listOf(isOld ? (from.numbers(1) ?? from.floats("scales")) : from.numbers(2));
  const sizes = listOf(isOld ? undefined : from.numbers(3));
  const axes = from.ints("axes") ?? [0, 1, 2, 3];
  if (from.text("keep_aspect_ratio_policy", "stretch") !== "stretch") {
    throw from.to.unsupported("keeps proportions by a policy; sizes or scales are read");
  }
  const wanted = [...shape];
  const factors = shape.map(() => 1);
  for (const [i, axis] of axes.entries()) {
    const own = wrapped(from.to, axis, 4);
    const length = shape[own] as number;
    wanted[own] = sizes?.[i] ?? Math.floor(length * (scales?.[i] ?? 1));
    factors[own] = sizes === undefined ? (scales?.[i] ?? 1) : (wanted[own] as number) / length;
  }
  if (wanted[0] !== shape[0] || wanted[1] !== shape[1]) throw from.to.unsupported("resizes the batch or the channels");
  const [height, width] = [wanted[2] as number, wanted[3] as number];
  const rule = ruleOf(from, isOld);
  return resize(from.to, view, "NCHW", [height, width], rule);
}

function listOf(values: readonly number[] | undefined): readonly number[] | undefined {
  return values === undefined || values.length === 0 ? undefined : values;
}

function ruleOf(from: NodeReader, isOld: boolean): ResizeRule {
  const mode = from.text("mode", "nearest");
  if (mode !== "nearest" && mode !== "linear" && mode !== "bilinear") {
    throw from.to.unsupported(`resizes by the mode "${mode}"; nearest and linear are read`);
  }
  const transformation = from.text("coordinate_transformation_mode", isOld ? "asymmetric" : "half_pixel");
  const rounding = from.text("nearest_mode", isOld ? "floor" : "round_prefer_floor");
  const position = positions[transformation];
  const nearest = roundings[rounding];
  if (position === undefined || nearest === undefined) {
    throw from.to.unsupported(`resizes by the rules "${transformation}" and "${rounding}"`);
  }
  return { mode: mode === "nearest" ? "nearest" : "bilinear", position, nearest };
}

/** coordinate_transformation_mode. */
const positions: Readonly<Record<string, ResizeRule["position"]>> = {
  half_pixel: (o, size, count) => ((o + 0.5) * size) / count - 0.5,
  half_pixel_symmetric: (o, size, count) => ((o + 0.5) * size) / count - 0.5,
  pytorch_half_pixel: (o, size, count) => (count > 1 ? ((o + 0.5) * size) / count - 0.5 : 0),
  align_corners: (o, size, count) => (count > 1 ? (o * (size - 1)) / (count - 1) : 0),
  asymmetric: (o, size, count) => (o * size) / count,
};

/** nearest_mode. */
const roundings: Readonly<Record<string, ResizeRule["nearest"]>> = {
  round_prefer_floor: (position) => Math.ceil(position - 0.5),
  round_prefer_ceil: (position) => Math.floor(position + 0.5),
  floor: Math.floor,
  ceil: Math.ceil,
};
