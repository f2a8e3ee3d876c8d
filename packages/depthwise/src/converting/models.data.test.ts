import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import {
  build,
  compile,
  load,
  normalize,
  type Preprocessing,
  preprocessingPresets,
  readSafetensors,
  withInputSize,
} from "@depthwise/core";
import { describe, expect, test } from "vitest";
import { sharedPath } from "../../../core/src/testing/shared_data.ts";
import { bestClasses } from "../classification/best_classes.ts";
import { decodePicture } from "../pictures/decode_picture.ts";
import { depthwise, json } from "../testing/run_cli.ts";
import { convertModel } from "./convert_model.ts";
import { identifyModel, weightsFor } from "./identify_model.ts";
import { readModelFile } from "./read_model_file.ts";

interface Reference {
  readonly input: string;
  /** Class, what the file's last layer gives (not of every model), probability. */
  readonly photos: Readonly<Record<string, readonly (readonly number[])[]>>;
  readonly rawTolerance?: number;
}

const expected = JSON.parse(readFileSync(sharedPath("data", "expected.json"), "utf8")) as {
  readonly models: Readonly<Record<string, Reference>>;
};

/** What a file is, what its pictures want where the file does not say it, and the class that stands before the thousand. */
interface ModelFact {
  readonly network: string;
  readonly family: string | undefined;
  readonly options?: Readonly<Record<string, unknown>>;
  readonly preprocessing?: Preprocessing;
  readonly background?: 1;
}

const unit = preprocessingPresets.unit;
const facts: Readonly<Record<string, ModelFact>> = {
  "models/mobilenet_v1_0.25_224_float.tflite": {
    network: "mobilenet_v1_0.25_224",
    family: "mobilenet_v1",
    options: { padding: "tf", classes: 1001, width: 0.25 },
    background: 1,
  },
  "models/mobilenet_v1_0.25_224_quant.tflite": {
    network: "mobilenet_v1_0.25_224",
    family: "mobilenet_v1",
    background: 1,
  },
  "models/mobilenet_v1_0.25_128_quant.tflite": {
    network: "mobilenet_v1_0.25_128",
    family: "mobilenet_v1",
    background: 1,
  },
  "models/mobilenet_v1_0.5_160_quant.tflite": {
    network: "mobilenet_v1_0.5_160",
    family: "mobilenet_v1",
    background: 1,
  },
  "models/mobilenet_v2_1.0_224_quant.tflite": {
    network: "mobilenet_v2_1.0_224",
    family: "mobilenet_v2",
    background: 1,
  },
  "models/vww_96_float.tflite": {
    network: "mobilenet_v1",
    family: "mobilenet_v1",
    options: { resolution: 96, classes: 2, width: 0.25 },
    preprocessing: unit,
  },
  "models/person_detect.tflite": {
    network: "mobilenet_v1",
    family: "mobilenet_v1",
    options: { resolution: 96, inputChannels: 1, classes: 2 },
  },
  "models/nsfwjs-mobilenet_v2-tfjs/model.json": {
    network: "nsfwjs-mobilenet_v2-tfjs",
    family: undefined,
    preprocessing: unit,
  },
};

test("every model file of expected.json is compared", () => {
  const keys = Object.keys(expected.models).filter((key) => key.startsWith("models/"));
  expect(keys.sort()).toEqual(Object.keys(facts).sort());
});

describe.each(Object.entries(facts))(
  "%s",
  (key, { network: name, family, options = {}, preprocessing, background = 0 }) => {
    const file = sharedPath("data", ...key.split("/"));
    const { input, photos, rawTolerance } = expected.models[key] as Reference;

    test("is known for what it is, and gives the classes of its own runtime", async () => {
      const { network, weights } = identifyModel(await readModelFile(file, readFileSync(file)), { file });
      expect([network.name, network.family]).toEqual([name, family]);
      expect(network.options).toMatchObject(options);
      const model = await load(compile(network, { weights }));
      const prepared =
        preprocessing === undefined ? network.preprocessing : withInputSize(preprocessing, network.preprocessing.size);
      let sameTop = 0;
      for (const [photo, reference] of Object.entries(photos)) {
        const picture = await decodePicture(sharedPath("data", input, `${basename(photo, ".jpg")}.png`));
        const output = model.run({ input: normalize(picture, prepared) }).output as Float32Array;
        const scores = new Map(
          bestClasses(output, output.length, undefined).map((each) => [each.index - background, each.probability]),
        );
        const rows = reference.toSorted((a, b) => (b.at(-1) as number) - (a.at(-1) as number));
        const top = [...scores.keys()][0];
        // A class within the reference's own tolerance of the best is as good: runtimes of quantised networks differ by that.
        const tied = (row: readonly number[]): boolean => (rows[0]?.[1] ?? 0) - (row[1] ?? 0) <= (rawTolerance ?? 0);
        sameTop += Number(rows.some((row) => row[0] === top && tied(row)));
        if (rawTolerance !== undefined) continue;
        for (const row of rows) {
          const [index, probability] = [row[0] as number, row.at(-1) as number];
          expect(Math.abs((scores.get(index) ?? 0) - probability), `${photo}, class ${index}`).toBeLessThan(2e-3);
        }
      }
      model.dispose();
      // Quantised networks round between layers, and we do not.
      expect(sameTop / Object.keys(photos).length).toBeGreaterThanOrEqual(0.97);
    });
  },
);

