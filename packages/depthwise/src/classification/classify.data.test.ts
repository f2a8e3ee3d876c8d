import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { build, compile, load, normalize, readWeights } from "@depthwise/core";
import { describe, expect, test } from "vitest";
import { sharedPath } from "../../../core/src/testing/shared_data.ts";
import { decodePicture } from "../pictures/decode_picture.ts";
import { depthwise, json } from "../testing/run_cli.ts";
import { bestClasses, type ClassScore } from "./best_classes.ts";

const names = sharedPath("data", "imagenet-classes.json");
const weightsPath = (file: string): string => sharedPath("data", "weights", file);

interface Item {
  readonly file: string;
  readonly top?: readonly ClassScore[];
  readonly error?: { readonly code: string; readonly message: string };
}

/** Accuracies that the data's README states, measured with PyTorch (the last one with the TFLite runtime). */
const accuracies: readonly (readonly [model: readonly string[], weights: string, top1: number, top5: number])[] = [
  [["mobilenet_v2_1.0_224"], "mobilenet_v2_1.0.safetensors", 81.0, 96.2],
  [["squeezenet_1.0"], "squeezenet_1.0.safetensors", 60.2, 82.4],
  [["squeezenet_1.0", "--classifier-padding", "1"], "squeezenet_1.0.safetensors", 60.2, 82.6],
  [["squeezenet_1.1"], "squeezenet_1.1.safetensors", 62.4, 84.0],
  [["mobilenet_v1_0.25_224", "--padding", "tf"], "mobilenet_v1_0.25_224.safetensors", 54.4, 79.0],
];

describe("depthwise classify over the 500 photos reaches the stated accuracy within half a point", () => {
  test.each(accuracies)("%j with %s", async (model, weights, top1, top5) => {
    const photos = sharedPath("data", "imagenet-samples");
    const args = ["classify", ...model, "--weights", weightsPath(weights), "--labels", names, photos, "--json"];
    const ended = await depthwise(args);
    expect(ended.code).toBe(0);
    const items = json<readonly Item[]>(ended);
    expect(items.length).toBe(500);
    const labels = JSON.parse(readFileSync(names, "utf8")) as readonly string[];
    const hits = [1, 5].map((most) => {
      const right = items.filter(({ file, top = [] }) => {
        const truth = Number.parseInt(basename(file), 10);
        return top.slice(0, most).some(({ index, label }) => index === truth && label === labels[truth]);
      });
      return (100 * right.length) / items.length;
    });
    expect(Math.abs((hits[0] as number) - top1)).toBeLessThanOrEqual(0.5);
    expect(Math.abs((hits[1] as number) - top5)).toBeLessThanOrEqual(0.5);
  });
});

interface Reference {
  readonly input: string;
  readonly logitTolerance: number;
  readonly photos: Readonly<Record<string, readonly (readonly [index: number, logit: number, probability: number])[]>>;
}

const expected = JSON.parse(readFileSync(sharedPath("data", "expected.json"), "utf8")) as {
  readonly models: Readonly<Record<string, Reference>>;
};

/** What reads the weights of each model of `expected.json` that is a safetensors file. */
const networks: Readonly<Record<string, readonly [name: string, options: Readonly<Record<string, unknown>>]>> = {
  "weights/squeezenet_1.0.safetensors#classifierPadding=1": ["squeezenet_1.0", { classifierPadding: 1 }],
  "weights/squeezenet_1.0.safetensors#classifierPadding=0": ["squeezenet_1.0", {}],
  "weights/squeezenet_1.1.safetensors#classifierPadding=1": ["squeezenet_1.1", { classifierPadding: 1 }],
  "weights/squeezenet_1.1.safetensors#classifierPadding=0": ["squeezenet_1.1", {}],
  "weights/mobilenet_v2_1.0.safetensors": ["mobilenet_v2_1.0_224", {}],
  "weights/mobilenet_v1_0.25_224.safetensors": ["mobilenet_v1_0.25_224", { padding: "tf" }],
};

