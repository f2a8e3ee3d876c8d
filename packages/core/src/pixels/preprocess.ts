import { type CropWindow, centerWindow, cutOut, intersect, type PictureSize } from "./crop.ts";
import { bytesPerPixel, checkPixels, type Pixels } from "./pixels.ts";
import { type ChannelOrder, checkPreprocessing, type Preprocessing } from "./preprocessing.ts";
import type { ResizeFilter } from "./resample_taps.ts";
import { resize, shortSideSize } from "./resize.ts";

/**
 * A picture as the input of a network: resized, cropped and normalised.
 *
 * @param pixels `[height, width, 3]`, any size
 * @returns the values of `[1, H, W, 3]` (`[1, H, W, 1]` for grey), H and W from `preprocessing.size`; computed in
 *   double precision and rounded once, so equal on every engine
 * @throws {OptionError} if the picture or the preprocessing is not valid
 */
export function preprocess(pixels: Pixels, preprocessing: Preprocessing): Float32Array {
  return normalize(fitToInput(pixels, preprocessing), preprocessing);
}

/**
 * The geometry alone: resizes and crops a picture to a network's input and leaves its bytes as they are (quantised
 * networks take these). Of a resized picture only the crop is computed, so that a picture of 4000x2 takes no more
 * memory than any other.
 *
 * @param pixels `[height, width, 3]`, any size
 * @returns `[H, W, 3]`, H and W from `preprocessing.size`
 * @throws {OptionError} if the picture or the preprocessing is not valid
 */
export function fitToInput(pixels: Pixels, preprocessing: Preprocessing): Pixels {
  checkPixels(pixels);
  checkPreprocessing(preprocessing);
  const { resizeShortSide, filter } = preprocessing;
  const [height, width] = preprocessing.size;
  const whole = resizeShortSide === null ? pixels : shortSideSize(pixels, resizeShortSide);
  const cropped = resizeAndCut(pixels, whole, cropWindow(whole, preprocessing), filter);
  return cropped.width === width && cropped.height === height ? cropped : resize(cropped, { width, height, filter });
}

/** Whether {@link fitToInput} gives pictures of a size as they are. */
export function isFitted(picture: PictureSize, preprocessing: Preprocessing): boolean {
  const { size, resizeShortSide, crop = size, cropFraction = 1 } = preprocessing;
  const [height, width] = size;
  return (
    picture.height === height &&
    picture.width === width &&
    (resizeShortSide === null || resizeShortSide === Math.min(height, width)) &&
    cropFraction === 1 &&
    crop[0] === height &&
    crop[1] === width
  );
}

/**
 * Bytes to numbers: `(value * scale - mean) / std`, channels in the order that the network wants.
 *
 * @param pixels `[height, width, 3]`
 * @returns the values of `[1, height, width, 3]` (`[1, height, width, 1]` for grey)
 * @throws {OptionError} if the picture or the preprocessing is not valid
 */
export function normalize(pixels: Pixels, preprocessing: Preprocessing): Float32Array {
  checkPixels(pixels);
  const writeNormalized = createNormalizer(preprocessing);
  const values = new Float32Array(pixels.width * pixels.height * inputChannels(preprocessing));
  writeNormalized(pixels.data, values, 0);
  return values;
}

/** Channels of a network's input: 1 for grey, else 3. */
export function inputChannels(preprocessing: Preprocessing): 1 | 3 {
  return preprocessing.channelOrder === "grey" ? 1 : bytesPerPixel;
}

/** Writes the numbers of whole RGB pixels `data` to `values` from `offset` on. */
export type Normalizer = (data: Uint8Array, values: Float32Array, offset: number) => void;

/**
 * {@link normalize} for many pictures, into memory of the caller: what depends on the preprocessing alone is made once.
 *
 * @throws {OptionError} if the preprocessing is not valid
 */
export function createNormalizer(preprocessing: Preprocessing): Normalizer {
  checkPreprocessing(preprocessing);
  const tables = [0, 1, 2].map((channel) => valuesOfBytes(preprocessing, channel));
  const [red, green, blue] = tables as [Float32Array, Float32Array, Float32Array];
  if (preprocessing.channelOrder === "grey") return (data, values, offset) => normalizeGrey(data, red, values, offset);
  const [first, last] = endChannels(preprocessing.channelOrder);
  return (data, values, offset) => {
    for (let from = 0, to = offset; from < data.length; from += bytesPerPixel, to += bytesPerPixel) {
      values[to + first] = red[data[from]!]!;
      values[to + 1] = green[data[from + 1]!]!;
      values[to + last] = blue[data[from + 2]!]!;
    }
  };
}

/** Where red and blue go within a pixel; green is in the middle either way. */
function endChannels(order: Exclude<ChannelOrder, "grey">): readonly [red: number, blue: number] {
  return order === "rgb" ? [0, 2] : [2, 0];
}

function valuesOfBytes({ scale, mean, std }: Preprocessing, channel: number): Float32Array {
  return Float32Array.from({ length: 256 }, (_, value) => (value * scale - mean[channel]!) / std[channel]!);
}

function normalizeGrey(data: Uint8Array, valuesOf: Float32Array, values: Float32Array, offset: number): void {
  for (let from = 0, to = offset; from < data.length; from += bytesPerPixel, to++) {
    // ITU-R BT.601 luma in thousandths; + 500 rounds.
    const luma = Math.trunc((299 * data[from]! + 587 * data[from + 1]! + 114 * data[from + 2]! + 500) / 1000);
    values[to] = valuesOf[luma]!;
  }
}

function cropWindow(picture: PictureSize, preprocessing: Preprocessing): CropWindow {
  const { cropFraction } = preprocessing;
  if (cropFraction !== undefined) {
    const x = Math.trunc((picture.width - picture.width * cropFraction) / 2);
    const y = Math.trunc((picture.height - picture.height * cropFraction) / 2);
    return { x, y, width: picture.width - 2 * x, height: picture.height - 2 * y };
  }
  const [height, width] = preprocessing.crop ?? preprocessing.size;
  return centerWindow(picture, width, height);
}

/** The window of the picture resized to `whole`; black where it reaches beyond. */
function resizeAndCut(pixels: Pixels, whole: PictureSize, window: CropWindow, filter: ResizeFilter): Pixels {
  const inside = intersect(window, whole);
  const part = resize(pixels, { width: whole.width, height: whole.height, filter, window: inside });
  if (inside.width === window.width && inside.height === window.height) return part;
  return cutOut(part, { ...window, x: window.x - inside.x, y: window.y - inside.y });
}
