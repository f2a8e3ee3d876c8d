import { bytesPerPixel, type Pixels } from "../pixels/pixels.ts";
import type { PerChannel } from "../pixels/preprocessing.ts";

/**
 * Where a pixel of the result comes from, as seen from the middle of the picture:
 * `(xx * x + xy * y + x0, yx * x + yy * y + y0)`.
 */
export interface AffineMap {
  readonly xx: number;
  readonly xy: number;
  readonly x0: number;
  readonly yx: number;
  readonly yy: number;
  readonly y0: number;
}

/** Leaves every pixel where it is. */
export const identityMap: AffineMap = { xx: 1, xy: 0, x0: 0, yx: 0, yy: 1, y0: 0 };

/**
 * Turns by twice the angle whose tangent is given. With halved tangents, sine and cosine are fractions, which every engine
 * computes alike.
 */
export function rotation(halfTangent: number): AffineMap {
  const square = halfTangent * halfTangent;
  const cosine = (1 - square) / (1 + square);
  const sine = (2 * halfTangent) / (1 + square);
  return { ...identityMap, xx: cosine, xy: sine, yx: -sine, yy: cosine };
}

/**
 * Resamples a picture through a map, bilinearly.
 *
 * @param fill red, green, blue of what lies outside, 0 to 255
 * @returns as large as the picture
 */
export function mapPicture(pixels: Pixels, map: AffineMap, fill: PerChannel): Pixels {
  const { width, height, data } = pixels;
  const mapped = new Uint8Array(data.length);
  const middleX = (width - 1) / 2;
  const middleY = (height - 1) / 2;
  let to = 0;
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++, to += bytesPerPixel) {
      const x = map.xx * (column - middleX) + map.xy * (row - middleY) + map.x0 + middleX;
      const y = map.yx * (column - middleX) + map.yy * (row - middleY) + map.y0 + middleY;
      const left = Math.floor(x);
      const top = Math.floor(y);
      const hasLeft = left >= 0 && left < width;
      const hasRight = left + 1 >= 0 && left + 1 < width;
      const hasTop = top >= 0 && top < height;
      const hasBottom = top + 1 >= 0 && top + 1 < height;
      for (let channel = 0; channel < bytesPerPixel; channel++) {
        const outside = fill[channel]!;
        const above = (top * width + left) * bytesPerPixel + channel;
        const below = above + width * bytesPerPixel;
        const upper = mix(
          hasLeft && hasTop ? data[above]! : outside,
          hasRight && hasTop ? data[above + bytesPerPixel]! : outside,
          x - left,
        );
        const lower = mix(
          hasLeft && hasBottom ? data[below]! : outside,
          hasRight && hasBottom ? data[below + bytesPerPixel]! : outside,
          x - left,
        );
        mapped[to + channel] = Math.floor(mix(upper, lower, y - top) + 0.5);
      }
    }
  }
  return { width, height, data: mapped };
}

function mix(a: number, b: number, share: number): number {
  return a + share * (b - a);
}
