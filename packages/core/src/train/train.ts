import { DepthwiseError, OptionError } from "../errors.ts";
import { isNode, nodeOf } from "../graph/graph.ts";
import type { Network } from "../networks/network.ts";
import { seededRandom } from "../random.ts";
import type { Weights } from "../tensor.ts";
import { compileTraining } from "./compile_training.ts";
import { type Evaluation, type EvaluationBatch, evaluate } from "./evaluate.ts";
import { headParameters } from "./head.ts";
import type { OptimizerName } from "./kernels/optimizer.ts";
import { averageDecayAt, rateAt } from "./schedule.ts";
import { loadTraining, type TrainingInstance, type TrainingState } from "./training_instance.ts";

/** Pictures of one training step. */
export interface TrainingBatch {
  /** `[batch, H, W, C]` */
  readonly pictures: Float32Array;
  /** `[batch, classes]`, rows sum to 1. */
  readonly targets: Float32Array;
}

/** Where training takes its pictures from. The same epoch must give the same batches, or a resumed run ends elsewhere. */
export interface TrainingData {
  /** Batches of an epoch, all of `batch` pictures. */
  readonly batches: number;
  epoch(epoch: number): AsyncIterable<TrainingBatch> | Iterable<TrainingBatch>;
  /** What the network is measured on after each epoch. Default: nothing. */
  readonly validation?: (() => AsyncIterable<EvaluationBatch> | Iterable<EvaluationBatch>) | undefined;
}

/** Settings that decide which weights come out. */
export interface Recipe {
  readonly epochs: number;
  /** Pictures of a step. */
  readonly batch: number;
  /** Pictures that batch norm's statistics are of, and that fit the cache together. Default: the largest divisor of `batch` up to 32. */
  readonly microBatch?: number | undefined;
  readonly optimizer: OptimizerName;
  /** Peak learning rate. */
  readonly rate: number;
  /** Weight decay of kernels; norms, biases and depthwise kernels have none. */
  readonly decay: number;
  readonly momentum: number;
  /** Epochs that the rate grows in. */
  readonly warmUp: number;
  /** Share of each target that is spread over all classes (Szegedy et al., arXiv:1512.00567). */
  readonly labelSmoothing: number;
  /** Decay of the moving average of the weights, a step. 0: none. */
  readonly averageDecay: number;
  /** Largest norm of the gradient. 0: any. */
  readonly clip: number;
  /** Learning rate of all but the last layer, as a share of its own. 0 freezes them. */
  readonly bodyRate: number;
  /** Epochs without a better validation that are waited for. 0: all of them are run. */
  readonly patience: number;
  readonly seed: number;
}

/** A recipe for small pictures from scratch: Nesterov's momentum, one warm-up and cosine, label smoothing, averaged weights. */
export const defaultRecipe: Recipe = {
  epochs: 30,
  batch: 128,
  optimizer: "sgd",
  rate: 0.2,
  decay: 5e-4,
  momentum: 0.9,
  warmUp: 1,
  labelSmoothing: 0.1,
  averageDecay: 0.998,
  clip: 5,
  bodyRate: 1,
  patience: 0,
  seed: 0,
};

/** What an epoch gave. Losses in nats; accuracy as a share. */
export interface EpochRecord {
  /** From 1. */
  readonly epoch: number;
  readonly of: number;
  readonly trainLoss: number;
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
  readonly records: readonly EpochRecord[];
  /** Number of the best epoch; 0 before there is one. */
  readonly bestEpoch: number;
}

/** What `train` gives after each epoch. */
export interface EpochResult {
  readonly record: EpochRecord;
  /** Whether no epoch before was better on the validation pictures; without them, always. */
  readonly isBest: boolean;
  readonly evaluation: Evaluation | undefined;
  /** The averaged weights: the ones to use. */
  weights(): Weights;
  checkpoint(): Checkpoint;
}

/** Options of `train` that leave the weights alone. */
export interface TrainOptions {
  /** First weights. */
  readonly weights: Weights;
  readonly threads?: number | undefined;
  readonly wide?: boolean | undefined;
  readonly simd?: "relaxed" | "plain" | undefined;
  readonly resume?: Checkpoint | undefined;
  readonly signal?: AbortSignal | undefined;
  /** After every step: steps of this epoch done, of how many, the mean loss so far. */
  readonly onStep?: ((done: number, of: number, progress: StepProgress) => void) | undefined;
}

