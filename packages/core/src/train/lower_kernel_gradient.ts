import { suitsLanesOfGroups } from "../compiler/convolution_parts.ts";
import { noPadding, windowBorder } from "../compiler/halo.ts";
import { hash } from "../compiler/hash.ts";
import type { Stride } from "../compiler/kernels/elementwise.ts";
import {
  type Buffer,
  buffersOf,
  FLOAT,
  LANES,
  type Place,
  pixelBytes,
  roundUpToLanes,
  rowBytes,
  rowsFollow,
  runsOf,
  type View,
} from "../compiler/layout.ts";
import { copied, inNaturalOrder, inPlanes, strideNames, strideOf } from "../compiler/lower_elementwise.ts";
import { at, atPixel, channelwiseLayout, inOrder } from "../compiler/lowering.ts";
import type { Address, Call } from "../compiler/plan.ts";
import { invariant } from "../errors.ts";
import type { Padding, Pair, Window } from "../graph/operations.ts";
import { type DepthwiseGradientSpec, depthwiseGradientKernel } from "./kernels/depthwise_gradient.ts";
import { type KernelGradientSpec, kernelGradientKernel, multiplyAdds } from "./kernels/kernel_gradient.ts";
import type { StepNode, StepOperationOf } from "./step_graph.ts";
import type { StepLowering } from "./step_lowering.ts";

/** A convolution whose kernel's gradient is wanted, taken apart. */
interface Parts extends Window {
  readonly node: StepNode;
  readonly x: View;
  readonly gradient: View;
  readonly kernel: Pair;
  readonly dilation: Pair;
  readonly groups: number;
  readonly inPerGroup: number;
  readonly outPerGroup: number;
}

export function lowerKernelGradient(node: StepNode<StepOperationOf<"kernel_gradient">>, to: StepLowering): void {
  const { kernel, dilation, groups, stride, padding } = node.operation;
  const [, , inPerGroup, out] = node.shape as readonly [number, number, number, number];
  const [x, gradient] = node.inputs.map((input) => to.view(input)) as [View, View];
  const parts = { node, x, gradient, kernel, dilation, groups, stride, padding, inPerGroup, outPerGroup: out / groups };
  if (groups > 1 && (inPerGroup === 1 || suitsLanesOfGroups(parts))) lowerByGroups(parts, to);
  else lowerProduct(parts, to);
}

export function lowerLinearKernelGradient(node: StepNode, to: StepLowering): void {
  const [inPerGroup, outPerGroup] = node.shape as readonly [number, number];
  const [x, gradient] = node.inputs.map((input) => to.view(input)) as [View, View];
  const one: Pair = [1, 1];
  const parts = { node, x, gradient, kernel: one, dilation: one, groups: 1, stride: one, padding: noPadding };
  lowerProduct({ ...parts, inPerGroup, outPerGroup }, to);
}

/** Multiply-accumulates for one picture. */
function macsOf({ gradient, kernel, inPerGroup, outPerGroup, groups }: Parts): number {
  return gradient.height * gradient.width * kernel[0] * kernel[1] * inPerGroup * outPerGroup * groups;
}

/** From one output pixel's window to the next, in x. */
function windowStride({ stride }: Parts, buffer: Buffer) {
  return { pixelBytes: stride[1] * pixelBytes(buffer), rowBytes: stride[0] * rowBytes(buffer) };
}

/** One side of a product: floats side by side in each group, and how they lie from pixel to pixel. */
interface Side {
  readonly floats: number;
  readonly stride: Stride;
  readonly groupBytes: number;
  readonly first: Address;
}

/** The product of a stretch of x with the gradient: a row of its result for each float of one side, a column for each of the other. */
interface Product {
  readonly stretch: Stretch;
  readonly rows: Side;
  readonly columns: Side;
  /** Floats from row to row, and where a group's result begins among those of all products. */
  readonly pitch: number;
  readonly start: number;
}

