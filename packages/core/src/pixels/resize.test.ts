import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { OptionError } from "../errors.ts";
import { resizeGoldens } from "../testing/resize_goldens.ts";
import { resizedSha256 } from "../testing/resize_in_page.ts";
import { syntheticPixels } from "../testing/synthetic_pixels.ts";
import { cutOut } from "./crop.ts";
import type { Pixels } from "./pixels.ts";
import type { ResizeFilter } from "./resample_taps.ts";
import { type ResizeOptions, resize, resizeShortSide } from "./resize.ts";

const filters: readonly ResizeFilter[] = ["bilinear", "bicubic"];

const picture = fc
  .record({ width: fc.integer({ min: 1, max: 40 }), height: fc.integer({ min: 1, max: 40 }) })
  .chain(({ width, height }) =>
    fc
      .uint8Array({ minLength: width * height * 3, maxLength: width * height * 3, size: "max" })
      .map((data): Pixels => ({ width, height, data })),
  );

const options = fc.record({
  width: fc.integer({ min: 1, max: 60 }),
  height: fc.integer({ min: 1, max: 60 }),
  filter: fc.constantFrom(...filters),
});

describe("resize", () => {
  test.each(resizeGoldens)("equals Pillow: $name", async (golden) => {
    expect(await resizedSha256(golden)).toBe(golden.sha256);
  });

  test("lies within one level of resampling in double precision without a rounded picture in between", () => {
    fc.assert(
      fc.property(picture, options, (pixels, to) => {
        const exact = resizeExactly(pixels, to);
        const { data } = resize(pixels, to);
        expect(data.length).toBe(exact.length);
        // One level for the final rounding and the rows rounded between the passes, which a cubic kernel weighs with up to 1.25 in all.
        for (const [i, value] of data.entries())
          expect(Math.abs(value - exact[i]!)).toBeLessThanOrEqual(toleranceOf(pixels, to));
      }),
    );
  });

  test("keeps a picture of one colour as it is", () => {
    const colour = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255));
    const side = fc.integer({ min: 1, max: 50 });
    fc.assert(
      fc.property(colour, side, side, options, (rgb, width, height, to) => {
        const data = new Uint8Array(width * height * 3).map((_, i) => rgb[i % 3]!);
        const expected = new Uint8Array(to.width * to.height * 3).map((_, i) => rgb[i % 3]!);
        expect(resize({ width, height, data }, to).data).toEqual(expected);
      }),
    );
  });

  test("to the same size copies: equal bytes, other memory", () => {
    fc.assert(
      fc.property(picture, fc.constantFrom(...filters), (pixels, filter) => {
        const { width, height } = pixels;
        const copy = resize(pixels, { width, height, filter });
        expect(copy).toEqual(pixels);
        expect(copy.data.buffer).not.toBe(pixels.data.buffer);
      }),
    );
  });

  test("of a mirrored picture is the mirrored result", () => {
    fc.assert(
      fc.property(picture, options, (pixels, to) => {
        const straight = mirrored(resize(pixels, to)).data;
        // A weight on the edge between two fixed-point numbers may round either way, so a level apart is right too.
        for (const [i, value] of resize(mirrored(pixels), to).data.entries()) {
          expect(Math.abs(value - straight[i]!)).toBeLessThanOrEqual(1);
        }
      }),
    );
  });

  test("computes a window as a cut-out of the whole", () => {
    const share = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(picture, options, share, share, share, share, (pixels, to, left, right, top, bottom) => {
        const [x, width] = span(left, right, to.width);
        const [y, height] = span(top, bottom, to.height);
        const window = { x, y, width, height };
        expect(resize(pixels, { ...to, window })).toEqual(cutOut(resize(pixels, to), window));
      }),
    );
  });

  test("takes a picture that is a view into a larger buffer, and leaves it alone", () => {
    const pixels = syntheticPixels("noise", 9, 8);
    const buffer = new Uint8Array(pixels.data.length + 5);
    buffer.set(pixels.data, 5);
    const view = { ...pixels, data: buffer.subarray(5) };
    const to: ResizeOptions = { width: 4, height: 11, filter: "bicubic" };
    expect(resize(view, to)).toEqual(resize(pixels, to));
    expect(view.data).toEqual(pixels.data);
  });

  test.each([
    [{ width: 0, height: 5, filter: "bilinear" }, /resized width: expected a whole number.*received 0/],
    [{ width: 5, height: 1.5, filter: "bilinear" }, /resized height: .*received 1.5/],
    [
      { width: 5, height: 5, filter: "nearest" as ResizeFilter },
      /resize filter: expected bilinear or bicubic but received "nearest"/,
    ],
    [{ width: 20000, height: 20000, filter: "bilinear" }, /20000x20000: expected at most 100000000 pixels/],
    [
      { width: 5, height: 5, filter: "bilinear", window: { x: 3, y: 0, width: 3, height: 5 } },
      /window of 3x5 at \(3, 0\)/,
    ],
  ] as const)("refuses %j", (to, message) => {
    const attempt = () => resize(syntheticPixels("noise", 6, 6), to);
    expect(attempt).toThrow(OptionError);
    expect(attempt).toThrow(message);
  });

  test("refuses data that is not what the sizes promise", () => {
    const lying = { width: 6, height: 6, data: new Uint8Array(107) };
    expect(() => resize(lying, { width: 5, height: 5, filter: "bilinear" })).toThrow(
      /6x6 pixels: expected 108 bytes.*received 107/,
    );
  });
});

