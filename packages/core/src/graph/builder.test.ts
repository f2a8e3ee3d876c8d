import { describe, expect, it } from "vitest";
import { GraphError, ShapeError } from "../errors.ts";
import { graphBuilder, heFanOut, resolvePadding, toPair } from "./builder.ts";
import { findNode, verifyGraph } from "./graph.ts";
import type { Pair } from "./operations.ts";

describe("resolvePadding", () => {
  const same = (kernel: number, stride: number, size: number): [before: number, after: number] => {
    const { top, bottom } = resolvePadding("same", [kernel, 1], [stride, 1], [1, 1], [size, 9]);
    return [top, bottom];
  };

  it("puts the odd cell of TensorFlow's SAME after", () => {
    expect(same(3, 2, 224), "k3 s2, even size").toEqual([0, 1]);
    expect(same(3, 2, 225), "k3 s2, odd size").toEqual([1, 1]);
    expect(same(3, 1, 7)).toEqual([1, 1]);
    expect(same(2, 1, 7)).toEqual([0, 1]);
    expect(same(5, 2, 8)).toEqual([1, 2]);
    expect(same(7, 2, 224)).toEqual([2, 3]);
    expect(same(1, 2, 8), "never less than none").toEqual([0, 0]);
    expect(same(2, 3, 7)).toEqual([0, 1]);
  });

  it("gives SAME the output size ceil(size / stride)", () => {
    for (const kernel of [1, 2, 3, 5, 7]) {
      for (const stride of [1, 2, 3]) {
        for (let size = 1; size < 20; size++) {
          const build = graphBuilder("same");
          const x = build.input("x", [1, size, 1, 1]);
          const y = build.convolution("y", x, { channels: 1, kernel: [kernel, 1], stride, padding: "same" });
          expect(y.shape[1], `k${kernel} s${stride} size ${size}`).toBe(Math.ceil(size / stride));
        }
      }
    }
  });

  it("pads by half the kernel's span on every side", () => {
    const half = (kernel: Pair, dilation: Pair): ReturnType<typeof resolvePadding> =>
      resolvePadding("half", kernel, [2, 2], dilation, [8, 8]);
    expect(half([3, 5], [1, 1])).toEqual({ top: 1, bottom: 1, left: 2, right: 2 });
    expect(half([3, 1], [2, 2])).toEqual({ top: 2, bottom: 2, left: 0, right: 0 });
  });

  it("takes a number, none, or each side", () => {
    const sides = { top: 1, bottom: 2, left: 3, right: 4 };
    expect(resolvePadding(sides, [3, 3], [1, 1], [1, 1], [8, 8])).toEqual(sides);
    expect(resolvePadding(2, [3, 3], [1, 1], [1, 1], [8, 8])).toEqual({ top: 2, bottom: 2, left: 2, right: 2 });
    expect(resolvePadding("valid", [3, 3], [1, 1], [1, 1], [8, 8])).toEqual({ top: 0, bottom: 0, left: 0, right: 0 });
  });
});

