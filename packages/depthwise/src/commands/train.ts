import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import {
  type Augmentation,
  augmentationPresets,
  build,
  defaultRecipe,
  type EpochRecord,
  type Network,
  OptionError,
  type Recipe,
  train,
  type Weights,
  WeightsError,
  writeWeights,
} from "@depthwise/core";
import type { CommonOptions, Invocation } from "../command_line/invocation.ts";
import { parseModel } from "../command_line/model_argument.ts";
import { startProgress } from "../command_line/progress.ts";
import { readBytes } from "../command_line/read_bytes.ts";
import { note, print } from "../command_line/terminal.ts";
import { checkCanWrite, writeFileWhole } from "../command_line/write_file_whole.ts";
import { type DataSet, summarizeData } from "../data/data_set.ts";
import { createLoader } from "../data/loader.ts";
import { openData } from "../data/open_data.ts";
import { openModel } from "../open_model.ts";
import { type RunIdentity, readCheckpoint, writeCheckpoint } from "../training/checkpoint_file.ts";
import { firstWeights } from "../training/first_weights.ts";

interface TrainCommandOptions extends CommonOptions {
  readonly model?: string;
  readonly output?: string;
  readonly epochs?: number;
  readonly batch?: number;
  readonly microBatch?: number;
  readonly seed?: number;
  readonly threads?: number;
  readonly wide?: boolean;
  readonly resume?: boolean;
  readonly from?: string;
  readonly freeze?: boolean;
  readonly bodyRate?: number;
  readonly rate?: number;
  readonly decay?: number;
  readonly optimizer?: Recipe["optimizer"];
  readonly warmUp?: number;
  readonly averageDecay?: number;
  readonly labelSmoothing?: number;
  readonly patience?: number;
  readonly augment?: keyof typeof augmentationPresets;
  readonly balance?: boolean;
  readonly validationShare?: number;
}

/** `depthwise train DATA --model M -o OUT`. */
export async function trainCommand(invocation: Invocation<TrainCommandOptions>): Promise<undefined> {
  const { options } = invocation;
  const [spec, ...rest] = [...invocation.words, ...invocation.literal];
  if (spec === undefined) throw new OptionError("train: DATA is missing: a folder, a CSV, cifar10 or shapes.");
  const { output } = options;
  if (output === undefined) throw new OptionError("train: -o OUT.safetensors is missing: where the weights go.");
  await checkCanWrite(output);
  const seed = options.seed ?? 0;
  const data = await openData(spec, {
    seed,
    ...(options.validationShare === undefined ? {} : { validationShare: options.validationShare }),
    onProgress: (message) => note(message),
  });
  for (const warning of data.warnings) note(warning);
  for (const { file, reason } of data.skipped) note(`${file} is left out: ${reason}`);
  const { network, from } = await networkFor(invocation, rest, data);
  const recipe = recipeFor(options, network, data, from !== undefined);
  const identity: RunIdentity = {
    network: network.name,
    options: network.options,
    data: data.name,
    labels: data.labels,
    recipe,
  };
  await runTraining({ options, output, data, network, from, recipe, identity });
  return undefined;
}

/** The network to train: MODEL with as many classes as the data has, or the network of `--from` made so. */
async function networkFor(
  invocation: Invocation<TrainCommandOptions>,
  rest: readonly string[],
  data: DataSet,
): Promise<{ network: Network; from: Weights | undefined }> {
  const { model, from: file } = invocation.options;
  const labels = data.labels;
  const source = file === undefined ? undefined : await openModel({ subject: file, isFile: true, options: {} }, {});
  if (model === undefined && source === undefined)
    throw new OptionError("train: --model M is missing: a variant, or a family with options.", {
      hint: "depthwise list shows the names; --from FILE goes on from a trained network.",
    });
  const argument =
    model === undefined ? undefined : parseModel({ ...invocation, words: [model, ...rest], literal: [] }).model;
  const subject = argument?.subject ?? source?.network.family;
  if (subject === undefined)
    throw new WeightsError(`${file}: the file holds a network of no family we know; name one with --model.`);
  const options = argument ? argument.options : source?.network.options;
  const network = { ...build(subject, { ...options, classes: labels.length }), labels };
  return { network, from: source?.weights };
}

/** The recipe: what was asked for, and for the rest what suits the data. */
function recipeFor(options: TrainCommandOptions, network: Network, data: DataSet, isFineTuned: boolean): Recipe {
  const batch = options.batch ?? Math.min(128, largestPower(data.train.length));
  const usualRate = (isFineTuned ? 0.05 : 0.2) * (batch / 128);
  const given = {
    epochs: options.epochs,
    microBatch: options.microBatch,
    optimizer: options.optimizer,
    rate: options.rate ?? (options.optimizer === "adamw" ? 0.002 : usualRate),
    decay: options.decay ?? (options.optimizer === "adamw" ? 0.05 : undefined),
    warmUp: options.warmUp,
    averageDecay: options.averageDecay,
    labelSmoothing: options.labelSmoothing,
    patience: options.patience,
    bodyRate: options.freeze ? 0 : (options.bodyRate ?? (isFineTuned ? 0.2 : undefined)),
    seed: options.seed,
  };
  const known = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  if (network.classes < 2) throw new OptionError("train: the data has one class only; there is nothing to tell apart.");
  return { ...defaultRecipe, ...known, batch };
}

