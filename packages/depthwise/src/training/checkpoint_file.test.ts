import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  augmentationPresets,
  build,
  type Checkpoint,
  defaultRecipe,
  FormatError,
  initializeWeights,
  OptionError,
  readSafetensors,
  type Tensor,
  tensor,
  writeSafetensors,
} from "@depthwise/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readCheckpoint, saveCheckpointNow, writeCheckpoint } from "./checkpoint_file.ts";
import type { RunIdentity } from "./run_identity.ts";

const network = build("mobilenet_v1", { width: 0.25, shallow: true, resolution: 32, classes: 3 });
const weights = initializeWeights(network.graph, 3);
const identity: RunIdentity = {
  ...{ network: network.name, options: network.options, data: "pets", labels: ["a", "b", "c"] },
  ...{
    pictures: { train: 30, validation: 6, hash: "0123" },
    augmentation: augmentationPresets.photos,
    balance: "none",
  },
  recipe: { ...defaultRecipe, epochs: 5 },
};
const record = {
  ...{ epoch: 1, of: 5, trainLoss: 1.5, trainTop1: 0.25, validationLoss: 1.25, validationTop1: 0.5 },
  ...{ imagesPerSecond: 100, seconds: 2 },
};
const trained = new Map([...weights].filter(([name]) => !/running|mean|variance/.test(name)));
const checkpoint: Checkpoint = {
  state: { weights, average: initializeWeights(network.graph, 4), first: trained, second: trained, steps: 7 },
  ...{ records: [record], bestEpoch: 1, begun: { steps: 2, loss: 3.5, correct: 9 }, seconds: 3.25 },
};
const bytes = writeCheckpoint(checkpoint, identity);
const file = "x.checkpoint";
const read = (from: Uint8Array, ours: RunIdentity = identity): Checkpoint => readCheckpoint(from, network, ours, file);

/** The file with something else in its metadata or tensors. */
function changed(
  metadata: Readonly<Record<string, string | undefined>>,
  change: (tensors: Map<string, Tensor>) => void = () => {},
): Uint8Array {
  const { tensors, metadata: own } = readSafetensors(bytes);
  change(tensors);
  const all = Object.entries({ ...own, ...metadata }).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
  return writeSafetensors(tensors, Object.fromEntries(all));
}

test("a checkpoint survives its file, to the bit", () => {
  const again = read(bytes);
  expect({ ...again, state: undefined }).toEqual({ ...checkpoint, state: undefined });
  expect(again.state.steps).toBe(7);
  for (const part of ["weights", "average", "first", "second"] as const) {
    expect(new Set(again.state[part].keys())).toEqual(new Set(checkpoint.state[part].keys()));
    for (const [name, { data }] of checkpoint.state[part]) expect(again.state[part].get(name)?.data).toEqual(data);
  }
});

describe("what a run knows of its pictures", () => {
  const ours = { ...identity, recipe: { ...identity.recipe, skipEasy: 0.5 } };
  const some = (value: number) => Float32Array.from({ length: 30 }, (_, i) => (i === 7 ? Number.NaN : value + i / 8));
  const history = { before: { losses: some(1), seen: Uint32Array.from({ length: 30 }, (_, i) => i) }, losses: some(2) };
  const known = writeCheckpoint({ ...checkpoint, history }, ours);

  test("survives the file, to the bit", () => {
    expect(read(known, ours).history).toEqual(history);
    expect(read(bytes).history).toBeUndefined();
  });

  test("is missed where the recipe needs it, and of no part where it does not", () => {
    const without = writeCheckpoint(checkpoint, ours);
    expect(() => read(without, ours)).toThrow(/"seen" of the pictures: expected 30 numbers, it is missing/);
    const short = { ...history, losses: new Float32Array(29) };
    expect(() => read(writeCheckpoint({ ...checkpoint, history: short }, ours), ours)).toThrow(/"losses" .* received/);
    expect(() => read(writeCheckpoint({ ...checkpoint, history }, identity))).toThrow(/belongs to no part/);
    for (const length of [known.length - 1, known.length - 200, 500]) {
      expect(() => read(known.subarray(0, length), ours)).toThrow(FormatError);
    }
  });
});