describe("graphBuilder", () => {
  it("puts the names of nested scopes before a node's and its parameters' names", () => {
    const build = graphBuilder("scopes");
    const x = build.input("x", [1, 4, 4, 3]);
    const y = build.scope("stage1", () => {
      const z = build.scope("unit1", () => build.convolution("expand", x, { channels: 6 }));
      return build.batchNorm("norm", z);
    });
    const graph = build.build({ y });
    expect(graph.nodes.map(({ name }) => name)).toEqual([
      "x",
      "stage1/unit1/expand/kernel",
      "stage1/unit1/expand",
      "stage1/norm/gamma",
      "stage1/norm/beta",
      "stage1/norm/mean",
      "stage1/norm/variance",
      "stage1/norm",
    ]);
  });

  it("leaves a scope even when its body throws", () => {
    const build = graphBuilder("scopes");
    expect(() =>
      build.scope("a", () => {
        throw new GraphError("stop");
      }),
    ).toThrow("stop");
    build.input("x", [1]);
    expect(findNode(build.build({ x: build.input("y", [1]) }), "x")).toBeDefined();
  });

  it("makes a convolution's parameters in the layouts [kh, kw, in/groups, out] and [out]", () => {
    const build = graphBuilder("c");
    const x = build.input("x", [2, 8, 8, 6]);
    const y = build.convolution("c", x, { channels: 4, kernel: [1, 3], groups: 2, stride: 2, bias: true });
    const graph = build.build({ y });
    expect(y.shape).toEqual([2, 4, 4, 4]);
    expect(findNode(graph, "c/kernel")?.shape).toEqual([1, 3, 3, 4]);
    expect(findNode(graph, "c/bias")?.shape).toEqual([4]);
    expect(findNode(graph, "c")?.operation).toEqual({
      op: "convolution",
      stride: [2, 2],
      padding: { top: 0, bottom: 0, left: 1, right: 1 },
      dilation: [1, 1],
      groups: 2,
      bias: true,
      activation: "none",
      residual: false,
      residualActivation: "none",
    });
    verifyGraph(graph);
  });

  it("does not train running statistics", () => {
    const build = graphBuilder("n");
    const graph = build.build({ y: build.batchNorm("n", build.input("x", [1, 4])) });
    const trainable = ["gamma", "beta", "mean", "variance"].map((part) => {
      const operation = findNode(graph, `n/${part}`)?.operation;
      return operation?.op === "parameter" && operation.trainable;
    });
    expect(trainable).toEqual([true, true, false, false]);
  });

  it("has a method for every operation", () => {
    const build = graphBuilder("all");
    const x = build.input("x", [1, 6, 6, 4]);
    const mean = build.globalAveragePool("mean", x);
    const gate = build.activation("gate", mean, "sigmoid");
    const joined = build.concatenate("joined", [build.multiply("scaled", x, gate), build.slice("slice", x, 1, 2)]);
    const mixed = build.permute("mixed", joined, { kind: "shuffle", groups: 3 });
    const largest = build.maxPool("largest", mixed, { kernel: 3, stride: 2, ceil: true, padding: 0 });
    const average = build.averagePool("average", build.pad("pad", largest, { top: 1, bottom: 0, left: 0, right: 1 }), {
      kernel: 2,
    });
    const large = build.resize("large", average, 5, 3, "bilinear");
    const flat = build.dropout("dropout", build.flatten("flat", build.add("twice", large, large)), 0.5);
    const y = build.softmax("y", build.linear("linear", flat, { channels: 10 }));
    expect(largest.shape).toEqual([1, 3, 3, 6]);
    expect(average.shape).toEqual([1, 5, 5, 6]);
    expect(y.shape).toEqual([1, 10]);
    verifyGraph(build.build({ y }));
  });

  it("refuses a name used twice, and a graph without outputs", () => {
    const build = graphBuilder("twice");
    build.input("x", [1]);
    expect(() => build.input("x", [2])).toThrow(new GraphError('Two nodes are named "x".'));
    expect(() => build.build({})).toThrow(new GraphError('Graph "twice" has no output.'));
    const value = build.input("unnamed", [1, 2]);
    // What a caller without types may write: the value itself for a record of values.
    expect(() => build.build(value as unknown as Record<string, typeof value>)).toThrow(
      /output "id" is no value of this graph\. Outputs come with their names: build\(\{ output: x \}\)/,
    );
  });

  it("names the node in errors of shape", () => {
    const build = graphBuilder("errors");
    const x = build.input("x", [1, 4, 4, 24]);
    expect(() => build.scope("unit1", () => build.convolution("depthwise", x, { channels: 24, groups: 5 }))).toThrow(
      new ShapeError(
        'convolution "unit1/depthwise": groups 5 does not divide 24 input channels. Use one of 1, 2, 3, 4, 6, 8, 12, 24.',
      ),
    );
    expect(() => build.slice("s", x, 20, 5)).toThrow('slice "s": channels 20 to 24 are not all among the input\'s 24.');
  });

  it("adds no node for a convolution that it refuses", () => {
    const build = graphBuilder("refused");
    const x = build.input("x", [1, 1, 1, 2]);
    expect(() => build.convolution("c", x, { channels: 2, kernel: 3, padding: "valid" })).toThrow(ShapeError);
    build.convolution("c", x, { channels: 2, kernel: 3 });
  });
});

describe("heFanOut and toPair", () => {
  it("gives the deviation sqrt(2 / (kh·kw·out/groups))", () => {
    expect(heFanOut([3, 3], 64, 1)).toEqual({ kind: "normal", deviation: Math.sqrt(2 / 576) });
    expect(heFanOut([3, 3], 64, 64)).toEqual({ kind: "normal", deviation: Math.sqrt(2 / 9) });
  });

  it("doubles a number", () => {
    expect(toPair(3)).toEqual([3, 3]);
    expect(toPair([1, 3])).toEqual([1, 3]);
  });
});