/** Dense or grouped, as matrix products: one for each stretch of floats that lie side by side in x. */
function lowerProduct(original: Parts, to: StepLowering): void {
  const parts = withUniformGroups(original, to);
  const { node, x, gradient, kernel, groups, inPerGroup, outPerGroup } = parts;
  const images = isOneBlock(parts, to) ? to.images : 1;
  const stretches = stretchesOf(parts, { ...x, places: x.places.slice(0, inPerGroup) });
  const isTransposed = fillsMoreLanesTransposed(stretches, outPerGroup, to);
  const products = productsOf(parts, stretches, isTransposed);
  const groupFloats = products.reduce((sum, { rows, pitch }) => sum + rows.floats * pitch, 0);
  const result = to.line(node.name, groups * groupFloats, "sums");
  const calls = products.map(({ rows, columns, pitch, start }): Call => {
    const spec: KernelGradientSpec = {
      height: images * gradient.height,
      width: gradient.width,
      single: rows.stride,
      vector: columns.stride,
      rows: rows.floats,
      vectors: pitch / LANES,
      groups,
      groupSingleBytes: rows.groupBytes,
      groupVectorBytes: columns.groupBytes,
      resultRowBytes: pitch * FLOAT,
      groupResultBytes: groupFloats * FLOAT,
    };
    const name = `f32_kernel_gradient_${rows.floats}x${columns.floats}_g${groups}_${spec.height}x${spec.width}__${to.target.simd}_${hash(spec)}`;
    return {
      kernel: to.kernel(name, (n) => kernelGradientKernel(n, spec, to.target)),
      args: [rows.first, columns.first, at(result, start * FLOAT)],
      units: 1,
      grain: 1,
    };
  });
  const step = images === 1 ? "pictureStep" : "wholeStep";
  to[step](node, calls, [...buffersOf(x), ...buffersOf(gradient), result], [result], macsOf(parts));
  const inGroup = placesInGroup(products, isTransposed);
  to.numbersOf.set(node.id, {
    buffer: result,
    at: (element) => {
      const [entry, channel] = [Math.floor(element / (groups * outPerGroup)), element % (groups * outPerGroup)];
      const [group, oc] = [Math.floor(channel / outPerGroup), channel % outPerGroup];
      return group * groupFloats + (inGroup.get(entry) as (oc: number) => number)(oc);
    },
  });
  invariant(kernel[0] * kernel[1] * inPerGroup === inGroup.size, `the gradient of "${node.name}" misses inputs`);
}

/** @param isTransposed whether outputs are the rows and inputs the columns, instead of the other way round */
function productsOf(parts: Parts, stretches: readonly Stretch[], isTransposed: boolean): readonly Product[] {
  const { x, gradient, groups, inPerGroup, outPerGroup, dilation, padding } = parts;
  const groupBytes = (view: View, perGroup: number) => (groups === 1 ? 0 : groupStep(view.places, perGroup) * FLOAT);
  const output = gradient.places[0] as Place;
  const outputs: Side = {
    floats: outPerGroup,
    stride: strideOf(output.buffer),
    groupBytes: groupBytes(gradient, outPerGroup),
    first: atPixel(output.buffer, 0, 0, output.channel),
  };
  let start = 0;
  return stretches.map((stretch) => {
    const { buffer, channel, kh, kw, floats } = stretch;
    const inputs: Side = {
      floats,
      stride: windowStride(parts, buffer),
      groupBytes: groupBytes(x, inPerGroup),
      first: atPixel(buffer, kh * dilation[0] - padding.top, kw * dilation[1] - padding.left, channel),
    };
    const [rows, columns] = isTransposed ? [outputs, inputs] : [inputs, outputs];
    const product = { stretch, rows, columns, pitch: roundUpToLanes(columns.floats), start };
    start += rows.floats * product.pitch;
    return product;
  });
}

/** For each entry of the kernel (taps, then channels of a group): where in a group's results its number for an output channel is. */
function placesInGroup(
  products: readonly Product[],
  isTransposed: boolean,
): ReadonlyMap<number, (oc: number) => number> {
  return new Map(
    products.flatMap(({ stretch, pitch, start }) =>
      stretch.entries.map(({ entry, float }) => {
        const place = (oc: number) => start + (isTransposed ? oc * pitch + float : float * pitch + oc);
        return [entry, place] as const;
      }),
    ),
  );
}

/** A product with this share of another's multiply-adds is the faster one, whatever else differs. */
const CLEARLY_FEWER = 0.9;

/** Whether vectors of inputs, each multiplied with single outputs, fill clearly more lanes than vectors of outputs. */
function fillsMoreLanesTransposed(
  stretches: readonly Stretch[],
  outPerGroup: number,
  { target }: StepLowering,
): boolean {
  const count = (rows: number, columns: number) =>
    multiplyAdds({ rows, vectors: roundUpToLanes(columns) / LANES }, target);
  const total = (of: (floats: number) => number) => stretches.reduce((sum, { floats }) => sum + of(floats), 0);
  const [asIs, transposed] = [total((n) => count(n, outPerGroup)), total((n) => count(outPerGroup, n))];
  return transposed < CLEARLY_FEWER * asIs;
}

/** Floats of a group's stretches for each of its channels, from which on a copy without gaps is cheaper. */
const MOST_GAPS = 1.5;

/** Where a result is larger than this, it should not come by for each picture of few pixels. */
const LARGE_RESULT_BYTES = 16_000;
const FEW_PIXELS = 64;

