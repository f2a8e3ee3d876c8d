import { type Pixels, type Preprocessing, pixelsFromRgba, preprocess, preprocessingPresets } from "@depthwise/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fillInput, type PixelSource } from "./pixels.ts";

/** Bytes of the given length from a seed, none like its neighbours. */
function noise(seed: number, length: number): Uint8Array {
  let state = seed;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
}

function filled(picture: PixelSource, preprocessing: Preprocessing): Float32Array {
  const [height, width] = preprocessing.size;
  const input = new Float32Array(height * width * (preprocessing.channelOrder === "grey" ? 1 : 3));
  fillInput(input, picture, preprocessing);
  return input;
}

const sizes = fc.record({
  width: fc.oneof(fc.integer({ min: 1, max: 90 }), fc.integer({ min: 200, max: 400 })),
  height: fc.integer({ min: 1, max: 90 }),
  seed: fc.nat(),
});

const side = fc.integer({ min: 1, max: 40 });

const preprocessings: fc.Arbitrary<Preprocessing> = fc
  .record({
    size: fc.tuple(side, side),
    resizeShortSide: fc.option(side),
    geometry: fc.oneof(
      fc.constant({}),
      fc.record({ crop: fc.tuple(side, side) }),
      fc.record({ cropFraction: fc.double({ min: 0.3, max: 1, noNaN: true }) }),
    ),
    filter: fc.constantFrom("bilinear" as const, "bicubic" as const),
    scale: fc.constantFrom(1, 1 / 255, 0.017),
    channelOrder: fc.constantFrom("rgb" as const, "bgr" as const, "grey" as const),
  })
  .map(({ geometry, ...rest }) => ({ ...rest, ...geometry, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }));

describe("a shipped model's input", () => {
  it("has the numbers of preprocess(), to the bit, for pictures of any size", () => {
    fc.assert(
      fc.property(sizes, preprocessings, ({ width, height, seed }, preprocessing) => {
        const pixels: Pixels = { width, height, data: noise(seed, width * height * 3) };
        expect(filled(pixels, preprocessing)).toEqual(preprocess(pixels, preprocessing));
      }),
      { numRuns: 400 },
    );
  });

  it.each(Object.entries(preprocessingPresets))("has them with the preset %s", (_, preprocessing) => {
    for (const [width, height] of [
      [640, 480],
      [227, 341],
      [32, 32],
    ] as const) {
      const pixels: Pixels = { width, height, data: noise(width, width * height * 3) };
      expect(filled(pixels, preprocessing)).toEqual(preprocess(pixels, preprocessing));
    }
  });

  it("lays alpha over white as pixelsFromRgba() does", () => {
    const rgba = { width: 50, height: 40, data: noise(9, 8000) };
    const { torchvision } = preprocessingPresets;
    expect(filled(rgba, torchvision)).toEqual(preprocess(pixelsFromRgba(rgba), torchvision));
  });

  it("refuses bytes that are neither RGB nor RGBA", () => {
    const picture = { width: 4, height: 3, data: new Uint8Array(24) };
    expect(() => filled(picture, preprocessingPresets.unit)).toThrow(TypeError);
    expect(() => filled(picture, preprocessingPresets.unit)).toThrow("24 bytes for 4x3 pixels.");
  });
});
