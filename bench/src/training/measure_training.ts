import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build, describe, initializeForTraining, type Network } from "@depthwise/core";
import { createCeiling } from "../../../packages/core/src/compiler/measure_ceiling.ts";
import { graphToJson } from "../../../packages/core/src/graph/json.ts";
import { seededRandom, shuffled } from "../../../packages/core/src/random.ts";
import { median } from "../../../packages/core/src/statistics.ts";
import { type Interval, ratioOfMedians } from "../statistics.ts";
import { startTrainer, type Trainer, type TrainerName, type TrainingTask } from "./training_peer.ts";

/** A network to train in turns. */
export interface TrainingCase {
  readonly label: string;
  readonly model: string;
  readonly options?: Readonly<Record<string, unknown>>;
}

/** How to measure. */
export interface TrainingOptions {
  readonly trainers: readonly TrainerName[];
  readonly batch: number;
  readonly threads: number;
  readonly rounds: number;
  readonly onProgress: (text: string) => void;
}

/** One trainer's numbers for one network. */
export interface TrainerResult {
  readonly trainer: TrainerName;
  readonly version: string;
  /** Of the first two steps, from the same weights on the same pictures. */
  readonly losses: readonly number[];
  /** Medians of the rounds, in milliseconds a step. */
  readonly medians: readonly number[];
  readonly imagesPerSecond: number;
  /** The first trainer's speed over this one's. */
  readonly slower: Interval;
  /** Three times the network's MACs a picture (forward, both gradients), as a share of the threads' relaxed multiply-add ceiling. */
  readonly shareOfCeiling: number;
}

/** All numbers for one network. */
export interface TrainingResult {
  readonly label: string;
  readonly macs: number;
  readonly batch: number;
  readonly threads: number;
  readonly results: readonly TrainerResult[];
}

/** Steps of a turn, the first of them untimed: it fetches back what the others drove out of the caches. */
const stepsOfTurn = 3;
/** Losses may differ by this share: sums are in other orders. */
const lossTolerance = 2e-3;
const ceilingMilliseconds = 10;
/** Small: the second losses then say the same of the gradient, and not of how rounding grew. */
const rate = 0.002;

/**
 * Trains one network with all trainers in turns: same weights, same pictures. The losses of the first two steps are compared before
 * anything is timed, with the whole batch as one micro-batch, for batch norm's statistics are of the whole batch in PyTorch.
 *
 * @throws {Error} if a loss differs
 */
export async function measureTraining(subject: TrainingCase, options: TrainingOptions): Promise<TrainingResult> {
  const network = build(subject.model, subject.options);
  const folder = mkdtempSync(join(tmpdir(), "depthwise-training-"));
  using stack = new DisposableStack();
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const task = writeTask(folder, network, options);
  const trainers = options.trainers.map((name) => stack.use(startTrainer(name)));
  options.onProgress(`${subject.label}: the first losses`);
  const whole = { ...task, microBatch: options.batch };
  const loaded = new Map<Trainer, { version: string; losses: readonly number[] }>();
  for (const trainer of trainers) loaded.set(trainer, await trainer.ask({ ask: "load", ...whole }));
  checkLosses(subject.label, loaded);
  for (const trainer of trainers) {
    if (trainer.name !== "pytorch") await trainer.ask({ ask: "load", ...task });
    await trainer.ask({ ask: "steps", count: stepsOfTurn });
  }
  const { medians, ceilings } = await takeTurns(subject.label, trainers, options);
  const { macs } = describe(network);
  const first = medians.get(trainers[0] as Trainer) as number[];
  const ceiling = median(ceilings);
  const results = trainers.map((trainer) => {
    const own = medians.get(trainer) as number[];
    const imagesPerSecond = (1000 * options.batch) / median(own);
    return {
      trainer: trainer.name,
      ...(loaded.get(trainer) as { version: string; losses: readonly number[] }),
      medians: own,
      imagesPerSecond,
      slower: ratioOfMedians(own, first),
      shareOfCeiling: (3 * macs * imagesPerSecond) / 1e9 / (options.threads * ceiling),
    };
  });
  return { label: subject.label, macs, batch: options.batch, threads: options.threads, results };
}

function writeTask(folder: string, network: Network, { batch, threads }: TrainingOptions): TrainingTask {
  const [, height = 0, width = 0, channels = 0] =
    network.graph.nodes.find(({ operation }) => operation.op === "input")?.shape ?? [];
  const random = seededRandom(0, "pictures");
  const pictures = Float32Array.from({ length: batch * height * width * channels }, () => random.normal());
  const classes = Float32Array.from({ length: batch }, (_, i) => i % network.classes);
  const weights = [...initializeForTraining(network.graph, 0)];
  const entries: [string, readonly number[]][] = weights.map(([name, { shape }]) => [name, shape]);
  entries.push(["pictures", [batch, height, width, channels]], ["classes", [batch]]);
  const blocks = [...weights.map(([, { data }]) => data as Float32Array), pictures, classes];
  const graph = join(folder, "graph.json");
  const tensors = join(folder, "tensors.f32");
  writeFileSync(graph, JSON.stringify(graphToJson(network.graph)));
  writeFileSync(
    tensors,
    Buffer.concat(blocks.map((block) => Buffer.from(block.buffer, block.byteOffset, block.byteLength))),
  );
  return { graph, tensors, entries, batch, microBatch: Math.min(16, batch), rate, decay: 5e-4, threads };
}

function checkLosses(label: string, loaded: ReadonlyMap<Trainer, { readonly losses: readonly number[] }>): void {
  const [expected, ...others] = [...loaded];
  for (const [trainer, { losses }] of others) {
    for (const [step, ours] of (expected?.[1].losses ?? []).entries()) {
      const theirs = losses[step] ?? Number.NaN;
      if (Math.abs(theirs - ours) <= lossTolerance * Math.abs(ours)) continue;
      throw new Error(
        `${label}: ${trainer.name}'s loss of step ${step + 1} is ${theirs}, ${expected?.[0].name}'s ${ours}.`,
      );
    }
  }
}

async function takeTurns(
  label: string,
  trainers: readonly Trainer[],
  { rounds, onProgress }: TrainingOptions,
): Promise<{ readonly medians: ReadonlyMap<Trainer, number[]>; readonly ceilings: number[] }> {
  const medians = new Map<Trainer, number[]>(trainers.map((trainer) => [trainer, []]));
  const ceiling = await createCeiling("relaxed");
  const ceilings: number[] = [];
  const random = seededRandom(0, "turns");
  for (let round = 0; round < rounds; round++) {
    onProgress(`${label}: round ${round + 1} of ${rounds}`);
    ceilings.push(ceiling.measure(ceilingMilliseconds));
    for (const trainer of shuffled(trainers, random.below)) {
      const { milliseconds } = await trainer.ask({ ask: "steps", count: stepsOfTurn });
      medians.get(trainer)?.push(median(milliseconds.slice(1)));
    }
  }
  return { medians, ceilings };
}
