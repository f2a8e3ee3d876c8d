/** Convolutions and pools of foreign graphs: what slides a window over a picture. */
import { type Padding, type Pair, plainConvolution, type Shape, UnsupportedError, type Value } from "@depthwise/core";
import type { Atom } from "./axes.ts";
import { type Constant, type View, viewOf } from "./foreign_value.ts";
import type { Importer, Layout } from "./importer.ts";

/** How a window slides. */
export interface WindowAttributes {
  readonly stride: Pair;
  readonly dilation: Pair;
  /** For the picture's height and width and the window's, holes included. */
  readonly padding: (size: Pair, span: Pair) => Padding;
}

/** A convolution. */
export interface ConvolutionAttributes extends WindowAttributes {
  readonly kernel: Constant;
  /** For each axis of `[kh, kw, in/groups, out]` the kernel's own. */
  readonly kernelOrder: readonly number[];
  /** The shape to see the ordered kernel in, where it is another. */
  readonly kernelShape?: Shape | undefined;
  readonly bias: Constant | undefined;
  readonly groups: number;
}

/** A pool. */
export interface PoolAttributes extends WindowAttributes {
  readonly kernel: Pair;
  readonly ceil: boolean;
}

/** A convolution whose kernel is known. */
export function convolve(to: Importer, view: View, layout: Layout, attributes: ConvolutionAttributes): View {
  const { kernel, kernelOrder, kernelShape, bias, groups } = attributes;
  const x = to.picture(view, layout);
  if (kernel.shape.length !== 4) {
    throw to.unsupported(`a kernel of ${kernel.shape.length} axes is for other data than pictures`);
  }
  const weights = to.transposedParameter("kernel", kernel, kernelOrder, kernelShape);
  const { window } = windowOf(x, [weights.shape[0] as number, weights.shape[1] as number], attributes);
  const operation = { ...plainConvolution, ...window, dilation: attributes.dilation, groups, bias: bias !== undefined };
  const offsets = bias === undefined ? [] : [to.listParameter("bias", bias)];
  return to.fromPicture(to.emit(operation, [x, weights, ...offsets]), layout);
}

/** A pool for maxima. */
export function maxPool(to: Importer, view: View, layout: Layout, attributes: PoolAttributes): View {
  const x = to.picture(view, layout);
  const { kernel, ceil } = attributes;
  const { window } = windowOf(x, kernel, attributes);
  expectNoHoles(to, attributes);
  return to.fromPicture(to.emit({ op: "max_pool", kernel, ceil, ...window }, [x]), layout);
}

/** A pool for averages. */
export function averagePool(
  to: Importer,
  view: View,
  layout: Layout,
  attributes: PoolAttributes & { readonly countIncludePad: boolean },
): View {
  const x = to.picture(view, layout);
  const { kernel, ceil, countIncludePad } = attributes;
  const { window } = windowOf(x, kernel, attributes);
  expectNoHoles(to, attributes);
  const isWhole =
    kernel[0] === x.shape[1] && kernel[1] === x.shape[2] && Object.values(window.padding).every((cells) => cells === 0);
  if (isWhole) return to.fromPicture(to.emit({ op: "global_average_pool" }, [x]), layout);
  return to.fromPicture(to.emit({ op: "average_pool", kernel, ceil, countIncludePad, ...window }, [x]), layout);
}

/** The largest number of each channel. */
export function globalMaxPool(to: Importer, view: View, layout: Layout): View {
  const x = to.picture(view, layout);
  const kernel: Pair = [x.shape[1] as number, x.shape[2] as number];
  return maxPool(to, view, layout, { kernel, ceil: false, stride: [1, 1], dilation: [1, 1], padding: () => noPadding });
}

/**
 * The average over all pixels.
 *
 * @param axes foreign ones that are averaged over
 * @param keepAxes whether they stay, of length 1
 * @throws {UnsupportedError} if those axes are not all pixels, and nothing else
 */
export function averageOver(to: Importer, view: View, axes: readonly number[], keepAxes: boolean): View {
  const settled = to.settle(view);
  const averaged = new Set(axes);
  const isPixels = ({ axis }: Atom): boolean => settled.value.shape.length === 4 && (axis === 1 || axis === 2);
  const fits = settled.axes.every((atoms, axis) => atoms.every((atom) => isPixels(atom) === averaged.has(axis)));
  if (!fits) throw to.unsupported(`averages over axes ${axes.slice(0, 8).join()}; all pixels of a picture are read`);
  const { value, axes: own } = settled;
  const isOnePixel = value.shape.length !== 4 || (value.shape[1] === 1 && value.shape[2] === 1);
  const average = isOnePixel ? value : to.emit({ op: "global_average_pool" }, [value]);
  return viewOf(
    average,
    keepAxes
      ? own.map((atoms, axis) => (averaged.has(axis) ? [] : atoms))
      : own.filter((_, axis) => !averaged.has(axis)),
  );
}

/**
 * Rows and columns of a number around a picture.
 *
 * @param before cells put before each foreign axis
 * @param after cells put after it
 */
export function pad(
  to: Importer,
  view: View,
  preferred: Layout,
  before: readonly number[],
  after: readonly number[],
  value: number,
): View {
  if ([...before, ...after].every((cells) => cells === 0)) return view;
  const layout = to.layoutOf(view, preferred);
  const x = to.picture(view, layout);
  const [n, c, h, w] = [..."NCHW"].map((name) => layout.indexOf(name)) as [number, number, number, number];
  if (
    [n, c].some((axis) => before[axis] !== 0 || after[axis] !== 0) ||
    [...before, ...after].some((cells) => cells < 0)
  ) {
    throw to.unsupported("pads channels or the batch, or cuts off; rows and columns around pictures are read");
  }
  const padding = { top: before[h] ?? 0, bottom: after[h] ?? 0, left: before[w] ?? 0, right: after[w] ?? 0 };
  return to.fromPicture(to.emit({ op: "pad", padding, value }, [x]), layout);
}

/** TensorFlow's SAME: so many windows as strides begin within the picture; the odd cell before or after. */
export function samePadding(stride: Pair, oddCell: "before" | "after"): WindowAttributes["padding"] {
  return (size, span) => {
    const along = (axis: 0 | 1): Pair => {
      const total = Math.max((Math.ceil(size[axis] / stride[axis]) - 1) * stride[axis] + span[axis] - size[axis], 0);
      const [less, more] = [Math.floor(total / 2), Math.ceil(total / 2)];
      return oddCell === "after" ? [less, more] : [more, less];
    };
    const [top, bottom] = along(0);
    const [left, right] = along(1);
    return { top, bottom, left, right };
  };
}

/** No cells around. */
export const noPadding: Padding = { top: 0, bottom: 0, left: 0, right: 0 };

function windowOf(x: Value, kernel: Pair, { stride, dilation, padding }: WindowAttributes) {
  const size: Pair = [x.shape[1] as number, x.shape[2] as number];
  const span: Pair = [(kernel[0] - 1) * dilation[0] + 1, (kernel[1] - 1) * dilation[1] + 1];
  if (![...stride, ...dilation].every((step) => Number.isInteger(step) && step >= 1)) {
    throw new UnsupportedError(`has strides ${stride.join("x")} and dilations ${dilation.join("x")}.`);
  }
  return { window: { stride, padding: padding(size, span) } };
}

function expectNoHoles(to: Importer, { dilation }: WindowAttributes): void {
  if (dilation[0] * dilation[1] !== 1) throw to.unsupported("pools with holes (dilation) in their windows");
}
