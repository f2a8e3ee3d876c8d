/**
 * Takes trained networks into the zoo: weights as float16, and the record of how they were trained and what those float16 weights reach on the
 * test pictures.
 *
 *   npm run zoo -- mobilenet_v2_cifar.safetensors ...
 */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import {
  type Augmentation,
  defaultRecipe,
  describe,
  type EpochRecord,
  type Recipe,
  readNetwork,
  writeWeights,
} from "@depthwise/core";
import { recordUrl, type TrainedNetwork, type TrainingRecord, trainedNetworks, weightsUrl } from "@depthwise/zoo";
import { dashed } from "../packages/depthwise/src/command_line/model_argument.ts";
import { writeFileWhole } from "../packages/depthwise/src/command_line/write_file_whole.ts";
import { openCifar10 } from "../packages/depthwise/src/data/cifar10.ts";
import { judgeOnTest } from "./judge_on_test.ts";

/** What `train` writes beside the weights. */
interface Course {
  readonly finished: boolean;
  readonly data: string;
  readonly pictures: { readonly train: number };
  readonly recipe: Recipe;
  readonly augmentation: Augmentation;
  readonly teachers?: TrainingRecord["teachers"];
  readonly records: readonly EpochRecord[];
}

async function add(file: string): Promise<void> {
  const { network, weights, metadata } = readNetwork(await readFile(file), { file });
  const name = trainedNetworks.find((trained) => trained === network.name);
  if (name === undefined)
    throw new Error(`${file}: ${network.name} is no network of the zoo's list (trainedNetworks).`);
  const course: Course = JSON.parse(metadata.training ?? "null");
  if (!course?.finished) throw new Error(`${file}: its training is not finished.`);
  const bytes = writeWeights(weights, network, { dtype: "f16" });
  const record = await recordOf(name, course, bytes);
  await writeFileWhole(fileURLToPath(weightsUrl(name)), bytes);
  await writeFileWhole(fileURLToPath(recordUrl(name)), Buffer.from(`${JSON.stringify(record, null, 2)}\n`));
  console.log(`${name}: top-1 ${(100 * record.test.top1).toFixed(2)} %, ${bytes.length} bytes`);
}

async function recordOf(name: TrainedNetwork, course: Course, bytes: Uint8Array): Promise<TrainingRecord> {
  const stored = readNetwork(bytes);
  const { parameters, macs } = describe(stored.network);
  const { recipe, augmentation, teachers, records, data, pictures } = course;
  return {
    network: name,
    data,
    parameters,
    macs,
    test: await judgeOnTest(stored, cifar10),
    imagesSeen: records.length * Math.floor(pictures.train / recipe.batch) * recipe.batch,
    command: commandOf(name, course),
    recipe: { ...recipe },
    augmentation: { ...augmentation },
    ...(teachers && { teachers }),
    epochs: records.map(({ epoch, trainLoss, trainTop1, validationLoss, validationTop1, imagesPerSecond }) => ({
      ...{ epoch, trainLoss, trainTop1, imagesPerSecond: Math.round(imagesPerSecond) },
      validationLoss: validationLoss ?? Number.NaN,
      validationTop1: validationTop1 ?? Number.NaN,
    })),
  };
}

/** Defaults that later versions may change. */
const isSpelledOut: ReadonlySet<string> = new Set(["optimizer", "rate", "decay"]);

/** The command that gives the same weights: every setting that is not the default. */
function commandOf(name: string, { data, recipe, teachers }: Course): string {
  const options = Object.entries(recipe)
    .filter(([key, value]) => isSpelledOut.has(key) || defaultRecipe[key as keyof Recipe] !== value)
    .filter(([key]) => key !== "momentum" && key !== "bodyRate")
    .map(([key, value]) => `${dashed(key)} ${value}`);
  if (teachers) options.push(`--teacher ${teachers.map(({ network }) => network).join(",")}`);
  return ["depthwise train", data, "--model", name, ...options, "--wide", "-o", `${name}.safetensors`].join(" ");
}

const cifar10 = await openCifar10(console.error);
for (const file of process.argv.slice(2)) await add(file);
