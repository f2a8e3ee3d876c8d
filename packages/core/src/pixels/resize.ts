import { OptionError } from "../errors.ts";
import { type CropWindow, cutOut, type PictureSize } from "./crop.ts";
import { bytesPerPixel, checkPixels, checkSize, type Pixels } from "./pixels.ts";
import { type ResizeFilter, resampleTaps, resizeFilters, type Taps, weightBits } from "./resample_taps.ts";

/** What {@link resize} makes. */
export interface ResizeOptions {
  /** Columns of the resized picture. */
  readonly width: number;
  /** Rows of the resized picture. */
  readonly height: number;
  readonly filter: ResizeFilter;
  /**
   * The part of the resized picture to compute, inside it. Default: all of it. The same bytes as cropping the whole
   * result, without the time and memory for the rest.
   */
  readonly window?: CropWindow;
}

/**
 * Most pixels that one call makes, 300 MB. A picture of 4000x2 with its short side stretched to 256 would be 512000
 * wide; this says so instead of exhausting the memory of a page.
 */
const mostResizedPixels = 100_000_000;

/**
 * Resizes with antialiasing: rows first, then columns, each through 8 bits. Equal to Pillow's `Image.resize` (so to
 * torchvision on PIL images) to the last bit, on every engine.
 *
 * A size that stays the same is not resampled along that axis; the result never shares memory with the input.
 *
 * @param pixels `[height, width, 3]`
 * @returns `[height, width, 3]` of the window
 * @throws {OptionError} for sizes below 1, a window that is not inside the result, an unknown filter, or more than
 *   100 million pixels
 */
export function resize(pixels: Pixels, options: ResizeOptions): Pixels {
  checkPixels(pixels);
  checkResizeFilter(options.filter);
  const window = checkedWindow(options);
  const columns = { first: window.x, count: window.width, of: options.width };
  const rows = { first: window.y, count: window.height, of: options.height };
  if (pixels.height === options.height) return resizeRows(pixels, rows.first, rows.count, columns, options.filter);
  const taps = resampleTaps(pixels.height, rows.of, rows.first, rows.count, options.filter);
  // Only the input rows that some output row reads; the vertical pass counts from the first of them.
  const firstRow = taps.starts[0]!;
  const last = rows.count - 1;
  const endRow = taps.starts[last]! + taps.offsets[last + 1]! - taps.offsets[last]!;
  const narrowed = resizeRows(pixels, firstRow, endRow - firstRow, columns, options.filter);
  return { width: window.width, height: window.height, data: resampleColumns(narrowed, taps, firstRow) };
}

/**
 * Resizes so that the short side gets `size` pixels and the long side `floor(size * long / short)`: torchvision's
 * `Resize(size)`.
 *
 * @throws {OptionError} as {@link resize}
 */
export function resizeShortSide(pixels: Pixels, size: number, filter: ResizeFilter): Pixels {
  return resize(pixels, { ...shortSideSize(pixels, size), filter });
}

/** Width and height of a picture after {@link resizeShortSide}. */
export function shortSideSize(picture: PictureSize, size: number): PictureSize {
  checkSize("short side", size);
  const { width, height } = picture;
  if (width <= height) return { width: size, height: Math.trunc((size * height) / width) };
  return { width: Math.trunc((size * width) / height), height: size };
}

/** @throws {OptionError} if no such filter exists */
function checkResizeFilter(filter: ResizeFilter): void {
  if (!resizeFilters.includes(filter)) {
    throw new OptionError(
      `resize filter: expected ${resizeFilters.join(" or ")} but received ${JSON.stringify(filter)}.`,
    );
  }
}

