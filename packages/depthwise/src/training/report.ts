import { basename } from "node:path";
import { describe, type EpochRecord, type Recipe } from "@depthwise/core";
import {
  drawBars,
  drawMatrix,
  drawPictures,
  drawPlot,
  type Page,
  type PageFigure,
  type PagePart,
  type PageSection,
  type Pictures,
  type PlotPoint,
  writePage,
} from "@depthwise/core/plot";
import { startProgress } from "../command_line/progress.ts";
import { bytes, count, milliseconds, percent } from "../command_line/quantities.ts";
import { writeFileWhole } from "../command_line/write_file_whole.ts";
import { type DataSet, summarizeData } from "../data/data_set.ts";
import { thisDevice } from "../lab_reports/device.ts";
import { type Measurement, measureModels } from "../measuring/measure_models.ts";
import { type ClassFigure, classFigures, type Judgement } from "./judge.ts";
import { mistakePicture } from "./mistake_picture.ts";
import type { TrainingOutcome, TrainingRun } from "./training_run.ts";

/** Timed runs of the network. */
const timedRuns = 15;
/** Classes up to which the confusion matrix can be read. */
const mostMatrixClasses = 60;

/** Measures the network, and writes how training went as one self-contained page. */
export async function writeReport(file: string, run: TrainingRun, outcome: TrainingOutcome): Promise<void> {
  const progress = startProgress("measuring, for the report");
  const [measured] = await measureModels([{ network: run.network, weights: outcome.weights }], {
    runs: timedRuns,
    threads: run.options.threads ?? 1,
    onProgress: (done, total) => progress.update(done, total),
  });
  progress.end();
  const pictures = await mistakePictures(run.data, outcome);
  const page = reportPage(run, outcome, measured as Measurement, pictures, process.argv.slice(2));
  await writeFileWhole(file, Buffer.from(page));
}

async function mistakePictures(data: DataSet, { judgement, judgedOn }: TrainingOutcome): Promise<Pictures["pictures"]> {
  const set = data[judgedOn];
  if (judgement === undefined || set === undefined) return [];
  return Promise.all(judgement.mistakes.map((mistake) => mistakePicture(mistake, set)));
}

/** The page. */
function reportPage(
  run: TrainingRun,
  outcome: TrainingOutcome,
  measured: Measurement,
  pictures: Pictures["pictures"],
  command: readonly string[],
): string {
  const { network, data, identity } = run;
  const { records, best, judgement, judgedOn } = outcome;
  const judged = judgement
    ? ` It is right on ${percent(judgement.evaluation.top1)} of ${judgement.evaluation.images} ${judgedOn} pictures.`
    : "";
  const last = records.at(-1) as EpochRecord;
  const page: Page = {
    title: `${network.name} on ${basename(data.name)}`,
    lead: `Trained for ${records.length} epochs on ${data.train.length} pictures of ${data.labels.length} classes; kept are the weights of epoch ${best.epoch}.${judged}`,
    facts: [
      ...(judgement ? ([["top-1", percent(judgement.evaluation.top1)]] as const) : []),
      ["MACs", count(describe(network).macs)],
      ["latency", milliseconds(measured.milliseconds.median)],
      ["training", duration(last.seconds)],
      ...deviceFacts(),
    ],
    sections: [
      courseSection(records, best),
      ...(judgement ? judgementSections(judgement, data.labels, judgedOn, pictures) : []),
      costSection(run, measured),
      recipeSection(identity.recipe, run, command),
    ],
  };
  return writePage(page);
}

function deviceFacts(): (readonly [string, string])[] {
  const { processor, engine, version, date } = thisDevice();
  return [
    ["processor", processor],
    ["engine", engine],
    ["version", version],
    ["date", date.slice(0, 10)],
  ];
}

function courseSection(records: readonly EpochRecord[], best: EpochRecord): PageSection {
  const points = (value: (record: EpochRecord) => number | null): PlotPoint[] =>
    records.flatMap((record) => {
      const y = value(record);
      return y === null ? [] : [{ x: record.epoch, y }];
    });
  const hasValidation = best.validationTop1 !== null;
  const isCurve = records.length > 1;
  const curves = (
    title: string,
    label: string,
    train: (record: EpochRecord) => number,
    validation: (record: EpochRecord) => number | null,
  ): PageFigure => ({
    kind: "figure",
    draw: (width) =>
      drawPlot({
        ...{ title, width, x: { label: "epoch" }, y: { label } },
        series: [
          { name: "training", kind: isCurve ? "dashed" : "rings", points: points(train) },
          ...(hasValidation
            ? [{ name: "validation", kind: isCurve ? "line" : "points", points: points(validation) } as const]
            : []),
        ],
      }),
  });
  return {
    heading: "How it went",
    parts: [
      curves(
        "Loss",
        "loss, nats",
        ({ trainLoss }) => trainLoss,
        ({ validationLoss }) => validationLoss,
      ),
      curves(
        "Accuracy",
        "top-1, %",
        ({ trainTop1 }) => 100 * trainTop1,
        ({ validationTop1 }) => validationTop1 && 100 * validationTop1,
      ),
      {
        kind: "text",
        text: "Training figures are of the varied pictures with smoothed labels, as the network was when they came by; validation figures are of the averaged weights and plain pictures. So training may look worse.",
      },
    ],
  };
}

