import { describe, expect, it } from "vitest";
import { WeightsError } from "../errors.ts";
import { graphBuilder } from "../graph/builder.ts";
import type { Graph } from "../graph/graph.ts";
import { tensor } from "../tensor.ts";
import { drawnWeights } from "../testing/rewritten.ts";
import { removeDeadNodes, rewrite, toProgram, toWeights, useCounts } from "./program.ts";

/** conv(input) is the output; a second convolution is read by nobody but a relu that nobody reads. */
function withDeadNodes(): Graph {
  const build = graphBuilder("dead");
  const x = build.input("input", [1, 2, 2, 3]);
  build.input("unused", [1, 2, 2, 3]);
  const conv = build.convolution("conv", x, { channels: 2 });
  build.activation("dead/relu", build.convolution("dead/conv", conv, { channels: 2 }), "relu");
  return build.build({ output: conv });
}

const names = (graph: Graph): readonly string[] => graph.nodes.map(({ name }) => name);

describe("toProgram", () => {
  it("lists every parameter that is missing or of another shape", () => {
    const graph = withDeadNodes();
    const weights = new Map([["conv/kernel", tensor([1, 1, 2, 3], new Float32Array(6))]]);
    expect(() => toProgram(graph, weights)).toThrow(WeightsError);
    expect(() => toProgram(graph, weights)).toThrow(
      /conv\/kernel has shape 1x1x2x3, expected 1x1x3x2\n.*dead\/conv\/kernel is missing \(expected 1x1x2x2\)/,
    );
  });

  it("reads other number types as float32, and gives tensors back", () => {
    const graph = withDeadNodes();
    const weights = new Map(drawnWeights(graph));
    weights.set("conv/kernel", { dtype: "f64", shape: [1, 1, 3, 2], data: Float64Array.from([1, 2, 3, 4, 5, 0.1]) });
    const program = toProgram(graph, weights);
    expect(program.weights.get("conv/kernel")).toEqual(Float32Array.from([1, 2, 3, 4, 5, 0.1]));
    expect(toWeights(program).get("conv/kernel")).toEqual(
      tensor([1, 1, 3, 2], Float32Array.from([1, 2, 3, 4, 5, 0.1])),
    );
  });
});

describe("removeDeadNodes", () => {
  it("drops what no output needs, with its numbers, and keeps every input", () => {
    const graph = withDeadNodes();
    const { graph: pruned, weights } = removeDeadNodes(toProgram(graph, drawnWeights(graph)));
    expect(names(pruned)).toEqual(["input", "unused", "conv/kernel", "conv"]);
    expect(pruned.nodes.map(({ id }) => id)).toEqual([0, 1, 2, 3]);
    expect([...weights.keys()]).toEqual(["conv/kernel"]);
  });
});

describe("useCounts", () => {
  it("counts an input that is listed twice, and outputs", () => {
    const build = graphBuilder("counts");
    const x = build.input("input", [1, 2, 2, 3]);
    const sum = build.add("sum", x, x);
    expect(useCounts(build.build({ output: sum, again: sum, input: x }))).toEqual([3, 2]);
  });
});

describe("rewrite", () => {
  it("drops dead nodes before it counts readers", () => {
    const graph = withDeadNodes();
    const counts: Record<string, number> = {};
    rewrite(toProgram(graph, drawnWeights(graph)), (node, to) => {
      counts[node.name] = to.useCount(node.id);
      return undefined;
    });
    expect(counts).toEqual({ input: 1, unused: 0, "conv/kernel": 1, conv: 1 });
  });

  it("lets a replacement have the old node's name, and numbers other names that are taken", () => {
    const build = graphBuilder("names");
    const x = build.input("input", [1, 2, 2, 3]);
    const graph = build.build({ output: build.activation("relu", build.activation("first", x, "relu"), "relu") });
    const { graph: renamed } = rewrite(toProgram(graph, new Map()), (node, to) => {
      if (node.name !== "relu") return undefined;
      const inner = to.node("first", { op: "activation", activation: "sigmoid" }, node.inputs.map(to.value));
      return to.node("relu", node.operation, [inner]);
    });
    expect(names(renamed)).toEqual(["input", "first", "first_2", "relu"]);
  });
});
