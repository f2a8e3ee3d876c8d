import type { Preprocessing } from "@depthwise/core";

/** Bytes of a picture: RGB or RGBA, row by row, `[height, width, 3 or 4]`. */
export interface PixelSource {
  readonly data: ArrayLike<number>;
  readonly width: number;
  readonly height: number;
}

const { trunc, max, min, abs } = Math;

/** Fractional bits of a weight in fixed point, as Pillow has it. */
const bits = 22;

/**
 * A picture as the network's input, with the numbers that `preprocess` of `@depthwise/core` gives, in as few bytes of code as that
 * takes. A test compares the two.
 *
 * @param input `[H, W, 3]`, or `[H, W, 1]` for grey
 * @param picture its alpha, if it has any, is laid over white
 */
export function fillInput(input: Float32Array, picture: PixelSource, preprocessing: Preprocessing): void {
  const {
    size,
    resizeShortSide: side,
    crop = size,
    cropFraction,
    filter,
    scale,
    mean,
    std,
    channelOrder,
  } = preprocessing;
  const isCubic = filter === "bicubic";
  const { width, height } = picture;
  const short = min(width, height);
  const [H, W] = side ? [trunc((side * height) / short), trunc((side * width) / short)] : [height, width];
  const [h, w] = cropFraction ? [H, W].map((all) => all - 2 * trunc((all - all * cropFraction) / 2)) : crop;
  let rgb = resize(toRgb(picture), H, W, trunc((H - h!) / 2), trunc((W - w!) / 2), h!, w!, isCubic);
  if (h !== size[0] || w !== size[1]) rgb = resize(rgb, ...size, 0, 0, ...size, isCubic);
  const { data } = rgb;
  for (let i = 0; i < input.length; i++) {
    const isGrey = channelOrder === "grey";
    const at = isGrey ? 3 * i : channelOrder === "bgr" ? i + 2 - 2 * (i % 3) : i;
    const value = isGrey
      ? trunc((299 * data[at]! + 587 * data[at + 1]! + 114 * data[at + 2]! + 500) / 1000)
      : data[at]!;
    input[i] = (value * scale - mean[at % 3]!) / std[at % 3]!;
  }
}

function toRgb(picture: PixelSource): PixelSource {
  const { data, width, height } = picture;
  const pixels = width * height;
  if (data.length === 3 * pixels) return picture;
  if (data.length !== 4 * pixels) throw TypeError(`${data.length} bytes for ${width}x${height} pixels.`);
  const rgb = new Uint8Array(3 * pixels);
  for (let i = 0; i < rgb.length; i++) {
    const pixel = trunc(i / 3);
    const alpha = data[4 * pixel + 3]!;
    rgb[i] = (data[pixel + i]! * alpha + 255 * (255 - alpha)) / 255 + 0.5;
  }
  return { data: rgb, width, height };
}

/** The window `[h, w]` at (`y`, `x`) of the picture resized to `[H, W]`; black where it reaches beyond. */
function resize(
  { data, width, height }: PixelSource,
  H: number,
  W: number,
  y: number,
  x: number,
  h: number,
  w: number,
  isCubic: boolean,
): PixelSource {
  const top = max(0, y);
  const left = max(0, x);
  const columns = min(W, x + w) - left;
  const vertical = taps(height, H, top, min(H, y + h) - top, isCubic);
  const horizontal = taps(width, W, left, columns, isCubic);
  // Only the rows that are needed: each row of the picture becomes one of as many columns as the window has.
  const first = vertical[0]!.start;
  const last = vertical.at(-1)!;
  const rows = last.start + last.weights.length - first;
  const narrow = new Uint8ClampedArray(rows * columns * 3);
  const result = new Uint8ClampedArray(h * w * 3);
  pass(narrow, 0, columns * 3, 3, data, first * width * 3, width * 3, 3, rows, horizontal);
  const corner = ((top - y) * w + left - x) * 3;
  pass(result, corner, 3, w * 3, narrow, -first * columns * 3, 3, columns * 3, columns, vertical);
  return { data: result, width: w, height: h };
}

/** Which samples make one, and how much of each. */
interface Taps {
  readonly start: number;
  readonly weights: readonly number[];
}

/** Samples `first` to `first + count` when `inputSize` samples become `outputSize`: Pillow's arithmetic, step for step. */
function taps(inputSize: number, outputSize: number, first: number, count: number, isCubic: boolean): readonly Taps[] {
  const scale = inputSize / outputSize;
  const stretch = max(scale, 1);
  const support = (isCubic ? 2 : 1) * stretch;
  return Array.from({ length: count }, (_, i) => {
    const center = (first + i + 0.5) * scale;
    const start = max(0, trunc(center - support + 0.5));
    const length = min(inputSize, trunc(center + support + 0.5)) - start;
    const exact = Array.from({ length }, (_, tap) =>
      weight(abs((tap + start - center + 0.5) * (1 / stretch)), isCubic),
    );
    const sum = exact.reduce((a, b) => a + b, 0) || 1;
    return { start, weights: exact.map((each) => trunc((each / sum) * 2 ** bits + (each / sum < 0 ? -0.5 : 0.5))) };
  });
}

/** The triangle, or Keys' cubic with a = −0.5. */
function weight(x: number, isCubic: boolean): number {
  if (!isCubic) return max(0, 1 - x);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0;
}

/** Resamples along one axis: of each line, the samples `step` bytes apart. */
function pass(
  to: Uint8ClampedArray,
  toFirst: number,
  toLine: number,
  toStep: number,
  from: ArrayLike<number>,
  fromFirst: number,
  fromLine: number,
  fromStep: number,
  lines: number,
  samples: readonly Taps[],
): void {
  samples.forEach(({ start, weights }, i) => {
    for (let line = 0; line < lines; line++) {
      for (let channel = 0; channel < 3; channel++) {
        let at = fromFirst + line * fromLine + start * fromStep + channel;
        let sum = 1 << (bits - 1);
        for (const each of weights) {
          sum += from[at]! * each;
          at += fromStep;
        }
        to[toFirst + line * toLine + i * toStep + channel] = sum >> bits;
      }
    }
  });
}
