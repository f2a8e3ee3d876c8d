import type { EasyPictures } from "../datasets/epoch_draws.ts";
import { OptionError } from "../errors.ts";
import { isNode, nodeOf, type ValueId } from "../graph/graph.ts";
import type { Network } from "../networks/network.ts";
import type { Weights } from "../tensor.ts";
import { type CompileTrainingOptions, compileTraining } from "./compile_training.ts";
import { type Evaluation, type EvaluationBatch, evaluate } from "./evaluate.ts";
import { headParameters } from "./head.ts";
import { checkRecipe, type Recipe } from "./recipe.ts";
import { diverged, type EpochProgress, noProgress, runEpoch, type TrainingBatch } from "./run_epoch.ts";
import { type KeptHistory, type RunningHistory, runningHistory } from "./running_history.ts";
import { type LoadedTeachers, loadTeachers, type Teacher } from "./teacher.ts";
import { loadTraining, type TrainingInstance, type TrainingState } from "./training_instance.ts";

/** Where training takes its pictures from. The same epoch must give the same batches, or a resumed run ends elsewhere. */
export interface TrainingData {
  /** Batches of an epoch, all of `batch` pictures. */
  readonly batches: number;
  /** Pictures of the set, which batches' `indices` count. Needed for the recipe's `skipEasy`. */
  readonly pictures?: number;
  /** @param easy what the epoch is to pass over, where the recipe has `skipEasy`: see `drawEpoch` */
  epoch(epoch: number, easy?: EasyPictures): AsyncIterable<TrainingBatch> | Iterable<TrainingBatch>;
  /** What the network is measured on after each epoch. Default: nothing. */
  readonly validation?: (() => AsyncIterable<EvaluationBatch> | Iterable<EvaluationBatch>) | undefined;
}

/** What an epoch gave. Losses in nats; accuracy as a share. */
export interface EpochRecord {
  /** From 1. */
  readonly epoch: number;
  readonly of: number;
  /** Of the varied pictures, as the network was when they came by. */
  readonly trainLoss: number;
  readonly trainTop1: number;
  /** Of the averaged weights; null without validation pictures. */
  readonly validationLoss: number | null;
  readonly validationTop1: number | null;
  readonly imagesPerSecond: number;
  /** Since the run began, runs before a resumption included. */
  readonly seconds: number;
}

/** Everything a resumed run goes on from. */
export interface Checkpoint {
  readonly state: TrainingState;
  /** Of the epochs that are done. */
  readonly records: readonly EpochRecord[];
  /** Number of the best epoch; 0 before there is one. */
  readonly bestEpoch: number;
  /** How far the epoch after those has come. */
  readonly begun: EpochProgress;
  /** Of the pictures, where the recipe has `skipEasy`. */
  readonly history?: KeptHistory | undefined;
  /** Since the run began. */
  readonly seconds: number;
}

/** What `train` gives after each epoch. */
export interface EpochResult {
  readonly record: EpochRecord;
  /** Whether no epoch before was better on the validation pictures; without them, always. */
  readonly isBest: boolean;
  readonly evaluation: Evaluation | undefined;
  /** The averaged weights: the ones to use. */
  weights(): Weights;
  /** Holds until the next step: ask before that. */
  checkpoint(): Checkpoint;
}

/** Options of `train` that leave the weights alone. */
export interface TrainOptions {
  /** First weights. */
  readonly weights: Weights;
  /** Whose answers are learned too, with the recipe's `teacherShare`; of several, their mean. */
  readonly teachers?: readonly Teacher[] | undefined;
  readonly threads?: number | undefined;
  readonly wide?: boolean | undefined;
  readonly simd?: "relaxed" | "plain" | undefined;
  readonly resume?: Checkpoint | undefined;
  /** Ends the run between two steps, with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** After every step: steps of this epoch done, of how many, how it is going. */
  readonly onStep?: ((done: number, of: number, progress: StepProgress) => void) | undefined;
}

/** How an epoch is going. */
export interface StepProgress {
  /** From 1. */
  readonly epoch: number;
  /** Mean over the epoch so far. */
  readonly loss: number;
  readonly imagesPerSecond: number;
  /** Holds until the next step: ask before that. */
  checkpoint(): Checkpoint;
}

/**
 * Trains a network, epoch by epoch: leave the loop to stop. The same recipe, data and seed give the same weights, bit for bit, for every
 * number of threads, resumed or not.
 *
 * @throws {OptionError} for a recipe that cannot be, a teacher of other pictures or classes, or data without what `skipEasy` needs
 * @throws {DepthwiseError} with the code `diverged` when the loss is no number any more; nothing of that step is kept
 */
export async function* train(
  network: Network,
  data: TrainingData,
  recipe: Recipe,
  options: TrainOptions,
): AsyncGenerator<EpochResult, void, void> {
  checkRecipe(recipe);
  const { teachers: taughtBy = [], resume, threads, wide, simd } = options;
  if ((taughtBy.length === 0) !== (recipe.teacherShare === undefined)) {
    throw new OptionError("Teachers and the recipe's teacherShare go together: give both, or neither.");
  }
  const history = recipe.skipEasy ? runningHistory(data.pictures, resume) : undefined;
  const compiled = compileTraining(network, { ...trainingOptions(network, recipe), threads, wide, simd });
  const instance = await loadTraining(compiled, resume?.state.weights ?? options.weights, { threads });
  let teachers: LoadedTeachers | undefined;
  try {
    if (taughtBy.length > 0) teachers = await loadTeachers(taughtBy, network, { threads, wide, simd });
    if (resume) instance.restore(resume.state);
    yield* runEpochs({ instance, teachers, history }, network, data, recipe, options);
  } finally {
    instance.dispose();
    teachers?.dispose();
  }
}

