import { type ConvolutionParts, finish, rowWindow, weightRow } from "./convolution_parts.ts";
import { hash } from "./hash.ts";
import { type GroupwiseSpec, groupwiseKernel, packedGroupwiseFloats, packGroupwise } from "./kernels/groupwise.ts";
import { chooseTile } from "./kernels/sliding_tiles.ts";
import { type Buffer, FLOAT, LANES, type Place, pixelBytes, rowBytes, soleBuffer } from "./layout.ts";
import { atPixel, channelwiseLayout, inOrder, type Lowering, type Region } from "./lowering.ts";
import type { Call, Constant, Panels } from "./plan.ts";

/** Depthwise convolution: each run of channels is a call; the output keeps the input's order, a plane for each channel multiple. */
export function lowerDepthwise(parts: ConvolutionParts, to: Lowering): void {
  const { node, input, outPerGroup: multiple } = parts;
  const layout = channelwiseLayout(input, (channels) => to.lanesOf(channels));
  const region = to.allocate(node, layout.channels * multiple);
  const positions = inOrder(input.places.length * multiple).map(
    (c) => (c % multiple) * layout.channels + (layout.positions[Math.floor(c / multiple)] as number),
  );
  const calls = layout.runs.map(({ run, vectors, channel }) =>
    groupwiseCall(parts, to, {
      input: run.buffer,
      inputChannel: run.channel,
      inputPlanes: [0],
      region,
      outputChannel: channel,
      outputPlanes: inOrder(multiple).map((m) => m * layout.channels),
      vectors,
      groupOf: run.slots,
    }),
  );
  finish(parts, to, region, positions, calls);
}

/** The groups in memory order, if each of a group's channels lies in a plane of its own with all groups side by side. */
export function groupOrder({ input, groups, inPerGroup }: ConvolutionParts): readonly number[] | undefined {
  const place = (group: number, ic: number) => input.places[group * inPerGroup + ic] as Place;
  const order = inOrder(groups).toSorted((a, b) => place(a, 0).channel - place(b, 0).channel);
  const { buffer } = place(0, 0);
  for (let ic = 0; ic < inPerGroup; ic++) {
    const first = place(order[0] as number, ic).channel;
    const isPlane = order.every((group, rank) => {
      const { buffer: other, channel } = place(group, ic);
      return other === buffer && channel === first + rank;
    });
    if (!isPlane) return undefined;
  }
  return order;
}

/** A grouped convolution with lanes for groups. `order` lists the groups as their channels lie in memory. */
export function lowerGroupwise(parts: ConvolutionParts, order: readonly number[], to: Lowering): void {
  const { node, input, groups, inPerGroup, outPerGroup } = parts;
  const plane = to.lanesOf(groups);
  const region = to.allocate(node, plane * outPerGroup);
  const rank = new Map(order.map((group, i) => [group, i]));
  const positions = inOrder(groups * outPerGroup).map(
    (c) => (c % outPerGroup) * plane + (rank.get(Math.floor(c / outPerGroup)) as number),
  );
  const first = order[0] as number;
  const planes = inOrder(inPerGroup).map((ic) => (input.places[first * inPerGroup + ic] as Place).channel);
  const origin = Math.min(...planes);
  const call = groupwiseCall(parts, to, {
    input: soleBuffer(input),
    inputChannel: origin,
    inputPlanes: planes.map((channel) => channel - origin),
    region,
    outputChannel: 0,
    outputPlanes: inOrder(outPerGroup).map((oc) => oc * plane),
    vectors: plane / 4,
    groupOf: order,
  });
  finish(parts, to, region, positions, [call]);
}

/** Where one groupwise call reads and writes; channels and planes in floats. */
interface GroupwisePlacement {
  readonly input: Buffer;
  readonly inputChannel: number;
  readonly inputPlanes: readonly number[];
  readonly region: Region;
  readonly outputChannel: number;
  readonly outputPlanes: readonly number[];
  readonly vectors: number;
  readonly groupOf: readonly number[];
}

