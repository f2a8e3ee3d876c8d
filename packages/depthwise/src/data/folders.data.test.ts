import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { augmentationPresets, preprocessingPresets, withInputSize } from "@depthwise/core";
import { expect, test } from "vitest";
import { sharedPath } from "../../../core/src/testing/shared_data.ts";
import { type PictureSet, summarizeData } from "./data_set.ts";
import { createLoader } from "./loader.ts";
import { openData } from "./open_data.ts";

const preprocessing = withInputSize(preprocessingPresets.torchvision, 32);

test("the clothing folder opens with its ten classes and three splits", async () => {
  const data = await openData(sharedPath("data", "folders", "clothing"));
  const { classes, imbalance } = summarizeData(data);
  expect(Object.fromEntries(classes.map(({ label, train }) => [label, train]))).toEqual({
    dress: 241,
    hat: 123,
    longsleeve: 455,
    outwear: 184,
    pants: 468,
    shirt: 290,
    shoes: 198,
    shorts: 202,
    skirt: 112,
    "t-shirt": 795,
  });
  expect(imbalance).toBeCloseTo(795 / 112, 6);
  expect(data.train.length + data.validation!.length + data.test!.length).toBe(3781);
  expect([data.validationFrom, data.skipped]).toEqual(["data", []]);
});

test("odd pictures train and evaluate: the readable ones are used, the others listed with a reason", async () => {
  const odd = sharedPath("data", "odd-images");
  const { files } = JSON.parse(readFileSync(join(odd, "expected.json"), "utf8")) as {
    files: Record<string, { readable: boolean }>;
  };
  const listed = Object.keys(files).filter((name) => !name.startsWith("."));
  const readable = listed.filter((name) => files[name]!.readable);
  const unreadable = listed.filter((name) => !files[name]!.readable).sort();
  const root = await mkdtemp(join(tmpdir(), "depthwise odd "));
  try {
    // The second class is a good one, so that there are two.
    await symlink(odd, join(root, "odd"));
    await mkdir(join(root, "good"));
    await symlink(join(odd, readable[0]!), join(root, "good", "one.jpg"));
    await symlink(join(odd, readable[1]!), join(root, "good", "two.jpg"));
    const data = await openData(root, { validationShare: 0 });
    expect(data.train.length).toBe(2 + listed.length);
    expect(data.skipped.map(({ file }) => basename(file))).toEqual(["expected.json"]);
    for (const augmentation of [undefined, augmentationPresets.photos]) {
      const { used, skipped } = await readEpoch(data.train, augmentation);
      expect(skipped.map(({ file }) => basename(file)).sort()).toEqual(unreadable);
      for (const { reason } of skipped) expect(reason.length).toBeGreaterThan(10);
      expect(used.size).toBe(2 + readable.length);
    }
  } finally {
    await rm(root, { recursive: true });
  }
});

async function readEpoch(set: PictureSet, augmentation: (typeof augmentationPresets)["photos"] | undefined) {
  await using loader = createLoader(set, { batch: set.length, preprocessing, augmentation, workers: 1 });
  const used = new Set<number>();
  for await (const { indices, count, pictures } of loader.epoch(0)) {
    for (const index of indices.subarray(0, count)) used.add(index);
    expect(pictures.every(Number.isFinite)).toBe(true);
  }
  return { used, skipped: loader.skipped };
}
