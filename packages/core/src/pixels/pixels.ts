import { OptionError } from "../errors.ts";

/** A decoded picture: 8-bit sRGB, no alpha. */
export interface Pixels {
  /** Columns; at least 1. */
  readonly width: number;
  /** Rows; at least 1. */
  readonly height: number;
  /**
   * `[height, width, 3]`: red, green, blue of each pixel, left to right, then top to bottom. `width * height * 3`
   * bytes.
   */
  readonly data: Uint8Array;
}

/** Bytes of one pixel of {@link Pixels}. */
export const bytesPerPixel = 3;

/** What a page's `ImageData` is, without naming the DOM: 8-bit RGBA, alpha not premultiplied. */
export interface RgbaPixels {
  readonly width: number;
  readonly height: number;
  /** `[height, width, 4]`. */
  readonly data: Uint8Array | Uint8ClampedArray;
}

/**
 * Checks that a picture's sizes are whole and positive and that its data has exactly the bytes they promise.
 *
 * @throws {OptionError} naming what differs
 */
export function checkPixels(pixels: Pixels): void {
  checkSize("picture width", pixels.width);
  checkSize("picture height", pixels.height);
  checkByteCount(pixels, bytesPerPixel);
}

/**
 * Drops alpha by laying the picture over a white page, each value rounded to the nearest. In a page, `getImageData`
 * gives its input.
 *
 * @param rgba `[height, width, 4]`, alpha not premultiplied
 * @throws {OptionError} if sizes and data disagree
 */
export function pixelsFromRgba(rgba: RgbaPixels): Pixels {
  checkSize("picture width", rgba.width);
  checkSize("picture height", rgba.height);
  checkByteCount(rgba, 4);
  const source = rgba.data;
  const data = new Uint8Array(rgba.width * rgba.height * bytesPerPixel);
  for (let from = 0, to = 0; from < source.length; from += 4, to += bytesPerPixel) {
    const alpha = source[from + 3]!;
    for (let channel = 0; channel < bytesPerPixel; channel++) {
      data[to + channel] = overWhite(source[from + channel]!, alpha);
    }
  }
  return { width: rgba.width, height: rgba.height, data };
}

function overWhite(value: number, alpha: number): number {
  return Math.trunc((value * alpha + 255 * (255 - alpha)) / 255 + 0.5);
}

/** @throws {OptionError} unless `value` is a whole number from 1 up */
export function checkSize(what: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new OptionError(`${what}: expected a whole number of pixels, at least 1, but received ${value}.`);
  }
}

function checkByteCount(picture: Pixels | RgbaPixels, channels: number): void {
  const expected = picture.width * picture.height * channels;
  if (picture.data.length !== expected) {
    throw new OptionError(
      `picture of ${picture.width}x${picture.height} pixels: expected ${expected} bytes of data (${channels} a pixel) ` +
        `but received ${picture.data.length}.`,
    );
  }
}
