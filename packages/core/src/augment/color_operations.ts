import { bytesPerPixel, type Pixels } from "../pixels/pixels.ts";

/**
 * The colour operations of Pillow's ImageEnhance and ImageOps on bytes, `[H, W, 3]` to `[H, W, 3]`. Where Pillow cuts off
 * fractions after blending, these round, so results may lie 1 above.
 */

/** Towards black below 1, away from it above. */
export function changeBrightness(pixels: Pixels, factor: number): Pixels {
  return mapBytes(pixels, (value) => value * factor);
}

/** Towards the picture's mean grey below 1, away from it above. */
export function changeContrast(pixels: Pixels, factor: number): Pixels {
  const { data } = pixels;
  let sum = 0;
  for (let i = 0; i < data.length; i += bytesPerPixel) sum += greyAt(data, i);
  const mean = Math.trunc((sum * bytesPerPixel) / data.length + 0.5);
  return mapBytes(pixels, (value) => mean + factor * (value - mean));
}

/** Towards grey below 1, away from it above. */
export function changeSaturation(pixels: Pixels, factor: number): Pixels {
  const { data } = pixels;
  const changed = clamped(data.length);
  const share = toFixedPoint(factor);
  for (let i = 0; i < data.length; i += bytesPerPixel) {
    const grey = greyAt(data, i);
    changed[i] = blend(grey, data[i]!, share);
    changed[i + 1] = blend(grey, data[i + 1]!, share);
    changed[i + 2] = blend(grey, data[i + 2]!, share);
  }
  return withData(pixels, changed);
}

/** Towards a 3x3 blur below 1, away from it above; the outermost pixels stay. */
export function changeSharpness(pixels: Pixels, factor: number): Pixels {
  const { width, height, data } = pixels;
  const changed = clamped(data.length);
  changed.set(data);
  const share = toFixedPoint(factor);
  const rowBytes = width * bytesPerPixel;
  for (let row = 1; row < height - 1; row++) {
    for (let i = row * rowBytes + bytesPerPixel; i < (row + 1) * rowBytes - bytesPerPixel; i++) {
      const around = threeFrom(data, i - rowBytes) + threeFrom(data, i) + threeFrom(data, i + rowBytes);
      const blurred = ((around + 4 * data[i]! + 6) / 13) | 0; // Pillow's SMOOTH: ones around a 5; + 6 rounds
      changed[i] = blend(blurred, data[i]!, share);
    }
  }
  return withData(pixels, changed);
}

/** A value and its neighbours to the left and right. */
function threeFrom(data: Uint8Array, i: number): number {
  return data[i - bytesPerPixel]! + data[i]! + data[i + bytesPerPixel]!;
}

const fractionBits = 16;

function toFixedPoint(factor: number): number {
  return Math.round(factor * 2 ** fractionBits);
}

/** `from + share * (to - from)`, rounded; the share in fixed point. May lie outside of a byte. */
function blend(from: number, to: number, share: number): number {
  return from + ((Math.imul(to - from, share) + (1 << (fractionBits - 1))) >> fractionBits);
}

/** Turns the hue by a share of the full circle. Saturation and value of HSV stay. */
export function turnHue(pixels: Pixels, turn: number): Pixels {
  const { data } = pixels;
  const changed = clamped(data.length);
  for (let i = 0; i < data.length; i += bytesPerPixel) {
    const red = data[i]!;
    const green = data[i + 1]!;
    const blue = data[i + 2]!;
    const value = Math.max(red, green, blue);
    const chroma = value - Math.min(red, green, blue);
    const hue = chroma === 0 ? 0 : hueOf(red, green, blue, value, chroma) + 6 * turn + 6; // sextants
    for (let channel = 0; channel < bytesPerPixel; channel++) {
      // Red rises and falls around sextant 0, green 2, blue 4: the distance from it says how much of the chroma is missing.
      const k = (5 - 2 * channel + hue + 6) % 6;
      changed[i + channel] = Math.floor(value - chroma * Math.max(0, Math.min(k, 4 - k, 1)) + 0.5);
    }
  }
  return withData(pixels, changed);
}

function hueOf(red: number, green: number, blue: number, value: number, chroma: number): number {
  if (value === red) return (green - blue) / chroma;
  return value === green ? 2 + (blue - red) / chroma : 4 + (red - green) / chroma;
}

/** Turns around every value from `threshold` on: 255 - value. */
export function solarize(pixels: Pixels, threshold: number): Pixels {
  return mapBytes(pixels, (value) => (value < threshold ? value : 255 - value));
}

/** Keeps the upper `bits` of each value. */
export function posterize(pixels: Pixels, bits: number): Pixels {
  const mask = 256 - 2 ** (8 - bits);
  return mapBytes(pixels, (value) => value & mask);
}

/** Stretches each channel to 0..255. */
export function stretchContrast(pixels: Pixels): Pixels {
  return mapChannels(pixels, (histogram) => {
    const lowest = histogram.findIndex((count) => count > 0);
    const highest = histogram.findLastIndex((count) => count > 0);
    if (highest <= lowest) return (value) => value;
    const scale = 255 / (highest - lowest);
    return (value) => Math.trunc(value * scale - lowest * scale);
  });
}

/** Flattens each channel's histogram, as Pillow does. */
export function equalize(pixels: Pixels): Pixels {
  return mapChannels(pixels, (histogram) => {
    const highest = histogram.findLastIndex((count) => count > 0);
    const total = histogram.reduce((sum, count) => sum + count, 0);
    const step = Math.floor((total - histogram[highest]!) / 255);
    if (step === 0) return (value) => value;
    const table = new Int32Array(256);
    let below = Math.floor(step / 2);
    for (let value = 0; value < 256; value++) {
      table[value] = Math.floor(below / step);
      below += histogram[value]!;
    }
    return (value) => table[value]!;
  });
}

/** ITU-R BT.601 luma as Pillow computes it, in 65536ths. */
function greyAt(data: Uint8Array, i: number): number {
  return (19595 * data[i]! + 38470 * data[i + 1]! + 7471 * data[i + 2]! + 32768) >> 16;
}

function mapBytes(pixels: Pixels, change: (value: number) => number): Pixels {
  const table = tableOf(change);
  const changed = new Uint8Array(pixels.data.length);
  for (let i = 0; i < changed.length; i++) changed[i] = table[pixels.data[i]!]!;
  return withData(pixels, changed);
}

function mapChannels(pixels: Pixels, changeOf: (histogram: number[]) => (value: number) => number): Pixels {
  const { data } = pixels;
  const changed = new Uint8Array(data.length);
  for (let channel = 0; channel < bytesPerPixel; channel++) {
    const histogram = new Array<number>(256).fill(0);
    for (let i = channel; i < data.length; i += bytesPerPixel) histogram[data[i]!]! += 1;
    const table = tableOf(changeOf(histogram));
    for (let i = channel; i < data.length; i += bytesPerPixel) changed[i] = table[data[i]!]!;
  }
  return withData(pixels, changed);
}

function tableOf(change: (value: number) => number): Uint8ClampedArray {
  // Rounded by floor: a clamped array alone rounds halves to even.
  return Uint8ClampedArray.from({ length: 256 }, (_, value) => Math.floor(change(value) + 0.5));
}

function clamped(length: number): Uint8ClampedArray {
  return new Uint8ClampedArray(length);
}

function withData({ width, height }: Pixels, data: Uint8Array | Uint8ClampedArray): Pixels {
  return { width, height, data: new Uint8Array(data.buffer, data.byteOffset, data.length) };
}
