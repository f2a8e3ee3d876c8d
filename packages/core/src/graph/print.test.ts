import { describe, expect, it } from "vitest";
import { randomGraph } from "../testing/random_graph.ts";
import { graphBuilder, type Value } from "./builder.ts";
import { findNode, type Graph, type Node } from "./graph.ts";
import type { Operation } from "./operations.ts";
import { printGraph, printOperation } from "./print.ts";

function small(): Graph {
  const build = graphBuilder("small");
  const x = build.input("input", [1, 8, 8, 4]);
  const stem = build.convolution("stem", x, { channels: 4, kernel: 3, stride: 2, groups: 4, bias: true });
  return build.build({ logits: build.add("sum", build.batchNorm("norm", stem), stem), input: x });
}

describe("printGraph", () => {
  it("prints a node a line, aligned, without parameters", () => {
    expect(printGraph(small()).split("\n")).toEqual([
      "graph small",
      "input  input                                              1x8x8x4",
      "stem   convolution 3x3 stride 2 padding 1 depthwise bias  1x4x4x4  input",
      "norm   batch_norm                                         1x4x4x4  stem",
      "sum    add                                                1x4x4x4  norm, stem",
      "output logits = sum",
      "output input = input",
    ]);
  });

  it("prints parameters indented before their first reader, if asked to", () => {
    expect(printGraph(small(), { parameters: true }).split("\n").slice(1, 8)).toEqual([
      "input            input                                              1x8x8x4",
      "  stem/kernel    parameter normal 0.4714                            3x3x1x4",
      "  stem/bias      parameter constant 0                               4",
      "stem             convolution 3x3 stride 2 padding 1 depthwise bias  1x4x4x4  input",
      "  norm/gamma     parameter constant 1                               4",
      "  norm/beta      parameter constant 0                               4",
      "  norm/mean      parameter constant 0 fixed                         4",
    ]);
  });

  it("prints every node of random graphs once", () => {
    for (let seed = 0; seed < 50; seed++) {
      const { graph } = randomGraph(seed);
      const lines = printGraph(graph, { parameters: true }).split("\n");
      expect(lines.length).toBe(1 + graph.nodes.length + graph.outputs.length);
      const names = lines.slice(1, 1 + graph.nodes.length).map((line) => line.trim().split(/ +/)[0]);
      expect(new Set(names)).toEqual(new Set(graph.nodes.map(({ name }) => name)));
    }
  });
});

describe("printOperation", () => {
  const none = { top: 0, bottom: 0, left: 0, right: 0 };
  const plain = { op: "convolution", stride: [1, 1], padding: none, dilation: [1, 1], groups: 1, bias: false } as const;
  const quiet = { activation: "none", residual: false, residualActivation: "none" } as const;

  function print(operation: Operation, ...shapes: (readonly number[])[]): string {
    const build = graphBuilder("g");
    const inputs: Value[] = shapes.map((shape, index) => build.input(`in${index}`, shape));
    const graph = build.build({ y: build.node("y", operation, inputs) });
    return printOperation(graph, findNode(graph, "y") as Node);
  }

  const x = [1, 9, 9, 6];
  it.each<[text: string, operation: Operation, ...shapes: (readonly number[])[]]>([
    ["convolution 1x1", { ...plain, ...quiet }, x, [1, 1, 6, 2]],
    ["convolution 1x1 groups 2", { ...plain, ...quiet, groups: 2 }, x, [1, 1, 3, 2]],
    [
      "convolution 1x3 stride 1x2 padding 0,1 dilation 1x2 relu6 residual relu",
      {
        ...plain,
        stride: [1, 2],
        dilation: [1, 2],
        padding: { ...none, left: 1, right: 1 },
        activation: "relu6",
        residual: true,
        residualActivation: "relu",
      },
      x,
      [1, 3, 6, 2],
      [1, 9, 4, 2],
    ],
    ["add relu", { op: "add", activation: "relu" }, x, x],
    ["activation hard_swish", { op: "activation", activation: "hard_swish" }, x],
    ["multiply", { op: "multiply" }, x, x],
    ["multiply per channel", { op: "multiply" }, x, [1, 1, 1, 6]],
    ["slice channels 2 to 4", { op: "slice", start: 2, count: 3 }, x],
    ["permute shuffle 3", { op: "permute", permutation: { kind: "shuffle", groups: 3 } }, x],
    ["permute explicit", { op: "permute", permutation: { kind: "explicit", order: [5, 4, 3, 2, 1, 0] } }, x],
    ["max_pool 3x3 stride 2 ceil", { op: "max_pool", kernel: [3, 3], stride: [2, 2], padding: none, ceil: true }, x],
    [
      "average_pool 2x2 padding 1,0,0,1 padding not counted",
      {
        op: "average_pool",
        kernel: [2, 2],
        stride: [1, 1],
        padding: { ...none, top: 1, left: 1 },
        ceil: false,
        countIncludePad: false,
      },
      x,
    ],
    ["pad padding 1 value -2", { op: "pad", padding: { top: 1, bottom: 1, left: 1, right: 1 }, value: -2 }, x],
    ["resize bilinear", { op: "resize", height: 2, width: 3, mode: "bilinear" }, x],
    ["dropout 0.2", { op: "dropout", rate: 0.2 }, x],
    ["linear bias relu", { op: "linear", bias: true, activation: "relu" }, [1, 3], [3, 2], [2]],
  ])("prints %s", (text, operation, ...shapes) => {
    expect(print(operation, ...shapes)).toBe(text);
  });
});
