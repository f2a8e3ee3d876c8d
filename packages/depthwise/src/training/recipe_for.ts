import {
  type Augmentation,
  augmentationPresets,
  defaultRecipe,
  isNode,
  type Network,
  OptionError,
  type Recipe,
} from "@depthwise/core";
import type { DataSet } from "../data/data_set.ts";
import type { TrainCommandOptions } from "./train_options.ts";

/** Steps that an epoch should have: with fewer, larger batches learn less from the same pictures. */
const usualSteps = 40;
const usualBatches = { least: 16, most: 64 } as const;

/** Peak rates for a batch of 64. Trained weights and networks without batch norm take gentle ones. */
const usualRates = {
  adamw: { usual: 0.004, gentle: 0.001 },
  muon: { usual: defaultRecipe.rate, gentle: 0.005 },
  sgd: { usual: 0.1, gentle: 0.02 },
} as const;
const usualDecay = { adamw: 0.05, muon: defaultRecipe.decay, sgd: 5e-4 } as const;
const usualBodyRate = 0.3;
const usualTeacherShare = 0.5;

/** The recipe: what was asked for, and for the rest what suits the data and the network. */
export function recipeFor(options: TrainCommandOptions, data: DataSet, { graph }: Network): Recipe {
  const isFineTuned = options.from !== undefined;
  checkFineTuning(options, isFineTuned);
  if (options.teacherShare !== undefined && options.teacher === undefined)
    throw new OptionError("train: --teacher-share is of use only with --teacher FILE.");
  if (options.skipEasy !== undefined && options.balance)
    throw new OptionError("train: either --balance or --skip-easy, each says how often pictures are shown.");
  const batch = options.batch ?? usualBatch(data.train.length);
  const optimizer = options.optimizer ?? defaultRecipe.optimizer;
  const isGentle = isFineTuned || !graph.nodes.some((node) => isNode(node, "batch_norm"));
  const rate = usualRates[optimizer][isGentle ? "gentle" : "usual"];
  const given = {
    epochs: options.epochs,
    microBatch: options.microBatch,
    warmUp: options.warmUp,
    schedule: options.schedule,
    averageDecay:
      options.averageDecay ?? averageDecay(data.train.length / batch, options.epochs ?? defaultRecipe.epochs),
    labelSmoothing: options.labelSmoothing,
    teacherShare: options.teacherShare ?? (options.teacher === undefined ? undefined : usualTeacherShare),
    skipEasy: options.skipEasy,
    clip: options.clip,
    patience: options.patience,
    bodyRate: options.freeze ? 0 : (options.bodyRate ?? (isFineTuned ? usualBodyRate : undefined)),
    seed: options.seed,
  };
  const known = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  return {
    ...defaultRecipe,
    ...known,
    ...{ batch, optimizer },
    rate: options.rate ?? scaledRate(rate, batch, optimizer),
    decay: options.decay ?? usualDecay[optimizer],
  };
}

function checkFineTuning({ freeze, bodyRate }: TrainCommandOptions, isFineTuned: boolean): void {
  if (freeze && bodyRate !== undefined) throw new OptionError("train: either --freeze or --body-rate.");
  if (isFineTuned || !(freeze || bodyRate !== undefined)) return;
  throw new OptionError(`train: ${freeze ? "--freeze" : "--body-rate"} is of use only with --from FILE.`, {
    hint: "Weights that were drawn have nothing to keep.",
  });
}

/** The largest power of two that leaves an epoch enough steps. */
function usualBatch(pictures: number): number {
  const largest = 2 ** Math.floor(Math.log2(Math.max(1, pictures / usualSteps)));
  return Math.min(usualBatches.most, Math.max(usualBatches.least, largest));
}

/** Linear in the batch for sgd (arXiv:1706.02677), its root for the others, whose steps have a size of their own. */
function scaledRate(rate: number, batch: number, optimizer: Recipe["optimizer"]): number {
  const share = batch / usualBatches.most;
  return Number((rate * (optimizer === "sgd" ? share : Math.sqrt(share))).toPrecision(3));
}

/** The default's, or for short runs one that looks back over a twentieth of the steps. */
function averageDecay(stepsOfEpoch: number, epochs: number): number {
  const steps = Math.max(1, Math.floor(stepsOfEpoch)) * epochs;
  return Math.min(defaultRecipe.averageDecay, Number((1 - Math.min(1, 20 / steps)).toPrecision(4)));
}

/** How pictures are varied: as was asked for, or as suits the data, and what was asked for beside it. */
export function augmentationFor(options: TrainCommandOptions, data: DataSet, network: Network): Augmentation {
  const { cutout, mixup, cutmix } = options;
  return {
    ...(options.augment ? augmentationPresets[options.augment] : usualAugmentation(data, network)),
    ...(cutout !== undefined && { cutout: { size: cutout } }),
    ...(mixup !== undefined && { mixup: { alpha: mixup } }),
    ...(cutmix !== undefined && { cutmix: { alpha: cutmix } }),
  };
}

function usualAugmentation(data: DataSet, network: Network): Augmentation {
  if (data.name === "shapes") return augmentationPresets.shapes;
  return Math.max(...network.preprocessing.size) <= 64 ? augmentationPresets.smallPictures : augmentationPresets.photos;
}