test.each(["squeezenet_1.1.onnx", "squeezenet_1.1.pth", "squeezenet_1.1-legacy.pth"])(
  "%s gives the network the same weights as the safetensors file",
  async (name) => {
    const network = build("squeezenet_1.1", { classifierPadding: 1 });
    const read = async (...path: readonly string[]) => {
      const file = sharedPath("data", ...path);
      return weightsFor(network, await readModelFile(file, readFileSync(file)), file);
    };
    expect(await read("models", name)).toEqual(await read("weights", "squeezenet_1.1.safetensors"));
  },
);

test("PyTorch's file, to ours, to safetensors under torchvision's names: equal tensors", async () => {
  const folder = await mkdtemp(join(tmpdir(), "depthwise models "));
  try {
    const [ours, theirs] = [join(folder, "ours.safetensors"), join(folder, "theirs.safetensors")];
    await convertModel(sharedPath("data", "models", "squeezenet_1.1.pth"), ours, { family: "squeezenet_1.1" });
    await convertModel(ours, theirs, { naming: "torchvision" });
    const expectedTensors = readSafetensors(
      readFileSync(sharedPath("data", "weights", "squeezenet_1.1.safetensors")),
    ).tensors;
    expect(new Map([...readSafetensors(readFileSync(theirs)).tensors].sort())).toEqual(
      new Map([...expectedTensors].sort()),
    );
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("a TensorFlow network of 1001 classes gives weights to one of 1000", async () => {
  const network = build("mobilenet_v1_0.25_224", { padding: "tf" });
  const file = sharedPath("data", "models", "mobilenet_v1_0.25_224_float.tflite");
  const weights = weightsFor(network, await readModelFile(file, readFileSync(file)), file);
  const safetensors = sharedPath("data", "weights", "mobilenet_v1_0.25_224.safetensors");
  const other = weightsFor(network, await readModelFile(safetensors, readFileSync(safetensors)), safetensors);
  for (const [name, { data }] of other) {
    const found = weights.get(name)?.data as Float32Array;
    expect(found.length).toBe(data.length);
    expect(
      found.every((value, i) => Math.abs(value - (data[i] as number)) <= 1e-6 * Math.abs(value)),
      name,
    ).toBe(true);
  }
});

/** Accuracies that the data's README states for files as they are, measured with their own runtimes. */
const accuracies: readonly (readonly [model: readonly string[], top1: number, top5: number])[] = [
  [["mobilenet_v1_0.25_224_float.tflite"], 54.4, 79.0],
  [["mobilenet_v1_0.25_224_quant.tflite"], 52.6, 77.6],
  [["mobilenet_v1_0.25_128_quant.tflite"], 45.8, 71.8],
  [["squeezenet_1.1.onnx", "--preprocessing", "caffeSqueezeNet"], 62.4, 84.0],
];

describe("depthwise classify FILE over the 500 photos reaches the stated accuracy", () => {
  test.each(accuracies)("%j", async ([file = "", ...options], top1, top5) => {
    const names = sharedPath("data", "imagenet-classes.json");
    const photos = sharedPath("data", "imagenet-samples");
    const ended = await depthwise([
      "classify",
      sharedPath("data", "models", file),
      ...options,
      "--labels",
      names,
      photos,
      "--json",
    ]);
    expect(ended.code).toBe(0);
    const items =
      json<readonly { readonly file: string; readonly top: readonly { readonly label: string }[] }[]>(ended);
    const labels = JSON.parse(readFileSync(names, "utf8")) as readonly string[];
    const share = (most: number): number =>
      (100 *
        items.filter(({ file: photo, top }) =>
          top.slice(0, most).some(({ label }) => label === labels[Number.parseInt(basename(photo), 10)]),
        ).length) /
      items.length;
    // A photo is 0.2; quantised networks round between layers, and we do not: theirs may be a few photos away.
    const tolerance = file.includes("quant") ? 1.6 : 0.5;
    expect(Math.abs(share(1) - top1)).toBeLessThanOrEqual(tolerance);
    expect(Math.abs(share(5) - top5)).toBeLessThanOrEqual(tolerance);
  });
});