/**
 * Whether all pictures are multiplied as one of many rows: few pixels and a large result, which would come from the second-level cache for
 * every picture. Their pixels must follow each other from picture to picture.
 */
function isOneBlock(
  { x, gradient, kernel, stride, groups, inPerGroup, outPerGroup }: Parts,
  to: StepLowering,
): boolean {
  const { height, width } = gradient;
  const isPointwise = [...kernel, ...stride].every((length) => length === 1);
  const isLarge = groups * inPerGroup * outPerGroup * FLOAT > LARGE_RESULT_BYTES;
  if (!isPointwise || !isLarge || height * width > FEW_PIXELS) return false;
  return [...buffersOf(x), ...buffersOf(gradient)].every((buffer) => rowsFollow(buffer, to.images, height));
}

/** Floats side by side in x that are multiplied together. */
interface Stretch {
  readonly buffer: Buffer;
  readonly channel: number;
  readonly kh: number;
  readonly kw: number;
  readonly floats: number;
  /** Which rows of the kernel (taps, then channels) are at which of the floats. */
  readonly entries: readonly { readonly entry: number; readonly float: number }[];
}

/** The stretches of one group: a run of channels at each tap, or a row of taps at once where pixels hold nothing else. */
function stretchesOf({ kernel, dilation, inPerGroup }: Parts, group: View): readonly Stretch[] {
  const stretches: Stretch[] = [];
  for (const { buffer, channel, slots } of runsOf(group)) {
    const isWholePixel = channel === 0 && slots.length === buffer.stride && dilation[1] === 1;
    const columns = isWholePixel ? kernel[1] : 1;
    for (let kh = 0; kh < kernel[0]; kh++) {
      for (let kw = 0; kw < kernel[1]; kw += columns) {
        const entries = inOrder(columns).flatMap((column) =>
          slots.flatMap((slot, i) =>
            slot < 0
              ? []
              : [{ entry: (kh * kernel[1] + kw + column) * inPerGroup + slot, float: column * slots.length + i }],
          ),
        );
        stretches.push({ buffer, channel, kh, kw, floats: columns * slots.length, entries });
      }
    }
  }
  return stretches;
}

/** Floats from a group's first channel to the next group's. */
function groupStep(places: readonly Place[], perGroup: number): number {
  return (places[perGroup] as Place).channel - (places[0] as Place).channel;
}

/** Whether groups lie in one buffer, all alike, equally far apart. */
function isUniform({ places }: View, perGroup: number): boolean {
  const first = places[0] as Place;
  const step = places.length > perGroup ? groupStep(places, perGroup) : 0;
  return places.every(({ buffer, channel }, c) => {
    const model = places[c % perGroup] as Place;
    return buffer === first.buffer && channel === model.channel + Math.floor(c / perGroup) * step;
  });
}

function isSideBySide({ places }: View, perGroup: number): boolean {
  return places.every(({ channel }, c) => c % perGroup === 0 || channel === (places[c - 1] as Place).channel + 1);
}

/** The operands as the product needs them, copied where they are not: groups alike, and a group's gradients side by side. */
function withUniformGroups(parts: Parts, to: StepLowering): Parts {
  const { node, groups, inPerGroup, outPerGroup } = parts;
  const gradientFits = isUniform(parts.gradient, outPerGroup) && isSideBySide(parts.gradient, outPerGroup);
  const gradient = gradientFits ? parts.gradient : inNaturalOrder(node, parts.gradient, to);
  const inputFits = groups === 1 || (isUniform(parts.x, inPerGroup) && !isScattered(parts.x, inPerGroup));
  const x = inputFits ? parts.x : inNaturalOrder(node, parts.x, to, border(parts));
  return { ...parts, x, gradient };
}

/**
 * Whether a group's channels lie in stretches of less than a vector on average: each is a product, which reads all of the gradient; or have
 * gaps between them that are multiplied like channels.
 */
function isScattered({ places, ...picture }: View, perGroup: number): boolean {
  const runs = runsOf({ ...picture, places: places.slice(0, perGroup) });
  const floats = runs.reduce((sum, { slots }) => sum + slots.length, 0);
  return (runs.length > 1 && runs.length * LANES > perGroup) || floats > MOST_GAPS * perGroup;
}

/** The border that a copy of x needs. */
function border(parts: Parts): Padding {
  return windowBorder(parts, parts.x, parts.gradient);
}

