import { expect, describe as group, test } from "vitest";
import { nodesOf } from "../graph/graph.ts";
import { initializeWeights } from "../graph/initialize.ts";
import { interpret } from "../graph/interpret.ts";
import { build } from "../networks/build.ts";
import { families } from "../networks/families.ts";
import type { FamilyName } from "../networks/network.ts";
import { seededRandom } from "../random.ts";
import type { Tensor, Weights } from "../tensor.ts";
import { initializeForTraining } from "./initialize_for_training.ts";

const seed = 3;

/** Of the values, over 1 / (3 fan in). */
function relativeVariance({ shape, data }: Tensor): number {
  const fanIn = shape.slice(0, -1).reduce((product, length) => product * length, 1);
  const squares = (data as Float32Array).reduce((sum, value) => sum + value * value, 0);
  return (squares / data.length) * 3 * fanIn;
}

function changedIn(graph: Parameters<typeof initializeWeights>[0]): readonly string[] {
  const drawn = initializeWeights(graph, seed);
  return [...initializeForTraining(graph, seed)]
    .filter(([name, t]) => t.data !== drawn.get(name)?.data && !sameData(t, drawn.get(name)))
    .map(([name]) => name);
}

function sameData(a: Tensor, b: Tensor | undefined): boolean {
  return b !== undefined && a.data.every((value, i) => value === b.data[i]);
}

group.each(Object.keys(families) as FamilyName[])("%s", (family) => {
  const { graph } = build(`${family}_cifar`);
  const kernels = nodesOf(graph, "convolution").map((node) => graph.nodes[node.inputs[1] as number]?.name);

  test("changes kernels of convolutions and nothing else, to one variance", () => {
    const weights = initializeForTraining(graph, seed);
    const changed = changedIn(graph);
    expect(kernels).toEqual(expect.arrayContaining([...changed]));
    for (const name of changed) expect(relativeVariance(weights.get(name) as Tensor)).toBeCloseTo(1, 4);
    expect(changed.length).toBeGreaterThan(kernels.length / 2);
  });
});

test("leaves networks without batch norm as they are drawn", () => {
  expect(changedIn(build("squeezenet_cifar", { batchNorm: false }).graph)).toEqual([]);
});

test("every changed kernel is followed by its norm: with the norm's statistics scaled alike, the output stays", () => {
  const { graph } = build("igcv1_cifar", { depth: 5 });
  const [drawn, scaled] = [initializeWeights(graph, seed), initializeForTraining(graph, seed)];
  const random = seededRandom(1, "picture");
  const input = Float32Array.from({ length: 32 * 32 * 3 }, () => random.normal());
  const run = (weights: Weights) => interpret(graph, weights, { input }).outputs.output?.data as Float32Array;
  /** The product of the scales of the kernels between a norm and the activation before it: one block's. */
  const adjusted = new Map(scaled);
  for (const norm of nodesOf(graph, "batch_norm")) {
    const block = norm.name.slice(0, norm.name.lastIndexOf("/"));
    const names = [...scaled.keys()].filter((name) => name.endsWith("/kernel") && name.startsWith(`${block}/`));
    const scale = names.reduce((product, name) => product * ratio(scaled.get(name), drawn.get(name)), 1);
    const variance = adjusted.get(`${norm.name}/variance`);
    if (variance === undefined) throw new Error(`no variance of ${norm.name}`);
    adjusted.set(`${norm.name}/variance`, {
      ...variance,
      data: (variance.data as Float32Array).map((v) => v * scale ** 2),
    } as Tensor<"f32">);
  }
  // Not closer: epsilon is larger beside smaller statistics.
  const [before, after] = [run(drawn), run(adjusted)];
  for (const [i, value] of before.entries()) expect(after[i]).toBeCloseTo(value, 2);
});

function ratio(a: Tensor | undefined, b: Tensor | undefined): number {
  return Math.sqrt(relativeVariance(a as Tensor) / relativeVariance(b as Tensor));
}
