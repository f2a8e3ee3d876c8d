import { invariant } from "../errors.ts";
import type { Padding } from "../graph/operations.ts";
import type { Shape } from "../tensor.ts";

/**
 * A piece of memory that holds pixels: rows of `stride` floats a pixel, with a border around the picture that convolutions and pools
 * read as their padding. One picture; batches run one after another.
 */
export interface Buffer {
  readonly id: number;
  /** For reading plans: the node that made it. */
  readonly name: string;
  readonly height: number;
  readonly width: number;
  /** Floats from one pixel to the next. */
  readonly stride: number;
  readonly halo: Padding;
  /** What the border holds: zero, or minus infinity for maximum pools. */
  readonly fill: number;
  /** Pictures it holds: more than one only for what the caller reads and writes. */
  readonly images: number;
}

/** Where one channel of a value is: in which buffer, and how many floats into the pixel. */
export interface Place {
  readonly buffer: Buffer;
  readonly channel: number;
}

/** Where a value is: a place for each of its channels. Slices, concatenations and permutations are only views. */
export interface View {
  readonly height: number;
  readonly width: number;
  readonly places: readonly Place[];
}

/** Bytes of a float32. */
export const FLOAT = 4;
/** Floats in a vector. */
export const LANES = 4;

/** `count` rounded up to whole vectors, in floats. */
export function roundUpToLanes(count: number): number {
  return Math.ceil(count / LANES) * LANES;
}

/** The largest divisor of `value` up to `most`. */
export function largestDivisor(value: number, most: number): number {
  for (let divisor = Math.min(most, value); divisor > 1; divisor--) if (value % divisor === 0) return divisor;
  return 1;
}

/** Pixels this many bytes apart, or a multiple, fall into few sets of a first-level cache of 4096 bytes a way. */
const CROWDING = 1024;
/** Floats of a line of the cache. */
const LINE = 16;

/**
 * Floats from pixel to pixel for what windows read: at least `floats`, and not so many that the pixels of a window push each other out of
 * the cache. Depthwise layers of 512 channels at 14x14 run three times as fast as with 512.
 */
export function windowedStride(floats: number): number {
  return (floats * FLOAT) % CROWDING === 0 ? floats + LINE : floats;
}

export function pixelBytes(buffer: Buffer): number {
  return buffer.stride * FLOAT;
}

export function rowBytes(buffer: Buffer): number {
  return (buffer.halo.left + buffer.width + buffer.halo.right) * pixelBytes(buffer);
}

/** Bytes of one picture, border included. */
export function imageBytes(buffer: Buffer): number {
  return (buffer.halo.top + buffer.height + buffer.halo.bottom) * rowBytes(buffer);
}

/** Whether a buffer holds `images` pictures of `height` rows that follow each other, from picture to picture, as if they were one. */
export function rowsFollow(buffer: Buffer, images: number, height: number): boolean {
  return buffer.images === images && imageBytes(buffer) === height * rowBytes(buffer);
}

/** Bytes of one picture without its border. */
export function pictureBytes(buffer: Buffer): number {
  return buffer.height * buffer.width * pixelBytes(buffer);
}

/** Bytes from the buffer's start to the pixel at (row, column) of the picture; negative positions lie in the border. */
export function pixelOffset(buffer: Buffer, row: number, column: number): number {
  return (buffer.halo.top + row) * rowBytes(buffer) + (buffer.halo.left + column) * pixelBytes(buffer);
}

export function hasHalo(buffer: Buffer): boolean {
  const { top, bottom, left, right } = buffer.halo;
  return top + bottom + left + right > 0;
}

/** A shape as height, width and channels of one picture: `[N, C]` is a single pixel, other ranks are rows of one pixel. */
export function pictureOf(shape: Shape): { height: number; width: number; channels: number } {
  if (shape.length === 4)
    return { height: shape[1] as number, width: shape[2] as number, channels: shape[3] as number };
  const channels = shape.at(-1) ?? 1;
  const height = shape.slice(1, -1).reduce((product, length) => product * length, 1);
  return { height, width: 1, channels };
}

/** Channels that lie side by side in a buffer. */
export interface ChannelRun {
  readonly buffer: Buffer;
  /** First float within the pixel. */
  readonly channel: number;
  /** The view's channel at each float of the run, or −1 for a gap. */
  readonly slots: readonly number[];
}

/**
 * A view's channels as runs, in memory order. Gaps shorter than a vector are bridged, because channelwise kernels work on whole
 * vectors anyway; pass `bridge: 0` where every float of a run must be a channel.
 */
export function runsOf(view: View, bridge: number = LANES - 1): readonly ChannelRun[] {
  const order = view.places.map((place, channel) => ({ place, channel }));
  order.sort((a, b) => a.place.buffer.id - b.place.buffer.id || a.place.channel - b.place.channel);
  const runs: { buffer: Buffer; channel: number; slots: number[] }[] = [];
  for (const { place, channel } of order) {
    const last = runs.at(-1);
    const gap =
      last && last.buffer === place.buffer
        ? place.channel - (last.channel + last.slots.length)
        : Number.POSITIVE_INFINITY;
    if (last && gap <= bridge && gap >= 0) {
      for (let i = 0; i < gap; i++) last.slots.push(-1);
      last.slots.push(channel);
    } else runs.push({ buffer: place.buffer, channel: place.channel, slots: [channel] });
  }
  return runs;
}

/** Whether the channels lie in one buffer, in order, side by side. */
export function isContiguous(view: View): boolean {
  const first = view.places[0] as Place;
  return view.places.every((place, c) => place.buffer === first.buffer && place.channel === first.channel + c);
}

/** The only buffer of a view. */
export function soleBuffer(view: View): Buffer {
  const first = (view.places[0] as Place).buffer;
  invariant(
    view.places.every((place) => place.buffer === first),
    "a view over several buffers was taken for one over a single buffer",
  );
  return first;
}

/** The buffers of a view, each once, in order of their ids. */
export function buffersOf(view: View): readonly Buffer[] {
  return [...new Set(view.places.map((place) => place.buffer))].sort((a, b) => a.id - b.id);
}