function checkedWindow(options: ResizeOptions): CropWindow {
  checkSize("resized width", options.width);
  checkSize("resized height", options.height);
  const window = options.window ?? { x: 0, y: 0, width: options.width, height: options.height };
  checkSize("window width", window.width);
  checkSize("window height", window.height);
  const isInside =
    Number.isSafeInteger(window.x) &&
    Number.isSafeInteger(window.y) &&
    window.x >= 0 &&
    window.y >= 0 &&
    window.x + window.width <= options.width &&
    window.y + window.height <= options.height;
  if (!isInside) {
    throw new OptionError(
      `window of ${window.width}x${window.height} at (${window.x}, ${window.y}): expected it inside the resized picture, ` +
        `which is ${options.width}x${options.height}.`,
    );
  }
  if (window.width * window.height > mostResizedPixels) {
    throw new OptionError(
      `resized picture of ${window.width}x${window.height}: expected at most ${mostResizedPixels} pixels.`,
      { hint: "Ask for the part that you need with the option window, or use a smaller size." },
    );
  }
  return window;
}

/** `count` samples from `first` on, of an axis that gets `of` samples in all. */
interface Span {
  readonly first: number;
  readonly count: number;
  readonly of: number;
}

/** The input's rows `firstRow` to `firstRow + rowCount`, each resampled to the columns asked for. */
function resizeRows(pixels: Pixels, firstRow: number, rowCount: number, columns: Span, filter: ResizeFilter): Pixels {
  if (columns.of === pixels.width)
    return cutOut(pixels, { x: columns.first, y: firstRow, width: columns.count, height: rowCount });
  const taps = resampleTaps(pixels.width, columns.of, columns.first, columns.count, filter);
  return { width: columns.count, height: rowCount, data: resampleRows(pixels, firstRow, rowCount, taps) };
}

/** Half a unit of the result, so that shifting right rounds to the nearest. */
const half = 1 << (weightBits - 1);

/**
 * The horizontal pass. Both passes write their loops out, since they take nearly all of the time, and store through a
 * clamped array, which cuts what a cubic kernel overshoots.
 */
function resampleRows(pixels: Pixels, firstRow: number, rowCount: number, taps: Taps): Uint8Array {
  const { starts, offsets, weights } = taps;
  const source = pixels.data;
  const bytes = new Uint8Array(rowCount * starts.length * bytesPerPixel);
  const data = new Uint8ClampedArray(bytes.buffer);
  let to = 0;
  for (let row = firstRow; row < firstRow + rowCount; row++) {
    const rowStart = row * pixels.width * bytesPerPixel;
    for (let column = 0; column < starts.length; column++) {
      let from = rowStart + starts[column]! * bytesPerPixel;
      let red = half;
      let green = half;
      let blue = half;
      for (let tap = offsets[column]!; tap < offsets[column + 1]!; tap++) {
        const weight = weights[tap]!;
        red = (red + Math.imul(source[from]!, weight)) | 0;
        green = (green + Math.imul(source[from + 1]!, weight)) | 0;
        blue = (blue + Math.imul(source[from + 2]!, weight)) | 0;
        from += bytesPerPixel;
      }
      data[to] = red >> weightBits;
      data[to + 1] = green >> weightBits;
      data[to + 2] = blue >> weightBits;
      to += bytesPerPixel;
    }
  }
  return bytes;
}

/** The vertical pass, over rows whose first is row `firstRow` of the input that `taps` count from. */
function resampleColumns(pixels: Pixels, taps: Taps, firstRow: number): Uint8Array {
  const { starts, offsets, weights } = taps;
  const source = pixels.data;
  const rowBytes = pixels.width * bytesPerPixel;
  const bytes = new Uint8Array(starts.length * rowBytes);
  const data = new Uint8ClampedArray(bytes.buffer);
  const sums = new Int32Array(rowBytes);
  for (let row = 0; row < starts.length; row++) {
    sums.fill(half);
    let from = (starts[row]! - firstRow) * rowBytes;
    for (let tap = offsets[row]!; tap < offsets[row + 1]!; tap++) {
      const weight = weights[tap]!;
      for (let i = 0; i < rowBytes; i++) sums[i]! += Math.imul(source[from + i]!, weight);
      from += rowBytes;
    }
    const to = row * rowBytes;
    for (let i = 0; i < rowBytes; i++) data[to + i] = sums[i]! >> weightBits;
  }
  return bytes;
}
