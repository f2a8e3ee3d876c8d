import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import {
  type Batch,
  type Checkpoint,
  DepthwiseError,
  type EpochRecord,
  type EpochResult,
  type Evaluation,
  hasFoldedNorms,
  IoError,
  type Network,
  readNetwork,
  readSafetensors,
  train,
  unfoldNorms,
  type Weights,
  writeSafetensors,
  writeWeights,
} from "@depthwise/core";
import { onInterruption } from "../command_line/interruption.ts";
import { startProgress } from "../command_line/progress.ts";
import { percent } from "../command_line/quantities.ts";
import { readBytes } from "../command_line/read_bytes.ts";
import { note, print } from "../command_line/terminal.ts";
import { writeFileWhole } from "../command_line/write_file_whole.ts";
import type { DataSet, PictureSet } from "../data/data_set.ts";
import { createLoader } from "../data/loader.ts";
import { checkSameRun, readCheckpoint, saveCheckpointNow, writeCheckpoint } from "./checkpoint_file.ts";
import { firstWeights } from "./first_weights.ts";
import { judge } from "./judge.ts";
import { writeReport } from "./report.ts";
import type { RunIdentity } from "./run_identity.ts";
import type { TrainingOutcome, TrainingRun } from "./training_run.ts";

/** Mistakes that the report shows at most. */
const mostMistakes = 24;

/**
 * Trains, and writes weights after every epoch that is the best so far, and a checkpoint beside them after every one.
 *
 * @returns undefined if `--resume` found the run finished
 */
export async function runTraining(run: TrainingRun): Promise<TrainingOutcome | undefined> {
  const { options, output, identity } = run;
  const checkpointFile = `${output}.checkpoint`;
  const resume = await findCheckpoint(run, checkpointFile);
  if (resume === "finished") return undefined;
  const records = await runEpochs(run, checkpointFile, resume);
  const best = records.best as EpochRecord;
  const outcome = await finish(run, records.all, best);
  if (run.report !== undefined) await writeReport(run.report, run, outcome);
  // Last: until here, --resume finishes what a kill left undone.
  await rm(checkpointFile, { force: true });
  const chance = 1 / identity.labels.length;
  if (best.validationTop1 !== null && best.validationTop1 < 1.5 * chance) {
    note(
      `It is hardly better than guessing (${percent(chance)}): try another --rate, more --epochs, or a larger network.`,
    );
  }
  if (options.json) printResult(run, outcome);
  return outcome;
}

/** What `--resume` goes on from. */
async function findCheckpoint(
  { options, output, network, identity }: TrainingRun,
  checkpointFile: string,
): Promise<Checkpoint | "finished" | undefined> {
  const isThere = existsSync(checkpointFile);
  if (!options.resume) {
    if (isThere) note(`${checkpointFile} is of an interrupted run; without --resume, the first epoch replaces it.`);
    return undefined;
  }
  if (!isThere) return findFinished(output, identity, options.json ?? false);
  const checkpoint = readCheckpoint(await readBytes(checkpointFile), network, identity, checkpointFile);
  if (checkpoint.bestEpoch > 0 && !existsSync(output)) {
    throw new IoError(`--resume: ${output}, which held the weights of epoch ${checkpoint.bestEpoch}, is gone.`, {
      file: output,
      hint: "Put it back, or leave --resume away to begin anew.",
    });
  }
  const { records, begun } = checkpoint;
  note(
    `Going on after epoch ${records.length} of ${identity.recipe.epochs}${begun.steps > 0 ? ` and ${begun.steps} steps` : ""}.`,
  );
  return checkpoint;
}

/** Whether the weights are there and their run is over: nothing is left to be resumed. */
async function findFinished(output: string, identity: RunIdentity, json: boolean): Promise<"finished" | undefined> {
  const course = existsSync(output) ? await readCourse(output) : undefined;
  if (course?.finished !== true) {
    note(`${output}.checkpoint is not there; training begins anew.`);
    return undefined;
  }
  checkSameRun(course as Readonly<Record<string, unknown>>, identity, output);
  note(`${output} is finished; there is nothing to resume.`);
  if (json) print(JSON.stringify({ best: course.best ?? null, file: output }));
  return "finished";
}

