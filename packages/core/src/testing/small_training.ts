import { augmentationPresets } from "../augment/augmentation.ts";
import { batchesInMemory } from "../datasets/batches_in_memory.ts";
import type { PicturesInMemory } from "../datasets/pictures_in_memory.ts";
import { drawShapes } from "../datasets/shapes.ts";
import { build } from "../networks/build.ts";
import type { Network } from "../networks/network.ts";
import { defaultRecipe, type Recipe } from "../train/recipe.ts";
import type { TrainingData } from "../train/train.ts";

/** The smallest network that learns shapes quickly: 17 layers, 1.9 million multiply-accumulates. */
export function shapesNetwork(options: Readonly<Record<string, unknown>> = {}): Network {
  return build("mobilenet_v1", {
    width: 0.25,
    shallow: true,
    smallStem: true,
    resolution: 32,
    classes: 10,
    ...options,
  });
}

/** Drawn shapes as training takes them. */
export function shapesData(
  network: Network,
  { batch, seed }: Pick<Recipe, "batch" | "seed">,
  counts: { readonly train: number; readonly validation: number },
): TrainingData {
  const { preprocessing } = network;
  const set = (split: "train" | "validation"): PicturesInMemory => drawShapes({ count: counts[split], split, seed });
  const [training, validation] = [set("train"), set("validation")];
  return {
    batches: Math.floor(counts.train / batch),
    pictures: counts.train,
    epoch: (epoch, easy) =>
      batchesInMemory(training, { batch, preprocessing, augmentation: augmentationPresets.shapes, seed, epoch, easy }),
    validation: () => batchesInMemory(validation, { batch: 50, preprocessing }),
  };
}

/** Two short epochs: nothing is learned, but everything happens. */
export const shortRecipe: Recipe = {
  ...defaultRecipe,
  ...{ epochs: 2, batch: 16, microBatch: 8, rate: 0.05, averageDecay: 0.9 },
};