/** Depthwise, and groups of few channels: a lane for each group, one call for each pair of an input and an output channel of a group. */
function lowerByGroups(parts: Parts, to: StepLowering): void {
  const { node, kernel, groups, inPerGroup, outPerGroup, dilation, padding } = parts;
  const x = isInPlanes(parts.x, inPerGroup, groups) ? parts.x : inPlanes(node, parts.x, to, inPerGroup, border(parts));
  const layout = channelwiseLayout({ ...x, places: inOrder(groups).map((g) => x.places[g * inPerGroup] as Place) });
  const gradient = followsLayout(parts, layout) ? parts.gradient : copyLike(to, parts, layout);
  const floats = layout.channels * kernel[0] * kernel[1];
  const result = to.line(node.name, inPerGroup * outPerGroup * floats, "sums");
  const calls: Call[] = [];
  for (let ic = 0; ic < inPerGroup; ic++) {
    for (let oc = 0; oc < outPerGroup; oc++) {
      for (const { run, vectors, channel } of layout.runs) {
        const group = run.slots.find((slot) => slot >= 0) as number;
        const lane = run.slots.indexOf(group);
        const input = x.places[group * inPerGroup + ic] as Place;
        const output = gradient.places[group * outPerGroup + oc] as Place;
        const spec: DepthwiseGradientSpec = {
          height: gradient.height,
          width: gradient.width,
          kernel,
          tap: { pixelBytes: dilation[1] * pixelBytes(input.buffer), rowBytes: dilation[0] * rowBytes(input.buffer) },
          x: windowStride(parts, input.buffer),
          gradient: strideOf(output.buffer),
          resultTapBytes: layout.channels * FLOAT,
        };
        const strides = strideNames(spec.tap, spec.x, spec.gradient);
        const name = `f32_depthwise_gradient_${kernel.join("x")}_${spec.height}x${spec.width}_of${layout.channels}__${to.target.simd}_${strides}`;
        calls.push({
          kernel: to.kernel(name, (n) => depthwiseGradientKernel(n, spec, to.target)),
          args: [
            atPixel(input.buffer, -padding.top, -padding.left, input.channel - lane),
            atPixel(output.buffer, 0, 0, output.channel - lane),
            at(result, ((ic * outPerGroup + oc) * floats + channel) * FLOAT),
          ],
          units: vectors,
          grain: 1,
        });
      }
    }
  }
  to.pictureStep(node, calls, [...buffersOf(x), ...buffersOf(gradient), result], [result], macsOf(parts));
  const out = groups * outPerGroup;
  to.numbersOf.set(node.id, {
    buffer: result,
    at: (element) => {
      const [entry, channel] = [Math.floor(element / out), element % out];
      const [tap, ic] = [Math.floor(entry / inPerGroup), entry % inPerGroup];
      const [group, oc] = [Math.floor(channel / outPerGroup), channel % outPerGroup];
      return (ic * outPerGroup + oc) * floats + tap * layout.channels + (layout.positions[group] as number);
    },
  });
}

/** Whether each channel of the groups lies in a plane that has the groups in the same order as the first one. */
function isInPlanes({ places }: View, perGroup: number, groups: number): boolean {
  const distance = (group: number, c: number) => {
    const [first, other] = [places[group * perGroup] as Place, places[group * perGroup + c] as Place];
    return first.buffer === other.buffer ? other.channel - first.channel : Number.NaN;
  };
  for (let c = 1; c < perGroup; c++) {
    for (let group = 0; group < groups; group++) if (distance(group, c) !== distance(0, c)) return false;
  }
  return true;
}

/** Whether the gradient's channels lie like the groups in a layout, plane by plane. */
function followsLayout({ gradient, outPerGroup }: Parts, layout: ReturnType<typeof channelwiseLayout>): boolean {
  for (let oc = 0; oc < outPerGroup; oc++) {
    for (const { run } of layout.runs) {
      const lanes = run.slots.flatMap((group, lane) => (group < 0 ? [] : [{ group, lane }]));
      const [head] = lanes as [{ group: number; lane: number }];
      const origin = gradient.places[head.group * outPerGroup + oc] as Place;
      for (const { group, lane } of lanes) {
        const place = gradient.places[group * outPerGroup + oc] as Place;
        if (place.buffer !== origin.buffer || place.channel - origin.channel !== lane - head.lane) return false;
      }
    }
  }
  return true;
}

/** The gradient in planes that follow a layout. */
function copyLike(to: StepLowering, parts: Parts, layout: ReturnType<typeof channelwiseLayout>): View {
  const { node, gradient, outPerGroup } = parts;
  const positions = gradient.places.map(
    (_, c) => (c % outPerGroup) * layout.channels + (layout.positions[Math.floor(c / outPerGroup)] as number),
  );
  return copied(node, gradient, to, { positions, stride: layout.channels * outPerGroup });
}
