import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import {
  DepthwiseError,
  FormatError,
  fitToInput,
  type Pixels,
  type Preprocessing,
  preprocessingPresets,
  resize,
} from "@depthwise/core";
import { describe, expect, test } from "vitest";
import { sharedPath } from "../../../core/src/testing/shared_data.ts";
import { decodePicture } from "./decode_picture.ts";
import { listPictures } from "./list_pictures.ts";

interface Expectation {
  readonly readable: boolean;
  readonly width: number;
  readonly height: number;
  readonly meanRGB: readonly number[];
  readonly cornerRGB: { readonly [corner in Corner]: readonly number[] };
  readonly tolerance: number;
}

type Corner = "topLeft" | "topRight" | "bottomLeft" | "bottomRight";

const oddImages = sharedPath("data", "odd-images");
const expectations: { readonly files: { readonly [name: string]: Expectation } } = JSON.parse(
  readFileSync(join(oddImages, "expected.json"), "utf8"),
);
const expected = Object.entries(expectations.files);
const readable = expected.filter(([, { readable }]) => readable);
const unreadable = expected.filter(([, { readable }]) => !readable).map(([name]) => name);

/** What the refusal of each unreadable file must say. */
const reasons: { readonly [name: string]: RegExp } = {
  "truncated.jpg": /JPEG data is truncated/,
  "zero-byte.jpg": /the file is empty/,
  "text-named.jpg": /not a picture/,
  "bomb-30000x30000.png": /30000x30000, which is 900 million/,
  "header-lies-60000x60000.png": /60000x60000, which is 3600 million/,
  "zero-width.png": /PNG data has a corrupt header/,
  "corrupt-crc.png": /PNG data is damaged/,
  "truncated.webp": /WebP data has a corrupt header/,
  ".DS_Store": /not a picture/,
};

test("there are 45 odd pictures, and a reason for each that is refused", () => {
  expect(expected.length).toBe(45);
  expect(Object.keys(reasons).sort()).toEqual([...unreadable].sort());
});

describe("decodePicture reads as expected", () => {
  test.each(readable)("%s", async (name, { width, height, meanRGB, cornerRGB, tolerance }) => {
    const pixels = await decodePicture(join(oddImages, name));
    expect([pixels.width, pixels.height]).toEqual([width, height]);
    expectColour(meanOf(pixels), meanRGB, tolerance);
    for (const [corner, colour] of Object.entries(cornerRGB)) {
      expectColour(colourAt(pixels, corner as Corner), colour, tolerance);
    }
    const input = fitToInput(pixels, preprocessingPresets.torchvision);
    expect([input.width, input.height]).toEqual([224, 224]);
  });
});

describe("decodePicture refuses, naming file and reason,", () => {
  test.each(unreadable)("%s", async (name) => {
    const file = join(oddImages, name);
    const before = process.memoryUsage().rss;
    const error: unknown = await decodePicture(file).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(FormatError);
    expect((error as FormatError).message).toMatch(reasons[name]!);
    expect((error as FormatError).message).toContain(file);
    expect((error as FormatError).file).toBe(file);
    expect(process.memoryUsage().rss - before).toBeLessThan(100e6); // decoded, the smaller bomb alone is 900 MB
  });
});

test("one bad picture does not stop a folder: 36 read, 8 refused, the hidden one passed over", async () => {
  const { files, skipped } = await listPictures([oddImages]);
  expect(skipped.map(({ file }) => basename(file))).toEqual(["expected.json"]);
  const outcomes = await Promise.all(
    files.map(async (file) =>
      decodePicture(file).then(
        () => "read",
        (error: unknown) => error instanceof DepthwiseError && error.code,
      ),
    ),
  );
  expect(outcomes.filter((outcome) => outcome === "read").length).toBe(36);
  expect(outcomes.filter((outcome) => outcome === "format").length).toBe(8);
  expect(outcomes.length).toBe(44);
});

test("1x1.png resizes to one flat colour", async () => {
  const dot = await decodePicture(join(oddImages, "1x1.png"));
  const flat = resize(dot, { width: 5, height: 3, filter: "bicubic" });
  expect(flat.data).toEqual(Uint8Array.from({ length: 45 }, (_, i) => [10, 200, 30][i % 3]!));
});

describe("photos become exactly the golden inputs of", async () => {
  const { files } = await listPictures([sharedPath("data", "expected-inputs", "224")]);
  const names = files.map((file) => basename(file, ".png"));
  const golden = (size: number, name: string) =>
    decodePicture(sharedPath("data", "expected-inputs", String(size), `${name}.png`));

  test.each([227, 224])("%i pixels: decoded, resized, cropped", async (size) => {
    expect(names.length).toBe(20);
    const preprocessing: Preprocessing = { ...preprocessingPresets.bytes, size: [size, size] };
    for (const name of names) {
      const photo = await decodePicture(sharedPath("data", "imagenet-samples", `${name}.jpg`));
      expectSame(fitToInput(photo, preprocessing), await golden(size, name), name);
    }
  });

  test.each([192, 160, 128, 96])("%i pixels: the 224 crop resized as Pillow does", async (size) => {
    for (const name of names) {
      const resized = resize(await golden(224, name), { width: size, height: size, filter: "bilinear" });
      expectSame(resized, await golden(size, name), name);
    }
  });
});

function expectSame(actual: Pixels, expected: Pixels, name: string): void {
  expect([actual.width, actual.height]).toEqual([expected.width, expected.height]);
  expect(Buffer.compare(actual.data, expected.data), name).toBe(0);
}

function expectColour(actual: readonly number[], expected: readonly number[], tolerance: number): void {
  // expected.json rounds to hundredths.
  for (const [i, value] of actual.entries())
    expect(Math.abs(value - expected[i]!)).toBeLessThanOrEqual(tolerance + 0.005);
}

function meanOf({ data }: Pixels): number[] {
  return [0, 1, 2].map((channel) => {
    let sum = 0;
    for (let i = channel; i < data.length; i += 3) sum += data[i]!;
    return sum / (data.length / 3);
  });
}

/** The pixel an eighth in from a corner. */
function colourAt({ width, height, data }: Pixels, corner: Corner): number[] {
  const x = corner.endsWith("Left") ? Math.floor(width / 8) : width - 1 - Math.floor(width / 8);
  const y = corner.startsWith("top") ? Math.floor(height / 8) : height - 1 - Math.floor(height / 8);
  const at = (y * width + x) * 3;
  return [...data.subarray(at, at + 3)];
}
