import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Augmentation,
  augmentationPresets,
  type Batch,
  batchesInMemory,
  DisposedError,
  drawShapes,
  FormatError,
  OptionError,
  preprocess,
  preprocessingPresets,
  withInputSize,
} from "@depthwise/core";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decodePicture } from "../pictures/decode_picture.ts";
import { type PictureFiles, pictureFiles } from "./data_set.ts";
import { createLoader, type Loader, type LoaderOptions } from "./loader.ts";

const preprocessing = withInputSize(preprocessingPresets.torchvision, 16);
const cropped: Augmentation = { ...augmentationPresets.photos, mixup: { alpha: 1 } };
const labels = ["a", "b", "c"];

let folder: string;
/** 24 readable pictures of different sizes. */
let good: PictureFiles;
/** The same with numbers 5, 6 and 23 damaged. */
let damaged: PictureFiles;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "depthwise loader "));
  await mkdir(join(folder, "damaged"));
  const names: string[] = [];
  for (let i = 0; i < 24; i++) {
    const noise = { type: "gaussian", mean: 20 + 8 * i, sigma: 30 } as const;
    const create = { width: 30 + 3 * i, height: 60 - i, channels: 3, background: "black", noise } as const;
    const bytes = await sharp({ create }).png().toBuffer();
    names.push(`${i}.png`);
    await writeFile(join(folder, `${i}.png`), bytes);
    const isDamaged = [5, 6, 23].includes(i);
    await writeFile(join(folder, "damaged", `${i}.png`), isDamaged ? bytes.subarray(0, bytes.length / 2) : bytes);
  }
  const classes = Uint16Array.from(names, (_, i) => Math.floor(i / 8));
  good = pictureFiles(
    names.map((name) => join(folder, name)),
    classes,
    labels,
  );
  damaged = pictureFiles(
    names.map((name) => join(folder, "damaged", name)),
    classes,
    labels,
  );
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

async function batchesOf(loader: Loader, epoch: number): Promise<Batch[]> {
  const batches: Batch[] = [];
  for await (const batch of loader.epoch(epoch)) {
    batches.push({ ...batch, pictures: batch.pictures.slice(), targets: batch.targets.slice() });
  }
  return batches;
}

/** One epoch of a loader of its own. */
async function epochOf(set: Parameters<typeof createLoader>[0], options: Partial<LoaderOptions>, epoch = 0) {
  await using loader = createLoader(set, { batch: 5, preprocessing, ...options });
  const batches = await batchesOf(loader, epoch);
  return { batches, skipped: loader.skipped };
}