interface Course {
  readonly finished?: unknown;
  readonly best?: unknown;
}

async function readCourse(output: string): Promise<Course | undefined> {
  try {
    const { metadata } = readSafetensors(await readBytes(output), { file: output });
    return JSON.parse(metadata.training ?? "null") ?? undefined;
  } catch {
    return undefined; // no file of a run: about to be replaced, as without --resume
  }
}

/** The epochs; after each, files are whole and up to date. */
async function runEpochs(
  { options, output, data, network, from, teachers, identity }: TrainingRun,
  checkpointFile: string,
  resume: Checkpoint | undefined,
): Promise<{ readonly all: readonly EpochRecord[]; readonly best: EpochRecord | undefined }> {
  const { recipe, augmentation, balance } = identity;
  const { weights: given, drawn } = firstWeights(network, recipe.seed, from);
  if (from) note(drawn.length === 0 ? "All weights are taken over." : `Drawn anew: ${drawn.join(", ")}.`);
  const { preprocessing } = network;
  const loading = { preprocessing, batch: recipe.batch, seed: recipe.seed };
  await using loader = createLoader(data.train, { ...loading, augmentation, balance });
  await using judged = data.validation && createLoader(data.validation, { preprocessing, batch: 64 });
  const isUnfolded = from !== undefined && resume === undefined && recipe.bodyRate > 0;
  const weights = isUnfolded ? await withNorms(network, given, loader.epoch(0)) : given;
  if (!options.json) print(beginningText(network, data, identity));
  const progress = startProgress("training");
  let latest: (() => Checkpoint) | undefined;
  const forget = onInterruption(() => note(keepAtInterruption(latest, checkpointFile, identity)));
  const all = [...(resume?.records ?? [])];
  let best = resume && all[resume.bestEpoch - 1];
  try {
    const epochs = train(
      network,
      {
        ...{ batches: loader.batches, pictures: data.train.length },
        epoch: (n, easy) => loader.epoch(n, easy),
        validation: judged && (() => judged.epoch(0)),
      },
      recipe,
      {
        ...{ weights, teachers, resume, threads: options.threads, wide: options.wide },
        onStep(done, of, { epoch, loss, imagesPerSecond, checkpoint }) {
          latest = checkpoint;
          const left = timeLeft(((recipe.epochs - epoch) * of + of - done) * recipe.batch, imagesPerSecond);
          const course = `epoch ${epoch} of ${recipe.epochs}, loss ${loss.toFixed(3)}`;
          progress.update(done, of, `${course}, ${imagesPerSecond.toFixed(0)} images/s, ${left} left`);
        },
      },
    );
    for await (const result of epochs) {
      latest = result.checkpoint;
      all.push(result.record);
      if (result.isBest) {
        best = result.record;
        await writeBest(output, network, result, { ...identity, records: all });
      }
      await writeFileWhole(checkpointFile, writeCheckpoint(result.checkpoint(), identity));
      progress.end();
      print(options.json ? JSON.stringify(result.record) : epochText(result.record, result.isBest));
    }
  } catch (cause) {
    throw withAdvice(cause, best, output, recipe.rate);
  } finally {
    latest = undefined;
    forget();
    progress.end();
  }
  for (const { file, reason } of loader.skipped) note(`${file} was left out: ${reason}`);
  return { all, best };
}

/** Pictures that statistics are measured of. */
const measuredPictures = 128;

/** Trained weights, with statistics again where batch norms were folded. */
async function withNorms(network: Network, weights: Weights, batches: AsyncIterable<Batch>): Promise<Weights> {
  if (!hasFoldedNorms(network.graph, weights)) return weights;
  const pictures: Float32Array[] = [];
  for await (const { pictures: rows, targets, count } of batches) {
    const elements = rows.length / (targets.length / network.classes);
    for (let row = 0; row < count; row++) pictures.push(rows.slice(row * elements, (row + 1) * elements));
    if (pictures.length >= measuredPictures) break;
  }
  note(`The file's batch norms were folded; they get statistics of ${pictures.length} training pictures.`);
  return unfoldNorms(network.graph, weights, pictures);
}

async function writeBest(output: string, network: Network, result: EpochResult, course: object): Promise<void> {
  const metadata = { training: JSON.stringify({ ...course, finished: false }) };
  await writeFileWhole(output, writeWeights(result.weights(), network, { metadata }));
}

