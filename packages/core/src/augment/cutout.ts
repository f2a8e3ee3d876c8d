import { bytesPerPixel, type Pixels } from "../pixels/pixels.ts";
import type { PerChannel } from "../pixels/preprocessing.ts";
import type { Random } from "../random.ts";

/**
 * Covers a square around a pixel drawn from the whole picture, so that it may reach beyond the edge (DeVries and Taylor,
 * arXiv:1708.04552).
 *
 * @param size side of the square as a share of the picture's short side
 * @param fill red, green, blue of the square, 0 to 255
 */
export function cutout(pixels: Pixels, size: number, fill: PerChannel, random: Random): Pixels {
  const { width, height } = pixels;
  const side = Math.max(1, Math.round(size * Math.min(width, height)));
  const x = random.below(width) - (side >> 1);
  const y = random.below(height) - (side >> 1);
  const data = pixels.data.slice();
  for (let row = Math.max(0, y); row < Math.min(height, y + side); row++) {
    for (let column = Math.max(0, x); column < Math.min(width, x + side); column++) {
      data.set(fill, (row * width + column) * bytesPerPixel);
    }
  }
  return { width, height, data };
}
