/** TFLite's convolutions, pools, padding and resizing. */
import type { Pair } from "@depthwise/core";
import { scalarOf } from "../importer/arithmetic.ts";
import { shapeOf } from "../importer/axes.ts";
import type { View } from "../importer/foreign_value.ts";
import { type ResizeRule, resize } from "../importer/resize.ts";
import {
  averagePool,
  convolve,
  maxPool,
  noPadding,
  type PoolAttributes,
  pad,
  samePadding,
  type WindowAttributes,
} from "../importer/windows.ts";
import type { FlatTable } from "./flat_table.ts";
import type { OperatorReader } from "./operator_reader.ts";
import { paddings } from "./tflite_model.ts";

/** Axes of TFLite's kernels `[out, kh, kw, in/groups]` in our order. */
const hwio = [1, 2, 3, 0] as const;

/** CONV_2D, with as many groups as the kernel's channels leave. */
export function readConvolution(from: OperatorReader): View {
  const options = from.options();
  const view = from.view(0);
  const kernel = from.constant(1);
  const [channels, perGroup] = [shapeOf(view.axes)[3] ?? 0, kernel.shape[3] ?? 0];
  if (kernel.shape.length !== 4 || perGroup < 1 || channels % perGroup !== 0) {
    throw from.to.unsupported(`its kernel ${kernel.shape.join("x")} does not divide ${channels} channels into groups`);
  }
  return convolve(from.to, view, "NHWC", {
    ...windowOf(options, { stride: [2, 1], dilation: [5, 4] }),
    kernel,
    kernelOrder: hwio,
    bias: from.optional(2),
    groups: channels / perGroup,
  });
}

/** DEPTHWISE_CONV_2D: a kernel `[1, kh, kw, channels·multiplier]`. */
export function readDepthwiseConvolution(from: OperatorReader): View {
  const options = from.options();
  const view = from.view(0);
  const kernel = from.constant(1);
  const [one, kh, kw, out] = kernel.shape;
  if (one !== 1 || kh === undefined || kw === undefined || out === undefined || kernel.shape.length !== 4) {
    throw from.to.unsupported(`its kernel ${kernel.shape.join("x")} is none of depthwise convolutions`);
  }
  return convolve(from.to, view, "NHWC", {
    ...windowOf(options, { stride: [2, 1], dilation: [6, 5] }),
    kernel,
    kernelOrder: [0, 1, 2, 3],
    kernelShape: [kh, kw, 1, out],
    bias: from.optional(2),
    groups: shapeOf(view.axes)[3] ?? 0,
  });
}

/** MAX_POOL_2D. */
export function readMaxPool(from: OperatorReader): View {
  return maxPool(from.to, from.view(0), "NHWC", poolOf(from.options()));
}

/** AVERAGE_POOL_2D: padding never counts. */
export function readAveragePool(from: OperatorReader): View {
  return averagePool(from.to, from.view(0), "NHWC", { ...poolOf(from.options()), countIncludePad: false });
}

function poolOf(options: FlatTable): PoolAttributes {
  return { ...windowOf(options, { stride: [2, 1] }), kernel: [options.int32(4), options.int32(3)], ceil: false };
}

/** Places of the fields, vertical before horizontal. */
function windowOf(options: FlatTable, fields: { readonly stride: Pair; readonly dilation?: Pair }): WindowAttributes {
  const stride: Pair = [options.int32(fields.stride[0]), options.int32(fields.stride[1])];
  const dilation: Pair =
    fields.dilation === undefined
      ? [1, 1]
      : [options.int32(fields.dilation[0], 1), options.int32(fields.dilation[1], 1)];
  const isSame = options.int8(0) === paddings.SAME;
  return { stride, dilation, padding: isSame ? samePadding(stride, "after") : () => noPadding };
}

/** PAD and PADV2. */
export function readPad(from: OperatorReader): View {
  const view = from.view(0);
  const table = from.numbers(1) ?? [];
  const rank = view.axes.length;
  if (table.length !== 2 * rank) throw from.to.unsupported(`has ${table.length} paddings for ${rank} axes`);
  const value = from.optional(2);
  const before = table.filter((_, i) => i % 2 === 0);
  const after = table.filter((_, i) => i % 2 === 1);
  return pad(from.to, view, "NHWC", before, after, value === undefined ? 0 : scalarOf(from.to, value));
}

/** RESIZE_BILINEAR. */
export function readResizeBilinear(from: OperatorReader): View {
  return readResize(from, "bilinear", { alignCorners: 2, halfPixelCenters: 3 });
}

/** RESIZE_NEAREST_NEIGHBOR. */
export function readResizeNearest(from: OperatorReader): View {
  return readResize(from, "nearest", { alignCorners: 0, halfPixelCenters: 1 });
}

function readResize(
  from: OperatorReader,
  mode: ResizeRule["mode"],
  fields: { readonly alignCorners: number; readonly halfPixelCenters: number },
): View {
  const { options } = from.operator;
  const [height, width] = from.numbers(1) ?? [];
  if (height === undefined || width === undefined) throw from.to.unsupported("has no size to resize to");
  const alignCorners = options?.bool(fields.alignCorners) ?? false;
  const halfPixelCenters = options?.bool(fields.halfPixelCenters) ?? false;
  const rule: ResizeRule = {
    mode,
    position: (o, size, count) => {
      if (alignCorners && count > 1) return (o * (size - 1)) / (count - 1);
      // For the nearest cell TensorFlow takes the cell that holds the centre, not the one whose centre is nearest.
      const centre = halfPixelCenters ? o + 0.5 : o;
      return (centre * size) / count - (halfPixelCenters && mode === "bilinear" ? 0.5 : 0);
    },
    nearest: alignCorners ? (position) => Math.floor(position + 0.5) : Math.floor,
  };
  return resize(from.to, from.view(0), "NHWC", [height, width], rule);
}
