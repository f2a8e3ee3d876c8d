import { compile, initializeWeights, load, type Pixels, preprocess } from "@depthwise/core";
import { bestClasses, type ClassScore } from "../classification/best_classes.ts";
import { smallNetwork } from "./packed_model.ts";

/** What {@link usageText} gives. */
export interface UsageResult {
  readonly logits: readonly number[];
  readonly top: readonly ClassScore[];
  readonly threads: number;
}

/** Source of a function `use(model)`: runs it on numbers and on a picture, both by formula. */
export const usageText = `
const use = (model) => ({
  logits: [...model.run(Float32Array.from({ length: 3072 }, (_, i) => ((i * 37) % 101) / 50 - 1))],
  top: model.classify(
    { width: 40, height: 30, data: Uint8Array.from({ length: 3600 }, (_, i) => (i * 73 + (i >> 3) * 41) % 256) },
    { top: 3 },
  ),
  threads: model.threads,
});`;

/** The same of the library, here. */
export async function libraryResult(): Promise<Omit<UsageResult, "threads">> {
  const weights = initializeWeights(smallNetwork.graph, 7);
  using model = await load(compile(smallNetwork, { weights }));
  const run = (input: Float32Array): Float32Array => model.run({ input }).output as Float32Array;
  const picture: Pixels = {
    width: 40,
    height: 30,
    data: Uint8Array.from({ length: 3600 }, (_, i) => (i * 73 + (i >> 3) * 41) % 256),
  };
  return {
    logits: [...run(Float32Array.from({ length: 3072 }, (_, i) => ((i * 37) % 101) / 50 - 1))],
    top: bestClasses(run(preprocess(picture, smallNetwork.preprocessing)), 3, smallNetwork.labels),
  };
}
