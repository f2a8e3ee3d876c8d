import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { syntheticPixels } from "../testing/synthetic_pixels.ts";
import { centerCrop } from "./crop.ts";
import type { Pixels } from "./pixels.ts";
import { fitToInput, normalize, preprocess } from "./preprocess.ts";
import type { Preprocessing } from "./preprocessing.ts";
import { withInputSize } from "./preprocessing.ts";
import { type PreprocessingPreset, preprocessingPresets } from "./preprocessing_presets.ts";
import { resize, resizeShortSide } from "./resize.ts";

const { torchvision, tensorflowSlim, bytes } = preprocessingPresets;

/** One pixel of red 255, green 128, blue 0. */
const orange: Pixels = { width: 1, height: 1, data: Uint8Array.of(255, 128, 0) };

describe("fitToInput", () => {
  test("equals resizing the whole picture and cropping it", () => {
    const side = fc.integer({ min: 1, max: 60 });
    const filter = fc.constantFrom("bilinear", "bicubic");
    fc.assert(
      fc.property(side, side, side, side, side, filter, (width, height, resizeSide, cropHeight, cropWidth, filter) => {
        const pixels = syntheticPixels("noise", width, height);
        const preprocessing: Preprocessing = {
          ...bytes,
          size: [cropHeight, cropWidth],
          resizeShortSide: resizeSide,
          filter,
        };
        const whole = resizeShortSide(pixels, resizeSide, filter);
        expect(fitToInput(pixels, preprocessing)).toEqual(centerCrop(whole, [cropHeight, cropWidth]));
      }),
    );
  });

  test("resizes the crop where the input has another size", () => {
    const pixels = syntheticPixels("noise", 341, 256);
    const small = fitToInput(pixels, withInputSize(torchvision, 96));
    expect(small).toEqual(resize(centerCrop(pixels, 224), { width: 96, height: 96, filter: "bilinear" }));
  });

  test("cuts a share of each side, as tf.image.central_crop", () => {
    const pixels = syntheticPixels("noise", 101, 40);
    // int((101 - 101 * 0.875) / 2) = 6, so 89 columns; int((40 - 35) / 2) = 2, so 36 rows.
    const crop = centerCrop(pixels, [36, 89]);
    const expected = resize(crop, { width: 224, height: 224, filter: "bilinear" });
    expect(fitToInput(pixels, tensorflowSlim)).toEqual(expected);
  });

  test("takes a very wide and a very tall picture without computing what the crop drops", () => {
    for (const [width, height] of [
      [4000, 2],
      [2, 4000],
      [1_000_000, 1],
      [1, 1_000_000],
    ] as const) {
      const fitted = fitToInput(syntheticPixels("noise", width, height), torchvision);
      expect([fitted.width, fitted.height]).toEqual([224, 224]);
    }
  });

  test.each(Object.keys(preprocessingPresets) as PreprocessingPreset[])("makes the size of the preset %s", (name) => {
    const { size } = preprocessingPresets[name];
    const fitted = fitToInput(syntheticPixels("noise", 53, 31), preprocessingPresets[name]);
    expect([fitted.height, fitted.width]).toEqual(size);
  });
});

describe("normalize", () => {
  // Worked out by hand from each source's formula.
  test.each<[PreprocessingPreset, readonly number[]]>([
    ["torchvision", [(1 - 0.485) / 0.229, (128 / 255 - 0.456) / 0.224, -0.406 / 0.225]],
    ["tensorflow", [1, 128 / 127.5 - 1, -1]],
    ["bytes", [255, 128, 0]],
    ["unit", [1, 128 / 255, 0]],
    ["caffeSqueezeNet", [255 - 123, 128 - 117, -104]],
    ["caffeSqueezeNetBgr", [-104, 128 - 117, 255 - 123]],
    ["caffeMobileNet", [-103.94 * 0.017, (128 - 116.78) * 0.017, (255 - 123.68) * 0.017]],
    ["megvii", [0, 128, 255]],
    ["igcv1", [(255 - 123.37) / 68.998, (128 - 112.757) / 66.093, -99.406 / 68.292]],
    ["igcv3", [255 - 123.68, 128 - 116.779, -103.939]],
    ["cifar10", [(255 - 125.307) / 62.993, (128 - 122.95) / 62.089, -113.865 / 66.705]],
  ])("gives what %s takes", (name, expected) => {
    const values = normalize(orange, preprocessingPresets[name]);
    expect(values.length).toBe(3);
    for (const [i, value] of values.entries()) {
      const float32Rounding = Math.abs(expected[i]!) * 2 ** -23;
      expect(Math.abs(value - expected[i]!)).toBeLessThanOrEqual(float32Rounding);
    }
  });

  test("makes one grey channel with the first mean and std", () => {
    // 0.299 * 255 + 0.587 * 128 = 151.381
    const grey: Preprocessing = { ...bytes, channelOrder: "grey", mean: [128, 1, 1], std: [2, 1, 1] };
    expect(Array.from(normalize(orange, grey))).toEqual([(151 - 128) / 2]);
  });

  test("keeps the order of pixels", () => {
    const pixels = syntheticPixels("noise", 5, 4);
    expect(Array.from(normalize(pixels, bytes))).toEqual(Array.from(pixels.data));
  });
});

test("preprocess fits, then normalises", () => {
  const pixels = syntheticPixels("noise", 300, 260);
  const values = preprocess(pixels, torchvision);
  expect(values).toEqual(normalize(fitToInput(pixels, torchvision), torchvision));
  expect(values.length).toBe(224 * 224 * 3);
});

test("preprocess refuses a preprocessing that is not valid", () => {
  expect(() => preprocess(orange, { ...bytes, std: [1, 0, 1] })).toThrow(
    /field std: expected three numbers .* other than 0/,
  );
});
