import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FormatError, OptionError } from "../errors.ts";
import {
  checkPreprocessing,
  formatPreprocessing,
  type Preprocessing,
  parsePreprocessing,
  withInputSize,
} from "./preprocessing.ts";
import { preprocessingPresets } from "./preprocessing_presets.ts";

const { torchvision, tensorflowSlim } = preprocessingPresets;

const number = fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e6, max: 1e6 }).map((value) => value + 0); // JSON has no -0
const divisor = number.filter((value) => value !== 0);
const side = fc.integer({ min: 1, max: 65536 });
const anyPreprocessing: fc.Arbitrary<Preprocessing> = fc.record(
  {
    size: fc.tuple(side, side),
    resizeShortSide: fc.option(side),
    crop: fc.tuple(side, side),
    filter: fc.constantFrom("bilinear", "bicubic"),
    scale: divisor,
    mean: fc.tuple(number, number, number),
    std: fc.tuple(divisor, divisor, divisor),
    channelOrder: fc.constantFrom("rgb", "bgr", "grey"),
  },
  { requiredKeys: ["size", "resizeShortSide", "filter", "scale", "mean", "std", "channelOrder"] },
);

describe("formatPreprocessing and parsePreprocessing", () => {
  test("round-trip every preprocessing to the same numbers", () => {
    fc.assert(
      fc.property(anyPreprocessing, (preprocessing) => {
        expect(parsePreprocessing(formatPreprocessing(preprocessing))).toEqual(preprocessing);
      }),
    );
  });

  test.each(Object.entries(preprocessingPresets))("round-trip the preset %s", (_, preset) => {
    expect(parsePreprocessing(formatPreprocessing(preset))).toEqual(preset);
  });

  test.each([
    ["size", undefined, /field size: expected \[height, width\] .* but received undefined/],
    ["size", [224], /field size: .* received \[224\]/],
    ["size", [1e9, 224], /field size: .* 1 to 65536 but received \[1000000000,224\]/],
    ["resizeShortSide", 0.5, /field resizeShortSide: expected null or whole pixels/],
    ["crop", null, /field crop: .* received null/],
    ["cropFraction", 1.5, /field cropFraction: expected a number over 0 and at most 1 but received 1.5/],
    ["filter", "lanczos", /field filter: expected "bilinear" or "bicubic" but received "lanczos"/],
    ["scale", 0, /field scale: expected a number other than 0/],
    ["scale", "1", /field scale: .* received "1"/],
    ["mean", [1, 2], /field mean: expected three numbers/],
    ["mean", [1, 2, null], /field mean: .* received \[1,2,null\]/],
    ["std", [1, 1, 0], /field std: .* other than 0/],
    ["channelOrder", "rbg", /field channelOrder: expected "rgb" or "bgr" or "grey" but received "rbg"/],
    ["resizeShortside", 256, /unknown field "resizeShortside". The fields are size, resizeShortSide/],
    ["toString", 1, /unknown field "toString"/],
    ["filter", "x".repeat(500), /received "x{70,79}\.\.\.\.$/],
  ])("refuse %s of %j", (field, value, message) => {
    const json = JSON.stringify({ ...torchvision, [field]: value });
    expect(() => parsePreprocessing(json)).toThrow(FormatError);
    expect(() => parsePreprocessing(json)).toThrow(message);
    expect(() => checkPreprocessing({ ...torchvision, [field]: value } as Preprocessing)).toThrow(OptionError);
  });

  test.each([["{"], ["null"], ["[]"], ["3"], [""]])("refuse %j", (json) => {
    expect(() => parsePreprocessing(json)).toThrow(FormatError);
  });

  test("refuse both kinds of crop together", () => {
    const json = JSON.stringify({ ...tensorflowSlim, crop: [10, 10] });
    expect(() => parsePreprocessing(json)).toThrow(/either crop or cropFraction/);
  });

  test("refuse a number that JSON would lose", () => {
    expect(() => formatPreprocessing({ ...torchvision, mean: [Number.NaN, 0, 0] })).toThrow(OptionError);
  });
});

describe("withInputSize", () => {
  test("keeps the area that was cropped", () => {
    expect(withInputSize(torchvision, 128)).toEqual({ ...torchvision, size: [128, 128], crop: [224, 224] });
    expect(withInputSize(withInputSize(torchvision, 128), [96, 64])).toEqual({
      ...torchvision,
      size: [96, 64],
      crop: [224, 224],
    });
    expect(withInputSize(tensorflowSlim, 160)).toEqual({ ...tensorflowSlim, size: [160, 160] });
  });
});
