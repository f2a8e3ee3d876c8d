import { type CropWindow, cutOut, type PictureSize } from "../pixels/crop.ts";
import { bytesPerPixel, type Pixels } from "../pixels/pixels.ts";
import type { Random } from "../random.ts";

/** Mirrors a picture left to right. */
export function flipHorizontally(pixels: Pixels): Pixels {
  const { width, height, data } = pixels;
  const flipped = new Uint8Array(data.length);
  const rowBytes = width * bytesPerPixel;
  for (let rowStart = 0; rowStart < height * rowBytes; rowStart += rowBytes) {
    let to = rowStart + rowBytes - bytesPerPixel;
    for (let from = rowStart; from < rowStart + rowBytes; from += bytesPerPixel, to -= bytesPerPixel) {
      flipped[to] = data[from]!;
      flipped[to + 1] = data[from + 1]!;
      flipped[to + 2] = data[from + 2]!;
    }
  }
  return { width, height, data: flipped };
}

/**
 * The picture seen through a window of its own size whose corner is at (`x`, `y`).
 *
 * @param fill what lies outside: black, or the picture mirrored at its edge without repeating the edge itself
 */
export function shift(pixels: Pixels, x: number, y: number, fill: "black" | "reflect"): Pixels {
  if (x === 0 && y === 0) return pixels;
  const { width, height } = pixels;
  if (fill === "reflect") return shiftReflected(pixels, x, y);
  if (Math.abs(x) >= width || Math.abs(y) >= height) return { width, height, data: new Uint8Array(pixels.data.length) };
  return cutOut(pixels, { x, y, width, height });
}

function shiftReflected(pixels: Pixels, x: number, y: number): Pixels {
  const { width, height, data } = pixels;
  const shifted = new Uint8Array(data.length);
  const rowBytes = width * bytesPerPixel;
  // The columns from `first` to `end` of the result lie inside the picture and are copied in one piece.
  const first = Math.min(width, Math.max(0, -x));
  const end = Math.max(first, Math.min(width, width - x));
  for (let row = 0; row < height; row++) {
    const from = mirrored(row + y, height) * rowBytes;
    const to = row * rowBytes;
    if (end > first) {
      const start = from + (first + x) * bytesPerPixel;
      shifted.set(data.subarray(start, start + (end - first) * bytesPerPixel), to + first * bytesPerPixel);
    }
    for (let column = 0; column < width; column++) {
      if (column === first && end > first) column = end;
      if (column >= width) break;
      const source = from + mirrored(column + x, width) * bytesPerPixel;
      const target = to + column * bytesPerPixel;
      shifted[target] = data[source]!;
      shifted[target + 1] = data[source + 1]!;
      shifted[target + 2] = data[source + 2]!;
    }
  }
  return { width, height, data: shifted };
}

/** `… 2 1 | 0 1 2 … n-1 | n-2 …` for any position. */
function mirrored(position: number, length: number): number {
  if (position >= 0 && position < length) return position;
  if (length === 1) return 0;
  const period = 2 * (length - 1);
  const within = ((position % period) + period) % period;
  return within < length ? within : period - within;
}

/** How often torchvision's RandomResizedCrop tries before it takes the middle. */
const mostTries = 10;

/**
 * Draws the window of a random resized crop as torchvision's `RandomResizedCrop` does: ten tries at a window inside the
 * picture, then the largest in the middle whose proportions are allowed.
 *
 * @param area least and most share of the picture's area
 * @param aspect least and most of width over height
 */
export function drawWindow(
  picture: PictureSize,
  area: readonly [number, number],
  aspect: readonly [number, number],
  random: Random,
): CropWindow {
  const [leastAspect, mostAspect] = aspect;
  for (let tries = 0; tries < mostTries; tries++) {
    const pixelCount = picture.width * picture.height * (area[0] + random.uniform() * (area[1] - area[0]));
    // Rounding to whole pixels hides the last bit of pow, in which engines may differ.
    const ratio = leastAspect * (mostAspect / leastAspect) ** random.uniform();
    const width = Math.round(Math.sqrt(pixelCount * ratio));
    const height = Math.round(Math.sqrt(pixelCount / ratio));
    if (width < 1 || height < 1 || width > picture.width || height > picture.height) continue;
    const x = random.below(picture.width - width + 1);
    const y = random.below(picture.height - height + 1);
    return { x, y, width, height };
  }
  const ratio = Math.min(mostAspect, Math.max(leastAspect, picture.width / picture.height));
  const width = Math.max(1, Math.min(picture.width, Math.round(picture.height * ratio)));
  const height = Math.max(1, Math.min(picture.height, Math.round(picture.width / ratio)));
  return {
    x: Math.trunc((picture.width - width) / 2),
    y: Math.trunc((picture.height - height) / 2),
    width,
    height,
  };
}
