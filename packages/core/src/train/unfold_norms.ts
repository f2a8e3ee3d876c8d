import { compile } from "../compiler/compile.ts";
import { WeightsError } from "../errors.ts";
import { type Graph, type Node, nodeOf, nodesOf, type ValueId } from "../graph/graph.ts";
import type { OperationOf } from "../graph/operations.ts";
import { load } from "../runtime/model.ts";
import { type Tensor, tensor, toFloat32, type Weights } from "../tensor.ts";
import { normedKernels, scaleForTraining } from "./initialize_for_training.ts";

type BatchNorm = Node<OperationOf<"batch_norm">>;

/** How far from 0 and 1 statistics may be that are no pictures'. */
const tolerance = 1e-3;

/**
 * Whether batch norms were folded into convolutions, as files made for inference have them: every mean is 0, every variance 1, and what they
 * did is in kernels and betas. In training their statistics are the batch's, and such a network would be another function at once.
 */
export function hasFoldedNorms(graph: Graph, weights: Weights): boolean {
  const norms = nodesOf(graph, "batch_norm");
  const isAll = (norm: BatchNorm, input: number, goal: number): boolean =>
    toFloat32(weightOf(graph, weights, norm, input)).every((value) => Math.abs(value - goal) < tolerance);
  return norms.length > 0 && norms.every((norm) => isAll(norm, 3, 0) && isAll(norm, 4, 1));
}

/**
 * The same function with batch norms as training leaves them: statistics are those of the pictures, gamma and beta undo them, and kernels are
 * of the size that first weights have.
 *
 * @param pictures `[H, W, C]` each, as the network sees them; some dozens, of all classes
 * @throws {WeightsError} if the weights do not fit
 */
export async function unfoldNorms(graph: Graph, weights: Weights, pictures: readonly Float32Array[]): Promise<Weights> {
  const statistics = await measureStatistics(graph, weights, pictures);
  const unfolded = new Map(weights);
  const kernels = normedKernels(graph);
  for (const norm of nodesOf(graph, "batch_norm")) {
    let scale = 1;
    for (const normed of kernels.get(norm) ?? []) scale *= scaleForTraining(unfolded, normed);
    const { mean, variance } = statistics.get(norm) as Statistics;
    const { epsilon } = norm.operation;
    const [gamma, beta, oldMean, oldVariance] = [1, 2, 3, 4].map((input) =>
      toFloat32(weightOf(graph, weights, norm, input)),
    ) as [Float32Array, Float32Array, Float32Array, Float32Array];
    const slope = gamma.map((value, c) => value / Math.sqrt((oldVariance[c] as number) + epsilon));
    const set = (input: number, value: (c: number) => number) =>
      unfolded.set(
        parameterOf(graph, norm, input),
        tensor(
          [gamma.length],
          gamma.map((_, c) => value(c)),
        ),
      );
    const newVariance = (c: number) => (variance[c] as number) * scale ** 2;
    set(1, (c) => ((slope[c] as number) * Math.sqrt(newVariance(c) + epsilon)) / scale);
    set(2, (c) => (beta[c] as number) + (slope[c] as number) * ((mean[c] as number) - (oldMean[c] as number)));
    set(3, (c) => (mean[c] as number) * scale);
    set(4, newVariance);
  }
  return unfolded;
}

/** By channel. */
interface Statistics {
  readonly mean: Float64Array;
  readonly variance: Float64Array;
}

/** What comes into each batch norm, over all pixels of the pictures. */
async function measureStatistics(
  graph: Graph,
  weights: Weights,
  pictures: readonly Float32Array[],
): Promise<ReadonlyMap<BatchNorm, Statistics>> {
  const norms = nodesOf(graph, "batch_norm");
  const values = [...new Set(norms.map((norm) => norm.inputs[0] as ValueId))];
  const outputs = values.map((value) => ({ name: nodeOf(graph, value).name, value }));
  using model = await load(compile({ ...graph, outputs }, { weights }), { warn: () => {} });
  const [input] = nodesOf(graph, "input");
  const sums = new Map(values.map((value) => [value, sumsOf(nodeOf(graph, value).shape.at(-1) as number)]));
  for (const picture of pictures) {
    const results = model.run({ [input?.name as string]: picture });
    for (const { name, value } of outputs) addTo(sums.get(value) as Sums, results[name] as Float32Array);
  }
  return new Map(norms.map((norm) => [norm, statisticsOf(sums.get(norm.inputs[0] as ValueId) as Sums)]));
}

interface Sums {
  readonly values: Float64Array;
  readonly squares: Float64Array;
  count: number;
}

function sumsOf(channels: number): Sums {
  return { values: new Float64Array(channels), squares: new Float64Array(channels), count: 0 };
}

function addTo(sums: Sums, numbers: Float32Array): void {
  const channels = sums.values.length;
  for (let i = 0; i < numbers.length; i++) {
    const [value, channel] = [numbers[i] as number, i % channels];
    (sums.values[channel] as number) += value;
    (sums.squares[channel] as number) += value * value;
  }
  sums.count += numbers.length / channels;
}

function statisticsOf({ values, squares, count }: Sums): Statistics {
  const mean = values.map((sum) => sum / count);
  return { mean, variance: squares.map((sum, c) => Math.max(0, sum / count - (mean[c] as number) ** 2)) };
}

function parameterOf(graph: Graph, norm: BatchNorm, input: number): string {
  return nodeOf(graph, norm.inputs[input] as ValueId).name;
}

function weightOf(graph: Graph, weights: Weights, norm: BatchNorm, input: number): Tensor {
  const name = parameterOf(graph, norm, input);
  const found = weights.get(name);
  if (found === undefined) throw new WeightsError(`The weights have no "${name}".`);
  return found;
}