test.each([
  ["network", { network: "xception" }],
  ["options", { options: { width: 2 } }],
  ["labels", { labels: ["a", "b", "d"] }],
  ["pictures", { pictures: { train: 31, validation: 6, hash: "0123" } }],
  ["augmentation", { augmentation: augmentationPresets.none }],
  ["balance", { balance: "sample" }],
  ["recipe", { recipe: { ...identity.recipe, rate: 1 } }],
] satisfies [keyof RunIdentity, Partial<RunIdentity>][])("refuses to go on with another %s", (part, other) => {
  expect(() => read(bytes, { ...identity, ...other })).toThrow(OptionError);
  expect(() => read(bytes, { ...identity, ...other })).toThrow(new RegExp(`made with ${part} `));
});

describe("bytes that are no checkpoint are a FormatError", () => {
  test("cut short anywhere", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: bytes.length - 1 }), (length) => {
        expect(() => read(bytes.subarray(0, length))).toThrow(FormatError);
      }),
    );
  });

  test("a byte of the header changed: an error of ours, or still a checkpoint", () => {
    const header = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true)) + 8;
    fc.assert(
      fc.property(fc.integer({ min: 0, max: header - 1 }), fc.integer({ min: 0, max: 255 }), (at, value) => {
        const hostile = bytes.slice();
        hostile[at] = value;
        try {
          read(hostile);
        } catch (error) {
          expect(error instanceof FormatError || error instanceof OptionError).toBe(true);
        }
      }),
    );
  });

  const about = JSON.parse(readSafetensors(bytes).metadata.checkpoint ?? "") as Record<string, unknown>;
  test.each([
    ["no metadata", { checkpoint: undefined }],
    ["no JSON", { checkpoint: "{" }],
    ["null", { checkpoint: "null" }],
    ["a list", { checkpoint: "[]" }],
    ["a run that is null", { run: "null" }],
    ["another version", { checkpoint: JSON.stringify({ ...about, version: 2 }) }],
    ["steps that are no number", { checkpoint: JSON.stringify({ ...about, steps: "7" }) }],
    ["records that are none", { checkpoint: JSON.stringify({ ...about, records: [null] }) }],
    ["records out of order", { checkpoint: JSON.stringify({ ...about, records: [{ ...record, epoch: 2 }] }) }],
    ["a best epoch that was not", { checkpoint: JSON.stringify({ ...about, bestEpoch: 4 }) }],
    ["no progress", { checkpoint: JSON.stringify({ ...about, begun: null }) }],
  ] as const)("%s", (_what, metadata) => {
    expect(() => read(changed(metadata))).toThrow(FormatError);
  });

  test("arrays that are missing, of another shape, of no parameter or of no part", () => {
    const [name] = [...weights.keys()];
    const small = tensor([1], new Float32Array(1));
    expect(() => read(changed({}, (all) => all.delete(`average:${name}`)))).toThrow(/average of ".*" is missing/);
    expect(() => read(changed({}, (all) => all.set(`first:${name}`, small)))).toThrow(/first of ".*": expected .* 1/);
    expect(() => read(changed({}, (all) => all.set("weights:nobody", small)))).toThrow(/expected no such array/);
    expect(() => read(changed({}, (all) => all.set("thirds:x", small)))).toThrow(/belongs to no part/);
  });
});

test("saveCheckpointNow replaces the file, and leaves it alone where it cannot", async () => {
  const folder = await mkdtemp(join(tmpdir(), "depthwise checkpoint "));
  try {
    const path = join(folder, "x.checkpoint");
    await writeFile(path, "before");
    saveCheckpointNow(path, Buffer.from("after"));
    expect([await readFile(path, "utf8"), await readdir(folder)]).toEqual(["after", ["x.checkpoint"]]);
    expect(() => saveCheckpointNow(join(folder, "nowhere", "x"), bytes)).toThrow(/ENOENT/);
  } finally {
    await rm(folder, { recursive: true });
  }
});
