import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Pixels } from "../pixels/pixels.ts";
import { seededRandom } from "../random.ts";
import { syntheticPixels } from "../testing/synthetic_pixels.ts";
import { identityMap, mapPicture, rotation } from "./affine.ts";
import { drawWindow, flipHorizontally, shift } from "./geometry.ts";

const side = fc.integer({ min: 1, max: 14 });
const offset = fc.integer({ min: -9, max: 9 });

function pixelAt({ width, data }: Pixels, x: number, y: number): number[] {
  return [...data.subarray((y * width + x) * 3, (y * width + x) * 3 + 3)];
}

/** Position of a mirror walk: steps back and forth between the ends. */
function walked(position: number, length: number): number {
  let at = position;
  while (at < 0 || at >= length) {
    if (length === 1) return 0;
    at = at < 0 ? -at : 2 * (length - 1) - at;
  }
  return at;
}

describe("flipHorizontally", () => {
  test("puts the last column first, and twice is nothing", () => {
    fc.assert(
      fc.property(side, side, (width, height) => {
        const pixels = syntheticPixels("noise", width, height);
        const flipped = flipHorizontally(pixels);
        for (let y = 0; y < height; y++) {
          for (let x = 0; x < width; x++) expect(pixelAt(flipped, x, y)).toEqual(pixelAt(pixels, width - 1 - x, y));
        }
        expect(flipHorizontally(flipped)).toEqual(pixels);
      }),
    );
  });
});

describe("shift", () => {
  test.each(["black", "reflect"] as const)("shows the picture moved, %s outside", (fill) => {
    fc.assert(
      fc.property(side, side, offset, offset, (width, height, dx, dy) => {
        const pixels = syntheticPixels("noise", width, height);
        const shifted = shift(pixels, dx, dy, fill);
        for (let y = 0; y < height; y++) {
          for (let x = 0; x < width; x++) {
            const isInside = x + dx >= 0 && x + dx < width && y + dy >= 0 && y + dy < height;
            const expected =
              fill === "black" && !isInside
                ? [0, 0, 0]
                : pixelAt(pixels, walked(x + dx, width), walked(y + dy, height));
            expect(pixelAt(shifted, x, y)).toEqual(expected);
          }
        }
      }),
    );
  });
});

describe("drawWindow", () => {
  test("lies inside the picture, for any picture, area and aspect", () => {
    const share = fc.double({ min: 0.01, max: 1, noNaN: true });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 300 }),
        fc.integer({ min: 1, max: 300 }),
        share,
        share,
        fc.nat(),
        (width, height, a, b, seed) => {
          const area = [Math.min(a, b), Math.max(a, b)] as const;
          const window = drawWindow({ width, height }, area, [3 / 4, 4 / 3], seededRandom(seed));
          for (const value of Object.values(window)) expect(Number.isInteger(value)).toBe(true);
          expect(Math.min(window.x, window.y)).toBeGreaterThanOrEqual(0);
          expect(Math.min(window.width, window.height)).toBeGreaterThanOrEqual(1);
          expect(window.x + window.width).toBeLessThanOrEqual(width);
          expect(window.y + window.height).toBeLessThanOrEqual(height);
        },
      ),
    );
  });

  test("keeps area and aspect within their ranges, and reaches both ends", () => {
    const random = seededRandom(1);
    const windows = Array.from({ length: 2000 }, () =>
      drawWindow({ width: 400, height: 300 }, [0.2, 0.6], [0.5, 2], random),
    );
    const areas = windows.map(({ width, height }) => (width * height) / (400 * 300));
    const aspects = windows.map(({ width, height }) => width / height);
    // Rounding sides of over 100 pixels to whole ones changes products and quotients by less than 1 %.
    expect(Math.min(...areas)).toBeGreaterThan(0.198);
    expect(Math.min(...areas)).toBeLessThan(0.22);
    expect(Math.max(...areas)).toBeLessThan(0.606);
    expect(Math.max(...areas)).toBeGreaterThan(0.57);
    expect(Math.min(...aspects)).toBeGreaterThan(0.495);
    expect(Math.min(...aspects)).toBeLessThan(0.52);
    expect(Math.max(...aspects)).toBeLessThan(2.02);
    expect(Math.max(...aspects)).toBeGreaterThan(1.9);
    const corners = windows.filter(({ x, y }) => x === 0 && y === 0).length;
    expect(corners).toBeLessThan(100); // windows move
  });

  test("takes the middle of a picture that is too long for any window", () => {
    const window = drawWindow({ width: 1000, height: 10 }, [1, 1], [3 / 4, 4 / 3], seededRandom(0));
    expect(window).toEqual({ x: 493, y: 0, width: 13, height: 10 });
  });
});

describe("mapPicture", () => {
  test("leaves the picture where the map does", () => {
    const pixels = syntheticPixels("noise", 7, 5);
    expect(mapPicture(pixels, identityMap, [1, 2, 3])).toEqual(pixels);
  });

  test("turns a square by 90 degrees exactly", () => {
    const pixels = syntheticPixels("noise", 6, 6);
    const turned = mapPicture(pixels, rotation(1), [1, 2, 3]);
    for (let y = 0; y < 6; y++) {
      for (let x = 0; x < 6; x++) expect(pixelAt(turned, x, y)).toEqual(pixelAt(pixels, y, 5 - x));
    }
  });

  test("moves by whole pixels, filling what comes in", () => {
    const pixels = syntheticPixels("noise", 6, 4);
    const moved = mapPicture(pixels, { ...identityMap, x0: 2, y0: -1 }, [1, 2, 3]);
    for (let y = 0; y < 4; y++) {
      for (let x = 0; x < 6; x++) {
        expect(pixelAt(moved, x, y)).toEqual(x + 2 < 6 && y > 0 ? pixelAt(pixels, x + 2, y - 1) : [1, 2, 3]);
      }
    }
  });

  test("weighs neighbours by distance, the fill among them", () => {
    const pixels = { width: 2, height: 1, data: Uint8Array.of(100, 0, 8, 200, 0, 8) };
    const moved = mapPicture(pixels, { ...identityMap, x0: 0.25 }, [0, 0, 0]);
    expect([...moved.data]).toEqual([125, 0, 8, 150, 0, 6]);
  });
});
