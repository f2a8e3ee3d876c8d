import { compile, IoError, load, OptionError } from "@depthwise/core";
import { classifyPictures, type PictureResult } from "../classification/classify_pictures.ts";
import { parseLabels } from "../classification/labels.ts";
import { overridePreprocessing, type PreprocessingOptions } from "../classification/preprocessing_options.ts";
import type { CommonOptions, Invocation, WeightsOptions } from "../command_line/invocation.ts";
import { parseModel } from "../command_line/model_argument.ts";
import { startProgress } from "../command_line/progress.ts";
import { percent } from "../command_line/quantities.ts";
import { readBytes } from "../command_line/read_bytes.ts";
import { note, paletteOf, print, printJson } from "../command_line/terminal.ts";
import { type OpenedModel, openModel } from "../open_model.ts";
import { listPictures } from "../pictures/list_pictures.ts";

interface ClassifyCommandOptions extends CommonOptions, WeightsOptions, PreprocessingOptions {
  readonly top?: number;
  readonly labels?: string;
}

/** `depthwise classify MODEL FILE|FOLDER...`. Ends with 1 if none of the pictures could be read. */
export async function classify(invocation: Invocation<ClassifyCommandOptions>): Promise<number> {
  const { options } = invocation;
  const { model: argument, rest } = parseModel(invocation);
  if (rest.length === 0)
    throw new OptionError("classify: no picture was named.", { hint: "Name files or folders after MODEL." });
  const { files, skipped } = await listPictures(rest);
  for (const { file, reason } of skipped) note(`depthwise: ${file}: skipped, ${reason}`);
  if (files.length === 0) throw new IoError(`There is no picture in ${rest.join(", ")}.`, { file: rest[0] as string });
  const opened = await openModel(argument, options);
  const labels = await labelsFor(opened, options.labels);
  const preprocessing = overridePreprocessing(opened.network.preprocessing, options);
  const model = await load(compile(opened.network, { weights: opened.weights }));
  const progress = startProgress("classifying");
  const results: PictureResult[] = [];
  try {
    const stream = classifyPictures(model, opened.network, files, {
      top: options.top ?? 5,
      preprocessing,
      ...(labels === undefined ? {} : { labels }),
    });
    for await (const result of stream) {
      progress.end();
      if (!options.json) printResult(result);
      results.push(result);
      progress.update(results.length, files.length);
    }
  } finally {
    progress.end();
    model.dispose();
  }
  if (options.json) printJson(results.map(toJson));
  return results.some((result) => "top" in result) ? 0 : 1;
}

async function labelsFor({ network }: OpenedModel, file: string | undefined): Promise<readonly string[] | undefined> {
  if (file === undefined) return network.labels;
  return parseLabels(new TextDecoder().decode(await readBytes(file)), network.classes, file);
}

function toJson(result: PictureResult): object {
  if ("top" in result) return result;
  const { code, message } = result.error;
  return { file: result.file, error: { code, message } };
}

function printResult(result: PictureResult): void {
  if ("error" in result) {
    const { message, hint } = result.error;
    note(`depthwise: ${message}${hint === undefined ? "" : ` ${hint}`}`);
    return;
  }
  const lines = result.top.map(({ label, probability }) => `  ${percent(probability).padStart(7)}  ${label}`);
  print([paletteOf(process.stdout).bold(result.file), ...lines].join("\n"));
}