/** How an epoch is going. */
export interface StepProgress {
  readonly epoch: number;
  readonly loss: number;
  readonly imagesPerSecond: number;
}

/**
 * Trains a network, epoch by epoch: leave the loop to stop. The same recipe, data and seed give the same weights, bit for bit, for every
 * number of threads, resumed or not.
 *
 * @throws {OptionError} for a recipe that cannot be
 * @throws {DepthwiseError} with the code `diverged` when the loss is no number any more; nothing of that step is kept
 */
export async function* train(
  network: Network,
  data: TrainingData,
  recipe: Recipe,
  options: TrainOptions,
): AsyncGenerator<EpochResult, void, void> {
  checkRecipe(recipe);
  const { batch, microBatch, optimizer, epochs } = recipe;
  const head = headParameters(network.graph);
  const depthwise = depthwiseKernels(network);
  const compiled = compileTraining(network, {
    batch,
    microBatch,
    optimizer,
    threads: options.threads,
    wide: options.wide,
    simd: options.simd,
    frozen: recipe.bodyRate === 0 ? (name) => !head.has(name) : undefined,
    groupOf: (name, shape) => {
      const isDecayed = shape.length > 1 && !depthwise.has(name);
      return `${head.has(name) ? "head" : "body"}${isDecayed ? "" : "_free"}`;
    },
  });
  const instance = await loadTraining(compiled, options.resume?.state.weights ?? options.weights, {
    threads: options.threads,
  });
  try {
    if (options.resume) instance.restore(options.resume.state);
    const records = [...(options.resume?.records ?? [])];
    let bestEpoch = options.resume?.bestEpoch ?? 0;
    const before = records.at(-1)?.seconds ?? 0;
    const start = performance.now();
    for (let epoch = records.length; epoch < epochs; epoch++) {
      const { loss, imagesPerSecond } = await runEpoch(instance, network, data, recipe, epoch, options);
      const weights = () => instance.weights(recipe.averageDecay > 0 ? "average" : "now");
      const evaluation =
        data.validation && (await evaluate(network, data.validation(), { weights: weights(), wide: options.wide }));
      const best = records[bestEpoch - 1];
      const isBest = !evaluation || !best || evaluation.top1 > (best.validationTop1 ?? 0);
      if (isBest) bestEpoch = epoch + 1;
      const record: EpochRecord = {
        epoch: epoch + 1,
        of: epochs,
        trainLoss: loss,
        validationLoss: evaluation?.loss ?? null,
        validationTop1: evaluation?.top1 ?? null,
        imagesPerSecond,
        seconds: before + (performance.now() - start) / 1000,
      };
      records.push(record);
      const kept = [...records];
      const keptBest = bestEpoch;
      yield {
        record,
        isBest,
        evaluation,
        weights,
        checkpoint: () => ({ state: instance.state(), records: kept, bestEpoch: keptBest }),
      };
      if (recipe.patience > 0 && evaluation && epoch + 1 - bestEpoch >= recipe.patience) return;
    }
  } finally {
    instance.dispose();
  }
}

function checkRecipe(recipe: Recipe): void {
  const numbers = ["rate", "decay", "momentum", "warmUp", "labelSmoothing", "averageDecay", "clip", "bodyRate"] as const;
  for (const name of numbers) {
    if (!(Number.isFinite(recipe[name]) && recipe[name] >= 0))
      throw new OptionError(`${name} must be a number of at least 0, received ${recipe[name]}.`);
  }
  for (const name of ["epochs", "batch"] as const) {
    if (!(Number.isInteger(recipe[name]) && recipe[name] >= 1))
      throw new OptionError(`${name} must be a whole number of at least 1, received ${recipe[name]}.`);
  }
  for (const name of ["momentum", "labelSmoothing", "averageDecay"] as const) {
    if (recipe[name] >= 1) throw new OptionError(`${name} must be below 1, received ${recipe[name]}.`);
  }
}

/** Kernels of depthwise convolutions, which MobileNet's authors spare from decay (arXiv:1704.04861, section 4). */
function depthwiseKernels({ graph }: Network): ReadonlySet<string> {
  const names = new Set<string>();
  for (const node of graph.nodes) {
    if (!isNode(node, "convolution") || node.operation.groups === 1) continue;
    const kernel = nodeOf(graph, node.inputs[1] as never);
    if (kernel.shape[2] === 1) names.add(kernel.name);
  }
  return names;
}

