import { type Evaluation, type Network, OptionError } from "@depthwise/core";
import type { CommonOptions, Invocation, WeightsOptions } from "../command_line/invocation.ts";
import { parseModel } from "../command_line/model_argument.ts";
import { startProgress } from "../command_line/progress.ts";
import { percent } from "../command_line/quantities.ts";
import { table } from "../command_line/table.ts";
import { note, print, printJson } from "../command_line/terminal.ts";
import { openData } from "../data/open_data.ts";
import { openModel } from "../open_model.ts";
import { type ClassFigure, classFigures, judge } from "../training/judge.ts";

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
  const opened = await openModel(model, options);
  const { network } = opened;
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
  const progress = startProgress("evaluating");
  const { evaluation } = await judge(opened, data.test ?? data.validation ?? data.train, {
    ...{ threads: options.threads, wide: options.wide },
    onProgress: (done, total) => progress.update(done, total),
  });
  progress.end();
  const figures = classFigures(evaluation, data.labels);
  if (options.json) printJson(documentOf(evaluation, figures));
  else printForPeople(network, data.name, evaluation, figures);
  return undefined;
}

function documentOf(evaluation: Evaluation, figures: readonly ClassFigure[]): object {
  const { images, top1, top5, loss, confusion, imagesPerSecond } = evaluation;
  const perClass = figures.map((figure) => ({ label: figure.label, top1: figure.top1, images: figure.images }));
  return { top1, top5, loss, images, confusion, perClass, imagesPerSecond };
}

function printForPeople(
  network: Network,
  data: string,
  { images, top1, top5, loss, imagesPerSecond }: Evaluation,
  figures: readonly ClassFigure[],
): void {
  print(
    `${network.name} on ${images} pictures of ${data}: top-1 ${percent(top1)}, top-5 ${percent(top5)}, loss ${loss.toFixed(3)} (${imagesPerSecond.toFixed(0)} images/s)\n`,
  );
  print(
    table(
      [
        { title: "class", value: ({ label }) => label },
        { title: "images", align: "right", value: (figure) => String(figure.images) },
        { title: "top-1", align: "right", value: (figure) => (figure.top1 === null ? "" : percent(figure.top1)) },
        {
          title: "most often taken for",
          value: ({ takenFor }) => (takenFor ? `${takenFor.label} (${takenFor.images})` : ""),
        },
      ],
      figures,
    ),
  );
}
