import type { PictureHistory } from "../datasets/epoch_draws.ts";
import { OptionError } from "../errors.ts";
import type { TrainingInstance } from "./training_instance.ts";

/** A picture's history as a checkpoint keeps it: what the epoch under way was drawn by, and the losses since. */
export interface KeptHistory {
  readonly before: PictureHistory;
  readonly losses: Float32Array;
}

/** What is known of each picture while an epoch runs. */
export interface RunningHistory {
  /** What the epoch was drawn by; holds until {@link endEpoch}. */
  before(): PictureHistory;
  /** Pictures came by. */
  count(indices: Uint32Array | undefined): void;
  /** Losses of the step that was taken with these goals, `[batch, classes]`. */
  keep(instance: TrainingInstance, goals: Float32Array, indices: Uint32Array | undefined): void;
  /** What is known now is what the next epoch is drawn by. */
  endEpoch(): void;
  /** A copy. */
  kept(): KeptHistory;
}

/**
 * The history of a set of pictures, from its first epoch or a checkpoint on.
 *
 * @throws {OptionError} unless the data says how many pictures there are, and the checkpoint knows of as many
 */
export function runningHistory(
  pictures: number | undefined,
  resume: { readonly history?: KeptHistory | undefined } | undefined,
): RunningHistory {
  if (pictures === undefined) throw new OptionError("skipEasy needs data that says how many `pictures` it has.");
  const kept = resume?.history;
  if (resume && kept === undefined) throw new OptionError("skipEasy needs a checkpoint of a run that had it.");
  let before = kept?.before ?? {
    losses: new Float32Array(pictures).fill(Number.NaN),
    seen: new Uint32Array(pictures),
  };
  if (before.losses.length !== pictures)
    throw new OptionError(`The checkpoint knows ${before.losses.length} pictures; the data has ${pictures}.`);
  let losses = (kept?.losses ?? before.losses).slice();
  let seen = before.seen.slice();
  return {
    before: () => before,
    count(indices) {
      if (indices === undefined) throw new OptionError("skipEasy needs batches with `indices`.");
      for (const index of indices) seen[index] = (seen[index] as number) + 1;
    },
    keep(instance, goals, indices) {
      excessLosses(instance, goals).forEach((loss, row) => {
        const index = indices?.[row];
        if (index !== undefined) losses[index] = loss;
      });
    },
    endEpoch() {
      before = { losses, seen };
      losses = losses.slice();
      seen = seen.slice();
    },
    kept: () => ({ before, losses: losses.slice() }),
  };
}

/** Each picture's loss over the entropy of its goal, which is the least that it can be. */
function excessLosses(instance: TrainingInstance, goals: Float32Array): readonly number[] {
  const { slots, batch } = instance.manifest;
  const classes = goals.length / (slots * batch);
  return Array.from({ length: slots * batch }, (_, row) => {
    const loss = instance.losses(Math.floor(row / batch))[row % batch] as number;
    let entropy = 0;
    for (const share of goals.subarray(row * classes, (row + 1) * classes)) {
      if (share > 0) entropy -= share * Math.log(share);
    }
    return loss - entropy;
  });
}
