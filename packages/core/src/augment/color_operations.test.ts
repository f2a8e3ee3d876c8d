import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Pixels } from "../pixels/pixels.ts";
import { syntheticPixels } from "../testing/synthetic_pixels.ts";
import {
  changeBrightness,
  changeContrast,
  changeSaturation,
  changeSharpness,
  equalize,
  posterize,
  solarize,
  stretchContrast,
  turnHue,
} from "./color_operations.ts";

const goldenText = readFileSync(new URL("../testing/color.golden.json", import.meta.url), "utf8");
const { hex } = JSON.parse(goldenText) as { hex: Record<string, string> };

/** The twin of `picture()` in `color_goldens.py`. */
function goldenInput(): Pixels {
  const noise = syntheticPixels("noise", 13, 9);
  return { ...noise, data: noise.data.map((value, i) => (i % 2 === 0 ? (value >> 2) + 20 : value)) };
}

interface Checked {
  readonly change: (pixels: Pixels, amount: number) => Pixels;
  /** Largest difference from Pillow in any byte. */
  readonly tolerance: number;
}

const operations: { readonly [name: string]: Checked } = {
  // Pillow cuts fractions off where we round.
  brightness: { change: changeBrightness, tolerance: 1 },
  contrast: { change: changeContrast, tolerance: 1 },
  saturation: { change: changeSaturation, tolerance: 1 },
  sharpness: { change: changeSharpness, tolerance: 1 },
  solarize: { change: solarize, tolerance: 0 },
  posterize: { change: posterize, tolerance: 0 },
  stretch: { change: stretchContrast, tolerance: 1 },
  equalize: { change: equalize, tolerance: 0 },
  // Pillow cuts hue and saturation off to 8 bits: 1/256 of the circle is up to 6 values, saturation adds 1, rounding 1.
  hue: { change: turnHue, tolerance: 8 },
};

describe("equals Pillow in", () => {
  test.each(Object.entries(hex))("%s", (name, expectedHex) => {
    const [operation = "", amount] = name.split(" ");
    const { change, tolerance } = operations[operation]!;
    const input = goldenInput();
    const before = input.data.slice();
    const actual = change(input, Number(amount));
    const expected = Buffer.from(expectedHex, "hex");
    expect(actual.data.length).toBe(expected.length);
    const differences = Array.from(actual.data, (value, i) => Math.abs(value - expected[i]!));
    expect(Math.max(...differences)).toBeLessThanOrEqual(tolerance);
    expect(input.data).toEqual(before);
  });

  test("every operation has a golden", () => {
    const covered = new Set(Object.keys(hex).map((name) => name.split(" ")[0]));
    expect([...covered].sort()).toEqual(Object.keys(operations).sort());
  });
});

test("the neutral amounts change nothing", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 12 }), (width, height) => {
      const pixels = syntheticPixels("noise", width, height);
      for (const change of [changeBrightness, changeContrast, changeSaturation, changeSharpness]) {
        expect(change(pixels, 1).data).toEqual(pixels.data);
      }
      expect(turnHue(pixels, 0).data).toEqual(pixels.data);
      expect(turnHue(pixels, 1).data).toEqual(pixels.data);
      expect(posterize(pixels, 8).data).toEqual(pixels.data);
    }),
  );
});

test("red turned by a third is green, by two thirds blue; grey has no hue", () => {
  const pixels = { width: 2, height: 1, data: Uint8Array.of(200, 50, 50, 90, 90, 90) };
  expect([...turnHue(pixels, 1 / 3).data]).toEqual([50, 200, 50, 90, 90, 90]);
  expect([...turnHue(pixels, -1 / 3).data]).toEqual([50, 50, 200, 90, 90, 90]);
});

test("a flat picture survives stretching and equalizing", () => {
  const flat = { width: 3, height: 2, data: new Uint8Array(18).fill(77) };
  expect(stretchContrast(flat).data).toEqual(flat.data);
  expect(equalize(flat).data).toEqual(flat.data);
});
