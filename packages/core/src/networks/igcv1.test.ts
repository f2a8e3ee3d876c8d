import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OptionError } from "../errors.ts";
import { findNode, isNode, nodesOf } from "../graph/graph.ts";
import { elementCount } from "../tensor.ts";
import { countMacs, countParameters, layerRows } from "../testing/layer_rows.ts";
import { build } from "./build.ts";
import { interleavedGroupWeights } from "./interleaving.ts";

describe("IGCV1", () => {
  it.each([
    ["igcv1_l4m32_imagenet", 11_207_040],
    ["igcv1_l16m16_imagenet", 11_440_896],
  ])("%s has %i weights in its convolutions, what the paper's table counts", (name, weights) => {
    const rows = layerRows(build(name).graph).filter(({ op }) => op === "convolution");
    expect(rows.reduce((sum, row) => sum + row.parameters, 0)).toBe(weights);
  });

  it("has the published size and cost of L100M2, batch norm left out", () => {
    const { graph } = build("igcv1_l100m2_imagenet");
    const norms = nodesOf(graph, "batch_norm").reduce((sum, node) => sum + 2 * (node.shape[3] ?? 0), 0);
    expect(Math.round((countParameters(graph) - norms) / 1e4) / 100).toBe(8.61);
    expect(Math.round(countMacs(graph) / 1e8) / 10).toBe(1.3);
  });

  it("has nothing but a permutation between the two convolutions, and the norm after the second", () => {
    const nodes = build("igcv1_l24m2_cifar").graph.nodes.filter(
      (node) => node.name.startsWith("stage2/unit2/") && !isNode(node, "parameter"),
    );
    expect(nodes.map(({ operation }) => operation.op)).toEqual([
      ...["convolution", "permute", "convolution", "permute", "batch_norm", "activation"],
    ]);
    const shuffles = nodes.flatMap((node) => (isNode(node, "permute") ? [node.operation.permutation] : []));
    // 96 channels: L = 24 stays, M' = 96 / 24 = 4. Together they are the identity.
    expect(shuffles).toEqual([
      { kind: "shuffle", groups: 24 },
      { kind: "shuffle", groups: 4 },
    ]);
    expect(
      nodesOf(build("igcv1_l24m2_cifar").graph, "batch_norm").every(({ operation }) => operation.epsilon === 2e-5),
    ).toBe(true);
  });

  it("has the block's weights of the paper's formula, C^2 (S/L + 1/M), for any L and M", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 6 }), (primaryGroups, groupWidth) => {
        const { graph } = build("igcv1_cifar", { primaryGroups, groupWidth, resolution: 8 });
        const kernels = ["primary", "secondary"].map(
          (part) => findNode(graph, `stage1/unit1/${part}/kernel`)?.shape ?? [],
        );
        const weights = kernels.reduce((sum, shape) => sum + elementCount(shape), 0);
        expect(weights).toBe(interleavedGroupWeights(primaryGroups, groupWidth));
      }),
    );
  });

  it("projects in L groups, with stride 1 in the first stage of L100M2", () => {
    const { graph } = build("igcv1_l100m2_imagenet");
    expect(findNode(graph, "stage1/unit1/project")?.operation).toMatchObject({ groups: 100, stride: [1, 1] });
    expect(findNode(graph, "stage2/unit1/project")?.operation).toMatchObject({ groups: 200, stride: [2, 2] });
    expect(findNode(build("igcv1_l4m32_imagenet").graph, "stage1/unit1/project")).toBeUndefined();
  });

  it("counts the second groups of a widening unit from its inputs in the legacy network alone", () => {
    const groups = (name: string) => findNode(build(name).graph, "stage2/unit1/block1/secondary")?.operation;
    expect(groups("igcv1_l24m2_ident_cifar")).toMatchObject({ groups: 4 });
    expect(groups("igcv1_l24m2_ident_legacy_cifar")).toMatchObject({ groups: 2 });
  });

  it.each([
    [{ depth: 19 }, "a depth of 19 is not 8 * B + 2 with a whole B: (19 - 2) / 8 = 2.125. Use 10, 18, 26"],
    [{ depth: 12, smallStem: true, resolution: 32 }, "(12 - 2) / 6 = 1.667"],
    [{ primaryGroups: 12, stemChannels: 100 }, "12 groups do not divide the stem's 100 channels: 100 / 12 = 8.333"],
    [{ resolution: 16 }, "an input of 16x16 is too small: the strides 2 * 2 * 2 * 2 * 2 = 32"],
  ])("refuses %j with the arithmetic", (options, message) => {
    expect(() => build("igcv1", options)).toThrow(OptionError);
    expect(() => build("igcv1", options)).toThrow(message);
  });
});
