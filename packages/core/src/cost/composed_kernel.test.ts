import fc from "fast-check";
import { expect, describe as group, test } from "vitest";
import { GraphError, UnsupportedError, WeightsError } from "../errors.ts";
import { type GraphBuilder, graphBuilder, type Value } from "../graph/builder.ts";
import { findNode, type Graph, nodesOf } from "../graph/graph.ts";
import { initializeWeights } from "../graph/initialize.ts";
import { interpret } from "../graph/interpret.ts";
import { build } from "../networks/build.ts";
import { interleavedLayers } from "../networks/interleaving.ts";
import { seededRandom } from "../random.ts";
import { elementCount, type Tensor, tensor, type Weights } from "../tensor.ts";
import { type ComposedKernel, composeKernel } from "./composed_kernel.ts";

/** Random weights, norms included: nothing is 0 or 1. */
function randomWeights(graph: Graph, seed: number): Weights {
  return new Map(
    nodesOf(graph, "parameter").map(({ name, shape }) => {
      const random = seededRandom(seed, name);
      const data = Float32Array.from({ length: elementCount(shape) }, () => 0.2 + random.uniform());
      return [name, tensor(shape, data)] as const;
    }),
  );
}

/** The first value convolved with a composed kernel, by the interpreter. */
function applied(composed: ComposedKernel, x: Tensor<"f32">): Tensor<"f32"> {
  const builder = graphBuilder("composed");
  const input = builder.input("input", x.shape);
  const kernel = builder.parameter("kernel", composed.kernel.shape, { kind: "constant", value: 0 });
  const bias = builder.parameter("bias", composed.bias.shape, { kind: "constant", value: 0 });
  const { stride, padding, dilation } = composed;
  const operation = {
    op: "convolution",
    stride,
    padding,
    dilation,
    groups: 1,
    bias: true,
    activation: "none",
    residual: false,
    residualActivation: "none",
  } as const;
  const graph = builder.build({ output: builder.node("convolution", operation, [input, kernel, bias]) });
  const weights = new Map([
    ["kernel", composed.kernel],
    ["bias", composed.bias],
  ]);
  return interpret(graph, weights, { input: x.data }).outputs.output as Tensor<"f32">;
}

function randomPicture(shape: readonly number[]): Tensor<"f32"> {
  const random = seededRandom(1, "picture");
  return tensor(
    shape,
    Float32Array.from({ length: elementCount(shape) }, () => random.uniform() - 0.5),
  );
}

/** Largest difference, over the largest value. */
function difference(a: Tensor, b: Tensor): number {
  expect(a.shape).toEqual(b.shape);
  let [most, largest] = [0, 1e-30];
  for (const [index, value] of (a.data as Float32Array).entries()) {
    most = Math.max(most, Math.abs(value - (b.data[index] as number)));
    largest = Math.max(largest, Math.abs(value));
  }
  return most / largest;
}

function expectSameResult(graph: Graph, weights: Weights, from = "input"): ComposedKernel {
  const composed = composeKernel(graph, weights, from, graph.nodes[graph.outputs[0]?.value as number]?.name ?? "");
  const x = randomPicture(nodesOf(graph, "input")[0]?.shape ?? []);
  const expected = interpret(graph, weights, { input: x.data }).outputs.output as Tensor;
  // Both sides round to float32 once a layer: 1e-5 is far above, and far below any wrong weight.
  expect(difference(expected, applied(composed, x))).toBeLessThan(1e-5);
  return composed;
}

test("a chain of 1x1 group convolutions and permutations is the product of their matrices", () => {
  const builder = graphBuilder("igcv2");
  let x = builder.input("input", [1, 1, 1, 4]);
  for (const [index, { groups, permutation }] of interleavedLayers(4, [2, 2]).entries()) {
    x = builder.permute(`p${index}`, builder.convolution(`w${index}`, x, { channels: 4, groups }), permutation);
  }
  const graph = builder.build({ output: x });
  // Group kernels [1, 1, 2, 4]: columns are outputs, rows the two inputs of their group.
  const weights = new Map([
    ["w0/kernel", tensor([1, 1, 2, 4], Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8))],
    ["w1/kernel", tensor([1, 1, 2, 4], Float32Array.of(1, 10, 100, 1000, 2, 20, 200, 2000))],
  ]);
  const { kernel, bias } = composeKernel(graph, weights, "input", "p1");
  // W_1 x = (x0 + 5 x1, 2 x0 + 6 x1, 3 x2 + 7 x3, 4 x2 + 8 x3); P_1 = (0, 2, 1, 3); W_2 of (a, c | b, d); P_2 = (0, 2, 1, 3).
  const rows = [
    [1, 200 * 0 + 100 * 2, 10, 1000 * 2],
    [5, 100 * 6, 50, 1000 * 6],
    [2 * 3, 200 * 4, 20 * 3, 2000 * 4],
    [2 * 7, 200 * 8, 20 * 7, 2000 * 8],
  ];
  expect([...kernel.data]).toEqual(rows.flat());
  expect([...bias.data]).toEqual([0, 0, 0, 0]);
  expectSameResult(graph, weights);
});

