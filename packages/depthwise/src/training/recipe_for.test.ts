import { augmentationPresets, build, defaultRecipe, OptionError, type PicturesInMemory } from "@depthwise/core";
import { describe, expect, test } from "vitest";
import type { DataSet } from "../data/data_set.ts";
import { augmentationFor, recipeFor } from "./recipe_for.ts";

function dataOf(pictures: number, name = "pets"): DataSet {
  return { name, train: { length: pictures } as PicturesInMemory } as DataSet;
}

const normed = build("mobilenet_v1_cifar");

describe("recipeFor", () => {
  test.each([
    [10, 16],
    [700, 16],
    [1300, 32],
    [50_000, 64],
  ])("%i pictures are taken in batches of %i, their rate by the root, in proportion for sgd", (pictures, batch) => {
    const recipe = recipeFor({}, dataOf(pictures), normed);
    expect(recipe.batch).toBe(batch);
    expect(recipe.rate).toBeCloseTo(defaultRecipe.rate * Math.sqrt(batch / defaultRecipe.batch), 4);
    expect(recipeFor({ optimizer: "sgd" }, dataOf(pictures), normed).rate).toBeCloseTo((0.1 * batch) / 64, 12);
  });

  test("is the default for large sets", () => {
    expect(recipeFor({}, dataOf(50_000), normed)).toEqual(defaultRecipe);
  });

  test("what was asked for stands", () => {
    const asked = { epochs: 3, batch: 24, microBatch: 12, optimizer: "adamw", rate: 1, decay: 2, warmUp: 0 } as const;
    const more = {
      averageDecay: 0,
      labelSmoothing: 0,
      clip: 0,
      patience: 2,
      seed: 9,
      skipEasy: 0.5,
      schedule: "linear",
    } as const;
    expect(recipeFor({ ...asked, ...more }, dataOf(500), normed)).toEqual({ ...defaultRecipe, ...asked, ...more });
  });

  test("the moving average of a short run looks back over a twentieth of it", () => {
    expect(recipeFor({ epochs: 4 }, dataOf(6400), normed).averageDecay).toBeCloseTo(0.95, 12);
    expect(recipeFor({ epochs: 1 }, dataOf(10), normed).averageDecay).toBe(0);
  });

  test("fine-tuning is gentler, with the body slower than the last layer, or not at all", () => {
    const [scratch, tuned] = [recipeFor({}, dataOf(500), normed), recipeFor({ from: "x" }, dataOf(500), normed)];
    expect(tuned.rate).toBeLessThan(scratch.rate);
    expect(tuned.bodyRate).toBeLessThan(1);
    expect(recipeFor({ from: "x", freeze: true }, dataOf(500), normed).bodyRate).toBe(0);
    expect(recipeFor({ from: "x", bodyRate: 0.5 }, dataOf(500), normed).bodyRate).toBe(0.5);
  });

  test("a teacher's answers are a share of the targets", () => {
    expect(recipeFor({ teacher: ["x"] }, dataOf(500), normed).teacherShare).toBe(0.5);
    expect(recipeFor({ teacher: ["x", "y"], teacherShare: 1 }, dataOf(500), normed).teacherShare).toBe(1);
    expect(() => recipeFor({ teacherShare: 0.5 }, dataOf(500), normed)).toThrow(/only with --teacher/);
  });

  test("pictures are shown as often as --balance or --skip-easy says, not both", () => {
    expect(() => recipeFor({ skipEasy: 0.5, balance: true }, dataOf(500), normed)).toThrow(
      /either --balance or --skip-easy/,
    );
  });

  test("a network without batch norm takes the gentle rates of fine-tuning, but for all layers", () => {
    for (const optimizer of ["muon", "adamw", "sgd"] as const) {
      const bare = recipeFor({ optimizer }, dataOf(50_000), build("squeezenet_1.1"));
      expect(bare.rate).toBe(recipeFor({ optimizer, from: "x" }, dataOf(50_000), normed).rate);
      expect(bare.bodyRate).toBe(1);
    }
  });

  test("there is nothing to freeze without --from, and no rate of what is frozen", () => {
    expect(() => recipeFor({ freeze: true }, dataOf(500), normed)).toThrow(OptionError);
    expect(() => recipeFor({ bodyRate: 0.5 }, dataOf(500), normed)).toThrow(/--body-rate is of use only with --from/);
    expect(() => recipeFor({ from: "x", freeze: true, bodyRate: 0.5 }, dataOf(500), normed)).toThrow(/either/);
  });
});

test("pictures are varied as suits them, or as was asked for", () => {
  const [small, large] = [build("mobilenet_v2_cifar"), build("mobilenet_v2_1.0_224")];
  expect(augmentationFor({}, dataOf(5, "shapes"), small)).toStrictEqual(augmentationPresets.shapes);
  expect(augmentationFor({}, dataOf(5), small)).toStrictEqual(augmentationPresets.smallPictures);
  expect(augmentationFor({}, dataOf(5), large)).toStrictEqual(augmentationPresets.photos);
  expect(augmentationFor({ augment: "none" }, dataOf(5), large)).toStrictEqual(augmentationPresets.none);
  expect(augmentationFor({ cutout: 0.25, mixup: 0.2, cutmix: 1 }, dataOf(5), small)).toStrictEqual({
    ...augmentationPresets.smallPictures,
    cutout: { size: 0.25 },
    mixup: { alpha: 0.2 },
    cutmix: { alpha: 1 },
  });
});
