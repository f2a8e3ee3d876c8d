/**
 * `npm run folders -- DATA --model M [--from FILE] [--epochs E]`: the command line trains on a folder of pictures, and so does a usual PyTorch
 * recipe: the same network, pictures, epochs and batch, each with first weights, augmentation and rates of its own. Both are tested on DATA's
 * test pictures.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import {
  augmentationPresets,
  build,
  hasFoldedNorms,
  headParameters,
  initializeForTraining,
  type Network,
  type Tensor,
  toFloat32,
  unfoldNorms,
  type Weights,
} from "@depthwise/core";
import { graphToJson } from "../../../packages/core/src/graph/json.ts";
import { createLoader, decodePicture, openData, type PictureSet } from "../../../packages/depthwise/src/index.ts";
import { openModel } from "../../../packages/depthwise/src/open_model.ts";
import { python, whyNoPytorch } from "../training/training_peer.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: "string" },
    from: { type: "string" },
    epochs: { type: "string", default: "30" },
    threads: { type: "string", default: "1" },
    seed: { type: "string", default: "0" },
    rate: { type: "string" },
    only: { type: "string" },
  },
});
const [folder] = positionals;
if (folder === undefined || values.model === undefined)
  throw new Error("Usage: npm run folders -- DATA --model M [--from FILE]");
const missing = whyNoPytorch();
if (missing) throw new Error(`Without PyTorch: ${missing} DEPTHWISE_PYTHON names another interpreter.`);

/** PyTorch's rates; a trained body goes at a share. */
const rates = { scratch: 0.1, fineTuning: 0.02, body: 0.3 } as const;
const cli = fileURLToPath(new URL("../../../packages/depthwise/src/cli.ts", import.meta.url));
const script = fileURLToPath(new URL("torch_recipe.py", import.meta.url));
const work = mkdtempSync(join(tmpdir(), "depthwise-folders-"));
process.on("exit", () => rmSync(work, { recursive: true, force: true }));

/** Runs a program whose messages the person sees, and returns what it prints. */
async function outputOf(command: string, args: readonly string[]): Promise<string> {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
  const exit = once(child, "exit");
  let output = "";
  for await (const part of child.stdout) {
    process.stderr.write(part);
    output += part;
  }
  const [code] = await exit;
  if (code !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${code}.`);
  return output;
}

async function trainOurs(data: string, model: string): Promise<number> {
  const file = join(work, "ours.safetensors");
  const node = ["--conditions=@depthwise/source", "--no-warnings", cli];
  const own = ["--model", model, "--epochs", values.epochs, "--seed", values.seed, "--threads", values.threads];
  const from = values.from ? ["--from", values.from] : [];
  await outputOf(process.execPath, [...node, "train", data, ...own, ...from, "--wide", "--json", "-o", file]);
  return JSON.parse(await outputOf(process.execPath, [...node, "evaluate", file, data, "--json"])).top1;
}

/** Writes a split's pictures as bytes, one after the other. */
async function writeSplit(set: PictureSet, file: string): Promise<object> {
  if (set.kind !== "files") throw new Error("DATA is a folder of pictures.");
  const sizes: [number, number][] = [];
  const out = openSync(file, "w");
  for (const picture of set.files) {
    const { height, width, data } = await decodePicture(picture);
    sizes.push([height, width]);
    writeSync(out, data);
  }
  closeSync(out);
  return { file, sizes, classes: [...set.classes] };
}

/** The network's first weights, as PyTorch reads them; where they are drawn it draws its own. Batch norms come unfolded, as ours begin. */
async function firstWeights(network: Network, train: PictureSet): Promise<Weights> {
  const weights = new Map<string, Tensor>(initializeForTraining(network.graph, 0));
  if (values.from === undefined) return weights;
  const trained = await openModel({ subject: values.from, isFile: true, options: {} }, {});
  const head = headParameters(network.graph);
  for (const name of weights.keys()) {
    const given = trained.weights.get(name);
    if (given && !head.has(name)) weights.set(name, given);
  }
  if (!hasFoldedNorms(network.graph, weights)) return weights;
  await using loader = createLoader(train, {
    batch: 1,
    preprocessing: network.preprocessing,
    augmentation: augmentationPresets.photos,
  });
  const pictures: Float32Array[] = [];
  for await (const batch of loader.epoch(0)) if (pictures.push(batch.pictures.slice()) === 128) break;
  return unfoldNorms(network.graph, weights, pictures);
}

async function trainPytorch(data: string, model: string): Promise<number> {
  const opened = await openData(data, { seed: Number(values.seed) });
  if (opened.test === undefined) throw new Error(`${data} has no test pictures.`);
  const network = build(model, { classes: opened.labels.length });
  const weights = [...(await firstWeights(network, opened.train))];
  const file = (name: string): string => join(work, name);
  writeFileSync(file("graph.json"), JSON.stringify(graphToJson(network.graph)));
  writeFileSync(
    file("tensors.f32"),
    Buffer.concat(weights.map(([, tensor]) => Buffer.from(Float32Array.from(toFloat32(tensor)).buffer))),
  );
  const { mean, std, size, scale } = network.preprocessing;
  // There pictures are numbers from 0 to 1.
  const inUnits = (channels: readonly number[]) => channels.map((value) => value / (255 * scale));
  const task = {
    ...{
      graph: file("graph.json"),
      tensors: file("tensors.f32"),
      entries: weights.map(([name, { shape }]) => [name, shape]),
    },
    ...{
      mean: inUnits(mean),
      std: inUnits(std),
      size: size[0],
      epochs: Number(values.epochs),
      threads: Number(values.threads),
      seed: Number(values.seed),
    },
    head: [...headParameters(network.graph)],
    drawn: values.from === undefined,
    rate: Number(values.rate ?? (values.from ? rates.fineTuning : rates.scratch)),
    bodyRate: values.from ? rates.body : 1,
    splits: {
      train: await writeSplit(opened.train, file("train.u8")),
      test: await writeSplit(opened.test, file("test.u8")),
    },
  };
  writeFileSync(file("task.json"), JSON.stringify(task));
  const lines = (await outputOf(python, [script, file("task.json")])).trimEnd().split("\n");
  return JSON.parse(lines.at(-1) ?? "").top1;
}

const trainers = { depthwise: trainOurs, pytorch: trainPytorch };
for (const [name, train] of Object.entries(trainers)) {
  if (values.only !== undefined && values.only !== name) continue;
  const top1 = await train(folder, values.model);
  process.stdout.write(`${name}: ${(100 * top1).toFixed(1)} % of the test pictures\n`);
}
