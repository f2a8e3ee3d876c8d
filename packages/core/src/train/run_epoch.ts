import { DepthwiseError } from "../errors.ts";
import type { Network } from "../networks/network.ts";
import { seededRandom } from "../random.ts";
import { largest } from "./class_scores.ts";
import type { Recipe } from "./recipe.ts";
import type { RunningHistory } from "./running_history.ts";
import { averageDecayAt, rateAt } from "./schedule.ts";
import type { LoadedTeachers } from "./teacher.ts";
import type { TrainingInstance } from "./training_instance.ts";
import { createTurns } from "./turns.ts";

/** Pictures of one training step. */
export interface TrainingBatch {
  /** `[batch, H, W, C]` */
  readonly pictures: Float32Array;
  /** `[batch, classes]`, rows sum to 1. */
  readonly targets: Float32Array;
  /** Which pictures of the set they are. Needed for the recipe's `skipEasy`. */
  readonly indices?: Uint32Array;
}

/** How far an epoch has come. */
export interface EpochProgress {
  readonly steps: number;
  /** Sum over the steps. */
  readonly loss: number;
  /** Pictures whose class was the network's best guess, as it was when they came by. */
  readonly correct: number;
}

/** An epoch before its first step. */
export const noProgress: EpochProgress = { steps: 0, loss: 0, correct: 0 };

/** One epoch of a run. */
export interface EpochRun {
  readonly instance: TrainingInstance;
  readonly network: Network;
  readonly recipe: Recipe;
  readonly teachers: LoadedTeachers | undefined;
  /** Kept where the recipe has `skipEasy`. */
  readonly history: RunningHistory | undefined;
  /** From 0. */
  readonly epoch: number;
  /** Steps of an epoch. */
  readonly steps: number;
  /** What an earlier run did of it: its batches are passed over. */
  readonly begun: EpochProgress;
  readonly signal: AbortSignal | undefined;
  /** After every step. */
  readonly onStep: (progress: EpochProgress, imagesPerSecond: number) => void;
}

/** Runs the steps of an epoch. */
export async function runEpoch(
  run: EpochRun,
  batches: AsyncIterable<TrainingBatch> | Iterable<TrainingBatch>,
): Promise<{ readonly progress: EpochProgress; readonly imagesPerSecond: number }> {
  const { instance, network, recipe, teachers, history, epoch, steps, begun, signal, onStep } = run;
  const fillMasks = maskFiller(instance, network, recipe.seed);
  const turn = createTurns();
  const start = performance.now();
  let { steps: done, loss: sum, correct } = begun;
  let passed = 0;
  const imagesPerSecond = () => ((done - begun.steps) * recipe.batch * 1000) / Math.max(1, performance.now() - start);
  for await (const batch of batches) {
    signal?.throwIfAborted();
    history?.count(batch.indices);
    if (passed++ < begun.steps) continue;
    const step = epoch * steps + done;
    const goals = goalsOf(batch, recipe, teachers);
    fill(instance, batch, goals);
    fillMasks(step);
    const { loss, gradientNorm, rate } = takeStep(instance, recipe, step, steps);
    if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm)) {
      throw diverged(`in epoch ${epoch + 1}, step ${done + 1}: the loss is no number any more`, rate);
    }
    history?.keep(instance, goals, batch.indices);
    sum += loss;
    correct += countCorrect(instance, batch.targets);
    done++;
    onStep({ steps: done, loss: sum, correct }, imagesPerSecond());
    await turn();
  }
  return { progress: { steps: done, loss: sum, correct }, imagesPerSecond: imagesPerSecond() };
}

function takeStep(
  instance: TrainingInstance,
  recipe: Recipe,
  step: number,
  steps: number,
): { readonly loss: number; readonly gradientNorm: number; readonly rate: number } {
  const { epochs, warmUp, schedule: fall = "cosine" } = recipe;
  const schedule = { fall, steps: epochs * steps, warmUp: Math.round(warmUp * steps) };
  const rate = recipe.rate * rateAt(schedule, step);
  const result = instance.step({
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
  return { ...result, rate };
}

/** @param where and what: `in epoch 3, step 7: the loss is no number any more` */
export function diverged(where: string, rate: number): DepthwiseError {
  return new DepthwiseError("diverged", `Training diverged ${where} (learning rate ${rate.toPrecision(3)}).`, {
    hint: "Use a lower rate, a longer warm-up, or a lower limit for the gradient's norm.",
  });
}

/** What is to be learned, `[batch, classes]`: the targets, smoothed, and what the teachers say. */
function goalsOf({ pictures, targets }: TrainingBatch, recipe: Recipe, teachers?: LoadedTeachers): Float32Array {
  const { batch, labelSmoothing, teacherShare = 0 } = recipe;
  const classes = targets.length / batch;
  const answers = teachers?.answer(pictures, batch);
  return targets.map((target, i) => {
    const label = target * (1 - labelSmoothing) + labelSmoothing / classes;
    return answers ? label * (1 - teacherShare) + (answers[i] as number) * teacherShare : label;
  });
}

/** Spreads a batch over the micro-batches. */
function fill(instance: TrainingInstance, { pictures }: TrainingBatch, goals: Float32Array): void {
  const { slots, inputs } = instance.manifest;
  const input = inputs.find(({ name }) => name !== "targets" && !name.startsWith("mask:")) as { name: string };
  for (let slot = 0; slot < slots; slot++) {
    for (const [name, numbers] of [
      [input.name, pictures],
      ["targets", goals],
    ] as const) {
      const into = instance.input(name, slot);
      into.set(numbers.subarray(slot * into.length, (slot + 1) * into.length));
    }
  }
}

function countCorrect(instance: TrainingInstance, targets: Float32Array): number {
  const { slots, batch } = instance.manifest;
  const classes = targets.length / (slots * batch);
  let correct = 0;
  for (let slot = 0; slot < slots; slot++) {
    const logits = instance.logits(slot);
    for (let row = 0; row < batch; row++) {
      const at = row * classes;
      if (largest(logits, at, classes) === largest(targets, slot * batch * classes + at, classes)) correct++;
    }
  }
  return correct;
}

/** Draws the masks of dropout: the same for the same seed and step. */
function maskFiller(instance: TrainingInstance, { graph }: Network, seed: number): (step: number) => void {
  const masks = instance.manifest.inputs.filter(({ name }) => name.startsWith("mask:"));
  const rates = new Map(
    graph.nodes.flatMap(({ name, operation }) =>
      operation.op === "dropout" ? [[`mask:${name}` as string, operation.rate] as const] : [],
    ),
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
