import { isNode, type Node, nodeOf, type ValueId } from "../graph/graph.ts";
import type { OperationOf, Pair } from "../graph/operations.ts";
import {
  chooseSegments,
  type DepthList,
  type DepthRun,
  type GemmSpec,
  gemmKernel,
  type PixelMap,
  packedGroupFloats,
  packGroup,
} from "./kernels/gemm.ts";
import { type GroupwiseSpec, groupwiseKernel, packedGroupwiseFloats, packGroupwise } from "./kernels/groupwise.ts";
import { chooseTile } from "./kernels/sliding_tiles.ts";
import {
  type Buffer,
  buffersOf,
  FLOAT,
  isContiguous,
  type Place,
  pixelBytes,
  roundUpToLanes,
  rowBytes,
  runsOf,
  soleBuffer,
  type View,
} from "./layout.ts";
import { addInto, inNaturalOrder } from "./lower_elementwise.ts";
import { atPixel, channelwiseLayout, inOrder, type Lowering, type Region, viewOf } from "./lowering.ts";
import type { Address, Call, Constant } from "./plan.ts";

/** A convolution, or a linear layer as a convolution of one pixel, taken apart. */
export interface ConvolutionParts {
  readonly node: Node;
  readonly operation: OperationOf<"convolution">;
  readonly input: View;
  readonly kernel: Pair;
  readonly groups: number;
  /** Channels a group reads and writes. */
  readonly inPerGroup: number;
  readonly outPerGroup: number;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly weights: Float32Array;
  readonly bias: Float32Array | undefined;
  readonly residual: View | undefined;
}

/** Lowers a convolution to the kernel that suits its groups. */
export function lowerConvolution(node: Node<OperationOf<"convolution">>, to: Lowering): void {
  const { operation, inputs } = node;
  const kernel = nodeOf(to.graph, inputs[1] as ValueId).shape as readonly [number, number, number, number];
  const channels = kernel[3];
  const biasId = operation.bias ? inputs[2] : undefined;
  const residualId = operation.residual ? inputs[2 + Number(operation.bias)] : undefined;
  lowerParts(
    {
      node,
      operation,
      input: to.view(inputs[0] as ValueId),
      kernel: [kernel[0], kernel[1]],
      groups: operation.groups,
      inPerGroup: kernel[2],
      outPerGroup: channels / operation.groups,
      outHeight: node.shape[1] as number,
      outWidth: node.shape[2] as number,
      weights: to.numbers(inputs[1] as ValueId),
      bias: biasId === undefined ? undefined : to.numbers(biasId),
      residual: residualId === undefined ? undefined : to.view(residualId),
    },
    to,
  );
}

/** Lowers a linear layer: a pointwise convolution of a picture of one pixel. */
export function lowerLinear(node: Node<OperationOf<"linear">>, to: Lowering): void {
  const { operation, inputs } = node;
  const [inPerGroup, outPerGroup] = nodeOf(to.graph, inputs[1] as ValueId).shape as readonly [number, number];
  const padding = { top: 0, bottom: 0, left: 0, right: 0 };
  lowerParts(
    {
      node,
      operation: {
        op: "convolution",
        stride: [1, 1],
        padding,
        dilation: [1, 1],
        groups: 1,
        bias: operation.bias,
        activation: operation.activation,
        residual: false,
        residualActivation: "none",
      },
      input: to.view(inputs[0] as ValueId),
      kernel: [1, 1],
      groups: 1,
      inPerGroup,
      outPerGroup,
      outHeight: 1,
      outWidth: 1,
      weights: to.numbers(inputs[1] as ValueId),
      bias: operation.bias ? to.numbers(inputs[2] as ValueId) : undefined,
      residual: undefined,
    },
    to,
  );
}

/** Multiply-accumulates of a convolution. */
function macsOf({ kernel, inPerGroup, outPerGroup, groups, outHeight, outWidth }: ConvolutionParts): number {
  return outHeight * outWidth * kernel[0] * kernel[1] * inPerGroup * outPerGroup * groups;
}