describe("in training", () => {
  test("batches are the same for any number of workers, any look-ahead, and with or without a cache", async () => {
    const options = { augmentation: cropped, seed: 7 };
    const { batches } = await epochOf(good, { ...options, workers: 0 }, 2);
    expect(batches.map(({ count }) => count)).toEqual([5, 5, 5, 5]);
    for (const other of [
      { workers: 3, ahead: 1 },
      { workers: 1, cacheBytes: 0 },
      { workers: 0, cacheBytes: 5000 },
    ]) {
      expect((await epochOf(good, { ...options, ...other }, 2)).batches).toEqual(batches);
    }
  });

  test("an epoch is the same whether others came before it or not", async () => {
    await using loader = createLoader(good, { batch: 5, preprocessing, augmentation: cropped, workers: 1 });
    const epochs = [await batchesOf(loader, 0), await batchesOf(loader, 1), await batchesOf(loader, 2)];
    expect((await epochOf(good, { augmentation: cropped, workers: 0 }, 2)).batches).toEqual(epochs[2]);
    expect(await batchesOf(loader, 0)).toEqual(epochs[0]);
    expect(epochs[0]).not.toEqual(epochs[1]);
  });

  test("pictures in memory come as batchesInMemory makes them, with workers too", async () => {
    const set = drawShapes({ count: 40, split: "train", resolution: 16 });
    const options = { batch: 8, preprocessing: preprocessingPresets.cifar10, seed: 3 };
    const augmentation = augmentationPresets.smallPictures;
    const expected = Array.from(batchesInMemory(set, { ...options, augmentation, epoch: 4 }), (batch) =>
      batch.pictures.slice(),
    );
    for (const workers of [0, 1]) {
      const { batches } = await epochOf(set, { ...options, augmentation, workers }, 4);
      expect(batches.map(({ pictures }) => pictures)).toEqual(expected);
    }
  });

  test("balanced, small classes come as often as large ones", async () => {
    const uneven = pictureFiles(
      good.files,
      good.classes.map((_, i) => (i < 20 ? 0 : 1)),
      ["large", "small"],
    );
    const { batches } = await epochOf(uneven, { batch: 24, augmentation: cropped, balance: "sample", workers: 0 });
    const sums = [0, 1].map((index) =>
      batches[0]!.targets.reduce((sum, value, i) => sum + (i % 2 === index ? value : 0), 0),
    );
    expect(sums[0]).toBeCloseTo(12, 4);
    expect(sums[1]).toBeCloseTo(12, 4);
  });

  test("the next readable picture stands in for a damaged one, whoever met it first", async () => {
    const options = { augmentation: augmentationPresets.none, seed: 1, batch: 24 };
    const { batches, skipped } = await epochOf(damaged, { ...options, workers: 0 });
    const [{ indices, count }] = batches as [Batch];
    expect(count).toBe(24);
    const standIns = [7, 7, 0]; // for 5, 6 and, around the end, 23
    const others = [...Array(24).keys()].filter((i) => ![5, 6, 23].includes(i));
    expect([...indices].sort((a, b) => a - b)).toEqual([...others, ...standIns].sort((a, b) => a - b));
    expect(skipped.map(({ file }) => file).sort()).toEqual([5, 6, 23].map((i) => damaged.files[i]).sort());
    for (const { reason } of skipped) expect(reason).toMatch(/^the PNG data is .*truncated/);
    expect((await epochOf(damaged, { ...options, workers: 2 })).batches).toEqual(batches);
  });

  test("a damaged picture is told once, not in every epoch", async () => {
    await using loader = createLoader(damaged, { batch: 4, preprocessing, augmentation: cropped, workers: 1 });
    await batchesOf(loader, 0);
    await batchesOf(loader, 1);
    expect(loader.skipped.length).toBe(3);
  });

  test("fails only when no picture can be read", async () => {
    const all = [5, 6, 23].map((i) => damaged.files[i]!);
    const set = pictureFiles(all, Uint16Array.of(0, 1, 1), labels);
    for (const workers of [0, 1]) {
      const work = epochOf(set, { augmentation: cropped, workers });
      await expect(work).rejects.toMatchObject({
        code: "format",
        message: expect.stringMatching(/^none of the 3 pictures can be read; .*png: the PNG/),
      });
    }
  });
});

describe("in evaluation", () => {
  test("every picture comes once, in order, with the numbers that classify feeds", async () => {
    for (const workers of [0, 1]) {
      const { batches } = await epochOf(good, { workers });
      expect(batches.map(({ count }) => count)).toEqual([5, 5, 5, 5, 4]);
      expect(batches.flatMap(({ indices }) => [...indices])).toEqual([...Array(24).keys()]);
      for (const { pictures, targets, indices } of batches) {
        for (const [row, index] of indices.entries()) {
          const expected = preprocess(await decodePicture(good.files[index]!), preprocessing);
          expect(pictures.slice(row * 768, (row + 1) * 768)).toEqual(expected);
          expect(targets.slice(row * 3, (row + 1) * 3).indexOf(1)).toBe(good.classes[index]);
        }
      }
      expect(batches[4]!.pictures.slice(4 * 768)).toEqual(new Float32Array(768));
    }
  });

  test("damaged pictures are left out", async () => {
    const { batches, skipped } = await epochOf(damaged, { workers: 1 });
    expect(batches.map(({ count }) => count)).toEqual([5, 3, 5, 5, 3]);
    expect(batches.flatMap(({ indices }) => [...indices])).not.toContain(5);
    expect(skipped.length).toBe(3);
    for (const { pictures, count } of batches)
      expect(pictures.subarray(count * 768).every((value) => value === 0)).toBe(true);
  });
});

