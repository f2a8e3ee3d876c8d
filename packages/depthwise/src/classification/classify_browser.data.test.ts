import { readdirSync, readFileSync } from "node:fs";
import { build, compile, load, preprocess, preprocessingPresets, readWeights } from "@depthwise/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type BrowserSession, startBrowser } from "../../../core/src/testing/browser.ts";
import { sharedPath } from "../../../core/src/testing/shared_data.ts";
import { decodePicture } from "../pictures/decode_picture.ts";

const entry = new URL("../testing/classify_in_page.ts", import.meta.url);
let browser: BrowserSession;

beforeAll(async () => {
  browser = await startBrowser();
});

afterAll(async () => {
  await browser[Symbol.asyncDispose]();
});

const models = [
  ["mobilenet_v2_1.0_224", "mobilenet_v2_1.0.safetensors", preprocessingPresets.torchvision],
  ["squeezenet_1.0", "squeezenet_1.0.safetensors", preprocessingPresets.caffeSqueezeNet],
  ["squeezenet_1.1", "squeezenet_1.1.safetensors", preprocessingPresets.caffeSqueezeNet],
] as const;

/** The twenty photos, as the JPEG files that a user has. */
const names = readdirSync(sharedPath("data", "expected-inputs", "224")).map((file) => file.replace(/\.png$/, ".jpg"));

describe("twenty photos in Chromium", () => {
  it.each(models)("get Node's logits from %s, to the bit", async (model, file, preprocessing) => {
    expect(names.length).toBe(20);
    const bytes = readFileSync(sharedPath("data", "weights", file));
    const paths = names.map((name) => sharedPath("data", "imagenet-samples", name));
    const inPage = await browser.evaluate<Float32Array[]>(entry, "classifyInPage", {
      model,
      weights: browser.serve(file, bytes),
      preprocessing,
      photos: paths.map((path, i) => browser.serve(`photo${i}.jpg`, readFileSync(path), "image/jpeg")),
    });
    const network = build(model);
    using loaded = await load(compile(network, { weights: readWeights(bytes, network) }));
    for (const [i, path] of paths.entries()) {
      const { output } = loaded.run({ input: preprocess(await decodePicture(path), preprocessing) });
      const [here, there] = [output, inPage[i]] as [Float32Array, Float32Array];
      // The same logits to the bit are the same classes in the same order.
      expect(there, path).toEqual(here);
      expect(there.length, path).toBe(1000);
    }
  });
});
