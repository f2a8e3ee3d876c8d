import type { Pair } from "../graph/operations.ts";
import type { ConvolutionParts, DepthEntry } from "./convolution_parts.ts";
import { hash } from "./hash.ts";
import type { DepthList, DepthRun, DepthTable, GemmSpec, PixelMap } from "./kernels/gemm.ts";
import {
  type Buffer,
  buffersOf,
  FLOAT,
  type Place,
  pixelBytes,
  pixelOffset,
  rowBytes,
  runsOf,
  type View,
} from "./layout.ts";
import { inOrder } from "./lowering.ts";
import type { Constant } from "./plan.ts";

/** How a product walks over its inputs: the walk itself, and which weights it meets on the way, for each group. */
export interface DepthPlan {
  readonly depth: GemmSpec["depth"];
  readonly buffers: readonly Buffer[];
  readonly entries: (group: number) => readonly DepthEntry[];
  readonly groupInputBytes: number;
  readonly table: Constant | undefined;
  /** What the table says that a kernel's time depends on. */
  readonly variant?: string | undefined;
}

/** A short irregular walk is written out; beyond this many floats it becomes a table. */
const MOST_LISTED = 40;
/**
 * So does a walk of more runs than this if they are short on average: each run is a loop of its own in the code. ShuffleNet V2 in
 * Megvii's wiring: 1116 KB of code and 6.4 ms with runs, 219 KB and 6.1 ms with tables.
 */
const MOST_RUNS = 8;
const SHORT_RUN = 4;
/**
 * From so many runs on they share a loop, stretches of a pointwise product if each has some floats. ShuffleNet V2, where what is read is
 * all that differs from unit to unit: 75 KB of code instead of 275, in the same time.
 */
const FEWEST_SHARED = 3;
const FEWEST_SHARED_POINTWISE = 2;
const LONG_STRETCH = 16;

/**
 * How to walk over the inputs, or undefined where groups lie in buffers of different shapes.
 *
 * @param staysInPlace whether a table may tell how far one buffer is from another, whatever their shapes
 */
export function planDepth(parts: ConvolutionParts, staysInPlace: boolean): DepthPlan | undefined {
  const { input, groups, inPerGroup, kernel, operation } = parts;
  const buffers = buffersOf(input);
  const groupView = (group: number): View => ({
    ...input,
    places: input.places.slice(group * inPerGroup, (group + 1) * inPerGroup),
  });
  const first = runWalk(parts, groupView(0), buffers);
  if (groups === 1) {
    const isScattered = first.depth.length > MOST_RUNS && first.entries.length < SHORT_RUN * first.depth.length;
    if (isScattered) return tabledWalk(parts, buffers);
    const runs = staysInPlace || buffers.length === 1 ? shareable(parts, first.depth) : undefined;
    if (runs) return { ...sharedWalk(parts, buffers, runs), entries: () => first.entries };
    return { ...first, buffers, entries: () => first.entries, groupInputBytes: 0, table: undefined };
  }
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
  const origin = (buffer: Buffer) => pixelOffset(buffer, -top, -left);
  const table: Constant = {
    bytes: groups * taps * inPerGroup * 4,
    holds: "table",
    write: ({ i32 }, addressOf) => {
      const from = addressOf(head) + origin(head);
      walks.flat().forEach(({ place, bytes }, i) => {
        i32[i] = addressOf(place.buffer) + origin(place.buffer) + bytes - from;
      });
    },
  };
  return {
    depth: [{ input: 0, first: 0, entries: taps * inPerGroup }],
    buffers: [head],
    entries: (group) => (walks[group] ?? []).map((walk) => walk.entry),
    groupInputBytes: 0,
    table,
  };
}

