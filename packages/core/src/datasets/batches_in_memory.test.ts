import { describe, expect, test } from "vitest";
import { type Augmentation, augmentationPresets } from "../augment/augmentation.ts";
import { OptionError } from "../errors.ts";
import { preprocess } from "../pixels/preprocess.ts";
import { type Preprocessing, withInputSize } from "../pixels/preprocessing.ts";
import { preprocessingPresets } from "../pixels/preprocessing_presets.ts";
import type { Batch } from "./batch_writer.ts";
import { batchesInMemory, pictureAt } from "./batches_in_memory.ts";
import { picturesInMemory } from "./pictures_in_memory.ts";
import { drawShapes } from "./shapes.ts";

const preprocessing: Preprocessing = { ...preprocessingPresets.cifar10, size: [12, 12], resizeShortSide: 12 };
const set = drawShapes({ count: 50, split: "train", resolution: 12 });
const mixed: Augmentation = { ...augmentationPresets.smallPictures, mixup: { alpha: 0.3 }, cutmix: { alpha: 1 } };

function copyOf(batch: Batch): Batch {
  return { ...batch, pictures: batch.pictures.slice(), targets: batch.targets.slice() };
}

function epochOf(options: Omit<Parameters<typeof batchesInMemory>[1], "preprocessing">): Batch[] {
  return Array.from(batchesInMemory(set, { ...options, preprocessing }), copyOf);
}

describe("batchesInMemory, evaluating,", () => {
  test("goes through the set in order with preprocess's numbers; zeros fill the last batch", () => {
    const batches = epochOf({ batch: 16 });
    expect(batches.map(({ count }) => count)).toEqual([16, 16, 16, 2]);
    expect(batches.flatMap(({ indices }) => [...indices])).toEqual([...Array(50).keys()]);
    for (const { pictures, targets, indices } of batches) {
      expect([pictures.length, targets.length]).toEqual([16 * 432, 160]);
      for (const [row, index] of indices.entries()) {
        expect(pictures.slice(row * 432, (row + 1) * 432)).toEqual(preprocess(pictureAt(set, index), preprocessing));
        expect([...targets.slice(row * 10, (row + 1) * 10)].indexOf(1)).toBe(set.classes[index]);
      }
    }
    const { pictures, targets } = batches[3]!;
    expect(pictures.subarray(2 * 432).every((value) => value === 0)).toBe(true);
    expect([...targets].filter((value) => value !== 0)).toEqual([1, 1]);
  });

  test("fits pictures of another size, and grey ones", () => {
    const grey: Preprocessing = { ...withInputSize(preprocessing, 20), channelOrder: "grey" };
    const [first] = batchesInMemory(set, { batch: 2, preprocessing: grey });
    expect(first!.pictures.length).toBe(2 * 400);
    expect(first!.pictures.slice(400)).toEqual(preprocess(pictureAt(set, 1), grey));
  });
});

describe("batchesInMemory, training,", () => {
  test("is the same for the same seed and epoch, bit for bit", () => {
    const options = { batch: 16, augmentation: mixed, seed: 3, epoch: 5 };
    const batches = epochOf(options);
    expect(batches.length).toBe(3);
    expect(epochOf(options)).toEqual(batches);
    expect(epochOf({ ...options, epoch: 6 })).not.toEqual(batches);
    expect(epochOf({ ...options, seed: 4 })).not.toEqual(batches);
  });

  test("a picture's draw does not depend on the batch that it is in", () => {
    const rows = (batch: number): Map<number, Float32Array> => {
      const found = new Map<number, Float32Array>();
      for (const { pictures, indices } of epochOf({
        batch,
        augmentation: augmentationPresets.smallPictures,
        seed: 1,
      })) {
        for (const [row, index] of indices.entries()) found.set(index, pictures.slice(row * 432, (row + 1) * 432));
      }
      return found;
    };
    const [fives, tens] = [rows(5), rows(10)];
    expect([fives.size, tens.size]).toEqual([50, 50]);
    for (const [index, picture] of fives) expect(tens.get(index)).toEqual(picture);
  });

  test("mixes pictures and keeps targets' sums", () => {
    const targets = epochOf({ batch: 25, augmentation: mixed }).flatMap((batch) => [...batch.targets]);
    const sums = Array.from({ length: 50 }, (_, i) =>
      targets.slice(i * 10, (i + 1) * 10).reduce((sum, value) => sum + value, 0),
    );
    for (const sum of sums) expect(sum).toBeCloseTo(1, 6);
    expect(targets.filter((value) => value > 0 && value < 1).length).toBeGreaterThan(20);
  });

  test("a set smaller than a batch is gone through again, each time drawn anew", () => {
    const [only, ...rest] = epochOf({ batch: 120, augmentation: augmentationPresets.smallPictures });
    expect(rest.length).toBe(0);
    expect(only!.count).toBe(120);
    const again = only!.indices.indexOf(only!.indices[0]!, 1);
    expect(again).toBe(50);
    const pictureOf = (row: number): Float32Array => only!.pictures.slice(row * 432, (row + 1) * 432);
    const repeated = Array.from({ length: 50 }, (_, i) =>
      Buffer.compare(Buffer.from(pictureOf(i).buffer), Buffer.from(pictureOf(i + 50).buffer)),
    );
    expect(repeated.filter((order) => order !== 0).length).toBeGreaterThan(40);
  });

  test("refuses what makes no batch", () => {
    expect(() => epochOf({ batch: 0 })).toThrow(OptionError);
    expect(() => epochOf({ batch: 1.5 })).toThrow(/batch: expected a whole number.*1\.5/);
    expect(() => epochOf({ batch: 4, seed: -1, augmentation: mixed })).toThrow(/seed/);
  });
});

describe("picturesInMemory refuses", () => {
  const data = new Uint8Array(24);
  test("bytes that do not fit, classes without a label", () => {
    const good = { size: [2, 2], data, classes: Uint16Array.of(0, 1), labels: ["a", "b"] } as const;
    expect(picturesInMemory(good).length).toBe(2);
    expect(() => picturesInMemory({ ...good, classes: Uint16Array.of(0) })).toThrow(/need 12 bytes but there are 24/);
    expect(() => picturesInMemory({ ...good, labels: ["a"] })).toThrow(/picture 1 has class 1/);
  });
});
