import { describe, expect, it } from "vitest";
import { OptionError } from "../errors.ts";
import { findNode, isNode, nodesOf } from "../graph/graph.ts";
import { countParameters, layerRows } from "../testing/layer_rows.ts";
import { build } from "./build.ts";

const { graph } = build("igcv3_d_1.0");

describe("IGCV3", () => {
  it.each([
    ["igcv3_d_1.0", {}, 3.5],
    ["igcv3_d_cifar_0.7", {}, 1.7],
    ["igcv3_d_cifar_0.5", {}, 1.2],
  ])("%s has the published %d million parameters", (name, options, parameters) => {
    expect(Math.round(countParameters(build(name, options).graph) / 1e5) / 10).toBe(parameters);
  });

  it("has 2,338,788 parameters for CIFAR-100", () => {
    expect(countParameters(build("igcv3_d_cifar", { classes: 100 }).graph)).toBe(2_338_788);
  });

  it("has no activation after the expansion, one permutation, ReLU6 after the depthwise, a linear projection", () => {
    const nodes = graph.nodes.filter((node) => node.name.startsWith("stage3/unit2/") && !isNode(node, "parameter"));
    expect(nodes.map(({ name }) => name.slice("stage3/unit2/".length))).toEqual([
      ...["expand", "expand/norm", "shuffle", "depthwise", "depthwise/norm", "depthwise/activation"],
      ...["project", "project/norm", "add"],
    ]);
    expect(findNode(graph, "stage3/unit2/shuffle")?.operation).toEqual({
      op: "permute",
      permutation: { kind: "shuffle", groups: 2 },
    });
    expect(nodesOf(graph, "permute")).toHaveLength(32);
    expect(nodesOf(graph, "activation").every(({ operation }) => operation.activation === "relu6")).toBe(true);
  });

  it("adds in every unit but the first of a stage, even where shapes agree", () => {
    expect(nodesOf(graph, "add")).toHaveLength(32 - 7);
    const narrow = build("igcv3", { channels: [32, 32], repeats: [1, 1], smallStem: true }).graph;
    expect(nodesOf(narrow, "add")).toHaveLength(0);
  });

  it("groups the pointwise convolutions of every unit, the first too, and not the last convolution", () => {
    const rows = layerRows(graph).filter(({ kernel }) => kernel.join() === "1,1");
    expect(rows.filter(({ groups }) => groups === 2)).toHaveLength(64);
    expect(rows.filter(({ groups }) => groups !== 2).map(({ name }) => name)).toEqual(["final"]);
  });

  it("rounds channels up to what both groups divide", () => {
    const stage2 = (name: string, options = {}) =>
      findNode(build(name, options).graph, "stage2/unit1/project")?.shape[3];
    expect(stage2("igcv3_d_0.7")).toBe(18); // 24 * 0.7 = 16.8, rounded 17, which is odd
    expect(stage2("igcv3_d_g2g4", { width: 0.7 })).toBe(20);
    expect(stage2("igcv3", { width: 0.7, groups: [2, 3] })).toBe(18);
  });

  it.each([
    [{ groups: [2] }, "groups has 1 entries (2); it needs 2"],
    [{ groups: [8, 8], width: 0.25 }, "are fewer than 8 * 8 = 64: some branch of the projection would lack channels"],
    [{ repeats: [1, 2] }, "repeats has 2 entries (1, 2); it needs 7"],
    [{ resolution: 24 }, "an input of 24x24 is too small: the strides 2 * 2 * 2 * 2 * 2 = 32"],
  ])("refuses %j with the arithmetic", (options, message) => {
    expect(() => build("igcv3", options)).toThrow(OptionError);
    expect(() => build("igcv3", options)).toThrow(message);
  });
});