/** The largest power of two up to a number. */
function largestPower(value: number): number {
  return 2 ** Math.max(0, Math.floor(Math.log2(Math.max(1, value))));
}

function augmentationFor(options: TrainCommandOptions, data: DataSet, network: Network): Augmentation {
  if (options.augment) return augmentationPresets[options.augment];
  if (data.name === "shapes") return augmentationPresets.shapes;
  return Math.max(...network.preprocessing.size) <= 64 ? augmentationPresets.smallPictures : augmentationPresets.photos;
}

interface Run {
  readonly options: TrainCommandOptions;
  readonly output: string;
  readonly data: DataSet;
  readonly network: Network;
  readonly from: Weights | undefined;
  readonly recipe: Recipe;
  readonly identity: RunIdentity;
}

async function runTraining({ options, output, data, network, from, recipe, identity }: Run): Promise<void> {
  const { json = false } = options;
  const checkpointFile = `${output}.checkpoint`;
  const resume =
    options.resume && existsSync(checkpointFile)
      ? readCheckpoint(await readBytes(checkpointFile), identity, checkpointFile)
      : undefined;
  if (options.resume && !resume) note(`${checkpointFile} is not there; training begins anew.`);
  const { weights, drawn } = firstWeights(network, recipe.seed, from);
  if (from && drawn.length > 0) note(`Drawn anew: ${drawn.join(", ")}.`);
  const { preprocessing } = network;
  await using loader = createLoader(data.train, {
    batch: recipe.batch,
    preprocessing,
    augmentation: augmentationFor(options, data, network),
    seed: recipe.seed,
    balance: options.balance ? "sample" : "none",
  });
  await using judge = data.validation && createLoader(data.validation, { batch: 64, preprocessing });
  if (!json) printBeginning(network, data, recipe);
  const progress = startProgress("training");
  const epochs = train(
    network,
    {
      batches: loader.batches,
      epoch: (epoch) => loader.epoch(epoch),
      ...(judge ? { validation: () => judge.epoch(0) } : {}),
    },
    recipe,
    {
      weights,
      threads: options.threads,
      wide: options.wide,
      resume,
      onStep: (done, of, { epoch, loss, imagesPerSecond }) =>
        progress.update(
          done,
          of,
          `epoch ${epoch} of ${recipe.epochs}, loss ${loss.toFixed(3)}, ${imagesPerSecond.toFixed(0)} images/s, ${timeLeft(recipe.epochs - epoch, of, done, recipe.batch, imagesPerSecond)} left`,
        ),
    },
  );
  let best: EpochRecord | undefined = resume && resume.records[resume.bestEpoch - 1];
  const records = [...(resume?.records ?? [])];
  for await (const result of epochs) {
    const { record, isBest } = result;
    records.push(record);
    if (isBest) {
      best = record;
      const metadata = { training: JSON.stringify({ ...identity, records }) };
      await writeFileWhole(output, writeWeights(result.weights(), network, { metadata }));
    }
    await writeFileWhole(checkpointFile, writeCheckpoint(result.checkpoint(), identity));
    progress.end();
    print(json ? JSON.stringify(record) : epochText(record, isBest));
  }
  for (const { file, reason } of loader.skipped) note(`${file} was left out: ${reason}`);
  await rm(checkpointFile, { force: true });
  if (json) print(JSON.stringify({ best: best ?? null, file: output }));
  else print(`\nThe weights of epoch ${best?.epoch} are in ${output}: depthwise classify ${output} PICTURE`);
}

function timeLeft(epochs: number, of: number, done: number, batch: number, imagesPerSecond: number): string {
  const seconds = ((epochs * of + of - done) * batch) / Math.max(1, imagesPerSecond);
  if (seconds < 90) return `${seconds.toFixed(0)} s`;
  return seconds < 5400 ? `${(seconds / 60).toFixed(0)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

function printBeginning(network: Network, data: DataSet, recipe: Recipe): void {
  const { imbalance } = summarizeData(data);
  const validation = data.validation ? `${data.validation.length} to judge by` : "none to judge by";
  print(
    `${network.name}: ${data.labels.length} classes, ${data.train.length} pictures to learn from, ${validation}; ` +
      `${recipe.epochs} epochs of batches of ${recipe.batch}.` +
      (imbalance > 3
        ? ` The largest class has ${imbalance.toFixed(1)} times the pictures of the smallest (--balance evens it out).`
        : ""),
  );
}

function epochText(record: EpochRecord, isBest: boolean): string {
  const { epoch, of, trainLoss, validationLoss, validationTop1, imagesPerSecond, seconds } = record;
  const judged =
    validationTop1 === null
      ? ""
      : `   validation loss ${validationLoss?.toFixed(3)}, top-1 ${(100 * validationTop1).toFixed(1)} %${isBest ? " *" : ""}`;
  return `epoch ${String(epoch).padStart(3)} of ${of}   loss ${trainLoss.toFixed(3)}${judged}   ${imagesPerSecond.toFixed(0)} images/s, ${seconds.toFixed(0)} s`;
}
