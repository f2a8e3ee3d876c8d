import {
  build,
  type Network,
  nodesOf,
  OptionError,
  sameShape,
  type Tensor,
  tensor,
  toFloat32,
  type Weights,
} from "@depthwise/core";

/**
 * A network without its first class: TensorFlow's networks of ImageNet have a background there, before the thousand that all others have.
 *
 * @throws {OptionError} for a network of no family, or of a single class
 */
export function dropBackground(
  network: Network,
  weights: Weights,
): { readonly network: Network; readonly weights: Weights } {
  const { family, classes } = network;
  if (family === undefined || classes < 2) {
    throw new OptionError(
      `${network.name}: the first class can be left out of networks of a known family, of two classes or more.`,
    );
  }
  const smaller = build(family, { ...network.options, classes: classes - 1 });
  const kept = nodesOf(smaller.graph, "parameter").map(({ name, shape }): readonly [string, Tensor] => {
    const source = weights.get(name) as Tensor;
    if (sameShape(source.shape, shape)) return [name, source];
    // Classes are the last axis of everything that has them.
    const numbers = toFloat32(source).filter((_, i) => i % classes !== 0);
    return [name, tensor(shape, numbers)];
  });
  const labels = network.labels?.slice(1);
  return {
    network: {
      ...smaller,
      name: network.name,
      preprocessing: network.preprocessing,
      ...(labels === undefined ? {} : { labels }),
    },
    weights: new Map(kept),
  };
}
