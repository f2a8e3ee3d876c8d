/** How the neighbours of a sampled position are weighted. */
export type ResizeFilter = "bilinear" | "bicubic";

interface Kernel {
  /** Half the width of the kernel, in pixels of the coarser grid. */
  readonly support: number;
  /** Weight at a signed distance from the centre; zero from `support` on. */
  readonly weight: (distance: number) => number;
}

const kernels: { readonly [filter in ResizeFilter]: Kernel } = {
  /** The triangle. */
  bilinear: { support: 1, weight: (distance) => Math.max(0, 1 - Math.abs(distance)) },
  /** Keys' cubic convolution (1981) with a = -0.5, as Pillow and torchvision have it; many other tools take -0.75. */
  bicubic: { support: 2, weight: keysCubic },
};

/** All filters, for messages and validation. */
export const resizeFilters: readonly ResizeFilter[] = ["bilinear", "bicubic"];

function keysCubic(distance: number): number {
  const a = -0.5;
  const x = Math.abs(distance);
  // The order of operations is part of the result: weights are rounded to fixed point afterwards.
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

/**
 * Fractional bits of a weight: 32, less 8 for the pixel, less 2 for what a cubic kernel overshoots. A sum stays within
 * int32.
 */
export const weightBits = 22;

/** Which input samples make each output sample along one axis, and how much of each. */
export interface Taps {
  /** First input sample of each output sample. */
  readonly starts: Int32Array;
  /** Output sample `i` has the weights from `offsets[i]` up to `offsets[i + 1]`. */
  readonly offsets: Int32Array;
  /** Fixed point with {@link weightBits} fractional bits. */
  readonly weights: Int32Array;
}

/**
 * The taps of output samples `first` to `first + count` when `inputSize` samples become `outputSize`.
 *
 * When samples get fewer, the kernel is stretched by the same factor (antialiasing), so every input sample counts.
 * Weights are normalised to sum to 1 in double precision and then rounded to fixed point, halves away from zero: the
 * arithmetic of Pillow's 8-bit resampling, step for step, which makes results equal to the last bit there and in every
 * JavaScript engine.
 */
export function resampleTaps(
  inputSize: number,
  outputSize: number,
  first: number,
  count: number,
  filter: ResizeFilter,
): Taps {
  const kernel = kernels[filter];
  const scale = inputSize / outputSize;
  const stretch = Math.max(scale, 1);
  const support = kernel.support * stretch;
  const starts = new Int32Array(count);
  const offsets = new Int32Array(count + 1);
  let longest = 0;
  for (let i = 0; i < count; i++) {
    const center = (first + i + 0.5) * scale;
    const start = Math.max(0, Math.trunc(center - support + 0.5));
    const end = Math.min(inputSize, Math.trunc(center + support + 0.5));
    starts[i] = start;
    offsets[i + 1] = offsets[i]! + (end - start);
    longest = Math.max(longest, end - start);
  }
  const weights = new Int32Array(offsets[count]!);
  const exact = new Float64Array(longest);
  for (let i = 0; i < count; i++) {
    const center = (first + i + 0.5) * scale;
    const taps = exact.subarray(0, offsets[i + 1]! - offsets[i]!);
    weigh(taps, starts[i]!, center, stretch, kernel);
    for (let tap = 0; tap < taps.length; tap++) weights[offsets[i]! + tap] = toFixedPoint(taps[tap]!);
  }
  return { starts, offsets, weights };
}

/** Fills `taps` with the weights of the samples from `start` on around `center`, normalised to sum to 1. */
function weigh(taps: Float64Array, start: number, center: number, stretch: number, kernel: Kernel): void {
  const shrink = 1 / stretch;
  let sum = 0;
  for (let tap = 0; tap < taps.length; tap++) {
    const weight = kernel.weight((tap + start - center + 0.5) * shrink);
    taps[tap] = weight;
    sum += weight;
  }
  if (sum === 0) return;
  for (let tap = 0; tap < taps.length; tap++) taps[tap] = taps[tap]! / sum;
}

function toFixedPoint(weight: number): number {
  return Math.trunc(weight * 2 ** weightBits + (weight < 0 ? -0.5 : 0.5));
}