test("every safetensors model of expected.json is compared", () => {
  const models = Object.keys(expected.models).filter((key) => key.startsWith("weights/"));
  expect(models.sort()).toEqual(Object.keys(networks).sort());
});

describe.each(["relaxed", "plain"] as const)(
  "lossless inputs, %s SIMD, give the logits that PyTorch gives:",
  (simd) => {
    test.each(Object.entries(networks))("%s", async (key, [name, options]) => {
      const { input, logitTolerance, photos } = expected.models[key] as Reference;
      expect(Object.keys(photos).length).toBe(20);
      const network = build(name, options);
      const weights = readWeights(readFileSync(sharedPath("data", key.split("#")[0] as string)), network);
      const model = await load(compile(network, { weights, simd }));
      for (const [photo, reference] of Object.entries(photos)) {
        const picture = await decodePicture(sharedPath("data", input, `${basename(photo, ".jpg")}.png`));
        const output = model.run({ input: normalize(picture, network.preprocessing) }).output as Float32Array;
        const best = bestClasses(output, 5, undefined);
        for (const [i, [index, logit, probability]] of reference.entries()) {
          expect(Math.abs((output[index] as number) - logit), `${photo}, class ${index}`).toBeLessThanOrEqual(
            logitTolerance,
          );
          const score = best.find((each) => each.index === index);
          // Two logits within the tolerance may change places; a factor of exp(2 * tolerance) is what it means for probabilities.
          const nextLogit = reference[i + 1]?.[1] ?? Number.NEGATIVE_INFINITY;
          if (logit - nextLogit > 2 * logitTolerance && i < 4) expect(score, `${photo}, class ${index}`).toBeDefined();
          if (score !== undefined)
            expect(Math.abs(score.probability / probability - 1)).toBeLessThan(3 * logitTolerance);
        }
      }
      model.dispose();
    });
  },
);

describe("depthwise classify over the odd pictures", () => {
  const folder = sharedPath("data", "odd-images");
  const { files } = JSON.parse(readFileSync(sharedPath("data", "odd-images", "expected.json"), "utf8")) as {
    readonly files: Readonly<Record<string, { readonly readable: boolean }>>;
  };
  const model = ["mobilenet_v2_1.0_224", "--weights", weightsPath("mobilenet_v2_1.0.safetensors")];

  test("classifies the readable ones and says of each other why not", async () => {
    const ended = await depthwise(["classify", ...model, folder, "--json"]);
    expect(ended.code).toBe(0);
    const items = new Map(json<readonly Item[]>(ended).map((item) => [basename(item.file), item]));
    const listed = Object.entries(files).filter(([name]) => name !== ".DS_Store"); // hidden: passed over in silence
    expect([...items.keys()].sort()).toEqual(listed.map(([name]) => name).sort());
    for (const [name, { readable }] of listed) {
      const { top, error } = items.get(name) as Item;
      if (readable) expect(top?.length, name).toBe(5);
      else {
        expect(error?.code, name).toBe("format");
        expect(error?.message).toContain(name);
      }
    }
    // The eight orientations show one picture: the same class, whatever the JPEG encoder did to each.
    const upright = [1, 2, 3, 4, 5, 6, 7, 8].map((n) => items.get(`exif-orientation-${n}.jpg`)?.top?.[0]?.index);
    expect(new Set(upright).size).toBe(1);
  });

  test("named one by one, one that begins with a dash and one that is broken among them", async () => {
    const paths = ["-leading-dash.jpg", "truncated.jpg", "100% sure #1.jpg"].map((name) =>
      sharedPath("data", "odd-images", name),
    );
    const ended = await depthwise(["classify", ...model, "--top", "1", "--", ...paths]);
    expect(ended.code).toBe(0);
    expect(ended.stdout).toContain("-leading-dash.jpg\n");
    expect(ended.stderr).toMatch(/truncated\.jpg: the JPEG data .*truncated/);
  });
});
