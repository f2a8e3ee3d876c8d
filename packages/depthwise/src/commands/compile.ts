import { OptionError, type Tuning, type WeightType } from "@depthwise/core";
import { parseLabels } from "../classification/labels.ts";
import { overridePreprocessing, type PreprocessingOptions } from "../classification/preprocessing_options.ts";
import type { CommonOptions, Invocation, WeightsOptions } from "../command_line/invocation.ts";
import { parseModel, refuseRest } from "../command_line/model_argument.ts";
import { type Progress, startProgress } from "../command_line/progress.ts";
import { bytes } from "../command_line/quantities.ts";
import { readBytes } from "../command_line/read_bytes.ts";
import { table } from "../command_line/table.ts";
import { paletteOf, print, printJson } from "../command_line/terminal.ts";
import { readVersion } from "../command_line/version.ts";
import { tuneModel } from "../measuring/tune_model.ts";
import { type OpenedModel, openModel } from "../open_model.ts";
import { modelFiles, packModel } from "../standalone/pack_model.ts";
import { checkCanWriteFolder, writeFolder } from "../standalone/write_folder.ts";

interface CompileCommandOptions extends CommonOptions, WeightsOptions, PreprocessingOptions {
  readonly output?: string;
  readonly weightsType?: WeightType;
  readonly split?: boolean;
  readonly single?: boolean;
  readonly page?: boolean;
  readonly threads?: number;
  readonly simd?: "plain" | "relaxed" | "both";
  readonly labels?: string;
  readonly tune?: boolean;
}

/** `depthwise compile MODEL -o FOLDER`. */
export async function compileCommand(invocation: Invocation<CompileCommandOptions>): Promise<undefined> {
  const { options } = invocation;
  const { model, rest } = parseModel(invocation);
  refuseRest(rest, invocation.verb);
  const { output: folder, weightsType: storage = "f32", split, single, page, threads = 1, simd = "both" } = options;
  if (folder === undefined) throw new OptionError("compile: --output FOLDER is missing.");
  if (split && single) throw new OptionError("compile: either --split or --single.");
  await checkCanWriteFolder(folder);
  const opened = await openModel(model, options);
  const network = await describedNetwork(opened, options);
  const tuning = options.tune ? await tuneBuilds(opened, simd) : undefined;
  let progress: Progress | undefined;
  const files = await packModel(network, opened.weights, {
    storage,
    threads,
    simd,
    split: split ?? false,
    single: single ?? false,
    page: page ?? false,
    ...(tuning ? { tuning } : {}),
    compiler: `depthwise ${readVersion()}`,
    onProgress: (done, total) => {
      progress ??= startProgress("interpreting, for the certificate");
      progress.update(done, total);
    },
  });
  progress?.end();
  await writeFolder(folder, files, modelFiles);
  const sizes = [...files].map(([name, content]) => [name, content.length] as const);
  if (options.json) printJson({ files: Object.fromEntries(sizes) });
  else printForPeople(folder, sizes);
}

/** Choices for each build of the code: those for the second one come with those for the first, which are remembered by then. */
async function tuneBuilds(opened: OpenedModel, simd: "plain" | "relaxed" | "both"): Promise<Tuning> {
  if (simd !== "both") return tuneModel(opened, { simd });
  await tuneModel(opened, { simd: "plain" });
  return tuneModel(opened, { simd: "relaxed" });
}

/** The network with the labels and the preprocessing that its folder is to have. */
async function describedNetwork(
  { network }: OpenedModel,
  options: CompileCommandOptions,
): Promise<OpenedModel["network"]> {
  const preprocessing = overridePreprocessing(network.preprocessing, options);
  const { labels: file } = options;
  if (file === undefined) return { ...network, preprocessing };
  const labels = parseLabels(new TextDecoder().decode(await readBytes(file)), network.classes, file);
  return { ...network, preprocessing, labels };
}

function printForPeople(folder: string, sizes: readonly (readonly [name: string, size: number])[]): void {
  const columns = [
    { title: "file", value: ([name]: (typeof sizes)[number]) => name },
    { title: "size", align: "right" as const, value: ([, size]: (typeof sizes)[number]) => bytes(size) },
  ];
  print(
    `${table(columns, sizes, paletteOf(process.stdout).bold)}\n\nwritten to ${folder}; README.md there says how to use it`,
  );
}