function judgementSections(
  { evaluation, mistakes }: Judgement,
  labels: readonly string[],
  judgedOn: "test" | "validation",
  pictures: Pictures["pictures"],
): readonly PageSection[] {
  const figures = classFigures(evaluation, labels);
  const wrong = evaluation.images - Math.round(evaluation.top1 * evaluation.images);
  const matrix: PagePart =
    labels.length > mostMatrixClasses
      ? {
          kind: "text",
          text: `A matrix of ${labels.length} classes could not be read; the table below has the worst pairs.`,
        }
      : {
          kind: "figure",
          draw: (width) =>
            drawMatrix({
              ...{ title: "Confusion", width, rowLabel: "true class", columnLabel: "taken for" },
              ...{ rows: labels, columns: labels, values: evaluation.confusion },
            }),
          caption: "Pictures of each class (rows) by what they were taken for. Dark: a large share of the row.",
        };
  const mistakesPart: PagePart =
    pictures.length === 0
      ? { kind: "text", text: "It made no mistake." }
      : {
          kind: "figure",
          draw: (width) =>
            drawPictures({ title: `The surest ${mistakes.length} of ${wrong} mistakes`, width, pictures }),
          caption: "What it took the picture for, and how sure it was; below, what the picture is labelled.",
        };
  return [
    { heading: `What it takes for what: ${judgedOn} pictures`, parts: [matrix] },
    { heading: "Class by class", parts: classParts(figures) },
    { heading: "Worst mistakes", parts: [mistakesPart] },
  ];
}

function classParts(figures: readonly ClassFigure[]): readonly PagePart[] {
  const sorted = figures.toSorted((a, b) => (a.top1 ?? 2) - (b.top1 ?? 2));
  const table: PagePart = {
    kind: "table",
    columns: [
      { title: "class" },
      { title: "pictures", align: "right" },
      { title: "top-1", align: "right" },
      { title: "most often taken for" },
    ],
    rows: sorted.map(({ label, images, top1, takenFor }) => [
      label,
      String(images),
      top1 === null ? "" : percent(top1),
      takenFor ? `${takenFor.label} (${takenFor.images})` : "",
    ]),
  };
  if (figures.length > mostMatrixClasses) return [table];
  const bars: PageFigure = {
    kind: "figure",
    draw: (width) =>
      drawBars({
        ...{ title: "Top-1 of each class", width, series: ["top-1"] },
        axis: { label: "top-1, %" },
        rows: sorted.map(({ label, top1 }) => ({
          name: label,
          values: [top1 === null ? undefined : { value: 100 * top1 }],
        })),
      }),
  };
  return [bars, table];
}

function costSection({ network }: TrainingRun, measured: Measurement): PageSection {
  const cost = describe(network);
  const rows: (readonly [string, string])[] = [
    ["parameters", count(cost.parameters)],
    ["multiply-accumulates a picture", count(cost.macs)],
    ["input", cost.input.join(" x ")],
    ["weights as float32", bytes(measured.weightBytes)],
    ["module without weights", bytes(measured.moduleBytes)],
    ["memory of activations", bytes(measured.arenaBytes)],
    ["latency, median", milliseconds(measured.milliseconds.median)],
    ["latency, 90 % of runs within", milliseconds(measured.milliseconds.p90)],
    ["threads", String(measured.threads)],
    ["share of this machine's 128-bit ceiling", percent(measured.shareOfPeak)],
  ];
  return { heading: "What it costs", parts: [twoColumns("figure", rows)] };
}

function recipeSection(
  recipe: Recipe,
  { data, identity, output }: TrainingRun,
  command: readonly string[],
): PageSection {
  const { classes, imbalance } = summarizeData(data);
  const sum = (part: "train" | "validation" | "test") => classes.reduce((all, row) => all + row[part], 0);
  const rows: (readonly [string, string])[] = [
    ...Object.entries(recipe).map(([name, value]) => [words(name), String(value)] as const),
    ["pictures are varied by", variations(identity.augmentation)],
    ["classes are balanced", identity.balance === "sample" ? "each is drawn equally often" : "no"],
    ["pictures: training, validation, test", `${sum("train")}, ${sum("validation")}, ${sum("test")}`],
    ["largest class over smallest", imbalance.toFixed(1)],
  ];
  return {
    heading: "How it was made",
    parts: [
      { kind: "text", text: `depthwise ${command.map(quoted).join(" ")}` },
      twoColumns("setting", rows),
      { kind: "text", text: `${output} holds the weights, the classes, how pictures are prepared, and this record.` },
    ],
  };
}

function twoColumns(title: string, rows: readonly (readonly [string, string])[]): PagePart {
  return { kind: "table", columns: [{ title }, { title: "value", align: "right" }], rows };
}

/** `labelSmoothing` as `label smoothing`. */
function words(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

function variations(augmentation: TrainingRun["identity"]["augmentation"]): string {
  const { crop, flip, ...others } = augmentation;
  const named = Object.keys(others).map(words);
  return [`crop ${crop.kind}`, ...(flip ? ["flip"] : []), ...named].join(", ");
}

/** As a shell takes it. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

function duration(seconds: number): string {
  if (seconds < 100) return `${seconds.toFixed(0)} s`;
  return seconds < 6000 ? `${(seconds / 60).toFixed(0)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
