import { readdirSync, readFileSync } from "node:fs";
import { compile, load, nodesOf } from "@depthwise/core";
import { describe, expect, it } from "vitest";
import { sharedPath } from "../../core/src/testing/shared_data.ts";
import type { ForeignModel } from "./foreign_model.ts";
import { readOnnx } from "./onnx/read_onnx.ts";
import { readPng } from "./testing/read_png.ts";
import { readTflite } from "./tflite/read_tflite.ts";

/** A class, its logit or raw integer, its probability. */
type Top = readonly (readonly [index: number, value: number, probability: number])[];
interface Expected {
  readonly input: string;
  readonly photos: Readonly<Record<string, Top>>;
}

const expected = (
  JSON.parse(readFileSync(sharedPath("data", "expected.json"), "utf8")) as {
    models: Readonly<Record<string, Expected>>;
  }
).models;

/** For float models; the files' own rounding is far below. */
const TOLERANCE = 2e-3;
/** Of the photos with quantised models: these compute with integers where we compute with what they stand for. */
const LEAST_AGREEMENT = 0.97;

/** For a byte of colour `channel` the network's number. */
type Pixel = (byte: number, channel: number) => number;

const toOne: Pixel = (byte) => byte / 127.5 - 1;
const floatModels: Readonly<Record<string, { readonly key: string; readonly pixel: Pixel }>> = {
  "mobilenet_v1_0.25_224_float.tflite": { key: "models/mobilenet_v1_0.25_224_float.tflite", pixel: toOne },
  "vww_96_float.tflite": { key: "models/vww_96_float.tflite", pixel: (byte) => byte / 255 },
  "squeezenet_1.1.onnx": {
    key: "weights/squeezenet_1.1.safetensors#classifierPadding=1",
    pixel: (byte, channel) => byte - ([123, 117, 104][channel] as number),
  },
};
const quantizedModels = [
  "mobilenet_v1_0.25_224_quant.tflite",
  "mobilenet_v1_0.25_128_quant.tflite",
  "mobilenet_v1_0.5_160_quant.tflite",
  "mobilenet_v2_1.0_224_quant.tflite",
  "person_detect.tflite",
];

function readFile(file: string): ForeignModel & { readonly network: NonNullable<ForeignModel["network"]> } {
  const bytes = new Uint8Array(readFileSync(sharedPath("data", "models", file)));
  const model = file.endsWith(".onnx") ? readOnnx(bytes, { file }) : readTflite(bytes, { file });
  if (model.network === undefined) throw new TypeError(`${file} has no network`);
  return { ...model, network: model.network };
}

/** Probabilities of each photo. Models of 1001 classes have a background first, which has no class here. */
async function probabilitiesOf(
  { network }: ReturnType<typeof readFile>,
  { input, photos }: Expected,
  pixel: Pixel,
): Promise<Readonly<Record<string, Float64Array>>> {
  using model = await load(compile(network.graph, { weights: network.weights }));
  const [picture] = nodesOf(network.graph, "input");
  if (picture === undefined) throw new TypeError("the network has no input");
  const { name, shape } = picture;
  const output = network.graph.outputs[0]?.name ?? "";
  const isLogits = nodesOf(network.graph, "softmax").length === 0;
  const results = Object.keys(photos).map((photo) => {
    const rgb = readPng(new Uint8Array(readFileSync(sharedPath("data", input, photo.replace(".jpg", ".png")))));
    const bytes = shape[3] === 1 ? greyOf(rgb) : rgb;
    const numbers = Float32Array.from(bytes, (byte, i) => pixel(byte, i % 3));
    const values = model.run({ [name]: numbers })[output] ?? [];
    const probabilities = isLogits ? softmax(values) : Float64Array.from(values);
    return [photo, probabilities.length === 1001 ? probabilities.slice(1) : probabilities] as const;
  });
  return Object.fromEntries(results);
}

function greyOf(rgb: Uint8Array): Uint8Array {
  return Uint8Array.from({ length: rgb.length / 3 }, (_, i) => {
    const [red, green, blue] = rgb.subarray(3 * i, 3 * i + 3) as unknown as [number, number, number];
    return Math.round(0.299 * red + 0.587 * green + 0.114 * blue);
  });
}

function softmax(logits: ArrayLike<number>): Float64Array {
  const values = Float64Array.from(logits);
  const largest = Math.max(...values);
  const powers = values.map((value) => Math.exp(value - largest));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

/** Classes by falling probability. */
function ranking(probabilities: Float64Array): readonly number[] {
  return Array.from(probabilities.keys()).toSorted((a, b) => (probabilities[b] ?? 0) - (probabilities[a] ?? 0));
}

describe("pretrained models", () => {
  it("are all compared", () => {
    const files = readdirSync(sharedPath("data", "models")).filter((file) => /\.(onnx|tflite)$/.test(file));
    expect([...Object.keys(floatModels), ...quantizedModels].toSorted()).toEqual(files.toSorted());
  });

  it.each(Object.entries(floatModels))("%s gives the top five of its reference", async (file, { key, pixel }) => {
    const reference = expected[key] as Expected;
    const results = await probabilitiesOf(readFile(file), reference, pixel);
    for (const [photo, top] of Object.entries(reference.photos)) {
      const probabilities = results[photo] as Float64Array;
      expect(ranking(probabilities).slice(0, top.length), photo).toEqual(top.map(([index]) => index));
      for (const [index, , probability] of top) {
        expect(Math.abs((probabilities[index] ?? 0) - probability), photo).toBeLessThan(TOLERANCE);
      }
    }
  });

  it("of integers give the class of their references", async () => {
    const disagreements: string[] = [];
    let photos = 0;
    for (const file of quantizedModels) {
      const model = readFile(file);
      const { pixels } = model;
      if (pixels === undefined) throw new TypeError(`${file} does not say how bytes go in`);
      const reference = expected[`models/${file}`] as Expected;
      const results = await probabilitiesOf(model, reference, (byte) => byte * pixels.scale + pixels.offset);
      for (const [photo, top] of Object.entries(reference.photos)) {
        photos++;
        const [best] = ranking(results[photo] as Float64Array);
        // Integers tie: any of the first is the first.
        const isFirst = top.some(([index, value]) => index === best && value === top[0]?.[1]);
        if (!isFirst) disagreements.push(`${file} ${photo}`);
      }
    }
    expect(photos).toBe(100);
    expect(1 - disagreements.length / photos, disagreements.join("\n")).toBeGreaterThanOrEqual(LEAST_AGREEMENT);
  });

  it("have their labels, a background first", () => {
    const { labels } = readFile("mobilenet_v2_1.0_224_quant.tflite");
    expect([labels?.length, labels?.[0], labels?.[1]]).toEqual([1001, "background", "tench, Tinca tinca"]);
    expect(readFile("person_detect.tflite").labels).toBeUndefined();
  });
});
