import { bytesPerPixel, checkPixels, checkSize, type Pixels } from "./pixels.ts";

/** A rectangle in pixels; `x` and `y` count from the picture's top left corner. */
export interface CropWindow {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Width and height alone: of a picture, or of one yet to be made. */
export interface PictureSize {
  readonly width: number;
  readonly height: number;
}

/**
 * Cuts `size` x `size` pixels (or `[height, width]`) out of the middle. A picture that is smaller is padded with black
 * all round, as torchvision's `CenterCrop` does.
 *
 * Where the margin is odd, the larger half of it is at the right and bottom. (torchvision rounds halves to even, so
 * with every other odd margin its crop lies one pixel further.)
 *
 * @param pixels `[height, width, 3]`
 * @returns `[size, size, 3]`
 * @throws {OptionError} if a size is not a whole number from 1 up
 */
export function centerCrop(pixels: Pixels, size: number | readonly [height: number, width: number]): Pixels {
  const [height, width] = typeof size === "number" ? [size, size] : size;
  checkPixels(pixels);
  checkSize("crop width", width);
  checkSize("crop height", height);
  return cutOut(pixels, centerWindow(pixels, width, height));
}

/**
 * The window of `width` x `height` in the middle: `x = floor((picture width - width) / 2)`. Where the picture is
 * smaller, `x` or `y` is negative and rounded up, so that an odd column of padding goes to the right.
 */
export function centerWindow(picture: PictureSize, width: number, height: number): CropWindow {
  return { x: half(picture.width - width), y: half(picture.height - height), width, height };
}

function half(margin: number): number {
  return Math.trunc(margin / 2) + 0; // + 0: trunc(-0.5) is -0
}

/** The part of a window that lies inside a picture; for a centred window never empty. */
export function intersect(window: CropWindow, picture: PictureSize): CropWindow {
  const x = Math.max(0, window.x);
  const y = Math.max(0, window.y);
  const width = Math.min(picture.width, window.x + window.width) - x;
  const height = Math.min(picture.height, window.y + window.height) - y;
  return { x, y, width, height };
}

/** Copies a window that shares at least one pixel with the picture; what lies outside the picture is black. */
export function cutOut(pixels: Pixels, window: CropWindow): Pixels {
  const inside = intersect(window, pixels);
  const data = new Uint8Array(window.width * window.height * bytesPerPixel);
  for (let row = 0; row < inside.height; row++) {
    const from = ((inside.y + row) * pixels.width + inside.x) * bytesPerPixel;
    const to = ((inside.y - window.y + row) * window.width + inside.x - window.x) * bytesPerPixel;
    data.set(pixels.data.subarray(from, from + inside.width * bytesPerPixel), to);
  }
  return { width: window.width, height: window.height, data };
}
