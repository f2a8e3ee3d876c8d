import {
  headParameters,
  initializeForTraining,
  type Network,
  sameShape,
  type Weights,
  WeightsError,
} from "@depthwise/core";

/** First weights of a run, and what of them is new. */
export interface FirstWeights {
  readonly weights: Weights;
  /** Parameters that were drawn anew: the last layer's, where the classes are others. */
  readonly drawn: readonly string[];
}

/** Parameters named in a message. */
const mostNamed = 3;

/**
 * Weights to begin with: a trained network's, its last layer drawn anew where the classes are others; without one, all drawn.
 *
 * @throws {WeightsError} if the trained network has not all of the body's parameters
 */
export function firstWeights(
  network: Network,
  seed: number,
  from: { readonly network: Network; readonly weights: Weights } | undefined,
): FirstWeights {
  const weights = new Map(initializeForTraining(network.graph, seed));
  if (from === undefined) return { weights, drawn: [...weights.keys()] };
  const head = headParameters(network.graph);
  const keepsHead = isSameClasses(network, from.network);
  const drawn: string[] = [];
  const missing: string[] = [];
  for (const [name, own] of weights) {
    const given = from.weights.get(name);
    const fits = given !== undefined && sameShape(given.shape, own.shape);
    if (fits && (keepsHead || !head.has(name))) weights.set(name, given);
    else if (head.has(name)) drawn.push(name);
    else missing.push(name);
  }
  if (missing.length > 0) {
    const named = missing.slice(0, mostNamed).map((name) => `"${name}"`);
    const more = missing.length > mostNamed ? ` and ${missing.length - mostNamed} more` : "";
    throw new WeightsError(
      `--from: ${from.network.name} does not have these parameters of ${network.name}, or in another shape: ${named.join(", ")}${more}.`,
      { hint: "Leave --model away, or name a network of the same family and width." },
    );
  }
  return { weights, drawn };
}

function isSameClasses(network: Network, from: Network): boolean {
  if (network.classes !== from.classes) return false;
  return from.labels === undefined || JSON.stringify(from.labels) === JSON.stringify(network.labels);
}
