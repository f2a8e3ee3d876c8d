import { GraphError } from "../errors.ts";
import { type Random, seededRandom } from "../random.ts";
import { elementCount, type Tensor, tensor, type Weights } from "../tensor.ts";
import { type Graph, nodesOf } from "./graph.ts";
import type { Initializer } from "./operations.ts";

/** Where a truncated normal is cut, in deviations (TensorFlow's truncated_normal). */
const cut = 2;

/**
 * Weights for every parameter of the graph, drawn as its initializer says. A parameter's numbers depend on the seed, its name and its
 * shape alone: they are the same on every machine, and stay when other parts of the graph change.
 *
 * @param seed a whole number of 0 to 2^53 − 1
 * @throws {OptionError} if the seed is no such number
 */
export function initializeWeights(graph: Graph, seed: number = 0): Weights {
  const weights = new Map<string, Tensor<"f32">>();
  for (const { name, shape, operation } of nodesOf(graph, "parameter")) {
    const data = new Float32Array(elementCount(shape));
    const draw = draws(operation.initializer, seededRandom(seed, name), name);
    for (let i = 0; i < data.length; i++) data[i] = draw();
    weights.set(name, tensor(shape, data));
  }
  return weights;
}

function draws(initializer: Initializer, random: Random, name: string): () => number {
  switch (initializer.kind) {
    case "constant":
      return () => initializer.value;
    case "normal":
      return () => initializer.deviation * random.normal();
    case "truncated_normal":
      return () => {
        let value = random.normal();
        while (Math.abs(value) > cut) value = random.normal();
        return initializer.deviation * value;
      };
    case "uniform":
      return () => initializer.bound * (2 * random.uniform() - 1);
    default:
      initializer satisfies never;
      throw new GraphError(`parameter "${name}": unknown initializer ${JSON.stringify(initializer)}.`);
  }
}
