import { initializeWeights, type Network, sameShape, type Weights } from "@depthwise/core";

/** First weights of a run, and what of them is new. */
export interface FirstWeights {
  readonly weights: Weights;
  /** Parameters that were drawn anew: the last layer's, where the classes are others. */
  readonly drawn: readonly string[];
}

/** Weights to begin with: another network's where names and shapes agree, else drawn from the seed. */
export function firstWeights(network: Network, seed: number, from: Weights | undefined): FirstWeights {
  const weights = new Map(initializeWeights(network.graph, seed));
  const drawn: string[] = [];
  for (const [name, own] of weights) {
    const given = from?.get(name);
    if (given && sameShape(given.shape, own.shape)) weights.set(name, given);
    else drawn.push(name);
  }
  return { weights, drawn };
}
