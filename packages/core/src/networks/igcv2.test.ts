import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OptionError } from "../errors.ts";
import { findNode, nodesOf } from "../graph/graph.ts";
import { countMacs, countParameters } from "../testing/layer_rows.ts";
import { build } from "./build.ts";
import { branchPermutation, isComplementary } from "./interleaving.ts";

/** Channels in a branch of every pointwise convolution of a block. */
function branchesOf(graph: ReturnType<typeof build>["graph"], block: string): number[] {
  return nodesOf(graph, "convolution")
    .filter(({ name }) => name.startsWith(`${block}/pointwise`))
    .map((node) => (node.shape[3] ?? 0) / node.operation.groups);
}

describe("IGCV2", () => {
  it("meets the published 0.65 million parameters on CIFAR", () => {
    expect(countParameters(build("igcv2_c416_cifar").graph)).toBe(647_722);
  });

  it.each([
    ["igcv2_1.0", 4.1, 564],
    ["igcv2_0.5", 1.3, 156],
    ["igcv2_0.25", 0.5, 46],
  ])(
    "%s meets the published budget: %d million parameters, %d million MACs within 1 percent",
    (name, parameters, macs) => {
      const { graph } = build(name);
      expect(Math.round(countParameters(graph) / 1e5) / 10).toBe(parameters);
      expect(Math.abs(countMacs(graph) / (macs * 1e6) - 1)).toBeLessThan(0.01);
    },
  );

  it("follows every pointwise convolution by its permutation, and norms once a block", () => {
    const { graph } = build("igcv2_c416_cifar");
    expect(branchesOf(graph, "stage1/unit1/block1")).toEqual([8, 8, 8]);
    expect(findNode(graph, "stage1/unit1/block1/shuffle2")?.operation).toEqual({
      op: "permute",
      permutation: { kind: "shuffle", groups: 52 },
    });
    expect(nodesOf(graph, "batch_norm").filter(({ name }) => name.startsWith("stage1/unit1/"))).toHaveLength(2);
    expect(findNode(graph, "stage2/unit1/block1/depthwise")?.operation).toMatchObject({ groups: 416, stride: [2, 2] });
  });

  it("keeps every stage strict when branches are given", () => {
    const sizes = fc.array(fc.integer({ min: 2, max: 5 }), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(sizes, (branches) => {
        const channels = branches.reduce((product, size) => product * size, 1);
        const { graph } = build("igcv2", { smallStem: true, channels, branches, depth: 8, resolution: 8 });
        for (const stage of [1, 2, 3]) {
          const width = channels * 2 ** (stage - 1);
          const found = branchesOf(graph, `stage${stage}/unit1/block2`);
          expect(isComplementary(width, found)).toBe(true);
          for (const [layer, size] of found.entries()) {
            const shuffle = findNode(graph, `stage${stage}/unit1/block2/shuffle${layer + 1}`);
            expect(shuffle?.operation).toEqual({ op: "permute", permutation: branchPermutation(width, size) });
          }
        }
      }),
    );
  });

  it.each([
    [{ smallStem: true, channels: 64, branches: [8, 4] }, "8 * 4 = 32, and it must be 64"],
    [{ smallStem: true, channels: 60 }, "8 groups do not divide the 60 channels (branchSize): 60 / 8 = 7.5"],
    [{ smallStem: true, depth: 10 }, "(10 - 2) / 6 = 1.333"],
    [{ smallStem: true, branches: [8, 8], branchSize: 8 }, "say the same thing twice"],
    [{ smallStem: true, width: 0.5 }, "width is an option of the ImageNet network, and smallStem is true"],
    [{ depth: 20 }, "depth is an option of the CIFAR network"],
    [{ width: 0.3 }, "4 groups do not divide"],
    [{ repeats: [1, 1, 1, 1, 1, 1] }, "repeats has 6 entries"],
    [{ resolution: 30 }, "an input of 30x30 is too small"],
  ])("refuses %j with the arithmetic", (options, message) => {
    expect(() => build("igcv2", options)).toThrow(OptionError);
    expect(() => build("igcv2", options)).toThrow(message);
  });
});