function lowerParts(parts: ConvolutionParts, to: Lowering): void {
  const { groups, inPerGroup, outPerGroup } = parts;
  if (groups > 1 && inPerGroup === 1) {
    lowerDepthwise(parts, to);
    return;
  }
  // With so few channels a group, lanes for channels would stay empty or sums would be too short: give lanes to groups instead.
  const order =
    groups >= 4 && (outPerGroup < 4 || inPerGroup < 3) && inPerGroup * outPerGroup <= 16
      ? groupOrder(parts)
      : undefined;
  if (order) lowerGroupwise(parts, order, to);
  else lowerGemm(parts, to);
}

/** Where the weights of one input float for all output channels begin. */
function weightRow({ kernel, inPerGroup, outPerGroup, groups }: ConvolutionParts, { kh, kw, ic }: DepthEntry): number {
  return ((kh * kernel[1] + kw) * inPerGroup + ic) * outPerGroup * groups;
}

/** A weight by tap, input channel in its group and output channel. */
function weightOf(parts: ConvolutionParts, kh: number, kw: number, ic: number, oc: number): number {
  return parts.weights[weightRow(parts, { kh, kw, ic }) + oc] as number;
}

/** The spec's part that a sliding window shares, for a buffer's channels. */
function slidingSpec(parts: ConvolutionParts, input: Buffer, output: Buffer, vectors: number) {
  const { operation, outWidth } = parts;
  return {
    outWidth,
    strideRows: operation.stride[0],
    strideColumns: operation.stride[1],
    inputPixelBytes: pixelBytes(input),
    inputRowBytes: rowBytes(input),
    outputPixelBytes: pixelBytes(output),
    outputRowBytes: rowBytes(output),
    vectors,
  };
}

/** Depthwise convolution: each run of channels is a call; the output keeps the input's order, a plane for each channel multiple. */
function lowerDepthwise(parts: ConvolutionParts, to: Lowering): void {
  const { node, input, outPerGroup: multiple, residual } = parts;
  const layout = channelwiseLayout(input);
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
  finish(parts, to, region, positions, calls, residual);
}

