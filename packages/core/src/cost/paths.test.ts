import fc from "fast-check";
import { expect, describe as group, test } from "vitest";
import { GraphError } from "../errors.ts";
import { type GraphBuilder, graphBuilder, type Value } from "../graph/builder.ts";
import { type Graph, nodesOf } from "../graph/graph.ts";
import { interpret } from "../graph/interpret.ts";
import type { Permutation } from "../graph/permutation.ts";
import { build } from "../networks/build.ts";
import { bestBranchSizes, interleavedLayers } from "../networks/interleaving.ts";
import { elementCount, tensor } from "../tensor.ts";
import { describeConnections } from "./connections.ts";
import { countPaths, pathMatrix } from "./paths.ts";

/** Group convolutions, 3x3 first, a permutation after each. */
function interleaved(channels: number, branchSizes: readonly number[], permutations?: readonly Permutation[]): Graph {
  const builder = graphBuilder("interleaved");
  let x = builder.input("input", [1, 4, 4, channels]);
  for (const [index, { groups, permutation }] of interleavedLayers(channels, branchSizes).entries()) {
    const kernel = index === 0 ? 3 : 1;
    x = builder.convolution(`layer${index + 1}`, x, { channels, kernel, groups });
    x = builder.permute(`permutation${index + 1}`, x, permutations?.[index] ?? permutation);
  }
  return builder.build({ output: x });
}

