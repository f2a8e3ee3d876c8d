import { type Evaluation, evaluate, type Network, OptionError } from "@depthwise/core";
import type { CommonOptions, Invocation, WeightsOptions } from "../command_line/invocation.ts";
import { parseModel } from "../command_line/model_argument.ts";
import { startProgress } from "../command_line/progress.ts";
import { table } from "../command_line/table.ts";
import { note, print, printJson } from "../command_line/terminal.ts";
import { createLoader } from "../data/loader.ts";
import { openData } from "../data/open_data.ts";
import { openModel } from "../open_model.ts";

interface EvaluateCommandOptions extends CommonOptions, WeightsOptions {
  readonly threads?: number;
  readonly wide?: boolean;
}

/** `depthwise evaluate MODEL DATA`. */
export async function evaluateCommand(invocation: Invocation<EvaluateCommandOptions>): Promise<undefined> {
  const { options } = invocation;
  const { model, rest } = parseModel(invocation);
  const [spec, ...others] = rest;
  if (spec === undefined || others.length > 0)
    throw new OptionError("evaluate: expected MODEL, then one DATA: a folder, a CSV, cifar10 or shapes.");
  const { network, weights } = await openModel(model, options);
  const data = await openData(spec, {
    validationShare: 0,
    ...(network.labels ? { labels: network.labels } : {}),
    onProgress: note,
  });
  if (data.labels.length !== network.classes) {
    throw new OptionError(
      `evaluate: ${network.name} has ${network.classes} classes, but ${data.name} has ${data.labels.length}.`,
      { hint: "Train it on this data, or name the classes of the network in its file." },
    );
  }
  const set = data.test ?? data.validation ?? data.train;
  const progress = startProgress("evaluating");
  await using loader = createLoader(set, { batch: 64, preprocessing: network.preprocessing });
  const result = await evaluate(network, loader.epoch(0), {
    weights,
    threads: options.threads,
    wide: options.wide,
    onPicture: (number) => progress.update(number + 1, set.length),
  });
  progress.end();
  for (const { file, reason } of loader.skipped) note(`${file} was left out: ${reason}`);
  const perClass = classFigures(result, data.labels);
  const { images, top1, top5, loss, confusion, imagesPerSecond } = result;
  if (options.json) printJson({ top1, top5, loss, images, confusion, perClass, imagesPerSecond });
  else printForPeople(network, data.name, result, perClass);
  return undefined;
}

interface ClassFigure {
  readonly label: string;
  /** Share of its pictures that were recognised; null where there are none. */
  readonly top1: number | null;
  readonly images: number;
}

function classFigures({ confusion }: Evaluation, labels: readonly string[]): readonly ClassFigure[] {
  return labels.map((label, i) => {
    const answers = confusion[i] ?? [];
    const images = answers.reduce((sum, count) => sum + count, 0);
    return { label, top1: images === 0 ? null : (answers[i] as number) / images, images };
  });
}

function printForPeople(
  network: Network,
  data: string,
  { images, top1, top5, loss, confusion, imagesPerSecond }: Evaluation,
  perClass: readonly ClassFigure[],
): void {
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  print(
    `${network.name} on ${images} pictures of ${data}: top-1 ${percent(top1)}, top-5 ${percent(top5)}, loss ${loss.toFixed(3)} (${imagesPerSecond.toFixed(0)} images/s)\n`,
  );
  const takenFor = (i: number): string => {
    const answers = confusion[i] ?? [];
    const worst = answers.reduce((best, count, j) => (j !== i && count > (answers[best] ?? 0) ? j : best), -1);
    return worst < 0 ? "" : `${perClass[worst]?.label} (${answers[worst]})`;
  };
  const rows = perClass.map((figure, i) => ({ ...figure, takenFor: takenFor(i) }));
  print(
    table(
      [
        { title: "class", value: ({ label }) => label },
        { title: "images", align: "right", value: ({ images: count }) => String(count) },
        { title: "top-1", align: "right", value: ({ top1: share }) => (share === null ? "" : percent(share)) },
        { title: "most often taken for", value: ({ takenFor: words }) => words },
      ],
      rows,
    ),
  );
}