/** The groups in memory order, if each of a group's channels lies in a plane of its own with all groups side by side. */
function groupOrder({ input, groups, inPerGroup }: ConvolutionParts): readonly number[] | undefined {
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

function lowerGroupwise(parts: ConvolutionParts, order: readonly number[], to: Lowering): void {
  const { node, input, groups, inPerGroup, outPerGroup, residual } = parts;
  const plane = roundUpToLanes(groups);
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
  finish(parts, to, region, positions, [call], residual);
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
  const { input, region, groupOf } = placement;
  const spec: GroupwiseSpec = {
    ...slidingSpec(parts, input, region.buffer, placement.vectors),
    tile: chooseTile(outWidth, mostColumns(kernel[1])),
    block: to.target.wide && placement.vectors % 2 === 0 ? 2 : 1,
    kernel,
    dilation: operation.dilation,
    inputPlaneBytes: placement.inputPlanes.map((floats) => floats * FLOAT),
    outputPlaneBytes: placement.outputPlanes.map((floats) => floats * FLOAT),
    activation: operation.activation,
  };
  const lanes = Array.from({ length: placement.vectors * 4 }, (_, i) => groupOf[i] ?? -1);
  const constant: Constant = {
    bytes: packedGroupwiseFloats(spec) * FLOAT,
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
    `f32_${kind}_${kernel.join("x")}_s${operation.stride.join("x")}_${spec.tile}x${placement.vectors * 4}`,
    operation.activation === "none" ? "" : `_${operation.activation}`,
    `__${to.target.simd}_w${outWidth}_${hash(spec)}`,
  ].join("");
  return {
    kernel: to.kernel(name, (n) => groupwiseKernel(n, spec, to.target)),
    args: [
      atPixel(input, -operation.padding.top, -operation.padding.left, placement.inputChannel),
      { kind: "constant", constant },
      atPixel(region.buffer, 0, 0, region.channel + placement.outputChannel),
    ],
    units: outHeight,
    grain: 1,
  };
}

/** Records the step and the view; adds a residual that the kernel could not take. */
function finish(
  parts: ConvolutionParts,
  to: Lowering,
  region: Region,
  positions: readonly number[],
  calls: readonly Call[],
  residual: View | undefined,
): void {
  const { node, input, operation } = parts;
  const reads = [...buffersOf(input), ...(residual ? buffersOf(residual) : [])];
  to.step(node, [...region.preparation, ...calls], reads, [region.buffer], macsOf(parts));
  const view = viewOf(region, positions);
  to.views.set(node.id, view);
  const isFused = calls.some((call) => call.kernel.params.includes("residual"));
  if (residual && !isFused) addInto(node, view, residual, operation.residualActivation, to);
}

// ---- Dense and grouped convolutions as matrix products ------------------------------------------------------------------------

/** One input float of a group's product: a tap and a channel of the group. */
interface DepthEntry {
  readonly kh: number;
  readonly kw: number;
  readonly ic: number;
}

/** How a product walks over its inputs: the walk itself, and which weights it meets on the way, for each group. */
interface DepthPlan {
  readonly depth: GemmSpec["depth"];
  readonly buffers: readonly Buffer[];
  readonly entries: (group: number) => readonly DepthEntry[];
  readonly groupInputBytes: number;
  readonly table: Constant | undefined;
}

/** A short irregular walk is written out; beyond this many floats it becomes a table. */
const MOST_LISTED = 40;

function lowerGemm(parts: ConvolutionParts, to: Lowering): void {
  let current = parts;
  let plan = planDepth(current);
  if (plan === undefined) {
    // Groups over buffers of different shapes: bring the channels together first.
    current = { ...parts, input: inNaturalOrder(parts.node, parts.input, to, parts.operation.padding) };
    plan = planDepth(current) as DepthPlan;
  }
  emitGemm(current, plan, to);
}

function emitGemm(parts: ConvolutionParts, plan: DepthPlan, to: Lowering): void {
  const { node, operation, groups, outPerGroup, outHeight, outWidth, kernel, inPerGroup, residual, bias } = parts;
  const pixels = outHeight * outWidth;
  const depthCount = kernel[0] * kernel[1] * inPerGroup;
  const groupFloats = roundUpToLanes(outPerGroup);
  const region = to.allocate(node, groups * groupFloats);
  const positions = inOrder(groups * outPerGroup).map(
    (c) => Math.floor(c / outPerGroup) * groupFloats + (c % outPerGroup),
  );
  const isNatural = groups === 1 || groupFloats === outPerGroup;
  const fusedResidual = residual && isNatural && isContiguous(residual) ? residual : undefined;
  const segments = chooseSegments(to.target, pixels, groupFloats / 4);
  const spec: GemmSpec = {
    pixels,
    width: outWidth,
    inputs: plan.buffers.map((buffer) => pixelMap(buffer, outWidth, outHeight, operation.stride)),
    output: pixelMap(region.buffer, outWidth, outHeight),
    residual: fusedResidual && pixelMap(soleBuffer(fusedResidual), outWidth, outHeight),
    groups,
    groupInputBytes: plan.groupInputBytes,
    groupOutputBytes: groupFloats * FLOAT,
    depth: plan.depth,
    depthCount,
    segments,
    outer: chooseOuter(parts),
    activation: operation.activation,
    residualActivation: fusedResidual ? operation.residualActivation : "none",
  };
  const groupPacked = packedGroupFloats(segments, depthCount);
  const constant: Constant = {
    bytes: groups * groupPacked * FLOAT,
    write: ({ f32 }) => {
      for (let group = 0; group < groups; group++) {
        packGroup(f32.subarray(group * groupPacked, (group + 1) * groupPacked), segments, {
          channels: outPerGroup,
          weights: parts.weights,
          rows: Int32Array.from(plan.entries(group), (entry) => weightRow(parts, entry) + group * outPerGroup),
          bias: bias?.subarray(group * outPerGroup, (group + 1) * outPerGroup),
        });
      }
    },
  };
  const { top, left } = operation.padding;
  const args: Address[] = [
    ...plan.buffers.map((buffer) => atPixel(buffer, -top, -left, 0)),
    { kind: "constant", constant },
    ...(plan.table ? [{ kind: "constant" as const, constant: plan.table }] : []),
    atPixel(region.buffer, 0, 0, region.channel),
    ...(fusedResidual ? [atPixel(soleBuffer(fusedResidual), 0, 0, (fusedResidual.places[0] as Place).channel)] : []),
  ];
  const name = gemmName(parts, spec, to);
  const byPixels = { units: pixels, grain: Math.max(...segments.map((segment) => segment.rows)) };
  const byTiles = { units: segments.reduce((sum, { count }) => sum + count, 0), grain: 1 };
  const split = spec.outer === "pixels" ? byPixels : byTiles;
  const call: Call = { kernel: to.kernel(name, (n) => gemmKernel(n, spec, to.target)), args, ...split };
  finish(parts, to, region, positions, [call], residual);
}

function gemmName(parts: ConvolutionParts, spec: GemmSpec, to: Lowering): string {
  const { node, kernel, groups, inPerGroup, outPerGroup, operation } = parts;
  const kind = isNode(node, "linear") ? "linear" : kernel[0] * kernel[1] === 1 ? "pointwise" : "spatial";
  const shape = kind === "spatial" ? `_${kernel.join("x")}_s${operation.stride.join("x")}` : "";
  const tile = spec.segments.map((segment) => `${segment.rows}x${segment.vectors * 4}`).join("+");
  const activations = [spec.activation, spec.residual ? "add" : "none", spec.residualActivation].filter(
    (a) => a !== "none",
  );
  const grouped = groups === 1 ? "" : `_g${groups}`;
  return [
    `f32_${kind}_${tile}${shape}${grouped}`,
    ...activations.map((activation) => `_${activation}`),
    `__${to.target.simd}_k${inPerGroup}_n${outPerGroup}_m${spec.pixels}_${hash(spec)}`,
  ].join("");
}

/** A short name for all of a spec. */
function hash(spec: unknown): string {
  let value = 0x811c9dc5;
  for (const character of JSON.stringify(spec)) value = Math.imul(value ^ character.charCodeAt(0), 0x01000193);
  return (value >>> 0).toString(36);
}

function pixelMap(buffer: Buffer, outWidth: number, outHeight: number, stride: Pair = [1, 1]): PixelMap {
  const pixel = stride[1] * pixelBytes(buffer);
  const wrap = outHeight === 1 ? 0 : stride[0] * rowBytes(buffer) - outWidth * pixel;
  return { pixelBytes: pixel, wrapBytes: wrap };
}

/** Bytes that may stay in the second-level cache beside what streams through it. */
const STAYS_IN_CACHE = 400_000;

/** Which side stays in cache while the other streams: channels outside when the weights are large and the picture is small. */
function chooseOuter(parts: ConvolutionParts): "pixels" | "channels" {
  if (parts.groups > 1) return "pixels";
  const weightBytes = parts.weights.length * FLOAT;
  const inputBytes = parts.input.height * parts.input.width * parts.input.places.length * FLOAT;
  const isSinglePixel = parts.outHeight * parts.outWidth === 1;
  return isSinglePixel || (weightBytes > STAYS_IN_CACHE / 2 && inputBytes < STAYS_IN_CACHE) ? "channels" : "pixels";
}

/** How to walk over the inputs, or undefined where groups lie in buffers of different shapes. */
function planDepth(parts: ConvolutionParts): DepthPlan | undefined {
  const { input, groups, inPerGroup, kernel, operation } = parts;
  const buffers = buffersOf(input);
  const groupView = (group: number): View => ({
    ...input,
    places: input.places.slice(group * inPerGroup, (group + 1) * inPerGroup),
  });
  const first = runWalk(parts, groupView(0), buffers);
  if (groups === 1) return { ...first, buffers, entries: () => first.entries, groupInputBytes: 0, table: undefined };
  const sole = buffers.length === 1;
  const step = sole ? uniformStep(input.places, groups, inPerGroup) : undefined;
  const pieces = first.depth.length * Math.max(...first.depth.map((run) => ("repeat" in run ? run.repeat : 1)));
  const taps = kernel[0] * kernel[1];
  if (step !== undefined && (first.isListed || pieces * 4 <= taps * inPerGroup)) {
    return { ...first, buffers, entries: () => first.entries, groupInputBytes: step * FLOAT, table: undefined };
  }
  const [head] = buffers as [Buffer, ...Buffer[]];
  if (buffers.some((other) => pixelBytes(other) !== pixelBytes(head) || rowBytes(other) !== rowBytes(head)))
    return undefined;
  const walks = inOrder(groups).map((group) => inOrder(taps * inPerGroup).map((k) => tableEntry(parts, group, k)));
  const { top, left } = operation.padding;
  const origin = (buffer: Buffer) => atPixelOffset(buffer, -top, -left);
  const table: Constant = {
    bytes: groups * taps * inPerGroup * 4,
    write: ({ i32 }, addressOf) => {
      const from = addressOf(head) + origin(head);
      walks.flat().forEach(({ place, bytes }, i) => {
        i32[i] = addressOf(place.buffer) + origin(place.buffer) + bytes - from;
      });
    },
  };
  return {
    depth: "table",
    buffers: [head],
    entries: (group) => (walks[group] ?? []).map((walk) => walk.entry),
    groupInputBytes: 0,
    table,
  };
}

function atPixelOffset(buffer: Buffer, row: number, column: number): number {
  return (buffer.halo.top + row) * rowBytes(buffer) + (buffer.halo.left + column) * pixelBytes(buffer);
}

/** Input k of a group, as the table holds it: taps outside, channels inside. */
function tableEntry(
  parts: ConvolutionParts,
  group: number,
  k: number,
): { entry: DepthEntry; place: Place; bytes: number } {
  const { inPerGroup, kernel, operation, input } = parts;
  const ic = k % inPerGroup;
  const tap = Math.floor(k / inPerGroup);
  const entry = { kh: Math.floor(tap / kernel[1]), kw: tap % kernel[1], ic };
  const place = input.places[group * inPerGroup + ic] as Place;
  const { dilation } = operation;
  const bytes =
    entry.kh * dilation[0] * rowBytes(place.buffer) +
    entry.kw * dilation[1] * pixelBytes(place.buffer) +
    place.channel * FLOAT;
  return { entry, place, bytes };
}

/** The distance between groups in floats, if every group lies like the first one, equally far from its neighbour. */
function uniformStep(places: readonly Place[], groups: number, inPerGroup: number): number | undefined {
  const channel = (group: number, ic: number) => (places[group * inPerGroup + ic] as Place).channel;
  const step = channel(1, 0) - channel(0, 0);
  for (let group = 1; group < groups; group++) {
    for (let ic = 0; ic < inPerGroup; ic++) if (channel(group, ic) !== channel(0, ic) + group * step) return undefined;
  }
  return step;
}

/** The walk of one group: by runs of channels in memory order, or written out if it is short and scattered. */
function runWalk(
  parts: ConvolutionParts,
  view: View,
  buffers: readonly Buffer[],
): { depth: readonly (DepthRun | DepthList)[]; entries: readonly DepthEntry[]; isListed: boolean } {
  const { kernel, operation } = parts;
  const [rows, columns] = kernel;
  const [dilatedRows, dilatedColumns] = operation.dilation;
  const depth: DepthRun[] = [];
  const entries: DepthEntry[] = [];
  for (const run of runsOf(view, 0)) {
    const { buffer, slots } = run;
    const input = buffers.indexOf(buffer);
    const offset = (kh: number, kw: number) =>
      kh * dilatedRows * rowBytes(buffer) + kw * dilatedColumns * pixelBytes(buffer) + run.channel * FLOAT;
    const isWholePixel = slots.length === buffer.stride && dilatedColumns === 1;
    if (isWholePixel) {
      // A row of taps is one stretch of memory.
      depth.push({
        input,
        offsetBytes: offset(0, 0),
        count: columns * slots.length,
        repeat: rows,
        stepBytes: dilatedRows * rowBytes(buffer),
      });
    }
    for (let kh = 0; kh < rows; kh++) {
      if (!isWholePixel) {
        depth.push({
          input,
          offsetBytes: offset(kh, 0),
          count: slots.length,
          repeat: columns,
          stepBytes: dilatedColumns * pixelBytes(buffer),
        });
      }
      for (let kw = 0; kw < columns; kw++) for (const ic of slots) entries.push({ kh, kw, ic });
    }
  }
  const stretches = depth.reduce((sum, run) => sum + run.repeat, 0);
  const isListed = entries.length <= MOST_LISTED && stretches * 4 > entries.length;
  return { depth: isListed ? listed(depth) : depth, entries, isListed };
}

/** Runs written out float by float. */
function listed(depth: readonly DepthRun[]): readonly DepthList[] {
  return depth.map(({ input, offsetBytes, count, repeat, stepBytes }) => ({
    input,
    offsetsBytes: inOrder(repeat * count).map(
      (i) => offsetBytes + Math.floor(i / count) * stepBytes + (i % count) * FLOAT,
    ),
  }));
}