group("IGCV2's worked example, 12 channels in branches of 3, 2 and 2", () => {
  const graph = interleaved(12, [3, 2, 2]);

  test("is the all-ones matrix", () => {
    const { inputs, outputs, counts } = pathMatrix(graph, "input", "permutation3");
    expect([inputs, outputs]).toEqual([12, 12]);
    expect(counts).toEqual(new Float64Array(144).fill(1));
  });

  test("joins half of the pairs after two layers", () => {
    const { minPaths, maxPaths, unconnectedShare } = countPaths(graph, "input", "permutation2");
    expect([minPaths, maxPaths, unconnectedShare]).toEqual([0, 1, 0.5]);
    // Channel 0 mixes with 1 and 2 first; then with what follows it at a distance of 3.
    const { counts } = pathMatrix(graph, "input", "layer1");
    expect([...counts.subarray(0, 12)]).toEqual([1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  });

  test("is complementary", () => {
    expect(describeConnections(graph)).toEqual([
      {
        block: "interleaved",
        from: "input",
        to: "permutation3",
        inputs: 12,
        outputs: 12,
        minPaths: 1,
        maxPaths: 1,
        complementary: true,
        unconnectedShare: 0,
      },
    ]);
  });

  test("with a wrong permutation is reported with a pair that has no path", () => {
    const wrong = interleaved(12, [3, 2, 2], [{ kind: "shuffle", groups: 1 }]);
    const [report] = describeConnections(wrong);
    expect(report?.complementary).toBe(false);
    expect(report?.minPaths).toBe(0);
    const { input, output } = report?.unconnected ?? { input: -1, output: -1 };
    const { counts } = pathMatrix(wrong, "input", "permutation3");
    expect(counts[input * 12 + output]).toBe(0);
    // The interpreter agrees: a one at that input leaves that output at zero, and others not.
    const seen = onesThrough(wrong, input);
    expect(seen[output]).toBe(0);
    expect(seen.some((value) => value > 0)).toBe(true);
  });
});

/** Channels of the output at the centre, for a one in one input channel at the centre and a one in every weight. */
function onesThrough(graph: Graph, channel: number): number[] {
  const [input] = nodesOf(graph, "input");
  const [, h = 1, w = 1, c = 1] = input?.shape ?? [];
  const x = tensor(input?.shape ?? []);
  const at = (Math.floor(h / 2) * w + Math.floor(w / 2)) * c;
  x.data[at + channel] = 1;
  const weights = new Map(
    nodesOf(graph, "parameter").map(({ name, shape }) => [
      name,
      tensor(shape, new Float32Array(elementCount(shape)).fill(1)),
    ]),
  );
  const output = interpret(graph, weights, { input: x.data }).outputs.output;
  const channels = output?.shape.at(-1) ?? 1;
  return [...(output?.data.subarray((at / c) * channels, (at / c + 1) * channels) ?? [])];
}

group("any factorisation", () => {
  test("of the channels gives one path for every pair, whatever the order of the sizes", () => {
    const factors = fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(
        factors.filter((sizes) => sizes.reduce((all, size) => all * size, 1) <= 300),
        (sizes) => {
          const channels = sizes.reduce((all, size) => all * size, 1);
          const paths = countPaths(interleaved(channels, sizes), "input", `permutation${sizes.length}`);
          expect(paths).toEqual({
            inputs: channels,
            outputs: channels,
            minPaths: 1,
            maxPaths: 1,
            isExact: true,
            unconnectedShare: 0,
          });
        },
      ),
      { numRuns: 150 },
    );
  });

  test("that is cheapest is complementary too", () => {
    for (const channels of [16, 48, 64, 96, 120]) {
      const sizes = bestBranchSizes(channels);
      expect(describeConnections(interleaved(channels, sizes))[0]?.complementary).toBe(true);
    }
  });
});

/** A random graph of everything that moves channels, at one pixel, so that the interpreter with ones for weights counts paths. */
const someGraph = fc
  .array(fc.record({ kind: fc.nat(6), a: fc.nat(1000), b: fc.nat(1000), c: fc.nat(1000) }), {
    minLength: 1,
    maxLength: 9,
  })
  .map((steps) => {
    const builder = graphBuilder("random");
    const values: Value[] = [builder.input("input", [1, 1, 1, 6])];
    const pick = (index: number) => values[index % values.length] as Value;
    for (const [index, step] of steps.entries()) values.push(addStep(builder, `node${index}`, step, pick));
    return builder.build({ output: builder.flatten("flatten", values.at(-1) as Value) });
  });

function addStep(
  builder: GraphBuilder,
  name: string,
  { kind, a, b, c }: { kind: number; a: number; b: number; c: number },
  pick: (index: number) => Value,
): Value {
  const x = pick(a);
  const channels = x.shape[3] as number;
  const divisors = Array.from({ length: channels }, (_, d) => d + 1).filter((d) => channels % d === 0);
  const groups = divisors[b % divisors.length] as number;
  switch (kind) {
    case 0:
      return builder.convolution(name, x, { channels: groups * (1 + (c % 3)), groups });
    case 1:
      return builder.permute(name, x, { kind: "shuffle", groups });
    case 2:
      return builder.slice(name, x, b % channels, 1 + (c % (channels - (b % channels))));
    case 3:
      return builder.concatenate(name, [x, pick(b)].slice(0, channels > 12 ? 1 : 2));
    case 4: {
      const other = builder.convolution(`${name}/other`, pick(b), { channels });
      return builder.add(name, x, other);
    }
    case 5:
      return builder.maxPool(name, x, { kernel: 1 });
    default:
      return builder.permute(name, x, {
        kind: "explicit",
        order: Array.from({ length: channels }, (_, index) => channels - 1 - index),
      });
  }
}

group("any graph", () => {
  test("has the paths that the interpreter counts with ones for weights", () => {
    fc.assert(
      fc.property(someGraph, (graph) => {
        const { inputs, outputs, counts } = pathMatrix(graph, "input", "flatten");
        for (let channel = 0; channel < inputs; channel++) {
          expect([...counts.subarray(channel * outputs, (channel + 1) * outputs)]).toEqual(onesThrough(graph, channel));
        }
        const { minPaths, maxPaths } = countPaths(graph, "input", "flatten");
        expect([minPaths, maxPaths]).toEqual([Math.min(...counts), Math.max(...counts)]);
      }),
      { numRuns: 300 },
    );
  });

  test("has no path between values that do not depend on each other", () => {
    const builder = graphBuilder("apart");
    const a = builder.convolution("a", builder.input("left", [1, 1, 1, 2]), { channels: 2 });
    const b = builder.convolution("b", builder.input("right", [1, 1, 1, 3]), { channels: 2 });
    const graph = builder.build({ output: builder.concatenate("both", [a, b]) });
    expect(countPaths(graph, "left", "b")).toMatchObject({ minPaths: 0, maxPaths: 0, unconnectedShare: 1 });
    expect([...pathMatrix(graph, "right", "both").counts.subarray(0, 4)]).toEqual([0, 0, 1, 1]);
  });

  test("whose counts pass 2^53 says that they are rounded", () => {
    const builder = graphBuilder("wide");
    let x = builder.input("input", [1, 1, 1, 1000]);
    for (let layer = 0; layer < 7; layer++) x = builder.convolution(`layer${layer}`, x, { channels: 1000 });
    const graph = builder.build({ output: x });
    expect(countPaths(graph, "input", "layer5")).toMatchObject({ minPaths: 1e15, isExact: true });
    expect(countPaths(graph, "input", "layer6")).toMatchObject({ minPaths: 1e18, isExact: false });
  });

  test("refuses names that it does not have", () => {
    expect(() => countPaths(interleaved(4, [2, 2]), "input", "nowhere")).toThrow(GraphError);
  });
});

group("published networks", () => {
  const connections = (name: string, options = {}) => describeConnections(build(name, options).graph);

  test("IGCV2 on CIFAR: strict where the branches multiply to the width, else pairs are missing", () => {
    const c64 = connections("igcv2_c64_cifar");
    const stage = (number: number) => c64.filter(({ block }) => block.startsWith(`stage${number}/`));
    expect(stage(1)).toHaveLength(6);
    for (const { complementary, minPaths, maxPaths } of stage(1))
      expect([complementary, minPaths, maxPaths]).toEqual([true, 1, 1]);
    // 256 channels, two layers of 8: an output reaches 64.
    for (const { complementary, unconnectedShare, unconnected } of stage(3).slice(1)) {
      expect([complementary, unconnectedShare]).toEqual([false, 0.75]);
      expect(unconnected).toBeDefined();
    }
  });

  test("IGCV2 with branches that multiply to every width: strict in every block", () => {
    const strict = connections("igcv2_c64_cifar", { branches: [4, 4, 4] });
    expect(strict).toHaveLength(18);
    for (const { complementary } of strict) expect(complementary).toBe(true);
    // The first block of stage 2 makes two channels of each: paths are counted from there.
    expect(strict.find(({ block }) => block === "stage2/unit1/block1")).toMatchObject({
      from: "stage2/unit1/block1/depthwise",
      inputs: 128,
      outputs: 128,
    });
  });

  test("IGCV3: e/4 paths with two and two branches, four super-channels", () => {
    const units = connections("igcv3_d_1.0");
    expect(units).toHaveLength(32);
    for (const unit of units) expect([unit.minPaths, unit.superchannels]).toEqual([unit.maxPaths, 4]);
    // i = 24, e = 144: 36.
    expect(units.find(({ block }) => block === "stage2/unit2")?.minPaths).toBe(36);
    const g2g4 = connections("igcv3_d_g2g4").find(({ block }) => block === "stage2/unit2");
    expect([g2g4?.minPaths, g2g4?.maxPaths, g2g4?.superchannels]).toEqual([18, 18, 8]);
  });

  test("IGCV1: strict in every block", () => {
    for (const { complementary } of connections("igcv1_l24m2_cifar")) expect(complementary).toBe(true);
  });

  test("blocks are followed from what their first convolution reads to what becomes of the last", () => {
    expect(connections("squeezenet_1.1")[0]).toMatchObject({
      block: "fire2",
      from: "pool1",
      to: "fire2/concatenate",
      minPaths: 16,
      maxPaths: 16,
      superchannels: 1,
    });
    expect(connections("mobilenet_v2_1.0_224")[1]).toMatchObject({
      block: "stage2/unit1",
      to: "stage2/unit1/project/norm",
      minPaths: 96,
    });
    const shuffled = connections("shufflenet_v1_1.0_g3");
    expect(shuffled[1]).toMatchObject({
      to: "stage2/unit2/expand/norm",
      minPaths: 6,
      maxPaths: 7,
      complementary: false,
    });
  });
});