/** The walk of a single group whose channels lie anywhere: a table for each buffer. */
function tabledWalk(parts: ConvolutionParts, buffers: readonly Buffer[]): DepthPlan {
  const { kernel, inPerGroup } = parts;
  const all = inOrder(kernel[0] * kernel[1] * inPerGroup).map((k) => tableEntry(parts, 0, k));
  const depth: DepthTable[] = [];
  const walk = buffers.flatMap((buffer, input) => {
    const own = all.filter(({ place }) => place.buffer === buffer);
    depth.push({ input, first: depth.reduce((sum, { entries }) => sum + entries, 0), entries: own.length });
    // In memory order within each tap, as runs are.
    return own.sort((a, b) => a.bytes - b.bytes);
  });
  const table: Constant = {
    bytes: walk.length * 4,
    holds: "table",
    write: ({ i32 }) => {
      i32.set(walk.map(({ bytes }) => bytes));
    },
  };
  return { depth, buffers, entries: () => walk.map(({ entry }) => entry), groupInputBytes: 0, table };
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
export function uniformStep(places: readonly Place[], groups: number, inPerGroup: number): number | undefined {
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
  return { depth: isListed ? listed(depth) : repeated(depth), entries, isListed };
}

/** Single runs of one length, at one distance from each other, as one that is repeated: what a shuffle makes of a buffer. */
function repeated(depth: readonly DepthRun[]): readonly DepthRun[] {
  const joined: DepthRun[] = [];
  for (const run of depth) {
    const last = joined.at(-1);
    const step = last && run.offsetBytes - (last.offsetBytes + (last.repeat - 1) * last.stepBytes);
    const isAlike = last?.input === run.input && last.count === run.count && run.repeat === 1;
    if (last && step !== undefined && isAlike && (last.repeat === 1 || step === last.stepBytes)) {
      joined[joined.length - 1] = { ...last, repeat: last.repeat + 1, stepBytes: step };
    } else joined.push(run);
  }
  return joined;
}

/** The single runs of a walk, if there are so many that they should share a loop. */
function shareable(
  { kernel }: ConvolutionParts,
  depth: readonly (DepthRun | DepthList)[],
): readonly DepthRun[] | undefined {
  const runs = depth.filter((walk): walk is DepthRun => "repeat" in walk);
  if (runs.length < depth.length) return undefined;
  const stretches = runs.flatMap((run) => inOrder(run.repeat).map((i) => singleRun(run, i)));
  const floats = stretches.reduce((sum, { count }) => sum + count, 0);
  const isPointwise = kernel[0] * kernel[1] === 1 && floats >= LONG_STRETCH * stretches.length;
  const isEnough = isPointwise ? stretches.length >= FEWEST_SHARED_POINTWISE : runs.length >= FEWEST_SHARED;
  return isEnough ? stretches : undefined;
}

/** Several runs in one loop, which reads from a table where they are. */
function sharedWalk(
  parts: ConvolutionParts,
  buffers: readonly Buffer[],
  runs: readonly DepthRun[],
): Omit<DepthPlan, "entries"> {
  const [head] = buffers as [Buffer, ...Buffer[]];
  const { top, left } = parts.operation.padding;
  const origin = (buffer: Buffer) => pixelOffset(buffer, -top, -left);
  const maps = buffers.map((buffer) => inputMap(parts, buffer));
  const table: Constant = {
    bytes: runs.length * 16,
    holds: "table",
    write: ({ i32 }, addressOf) => {
      runs.forEach(({ input, offsetBytes, count }, i) => {
        const [buffer, map] = [buffers[input] as Buffer, maps[input] as PixelMap];
        const distance = addressOf(buffer) + origin(buffer) - addressOf(head) - origin(head);
        i32.set([distance + offsetBytes, map.pixelBytes, map.wrapBytes, count], i * 4);
      });
    },
  };
  const wraps = runs.some(({ input }) => maps[input]?.wrapBytes !== 0);
  const variant = hash(runs.map(({ input, offsetBytes, count }) => [input, maps[input], offsetBytes, count]));
  return { depth: [{ wraps }], buffers: [head], groupInputBytes: 0, table, variant };
}

/** Where a product finds its pixels in a buffer that it reads. */
export function inputMap({ operation, outWidth, outHeight }: ConvolutionParts, buffer: Buffer): PixelMap {
  return pixelMap(buffer, outWidth, outHeight, operation.stride);
}

/** Where an output pixel finds a buffer's pixels, `stride` of them apart. */
export function pixelMap(buffer: Buffer, outWidth: number, outHeight: number, stride: Pair = [1, 1]): PixelMap {
  const pixel = stride[1] * pixelBytes(buffer);
  const wrap = outHeight === 1 ? 0 : stride[0] * rowBytes(buffer) - outWidth * pixel;
  return { pixelBytes: pixel, wrapBytes: wrap };
}

function singleRun({ input, offsetBytes, count, stepBytes }: DepthRun, i: number): DepthRun {
  return { input, offsetBytes: offsetBytes + i * stepBytes, count, repeat: 1, stepBytes: 0 };
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
