import { OptionError, preprocessingPresets } from "@depthwise/core";
import { describe, expect, test } from "vitest";
import { overridePreprocessing } from "./preprocessing_options.ts";

const { torchvision, tensorflow, tensorflowSlim } = preprocessingPresets;

describe("overridePreprocessing", () => {
  test("leaves alone what is not said", () => {
    expect(overridePreprocessing(torchvision, {})).toEqual(torchvision);
  });

  test("takes a preset for the network's input size", () => {
    const base = { ...torchvision, size: [160, 160] as const };
    expect(overridePreprocessing(base, { preprocessing: "tensorflow" })).toEqual({
      ...tensorflow,
      size: [160, 160],
      crop: [224, 224],
    });
  });

  test("takes single values, over a preset's too", () => {
    const options = {
      scale: "1/255",
      mean: "0.5",
      std: "0.1,0.2,0.3",
      resize: "none",
      crop: "192x256",
      channelOrder: "bgr",
    };
    expect(overridePreprocessing(tensorflowSlim, { ...options, preprocessing: "unit" })).toEqual({
      size: [224, 224],
      crop: [192, 256],
      resizeShortSide: null,
      filter: "bilinear",
      scale: 1 / 255,
      mean: [0.5, 0.5, 0.5],
      std: [0.1, 0.2, 0.3],
      channelOrder: "bgr",
    });
    expect(overridePreprocessing(tensorflowSlim, { crop: "224" })).not.toHaveProperty("cropFraction");
  });

  test.each([
    [{ preprocessing: "torchvison" }, /Did you mean "torchvision"/],
    [{ mean: "1,2" }, /--mean: expected one number or three/],
    [{ mean: "red" }, /--mean: expected a number, received "red"/],
    [{ crop: "1x2x3" }, /--crop: expected one side or HEIGHTxWIDTH/],
    [{ resize: "" }, /--resize: expected a number/],
  ])("refuses %j", (options, message) => {
    const attempt = (): unknown => overridePreprocessing(torchvision, options);
    expect(attempt).toThrow(OptionError);
    try {
      attempt();
    } catch (error) {
      expect(`${(error as OptionError).message} ${(error as OptionError).hint}`).toMatch(message);
    }
  });
});