/** What a run changes as it goes, and whom it asks. */
interface Running {
  readonly instance: TrainingInstance;
  readonly teachers: LoadedTeachers | undefined;
  readonly history: RunningHistory | undefined;
}

async function* runEpochs(
  { instance, teachers, history }: Running,
  network: Network,
  data: TrainingData,
  recipe: Recipe,
  { resume, wide, signal, onStep }: TrainOptions,
): AsyncGenerator<EpochResult, void, void> {
  const records = [...(resume?.records ?? [])];
  let bestEpoch = resume?.bestEpoch ?? 0;
  let begun = resume?.begun ?? noProgress;
  const seconds = stopwatch(resume?.seconds ?? 0);

  while (records.length < recipe.epochs && !isOver(records, bestEpoch, recipe)) {
    const epoch = records.length;
    /** As it is now: both change later. */
    const checkpointAt = (progress: EpochProgress): (() => Checkpoint) => {
      const before = { records: [...records], bestEpoch };
      return () => ({
        ...{ state: instance.state(), ...before, begun: progress, seconds: seconds() },
        ...(history && { history: history.kept() }),
      });
    };
    const { progress, imagesPerSecond } = await runEpoch(
      {
        ...{ instance, network, recipe, teachers, history, epoch, begun, signal, steps: data.batches },
        onStep: (now, speed) =>
          onStep?.(now.steps, data.batches, {
            epoch: epoch + 1,
            loss: now.loss / now.steps,
            imagesPerSecond: speed,
            checkpoint: checkpointAt(now),
          }),
      },
      data.epoch(
        epoch,
        history && { share: recipe.skipEasy as number, epochs: recipe.epochs, history: history.before() },
      ),
    );
    history?.endEpoch();
    begun = noProgress;
    const weights = (): Weights => instance.weights(recipe.averageDecay > 0 ? "average" : "now");
    checkFinite(weights(), epoch, recipe);
    const evaluation =
      data.validation && (await evaluate(network, data.validation(), { weights: weights(), wide, signal }));
    if (evaluation && evaluation.images > 0 && !Number.isFinite(evaluation.loss)) {
      throw diverged(`in epoch ${epoch + 1}: the loss of the validation pictures is no number any more`, recipe.rate);
    }
    const record: EpochRecord = {
      epoch: epoch + 1,
      of: recipe.epochs,
      trainLoss: progress.loss / Math.max(1, progress.steps),
      trainTop1: progress.correct / Math.max(1, progress.steps * recipe.batch),
      validationLoss: evaluation?.loss ?? null,
      validationTop1: evaluation?.top1 ?? null,
      imagesPerSecond,
      seconds: seconds(),
    };
    const isBest = isBetter(record, records[bestEpoch - 1]);
    records.push(record);
    if (isBest) bestEpoch = record.epoch;
    yield { record, isBest, evaluation, weights, checkpoint: checkpointAt(noProgress) };
  }
}

/** What of a recipe the compiled step must know: whose gradients there are, and who follows which rate. */
function trainingOptions(network: Network, recipe: Recipe): CompileTrainingOptions {
  const { batch, microBatch, optimizer, bodyRate } = recipe;
  const head = headParameters(network.graph);
  const depthwise = depthwiseKernels(network);
  return {
    ...{ batch, microBatch, optimizer },
    frozen: bodyRate === 0 ? (name) => !head.has(name) : undefined,
    groupOf: (name, shape) => {
      const isDecayed = shape.length > 1 && !depthwise.has(name);
      return `${head.has(name) ? "head" : "body"}${isDecayed ? "" : "_free"}`;
    },
  };
}

/** Kernels of depthwise convolutions, which MobileNet's authors spare from decay (arXiv:1704.04861, section 4). */
function depthwiseKernels({ graph }: Network): ReadonlySet<string> {
  const names = new Set<string>();
  for (const node of graph.nodes) {
    if (!isNode(node, "convolution") || node.operation.groups === 1) continue;
    const kernel = nodeOf(graph, node.inputs[1] as ValueId);
    if (kernel.shape[2] === 1) names.add(kernel.name);
  }
  return names;
}

function stopwatch(before: number): () => number {
  const start = performance.now();
  return () => before + (performance.now() - start) / 1000;
}

/** Whether patience is spent. */
function isOver(records: readonly EpochRecord[], bestEpoch: number, { patience }: Recipe): boolean {
  return patience > 0 && records.at(-1)?.validationTop1 != null && records.length - bestEpoch >= patience;
}

/** By accuracy, and of equals by loss; without validation the later one. */
function isBetter(record: EpochRecord, best: EpochRecord | undefined): boolean {
  if (best === undefined || record.validationTop1 === null || best.validationTop1 === null) return true;
  if (record.validationTop1 !== best.validationTop1) return record.validationTop1 > best.validationTop1;
  return (record.validationLoss ?? 0) < (best.validationLoss ?? 0);
}

function checkFinite(weights: Weights, epoch: number, { rate }: Recipe): void {
  for (const [name, { data }] of weights) {
    for (let i = 0; i < data.length; i++) {
      if (!Number.isFinite(data[i])) throw diverged(`in epoch ${epoch + 1}: "${name}" holds ${data[i]}`, rate);
    }
  }
}
