import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { OptionError } from "../errors.ts";
import { fitToInput } from "../pixels/preprocess.ts";
import { type Preprocessing, withInputSize } from "../pixels/preprocessing.ts";
import { preprocessingPresets } from "../pixels/preprocessing_presets.ts";
import { seededRandom } from "../random.ts";
import { syntheticPixels } from "../testing/synthetic_pixels.ts";
import { createAugmenter, pictureRandom } from "./augment_picture.ts";
import { type Augmentation, augmentationPresets, checkAugmentation } from "./augmentation.ts";
import { cutout } from "./cutout.ts";
import { shift } from "./geometry.ts";
import { applyRandAugment, randAugmentOperations } from "./rand_augment.ts";

const cifar = preprocessingPresets.cifar10;
const small: Preprocessing = withInputSize(preprocessingPresets.torchvision, [24, 40]);

/** Everything at once. */
const everything: Augmentation = {
  crop: { kind: "resized", area: [0.1, 1], aspect: [0.5, 2] },
  flip: true,
  randAugment: { operations: 2, magnitude: "random" },
  colorJitter: { brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1 },
  cutout: { size: 0.5 },
};

describe("createAugmenter", () => {
  test("gives the input's size, the same bytes for the same draw, and leaves the picture alone", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 90 }),
        fc.integer({ min: 1, max: 90 }),
        fc.nat(),
        (width, height, index) => {
          const pixels = syntheticPixels("noise", width, height);
          const before = pixels.data.slice();
          const { prepare, augment } = createAugmenter(everything, small);
          const prepared = prepare(pixels);
          const once = augment(prepared, pictureRandom(1, 2, index));
          expect([once.height, once.width, once.data.length]).toEqual([24, 40, 24 * 40 * 3]);
          expect(augment(prepare(pixels), pictureRandom(1, 2, index))).toEqual(once);
          expect(pixels.data).toEqual(before);
        },
      ),
      { numRuns: 40 },
    );
  });

  test.each(Object.keys(augmentationPresets))("the preset %s is valid and fits", (name) => {
    const preset = augmentationPresets[name as keyof typeof augmentationPresets];
    const { prepare, augment } = createAugmenter(preset, cifar);
    const made = augment(prepare(syntheticPixels("noise", 50, 37)), pictureRandom(0, 0, 0));
    expect([made.width, made.height]).toEqual([32, 32]);
  });

  test("without random parts is evaluation's picture", () => {
    const pixels = syntheticPixels("noise", 61, 47);
    const { prepare, augment } = createAugmenter(augmentationPresets.none, small);
    expect(augment(prepare(pixels), pictureRandom(0, 0, 0))).toEqual(fitToInput(pixels, small));
  });

  test("smallPictures are all 81 shifts of the picture and its mirror image, about evenly", () => {
    const pixels = syntheticPixels("noise", 32, 32);
    const { prepare, augment } = createAugmenter({ ...augmentationPresets.smallPictures, flip: false }, cifar);
    const keyOf = (data: Uint8Array): string => Buffer.from(data).toString("latin1");
    const counts = new Map<string, number>();
    for (let y = -4; y <= 4; y++)
      for (let x = -4; x <= 4; x++) counts.set(keyOf(shift(pixels, x, y, "reflect").data), 0);
    expect(counts.size).toBe(81);
    for (let epoch = 0; epoch < 4000; epoch++) {
      const key = keyOf(augment(prepare(pixels), pictureRandom(5, epoch, 17)).data);
      expect(counts.has(key)).toBe(true);
      counts.set(key, counts.get(key)! + 1);
    }
    // 49 expected of each: fewer than 20 or more than 90 has a chance below 1e-5.
    for (const count of counts.values()) {
      expect(count).toBeGreaterThan(20);
      expect(count).toBeLessThan(90);
    }
  });

  test("prepares long pictures for resized crops to at most 1.15 x 3.45 of the input's side", () => {
    const { prepare } = createAugmenter(everything, withInputSize(preprocessingPresets.torchvision, 20));
    const long = prepare(syntheticPixels("noise", 900, 30));
    expect([long.width, long.height]).toEqual([69, 23]);
    const tiny = syntheticPixels("noise", 9, 7);
    expect(prepare(tiny)).toEqual(tiny);
  });
});

describe("pictureRandom", () => {
  test("differs by seed, epoch, index and repeat", () => {
    const draws = [
      pictureRandom(1, 2, 3),
      pictureRandom(0, 2, 3),
      pictureRandom(1, 1, 3),
      pictureRandom(1, 2, 4),
      pictureRandom(1, 2, 3, 1),
      pictureRandom(1, 23, 0),
    ].map((random) => random.uint32());
    expect(new Set(draws).size).toBe(6);
  });
});

