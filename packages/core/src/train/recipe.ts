import { OptionError } from "../errors.ts";
import type { OptimizerName } from "./kernels/optimizer.ts";
import { type ScheduleName, schedules } from "./schedule.ts";

/** Settings that decide which weights come out. */
export interface Recipe {
  readonly epochs: number;
  /** Pictures of a step. */
  readonly batch: number;
  /** Pictures that batch norm's statistics are of, and that fit the cache together. Default: the largest divisor of `batch` up to 32. */
  readonly microBatch?: number | undefined;
  readonly optimizer: OptimizerName;
  /** Peak learning rate. */
  readonly rate: number;
  /** Weight decay of kernels; norms, biases and depthwise kernels have none. */
  readonly decay: number;
  readonly momentum: number;
  /** Epochs that the rate grows in. */
  readonly warmUp: number;
  /** How the rate falls after that. Default: `cosine`. */
  readonly schedule?: ScheduleName | undefined;
  /** Share of each target that is spread over all classes (Szegedy et al., arXiv:1512.00567). */
  readonly labelSmoothing: number;
  /** Share of each target that is the teachers' answer (see `Teacher`). Default: no teacher. */
  readonly teacherShare?: number | undefined;
  /** Share of the easy pictures that an epoch passes over, for the others to come more often (see `EasyPictures`). Default: none. */
  readonly skipEasy?: number | undefined;
  /** Decay of the moving average of the weights, a step. 0: none. */
  readonly averageDecay: number;
  /** Largest norm of the gradient. 0: any. */
  readonly clip: number;
  /** Learning rate of all but the last layer, as a share of its own. 0 freezes them. */
  readonly bodyRate: number;
  /** Epochs without a better validation that are waited for. 0: all of them are run. */
  readonly patience: number;
  readonly seed: number;
}

/** A recipe for small pictures from scratch: Muon, one warm-up and cosine, label smoothing, averaged weights. */
export const defaultRecipe: Recipe = {
  epochs: 30,
  batch: 64,
  optimizer: "muon",
  rate: 0.02,
  decay: 0.01,
  momentum: 0.9,
  warmUp: 1,
  labelSmoothing: 0.1,
  averageDecay: 0.998,
  clip: 5,
  bodyRate: 1,
  patience: 0,
  seed: 0,
};

const amounts = ["rate", "decay", "momentum", "warmUp", "labelSmoothing", "averageDecay", "clip", "bodyRate"] as const;
const shares = ["momentum", "labelSmoothing", "averageDecay"] as const;
const counts = [
  ["epochs", 1],
  ["batch", 1],
  ["patience", 0],
  ["seed", 0],
] as const;

/** @throws {OptionError} naming the first setting that cannot be */
export function checkRecipe(recipe: Recipe): void {
  for (const name of amounts) {
    if (!(Number.isFinite(recipe[name]) && recipe[name] >= 0))
      throw new OptionError(`${name} must be a number of at least 0, received ${recipe[name]}.`);
  }
  for (const name of shares) {
    if (recipe[name] >= 1) throw new OptionError(`${name} must be below 1, received ${recipe[name]}.`);
  }
  const { teacherShare = 1, skipEasy = 0, schedule = "cosine" } = recipe;
  if (!(teacherShare > 0 && teacherShare <= 1))
    throw new OptionError(`teacherShare must be above 0 and at most 1, received ${teacherShare}.`);
  if (!(skipEasy >= 0 && skipEasy < 1))
    throw new OptionError(`skipEasy must be at least 0 and below 1, received ${skipEasy}.`);
  if (!schedules.includes(schedule))
    throw new OptionError(`schedule must be one of ${schedules.join(", ")}, received ${schedule}.`);
  for (const [name, least] of counts) {
    if (!(Number.isSafeInteger(recipe[name]) && recipe[name] >= least))
      throw new OptionError(`${name} must be a whole number of at least ${least}, received ${recipe[name]}.`);
  }
}