describe("the loader", () => {
  test("tells how many batches and pictures an epoch has", () => {
    const training = createLoader(good, { batch: 5, preprocessing, augmentation: cropped, workers: 0 });
    expect([training.batches, training.pictures]).toEqual([4, 20]);
    const evaluation = createLoader(good, { batch: 5, preprocessing, workers: 0 });
    expect([evaluation.batches, evaluation.pictures]).toEqual([5, 24]);
    const tiny = createLoader(good, { batch: 30, preprocessing, augmentation: cropped, workers: 0 });
    expect([tiny.batches, tiny.pictures]).toEqual([1, 30]);
  });

  test("may be left in the middle of an epoch and goes on with another", async () => {
    await using loader = createLoader(good, { batch: 3, preprocessing, augmentation: cropped, workers: 2 });
    for await (const { count } of loader.epoch(0)) {
      expect(count).toBe(3);
      break;
    }
    expect(await batchesOf(loader, 1)).toEqual(
      (await epochOf(good, { batch: 3, augmentation: cropped, workers: 0 }, 1)).batches,
    );
  });

  test("stops at its signal, and is disposed of then", async () => {
    const controller = new AbortController();
    const loader = createLoader(good, {
      batch: 2,
      preprocessing,
      augmentation: cropped,
      workers: 1,
      signal: controller.signal,
    });
    const batches = loader.epoch(0);
    await batches.next();
    const next = batches.next();
    controller.abort();
    // The batch may have been ready already; the one after it is not given.
    await next.catch((error: unknown) => expect(error).toMatchObject({ code: "aborted" }));
    await expect(loader.epoch(1).next()).rejects.toMatchObject({ code: "aborted" });
    expect(() => createLoader(good, { batch: 2, preprocessing, signal: controller.signal })).toThrow(
      /stopped as asked/,
    );
  });

  test("refuses to work after its disposal, and in two epochs at a time", async () => {
    const loader = createLoader(good, { batch: 2, preprocessing, augmentation: cropped, workers: 1 });
    const batches = loader.epoch(0);
    await batches.next();
    await expect(loader.epoch(1).next()).rejects.toThrow(OptionError);
    await loader[Symbol.asyncDispose]();
    await expect(
      batches
        .next()
        .then(() => batches.next())
        .then(() => batches.next()),
    ).rejects.toThrow(DisposedError);
    await expect(loader.epoch(1).next()).rejects.toThrow(DisposedError);
  });

  test("refuses options out of range before it starts anything", () => {
    const options = { batch: 2, preprocessing };
    expect(() => createLoader(good, { ...options, batch: 0 })).toThrow(/batch: expected a whole number/);
    expect(() => createLoader(good, { ...options, workers: -1 })).toThrow(
      /workers: expected a whole number, at least 0/,
    );
    expect(() => createLoader(good, { ...options, ahead: 0 })).toThrow(/ahead/);
    expect(() => createLoader(good, { ...options, cacheBytes: Number.NaN })).toThrow(/cacheBytes/);
    const wrong = { ...cropped, cutout: { size: 2 } };
    expect(() => createLoader(good, { ...options, augmentation: wrong })).toThrow(/cutout\.size/);
    expect(() => createLoader(pictureFiles([], new Uint16Array(0), labels), options)).toThrow(/no pictures/);
  });

  test("keeps what it made of pictures in memory, but not pictures that are the input already", async () => {
    for (const [resolution, isKept] of [
      [32, false],
      [20, true],
    ] as const) {
      const set = drawShapes({ count: 12, split: "train", resolution });
      await using loader = createLoader(set, { batch: 12, preprocessing: preprocessingPresets.cifar10 });
      const [first] = await batchesOf(loader, 0);
      set.data.fill(0);
      const [second] = await batchesOf(loader, 1);
      if (isKept) expect(second).toEqual(first);
      else expect(second).not.toEqual(first);
    }
  });

  test("keeps pictures between epochs, within the budget", async () => {
    const copies = join(folder, "copies");
    await mkdir(copies);
    const files = good.files.map((_, i) => join(copies, `${i}.png`));
    for (const [i, file] of files.entries()) await writeFile(file, await readFile(good.files[i]!));
    const set = pictureFiles(files, good.classes, labels);
    await using loader = createLoader(set, { batch: 24, preprocessing, workers: 1 });
    await using forgetful = createLoader(set, { batch: 24, preprocessing, workers: 1, cacheBytes: 10 * (768 + 64) });
    const [first] = await batchesOf(loader, 0);
    await batchesOf(forgetful, 0);
    await rm(copies, { recursive: true });
    expect((await batchesOf(loader, 1))[0]).toEqual(first);
    expect(loader.skipped).toEqual([]);
    expect((await batchesOf(forgetful, 1))[0]!.count).toBe(10);
    expect(forgetful.skipped[0]!.reason).toBe("there is no such file");
  });
});

test("FormatError is what an unreadable set throws without workers", async () => {
  const set = pictureFiles([join(folder, "missing.png")], Uint16Array.of(0), labels);
  await expect(epochOf(set, { augmentation: cropped, workers: 0 })).rejects.toBeInstanceOf(FormatError);
});