test("an IGCV2 block, depthwise first, is one dense 3x3 convolution without a zero", () => {
  const { graph } = build("igcv2_c64_cifar", { resolution: 8 });
  const weights = initializeWeights(graph, 3);
  const block = "stage1/unit1/block1";
  const composed = composeKernel(graph, weights, "stem/activation", `${block}/norm`);
  expect(composed.kernel.shape).toEqual([3, 3, 64, 64]);
  expect(composed.kernel.data.every((value) => value !== 0)).toBe(true);
  const x = randomPicture(nodesOf(graph, "input")[0]?.shape ?? []);
  const { kept } = interpret(graph, weights, { input: x.data }, { keep: ["stem/activation", `${block}/norm`] });
  expect(
    difference(kept[`${block}/norm`] as Tensor, applied(composed, kept["stem/activation"] as Tensor<"f32">)),
  ).toBeLessThan(1e-5);
});

test("any chain with at most one window gives what the interpreter gives", () => {
  const step = fc.record({ kind: fc.nat(6), a: fc.nat(100), b: fc.nat(100), stride: fc.integer({ min: 1, max: 2 }) });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 6 }), fc.nat(1000), (steps, seed) => {
      const builder = graphBuilder("chain");
      let x = builder.input("input", [1, 5, 4, 6]);
      let hasWindow = false;
      for (const [index, { kind, a, b, stride }] of steps.entries()) {
        const window: boolean = !hasWindow && kind === 0;
        // Padding is allowed before any shift: the first step shifts nothing yet.
        x = addLinearStep(
          builder,
          `node${index}`,
          x,
          kind,
          a,
          b,
          window ? { kernel: [3, 2], stride, padding: index === 0 ? 1 : 0 } : undefined,
        );
        hasWindow ||= window;
      }
      const graph = builder.build({ output: x });
      expectSameResult(graph, randomWeights(graph, seed));
    }),
    { numRuns: 150 },
  );
});

function addLinearStep(
  builder: GraphBuilder,
  name: string,
  x: Value,
  kind: number,
  a: number,
  b: number,
  window: { kernel: readonly [number, number]; stride: number; padding: number } | undefined,
): Value {
  const channels = x.shape[3] as number;
  const divisors = Array.from({ length: channels }, (_, d) => d + 1).filter((d) => channels % d === 0);
  const groups = divisors[a % divisors.length] as number;
  const outputs = groups * (1 + (b % 3));
  switch (kind) {
    case 0:
    case 1:
      return builder.convolution(name, x, { channels: outputs, groups, bias: b % 2 === 0, ...window });
    case 2:
      return builder.permute(name, x, { kind: "shuffle", groups });
    case 3:
      return builder.batchNorm(name, x, { epsilon: 1e-3 });
    case 4:
      return builder.concatenate(name, [builder.slice(`${name}/slice`, x, a % channels, 1), x]);
    case 5:
      return builder.add(name, x, builder.convolution(`${name}/other`, x, { channels }));
    default:
      return builder.dropout(name, x, 0.5);
  }
}

group("what is no single convolution is refused, with the node's name", () => {
  const refused = (make: (builder: GraphBuilder, x: Value) => Value): (() => unknown) => {
    const builder = graphBuilder("refused");
    const graph = builder.build({ output: make(builder, builder.input("input", [1, 4, 4, 2])) });
    const last = graph.nodes.at(-1)?.name ?? "";
    return () => composeKernel(graph, randomWeights(graph, 1), "input", last);
  };

  test.each<[string, (builder: GraphBuilder, x: Value) => Value, RegExp]>([
    ["an activation", (b, x) => b.activation("act", x, "relu"), /activation "act" is not linear/],
    [
      "a fused activation",
      (b, x) => b.convolution("conv", x, { channels: 2, activation: "relu6" }),
      /"conv" has an activation/,
    ],
    [
      "a second window",
      (b, x) =>
        b.convolution("second", b.convolution("first", x, { channels: 2, kernel: 3 }), { channels: 2, kernel: 3 }),
      /"second" is the second with a window/,
    ],
    [
      "a shift before padding",
      (b, x) => b.convolution("padded", b.batchNorm("norm", x), { channels: 2, kernel: 3 }),
      /"padded" pads with zeros a value that was shifted/,
    ],
    ["a pool", (b, x) => b.maxPool("pool", x, { kernel: 2 }), /max_pool "pool"/],
    [
      "a sum of different windows",
      (b, x) => b.add("sum", x, b.convolution("conv", x, { channels: 2, kernel: 3 })),
      /"sum" joins values of different windows/,
    ],
  ])("%s", (_, make, message) => {
    expect(refused(make)).toThrow(message);
    expect(refused(make)).toThrow(UnsupportedError);
  });

  test("names and numbers that are not there", () => {
    const { graph } = build("igcv2_c64_cifar", { resolution: 8 });
    expect(findNode(graph, "stem")).toBeDefined();
    expect(() => composeKernel(graph, new Map(), "input", "stem")).toThrow(WeightsError);
    expect(() => composeKernel(graph, new Map(), "input", "nowhere")).toThrow(GraphError);
  });
});