describe("cutout", () => {
  test("covers a square of the fill, cut at the edges, and nothing else", () => {
    fc.assert(
      fc.property(fc.integer({ min: 4, max: 20 }), fc.integer({ min: 4, max: 20 }), fc.nat(), (width, height, seed) => {
        const pixels = { width, height, data: new Uint8Array(width * height * 3).fill(200) };
        const covered = cutout(pixels, 0.5, [1, 2, 3], seededRandom(seed));
        const at = [...Array(width * height).keys()].filter((i) => covered.data[3 * i] !== 200);
        const columns = new Set(at.map((i) => i % width));
        const rows = new Set(at.map((i) => Math.floor(i / width)));
        const side = Math.max(1, Math.round(0.5 * Math.min(width, height)));
        expect(at.length).toBe(columns.size * rows.size);
        expect(Math.max(columns.size, rows.size)).toBeLessThanOrEqual(side);
        expect(Math.min(columns.size, rows.size)).toBeGreaterThanOrEqual(Math.ceil(side / 2));
        for (const i of at) expect([...covered.data.subarray(3 * i, 3 * i + 3)]).toEqual([1, 2, 3]);
      }),
    );
  });

  test("fills with the network's mean", () => {
    const grey: Augmentation = { ...augmentationPresets.none, cutout: { size: 1 } };
    const white = { width: 32, height: 32, data: new Uint8Array(3072).fill(255) };
    const { augment } = createAugmenter(grey, cifar);
    const { data } = augment(white, pictureRandom(0, 0, 0));
    const middle = data.subarray((16 * 32 + 16) * 3);
    expect([...middle.subarray(0, 3)]).toEqual([125, 123, 114]);
  });
});

describe("RandAugment", () => {
  const pixels = syntheticPixels("noise", 24, 20); // over 255 pixels: below, equalize does nothing

  test("has the paper's fourteen operations; at strength 0 all do nothing but the two on histograms", () => {
    expect(Object.keys(randAugmentOperations).length).toBe(14);
    for (const [name, { apply }] of Object.entries(randAugmentOperations)) {
      const isSame = Buffer.compare(apply(pixels, 0, [0, 0, 0]).data, pixels.data) === 0;
      if (name === "autoContrast") continue; // noise may reach from 0 to 255 already
      expect([name, isSame]).toEqual([name, name !== "equalize"]);
    }
  });

  test("every operation but identity changes a picture at magnitude 10", () => {
    const dull = { ...pixels, data: pixels.data.map((value) => 60 + (value >> 1)) };
    for (const [name, { apply }] of Object.entries(randAugmentOperations)) {
      const isSame = Buffer.compare(apply(dull, 1, [0, 0, 0]).data, dull.data) === 0;
      expect([name, isSame]).toEqual([name, name === "identity"]);
    }
  });

  test("draws operations in both directions", () => {
    const seen = new Set<string>();
    for (let seed = 0; seed < 600; seed++) {
      const changed = applyRandAugment(pixels, { operations: 1, magnitude: 7 }, [9, 9, 9], seededRandom(seed));
      seen.add(Buffer.from(changed.data).toString("latin1"));
    }
    // Nine operations have two directions, equalize, solarize and posterize one; identity and a stretched noise stay the picture.
    expect(seen.size).toBeGreaterThanOrEqual(2 * 9 + 3 + 1);
    expect(seen.size).toBeLessThanOrEqual(2 * 9 + 5);
  });
});

describe("checkAugmentation refuses", () => {
  const base = augmentationPresets.none;
  test.each<[string, Augmentation, RegExp]>([
    [
      "a fraction of a pixel",
      { ...base, crop: { kind: "shifted", padding: 1.5, fill: "black" } },
      /crop\.padding.*whole.*1\.5/,
    ],
    [
      "an unknown fill",
      { ...base, crop: { kind: "shifted", padding: 1, fill: "wrap" as never } },
      /black or reflect.*wrap/,
    ],
    ["an unknown crop", { ...base, crop: { kind: "random" } as never }, /crop\.kind.*random/],
    [
      "an area over the picture",
      { ...base, crop: { kind: "resized", area: [0.5, 1.5], aspect: [1, 1] } },
      /crop\.area/,
    ],
    ["a range upside down", { ...base, crop: { kind: "resized", area: [1, 0.5], aspect: [1, 1] } }, /crop\.area/],
    ["a magnitude of 11", { ...base, randAugment: { operations: 2, magnitude: 11 } }, /magnitude: expected 0 to 10/],
    ["half an operation", { ...base, randAugment: { operations: 0.5, magnitude: 1 } }, /whole/],
    ["too much hue", { ...base, colorJitter: { hue: 0.6 } }, /hue: expected 0 to 0\.5/],
    ["no cutout at all", { ...base, cutout: { size: 0 } }, /cutout\.size: expected a number over 0/],
    ["an alpha of zero", { ...base, mixup: { alpha: 0 } }, /mixup\.alpha/],
    ["no number", { ...base, cutmix: { alpha: Number.NaN } }, /cutmix\.alpha/],
  ])("%s", (_, augmentation, message) => {
    expect(() => checkAugmentation(augmentation)).toThrow(OptionError);
    expect(() => checkAugmentation(augmentation)).toThrow(message);
  });
});
