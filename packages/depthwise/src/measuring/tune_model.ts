import { type TuneOptions, type Tuning, tune } from "@depthwise/core";
import { startProgress } from "../command_line/progress.ts";
import type { OpenedModel } from "../open_model.ts";
import { readTuning, rememberTuning } from "./tuning_cache.ts";

/** The choices for a model on this machine: those that are remembered, and the others measured now and remembered. */
export async function tuneModel(
  { network, weights }: OpenedModel,
  options: Pick<TuneOptions, "simd" | "wide"> = {},
): Promise<Tuning> {
  const progress = startProgress(`tuning ${network.name}`);
  const tuning = await tune(network, {
    ...options,
    weights,
    known: await readTuning(),
    onProgress: (done, total, what) => progress.update(done, total, what),
  });
  progress.end();
  await rememberTuning(tuning);
  return tuning;
}
