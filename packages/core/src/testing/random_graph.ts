import { graphBuilder, type Value } from "../graph/builder.ts";
import { type Graph, nodeOf, nodesOf, verifyGraph } from "../graph/graph.ts";
import { type Random, seededRandom } from "../random.ts";
import { elementCount, type Shape, type Tensor, tensor, type Weights } from "../tensor.ts";
import { between, chance, type Growth, grow, pick } from "./random_graph_moves.ts";

/** A small random graph with numbers for its parameters and inputs. */
export interface RandomGraph {
  readonly graph: Graph;
  readonly weights: Weights;
  /** By the input's name, in `[N, H, W, C]` order. */
  readonly inputs: Readonly<Record<string, Float32Array>>;
}

/** Multiply-accumulates a graph may have, so that five hundred of them are interpreted in seconds. */
const macBudget = 1_500_000;

/**
 * The random graph number `seed`: the same on every machine, so that a failing seed can be named. Over some hundred seeds every
 * operation occurs, with the attributes and neighbours that break compilers: odd channel counts, pictures of one pixel, views of
 * views, values used several times, outputs that are inputs, and so on.
 */
export function randomGraph(seed: number): RandomGraph {
  const random = seededRandom(seed, "graph");
  const build = graphBuilder(`random_${seed}`);
  const growth: Growth = {
    build,
    random,
    values: [],
    convolutions: [],
    macsLeft: macBudget,
    productsLeft: 2,
    count: 0,
  };
  growth.values.push(...randomInputs(growth));
  const target = growth.values.length + between(random, 2, 11);
  // Most moves make a node; those that find nothing to work on are drawn again, and a graph that is stuck stays small.
  for (let tries = 0; growth.values.length < target && tries < 100; tries++) grow(growth);
  const graph = build.build(randomOutputs(growth));
  verifyGraph(graph);
  return { graph, weights: randomWeights(graph, seed), inputs: randomNumbers(graph, seed) };
}

function randomInputs({ build, random }: Growth): Value[] {
  const batch = pick(random, [1, 1, 1, 2, 3]);
  const length = (): number => (chance(random, 0.2) ? 1 : between(random, 2, 12));
  const shape: Shape = chance(random, 0.15)
    ? [batch, 1, 1, between(random, 1, 37)]
    : [batch, length(), length(), between(random, 1, 37)];
  const values = [build.input("input", shape)];
  const others = pick(random, [0, 0, 0, 0, 1, 1, 2]);
  for (let i = 0; i < others; i++) {
    const other = pick<Shape>(random, [
      shape,
      [...shape.slice(0, 3), between(random, 1, 37)],
      [batch, 1, 1, shape[3] as number],
      [batch, between(random, 1, 37)],
    ]);
    values.push(build.input(`input${i + 2}`, other));
  }
  return values;
}

/** The last value, and sometimes others: used inside too, views, inputs, or the same value under a second name. */
function randomOutputs({ values, random }: Growth): Record<string, Value> {
  const outputs: Record<string, Value> = { output: values.at(-1) as Value };
  const others = pick(random, [0, 0, 1, 1, 2]);
  for (let i = 0; i < others; i++) outputs[`output${i + 2}`] = pick(random, values);
  return outputs;
}

function randomWeights(graph: Graph, seed: number): Weights {
  const drawers = new Map<string, (random: Random) => number>();
  for (const { inputs } of nodesOf(graph, "batch_norm")) {
    const [gamma, beta, mean, variance] = inputs.slice(1).map((input) => nodeOf(graph, input).name);
    // Gammas below zero turn comparisons round, and a zero makes a folded kernel vanish.
    drawers.set(gamma as string, (random) =>
      chance(random, 0.05) ? 0 : (chance(random, 0.2) ? -1 : 1) * (0.5 + random.uniform()),
    );
    drawers.set(beta as string, (random) => random.uniform() - 0.5);
    drawers.set(mean as string, (random) => random.uniform() - 0.5);
    drawers.set(variance as string, (random) => 0.25 + 2 * random.uniform());
  }
  const weights = new Map<string, Tensor>();
  for (const { name, shape } of nodesOf(graph, "parameter")) {
    const random = seededRandom(seed, name);
    // Kernels are scaled so that values stay about as large as the inputs are.
    const fanIn = elementCount(shape.slice(0, -1));
    const draw = drawers.get(name) ?? ((): number => random.normal() / Math.sqrt(fanIn));
    weights.set(
      name,
      tensor(
        shape,
        Float32Array.from({ length: elementCount(shape) }, () => draw(random)),
      ),
    );
  }
  return weights;
}

function randomNumbers(graph: Graph, seed: number): Record<string, Float32Array> {
  const inputs = nodesOf(graph, "input").map(({ name, shape }): [string, Float32Array] => {
    const random = seededRandom(seed, name);
    return [name, Float32Array.from({ length: elementCount(shape) }, () => 2 * random.uniform() - 1)];
  });
  return Object.fromEntries(inputs);
}