/** Output columns a groupwise tile may have: sums, taps of one kernel row and one input must fit into 15 registers. */
function mostColumns(kernelColumns: number): number {
  return Math.max(1, Math.min(8, 14 - kernelColumns));
}

function groupwiseCall(parts: ConvolutionParts, to: Lowering, placement: GroupwisePlacement): Call {
  const { operation, kernel, outPerGroup, bias, outHeight, outWidth } = parts;
  const { input, region, groupOf, vectors } = placement;
  const spec: GroupwiseSpec = {
    ...slidingSpec(parts, input, region.buffer),
    tile: chooseTile(outWidth, mostColumns(kernel[1])),
    block: to.target.wide && vectors % 2 === 0 ? 2 : 1,
    kernel,
    dilation: operation.dilation,
    inputPlaneBytes: placement.inputPlanes.map((floats) => floats * FLOAT),
    outputPlaneBytes: placement.outputPlanes.map((floats) => floats * FLOAT),
    activation: operation.activation,
  };
  const lanes = Array.from({ length: vectors * 4 }, (_, i) => groupOf[i] ?? -1);
  const constant: Constant = {
    bytes: packedGroupwiseFloats(spec, vectors) * FLOAT,
    holds: "weights",
    panels: [groupwisePanels(spec, vectors)],
    write: ({ f32 }) =>
      packGroupwise(
        f32,
        spec,
        lanes,
        (kh, kw, ic, oc, group) => weightOf(parts, kh, kw, ic, group * outPerGroup + oc),
        (oc, group) => bias?.[group * outPerGroup + oc] ?? 0,
      ),
  };
  const kind =
    spec.inputPlaneBytes.length === 1 ? "depthwise" : `groupwise${spec.inputPlaneBytes.length}x${outPerGroup}`;
  const name = [
    `f32_${kind}_${kernel.join("x")}_s${operation.stride.join("x")}_${spec.tile}x${spec.block * LANES}`,
    operation.activation === "none" ? "" : `_${operation.activation}`,
    `__${to.target.simd}_w${outWidth}_${hash(spec)}`,
  ].join("");
  return {
    kernel: to.kernel(name, (n) => groupwiseKernel(n, spec, to.target)),
    args: [
      atPixel(input, -operation.padding.top, -operation.padding.left, placement.inputChannel),
      { kind: "constant", constant },
      atPixel(region.buffer, 0, 0, region.channel + placement.outputChannel),
      { kind: "number", value: vectors / spec.block },
    ],
    units: outHeight,
    grain: 1,
    rows: rowWindow(parts),
    variant: `x${vectors * LANES}`,
  };
}

function groupwisePanels(spec: GroupwiseSpec, vectors: number): Panels {
  const { kernel, inputPlaneBytes, outputPlaneBytes, block } = spec;
  const rows = 1 + kernel[0] * kernel[1] * inputPlaneBytes.length;
  return { count: (vectors / block) * outputPlaneBytes.length, rows, lanes: block * LANES };
}

/** The spec's part that a sliding window shares, for a buffer's channels. */
function slidingSpec(parts: ConvolutionParts, input: Buffer, output: Buffer) {
  const { operation, outWidth } = parts;
  return {
    outWidth,
    strideRows: operation.stride[0],
    strideColumns: operation.stride[1],
    inputPixelBytes: pixelBytes(input),
    inputRowBytes: rowBytes(input),
    outputPixelBytes: pixelBytes(output),
    outputRowBytes: rowBytes(output),
  };
}

/** A weight by tap, input channel in its group and output channel. */
function weightOf(parts: ConvolutionParts, kh: number, kw: number, ic: number, oc: number): number {
  return parts.weights[weightRow(parts, { kh, kw, ic }) + oc] as number;
}