/** Ctrl-C: where training stands goes into the checkpoint. Returns what to tell. */
function keepAtInterruption(
  latest: (() => Checkpoint) | undefined,
  checkpointFile: string,
  identity: RunIdentity,
): string {
  if (latest === undefined) return "Interrupted before the first step; nothing was written.";
  try {
    const checkpoint = latest();
    saveCheckpointNow(checkpointFile, writeCheckpoint(checkpoint, identity));
    const { records, begun } = checkpoint;
    const where = `after epoch ${records.length}${begun.steps > 0 ? ` and ${begun.steps} steps` : ""}`;
    return `Interrupted ${where}. The same command with --resume goes on from there.`;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return `Interrupted; the checkpoint could not be written (${reason}). An earlier one is as it was.`;
  }
}

/** A run that diverged, told with what became of the files. */
function withAdvice(cause: unknown, best: EpochRecord | undefined, output: string, rate: number): unknown {
  if (!(cause instanceof DepthwiseError) || cause.code !== "diverged") return cause;
  const kept = best ? `${output} holds the weights of epoch ${best.epoch}.` : "Nothing was written.";
  return new DepthwiseError("diverged", `${cause.message} ${kept}`, {
    cause,
    hint: `Use a lower --rate (${Number((rate / 4).toPrecision(2))}, say), a longer --warm-up, or a lower --clip.`,
  });
}

/** Judges the best weights, and marks their file as finished. */
async function finish(
  { options, output, data, identity }: TrainingRun,
  records: readonly EpochRecord[],
  best: EpochRecord,
): Promise<TrainingOutcome> {
  const bytes = await readBytes(output);
  const { tensors, metadata } = readSafetensors(bytes, { file: output });
  const { network, weights } = readNetwork(bytes, { file: output });
  const { threads, wide } = options;
  const judgedOn = data.validationFrom !== "test" && data.test ? "test" : "validation";
  const set: PictureSet | undefined = data[judgedOn];
  const progress = startProgress("judging");
  const judgement =
    set &&
    (await judge({ network, weights }, set, {
      ...{ threads, wide, mistakes: mostMistakes },
      onProgress: (done, total) => progress.update(done, total),
    }));
  progress.end();
  const course = { ...identity, records, best, finished: true };
  await writeFileWhole(output, writeSafetensors(tensors, { ...metadata, training: JSON.stringify(course) }));
  return { records, best, weights, judgement, judgedOn };
}

function printResult({ output, report }: TrainingRun, { best, judgement, judgedOn }: TrainingOutcome): void {
  const figures = judgedOn === "test" && judgement ? { test: figuresOf(judgement.evaluation) } : {};
  print(JSON.stringify({ best, file: output, ...figures, ...(report === undefined ? {} : { report }) }));
}

function figuresOf({ top1, top5, loss, images }: Evaluation): object {
  return { top1, top5, loss, images };
}

function timeLeft(pictures: number, imagesPerSecond: number): string {
  const seconds = pictures / Math.max(1, imagesPerSecond);
  if (seconds < 90) return `${seconds.toFixed(0)} s`;
  return seconds < 5400 ? `${(seconds / 60).toFixed(0)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

function beginningText(network: Network, data: DataSet, { recipe }: RunIdentity): string {
  const judges = data.validation ? `${data.validation.length} to judge by` : "none to judge by";
  return `${network.name}: ${data.labels.length} classes, ${data.train.length} pictures to learn from, ${judges}; ${recipe.epochs} epochs of batches of ${recipe.batch}.`;
}

function epochText(record: EpochRecord, isBest: boolean): string {
  const { epoch, of, trainLoss, validationLoss, validationTop1, imagesPerSecond, seconds } = record;
  const judged =
    validationTop1 === null
      ? ""
      : `   validation loss ${validationLoss?.toFixed(3)}, top-1 ${percent(validationTop1)}${isBest ? " *" : ""}`;
  return `epoch ${String(epoch).padStart(3)} of ${of}   loss ${trainLoss.toFixed(3)}${judged}   ${imagesPerSecond.toFixed(0)} images/s, ${seconds.toFixed(0)} s`;
}
