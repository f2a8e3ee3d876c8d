import type { Network } from "../networks/network.ts";
import type { Weights } from "../tensor.ts";
import { largest } from "./class_scores.ts";
import { loadClassifier } from "./classifier.ts";
import { createTurns } from "./turns.ts";

/** Some pictures of a set, ready for the network. */
export interface EvaluationBatch {
  /** `[batch, H, W, C]` */
  readonly pictures: Float32Array;
  /** `[batch, classes]`: 1 for the class, 0 for the others. */
  readonly targets: Float32Array;
  /** Rows that count, from the first one on. */
  readonly count: number;
}

/** How good a network is on a set of pictures. */
export interface Evaluation {
  readonly images: number;
  /** Shares from 0 to 1. Top 5 is of the five best classes, or of all where there are fewer. */
  readonly top1: number;
  readonly top5: number;
  /** Mean cross-entropy, in nats. */
  readonly loss: number;
  /** `confusion[truth][answer]`: pictures. */
  readonly confusion: readonly (readonly number[])[];
  readonly imagesPerSecond: number;
}

/** Options of `evaluate`. */
export interface EvaluateOptions {
  readonly weights: Weights;
  readonly threads?: number | undefined;
  readonly wide?: boolean | undefined;
  /** Ends it between two pictures, with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Called for every picture: its number in the set's order, class, and probabilities (valid until the next call). */
  readonly onPicture?: ((number: number, truth: number, probabilities: Float32Array) => void) | undefined;
}

/**
 * Measures a network on a set of pictures, with the compiled inference module.
 *
 * @throws {WeightsError} if the weights do not fit
 */
export async function evaluate(
  network: Network,
  batches: AsyncIterable<EvaluationBatch> | Iterable<EvaluationBatch>,
  options: EvaluateOptions,
): Promise<Evaluation> {
  const { weights, threads, wide, signal, onPicture } = options;
  const classifier = await loadClassifier(network, { weights, threads, wide });
  try {
    const { classes } = classifier;
    const tally = createTally(classes);
    const turn = createTurns();
    let milliseconds = 0;
    for await (const { pictures, targets, count } of batches) {
      for (let row = 0; row < count; row++) {
        signal?.throwIfAborted();
        const start = performance.now();
        const probabilities = classifier.classify(pictures, row);
        milliseconds += performance.now() - start;
        const truth = largest(targets, row * classes, classes);
        tally.add(probabilities, truth);
        onPicture?.(tally.images - 1, truth, probabilities);
        await turn();
      }
    }
    return tally.result(milliseconds);
  } finally {
    classifier.dispose();
  }
}

/** What is counted, picture by picture. */
interface Tally {
  readonly images: number;
  add(probabilities: Float32Array, truth: number): void;
  result(milliseconds: number): Evaluation;
}

function createTally(classes: number): Tally {
  const confusion = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  let [images, first, five, loss] = [0, 0, 0, 0];
  const share = (value: number): number => (images === 0 ? 0 : value / images);
  return {
    get images() {
      return images;
    },
    add(probabilities, truth) {
      const rank = rankOf(probabilities, truth);
      if (rank === 0) first++;
      if (rank < 5) five++;
      loss -= Math.log(Math.max(probabilities[truth] as number, smallestProbability));
      const answers = confusion[truth] as number[];
      const answer = largest(probabilities, 0, classes);
      answers[answer] = (answers[answer] as number) + 1;
      images++;
    },
    result: (milliseconds) => ({
      images,
      top1: share(first),
      top5: share(five),
      loss: share(loss),
      confusion,
      imagesPerSecond: milliseconds === 0 ? 0 : (1000 * images) / milliseconds,
    }),
  };
}

/** float32 may round a probability to 0, whose logarithm would swallow all others. */
const smallestProbability = 1e-30;

/** How many classes go before one: by probability, of equals by number. Beside numbers that are none, last. */
function rankOf(probabilities: Float32Array, index: number): number {
  const own = probabilities[index] as number;
  if (Number.isNaN(own)) return probabilities.length;
  return probabilities.reduce((rank, other, i) => (other > own || (other === own && i < index) ? rank + 1 : rank), 0);
}
