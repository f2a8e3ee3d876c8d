import { readdirSync, readFileSync } from "node:fs";
import { build, compile, load, type Model, preprocess, readWeights } from "@depthwise/core";
import { describe, expect, it } from "vitest";
import { sharedPath } from "../../../core/src/testing/shared_data.ts";
import { bestClasses } from "../classification/best_classes.ts";
import { decodePicture } from "../pictures/decode_picture.ts";

const models = [
  ["mobilenet_v2_1.0_224", "mobilenet_v2_1.0.safetensors", {}],
  ["squeezenet_1.0", "squeezenet_1.0.safetensors", {}],
  ["squeezenet_1.1", "squeezenet_1.1.safetensors", {}],
  ["mobilenet_v1_0.25_224", "mobilenet_v1_0.25_224.safetensors", { padding: "tf" }],
] as const;

const folder = sharedPath("data", "imagenet-samples");
/** Every second one: the classes, one photo each at least, are in order. */
const photos = readdirSync(folder)
  .filter((name) => name.endsWith(".jpg"))
  .filter((_, i) => i % 2 === 0);

/** What storage in fewer bits did to 250 photos. */
interface Outcome {
  readonly worstProbability: number;
  readonly sameTop1: number;
  readonly accuracy: number;
}

function probabilities(model: Model, input: Float32Array): readonly number[] {
  const scores = bestClasses(model.run({ input }).output as Float32Array, 1000, undefined);
  return scores.toSorted((a, b) => a.index - b.index).map(({ probability }) => probability);
}

function best(values: readonly number[]): number {
  return values.indexOf(Math.max(...values));
}

describe("weights stored in fewer bits", { timeout: 600_000 }, () => {
  it.each(models)("of %s give float32's classes on 250 photos", async (name, file, options) => {
    const network = build(name, options);
    const weights = readWeights(readFileSync(sharedPath("data", "weights", file)), network);
    const storages = ["f32", "f16", "int8"] as const;
    const loaded = await Promise.all(storages.map((storage) => load(compile(network, { weights, storage }))));
    const results = new Map<string, { worst: number; same: number; right: number }>(
      storages.map((storage) => [storage, { worst: 0, same: 0, right: 0 }]),
    );
    for (const photo of photos) {
      const input = preprocess(
        await decodePicture(sharedPath("data", "imagenet-samples", photo)),
        network.preprocessing,
      );
      const all = loaded.map((model) => probabilities(model, input));
      const [reference] = all as [readonly number[]];
      storages.forEach((storage, i) => {
        const own = all[i] as readonly number[];
        const result = results.get(storage) as { worst: number; same: number; right: number };
        result.worst = own.reduce(
          (most, p, at) => Math.max(most, Math.abs(p - (reference[at] as number))),
          result.worst,
        );
        if (best(own) === best(reference)) result.same++;
        if (best(own) === Number.parseInt(photo, 10)) result.right++;
      });
    }
    for (const model of loaded) model.dispose();
    const [f16, int8] = ["f16", "int8"].map((storage): Outcome => {
      const { worst, same, right } = results.get(storage) as { worst: number; same: number; right: number };
      return { worstProbability: worst, sameTop1: same / photos.length, accuracy: right / photos.length };
    }) as [Outcome, Outcome];
    const accuracy = (results.get("f32")?.right ?? 0) / photos.length;
    console.log(`${name}: float32 ${accuracy}; f16 ${JSON.stringify(f16)}; int8 ${JSON.stringify(int8)}`);
    expect(photos.length).toBe(250);
    expect(f16.worstProbability).toBeLessThan(2e-3);
    expect(f16.sameTop1).toBeGreaterThanOrEqual(0.995);
    // Photos whose two best classes are nearly equal change sides; as many get better as worse. The smallest network suffers most.
    expect(int8.sameTop1).toBeGreaterThanOrEqual(0.85);
    expect(Math.abs(int8.accuracy - accuracy)).toBeLessThanOrEqual(0.01);
  });
});
