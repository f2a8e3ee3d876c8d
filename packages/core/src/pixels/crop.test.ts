import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { OptionError } from "../errors.ts";
import { syntheticPixels } from "../testing/synthetic_pixels.ts";
import { centerCrop, centerWindow } from "./crop.ts";
import type { Pixels } from "./pixels.ts";

/** One row whose red counts from 1, so that padding (0) is told from every pixel. */
function row(width: number): Pixels {
  return { width, height: 1, data: Uint8Array.from({ length: width * 3 }, (_, i) => (i % 3 === 0 ? i / 3 + 1 : 0)) };
}

function reds(pixels: Pixels): number[] {
  return Array.from(pixels.data).filter((_, i) => i % 3 === 0);
}

describe("centerCrop", () => {
  test.each([
    [5, 5, [1, 2, 3, 4, 5]],
    [5, 3, [2, 3, 4]],
    [5, 2, [2, 3]], // floor(3 / 2) = 1 left of it, 2 right of it
    [6, 3, [2, 3, 4]],
    [3, 5, [0, 1, 2, 3, 0]],
    [3, 4, [1, 2, 3, 0]], // an odd column of padding goes to the right
    [1, 4, [0, 1, 0, 0]],
  ])("of a row of %i to %i columns gives %j", (from, to, expected) => {
    expect(reds(centerCrop(row(from), [1, to]))).toEqual(expected);
  });

  test("pads columns and rows on their own", () => {
    const cropped = centerCrop(row(4), [3, 2]);
    expect([cropped.width, cropped.height]).toEqual([2, 3]);
    expect(reds(cropped)).toEqual([0, 0, 2, 3, 0, 0]);
  });

  test("keeps every pixel where it was relative to the middle", () => {
    const side = fc.integer({ min: 1, max: 12 });
    fc.assert(
      fc.property(side, side, side, side, (width, height, cropWidth, cropHeight) => {
        const pixels = syntheticPixels("noise", width, height);
        const cropped = centerCrop(pixels, [cropHeight, cropWidth]);
        const window = centerWindow(pixels, cropWidth, cropHeight);
        for (let i = 0; i < cropped.data.length; i++) {
          const x = window.x + (Math.floor(i / 3) % cropWidth);
          const y = window.y + Math.floor(i / 3 / cropWidth);
          const isInside = x >= 0 && x < width && y >= 0 && y < height;
          expect(cropped.data[i]).toBe(isInside ? pixels.data[(y * width + x) * 3 + (i % 3)] : 0);
        }
      }),
    );
  });

  test("refuses a size that is no whole number of pixels", () => {
    expect(() => centerCrop(row(4), 0)).toThrow(OptionError);
    expect(() => centerCrop(row(4), [1, 2.5])).toThrow(/crop width: .*received 2.5/);
  });
});
