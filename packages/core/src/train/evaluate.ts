import { compile } from "../compiler/compile.ts";
import type { Network } from "../networks/network.ts";
import { load } from "../runtime/model.ts";
import type { Weights } from "../tensor.ts";

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
  const { weights, threads, wide, onPicture } = options;
  const model = await load(compile(network, { weights, threads, wide }), { warn: () => {} });
  try {
    const [inputPort, outputPort] = [model.manifest.inputs[0], model.manifest.outputs[0]] as [
      { name: string; elements: number },
      { name: string; elements: number },
    ];
    const classes = outputPort.elements;
    const confusion = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
    const probabilities = new Float32Array(classes);
    let [images, first, five, loss, milliseconds] = [0, 0, 0, 0, 0];
    for await (const { pictures, targets, count } of batches) {
      const start = performance.now();
      for (let row = 0; row < count; row++) {
        const input = model.input(inputPort.name);
        input.set(pictures.subarray(row * inputPort.elements, (row + 1) * inputPort.elements));
        model.execute();
        const truth = largest(targets.subarray(row * classes, (row + 1) * classes));
        softmax(model.output(outputPort.name), probabilities);
        const own = probabilities[truth] as number;
        const rank = probabilities.reduce((above, other) => above + (other > own ? 1 : 0), 0);
        if (rank === 0) first++;
        if (rank < 5) five++;
        loss -= Math.log(Math.max(own, 1e-30));
        const answers = confusion[truth] as number[];
        const answer = largest(probabilities);
        answers[answer] = (answers[answer] as number) + 1;
        onPicture?.(images, truth, probabilities);
        images++;
      }
      milliseconds += performance.now() - start;
    }
    const share = (value: number) => (images === 0 ? 0 : value / images);
    return {
      images,
      top1: share(first),
      top5: share(five),
      loss: share(loss),
      confusion,
      imagesPerSecond: milliseconds === 0 ? 0 : (1000 * images) / milliseconds,
    };
  } finally {
    model.dispose();
  }
}

function largest(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if ((values[i] as number) > (values[best] as number)) best = i;
  return best;
}

function softmax(logits: Float32Array, into: Float32Array): void {
  const most = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  let sum = 0;
  for (let i = 0; i < logits.length; i++) {
    into[i] = Math.exp((logits[i] as number) - most);
    sum += into[i] as number;
  }
  for (let i = 0; i < into.length; i++) into[i] = (into[i] as number) / sum;
}