describe("resizeShortSide", () => {
  test.each([
    [640, 480, 256, 341, 256],
    [480, 640, 256, 256, 341],
    [500, 375, 232, 309, 232],
    [7, 7, 3, 3, 3],
    [1, 1, 16, 16, 16],
    [4000, 2, 4, 8000, 4],
  ])(
    "%ix%i with the short side %i becomes %ix%i, as torchvision has it",
    (width, height, size, newWidth, newHeight) => {
      const resized = resizeShortSide(syntheticPixels("noise", width, height), size, "bilinear");
      expect([resized.width, resized.height]).toEqual([newWidth, newHeight]);
    },
  );

  test("refuses what would not fit into memory, saying so", () => {
    const wide = syntheticPixels("noise", 4000, 2);
    expect(() => resizeShortSide(wide, 256, "bilinear")).toThrow(/512000x256: expected at most/);
  });
});

function span(from: number, to: number, size: number): [first: number, count: number] {
  const first = Math.min(size - 1, Math.floor(Math.min(from, to) * size));
  return [first, Math.max(1, Math.floor(Math.max(from, to) * size) - first)];
}

function mirrored({ width, height, data }: Pixels): Pixels {
  const flipped = new Uint8Array(data.length);
  for (let i = 0; i < width * height; i++) {
    const from = i * 3;
    flipped.set(data.subarray(from, from + 3), (i - 2 * (i % width) + width - 1) * 3);
  }
  return { width, height, data: flipped };
}

/**
 * The definition of antialiased resampling, independent of the code under test: a weighted mean over the whole plane.
 */
function resizeExactly(pixels: Pixels, to: ResizeOptions): Float64Array {
  const columns = weightMatrix(pixels.width, to.width, to.filter);
  const rows = weightMatrix(pixels.height, to.height, to.filter);
  const exact = new Float64Array(to.width * to.height * 3);
  for (let i = 0; i < exact.length; i++) {
    const channel = i % 3;
    const column = columns[Math.floor(i / 3) % to.width]!;
    const row = rows[Math.floor(i / 3 / to.width)]!;
    let sum = 0;
    for (const [y, rowWeight] of row.entries()) {
      if (rowWeight === 0) continue;
      let line = 0;
      for (const [x, weight] of column.entries()) line += weight * pixels.data[(y * pixels.width + x) * 3 + channel]!;
      sum += rowWeight * Math.min(255, Math.max(0, line));
    }
    exact[i] = Math.min(255, Math.max(0, sum));
  }
  return exact;
}

/** Row `o`: how much of each input sample is in output sample `o`. */
function weightMatrix(inputSize: number, outputSize: number, filter: ResizeFilter): number[][] {
  const stretch = Math.max(1, inputSize / outputSize);
  return Array.from({ length: outputSize }, (_, o) => {
    const center = ((o + 0.5) * inputSize) / outputSize;
    const row = Array.from({ length: inputSize }, (_, i) => kernel((i + 0.5 - center) / stretch, filter));
    const sum = row.reduce((total, weight) => total + weight, 0);
    return row.map((weight) => weight / sum);
  });
}

function kernel(distance: number, filter: ResizeFilter): number {
  const x = Math.abs(distance);
  if (filter === "bilinear") return x < 1 ? 1 - x : 0;
  if (x < 1) return 1.5 * x ** 3 - 2.5 * x ** 2 + 1;
  return x < 2 ? -0.5 * x ** 3 + 2.5 * x ** 2 - 4 * x + 2 : 0;
}

/** Half a level of rounding in each pass; a pass that does not happen does not round. */
function toleranceOf(pixels: Pixels, to: ResizeOptions): number {
  const cubicGain = 1.25;
  const passes = Number(pixels.width !== to.width) + Number(pixels.height !== to.height);
  if (passes === 0) return 0;
  const fixedPoint = 0.01;
  return (passes === 1 ? 0.5 : 0.5 + 0.5 * (to.filter === "bicubic" ? cubicGain : 1)) + fixedPoint;
}