async function runEpoch(
  instance: TrainingInstance,
  network: Network,
  data: TrainingData,
  recipe: Recipe,
  epoch: number,
  { signal, onStep }: TrainOptions,
): Promise<{ loss: number; imagesPerSecond: number }> {
  const fillMasks = maskFiller(instance, network, recipe.seed);
  const schedule = { steps: recipe.epochs * data.batches, warmUp: Math.round(recipe.warmUp * data.batches) };
  const start = performance.now();
  let [sum, done] = [0, 0];
  for await (const { pictures, targets } of data.epoch(epoch)) {
    signal?.throwIfAborted();
    const step = epoch * data.batches + done;
    fill(instance, pictures, targets, recipe.labelSmoothing);
    fillMasks(step);
    const rate = recipe.rate * rateAt(schedule, step);
    const { loss, gradientNorm } = instance.step({
      groups: {
        head: { rate, decay: recipe.decay },
        head_free: { rate, decay: 0 },
        body: { rate: rate * recipe.bodyRate, decay: recipe.decay },
        body_free: { rate: rate * recipe.bodyRate, decay: 0 },
      },
      beta1: recipe.momentum,
      clip: recipe.clip,
      averageDecay: averageDecayAt(recipe.averageDecay, step),
    });
    if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm)) throw diverged(epoch, done, rate);
    sum += loss;
    done++;
    const seconds = (performance.now() - start) / 1000;
    onStep?.(done, data.batches, {
      epoch: epoch + 1,
      loss: sum / done,
      imagesPerSecond: (done * recipe.batch) / seconds,
    });
    // Once in a while others get a turn: a page's messages, a signal.
    if (done % 8 === 0) await new Promise<void>((resolve) => setTimeout(resolve, 0));
  }
  const seconds = (performance.now() - start) / 1000;
  return { loss: sum / Math.max(1, done), imagesPerSecond: (done * recipe.batch) / seconds };
}

function diverged(epoch: number, step: number, rate: number): DepthwiseError {
  return new DepthwiseError(
    "diverged",
    `Training diverged in epoch ${epoch + 1}, step ${step + 1}: the loss is no number any more (learning rate ${rate.toPrecision(3)}).`,
    { hint: "Use a lower rate (--rate), a longer warm-up, or a limit for the gradient's norm; and look for broken pictures." },
  );
}

/** Spreads a batch over the micro-batches. */
function fill(
  instance: TrainingInstance,
  pictures: Float32Array,
  targets: Float32Array,
  labelSmoothing: number,
): void {
  const { slots, batch, inputs } = instance.manifest;
  const input = inputs.find(({ name }) => name !== "targets" && !name.startsWith("mask:")) as { name: string };
  for (let slot = 0; slot < slots; slot++) {
    const into = instance.input(input.name, slot);
    into.set(pictures.subarray(slot * into.length, (slot + 1) * into.length));
    const goal = instance.input("targets", slot);
    const classes = goal.length / batch;
    const given = targets.subarray(slot * goal.length, (slot + 1) * goal.length);
    for (let i = 0; i < goal.length; i++)
      goal[i] = (given[i] as number) * (1 - labelSmoothing) + labelSmoothing / classes;
  }
}

/** Draws the masks of dropout: the same for the same seed and step. */
function maskFiller(instance: TrainingInstance, { graph }: Network, seed: number): (step: number) => void {
  const masks = instance.manifest.inputs.filter(({ name }) => name.startsWith("mask:"));
  const rates = new Map(
    graph.nodes.flatMap(({ name, operation }) => (operation.op === "dropout" ? [[`mask:${name}`, operation.rate]] : [])),
  );
  return (step) => {
    masks.forEach(({ name }, index) => {
      const rate = rates.get(name) as number;
      const random = seededRandom(seed, `mask/${step}/${index}`);
      for (let slot = 0; slot < instance.manifest.slots; slot++) {
        const mask = instance.input(name, slot);
        for (let i = 0; i < mask.length; i++) mask[i] = random.uniform() < rate ? 0 : 1 / (1 - rate);
      }
    });
  };
}
