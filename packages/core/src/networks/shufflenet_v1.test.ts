import { describe, expect, it } from "vitest";
import { OptionError } from "../errors.ts";
import { findNode, isNode, nodesOf } from "../graph/graph.ts";
import { countMacs, countParameters } from "../testing/layer_rows.ts";
import { build } from "./build.ts";

const { graph } = build("shufflenet_v1_1.0_g3");
const authors = build("shufflenet_v1_1.0_g3_megvii").graph;

/** Names of a unit's nodes in order, parameters left out. */
function nodesUnder(path: string, of: typeof graph): string[] {
  return of.nodes
    .filter((node) => node.name.startsWith(`${path}/`) && !isNode(node, "parameter"))
    .map((node) => node.name.slice(path.length + 1));
}

describe("ShuffleNet v1", () => {
  it.each([
    // Parameters of the authors' repository in tenths of a million, MACs of the paper in millions.
    ["shufflenet_v1_0.5_g3", 0.7, 38],
    ["shufflenet_v1_1.0_g3", 1.9, 137],
    ["shufflenet_v1_1.0_g8_megvii", 2.4, 138],
    ["shufflenet_v1_1.5_g3", 3.4, 292],
    ["shufflenet_v1_2.0_g3", 5.4, 524],
    ["shufflenet_v1_2.0_g3_se", 8.1, 527],
  ])("%s has %d million parameters and %d million MACs", (name, parameters, macs) => {
    const network = build(name);
    expect(Math.round(countParameters(network.graph) / 1e5) / 10).toBe(parameters);
    expect(Math.round(countMacs(network.graph) / 1e6)).toBe(macs);
  });

  it("leaves table 1's figures when the classifier is not counted", () => {
    const withoutClassifier = [1, 2, 3, 4, 8].map((groups) => {
      const network = build(`shufflenet_v1_1.0_g${groups}`).graph;
      const [input = 0, classes = 0] = findNode(network, "classifier/kernel")?.shape ?? [];
      return (countMacs(network) - input * classes) / 1e6;
    });
    // The paper cuts some figures off and rounds others.
    [143, 140, 137, 133, 137].forEach((printed, index) =>
      expect(Math.abs((withoutClassifier[index] ?? 0) - printed)).toBeLessThan(0.6),
    );
  });

  it("builds figure 2(b) and (c): shuffle before the depthwise, no activation after it, shortcut first", () => {
    expect(nodesUnder("stage3/unit2", graph)).toEqual([
      ...[
        "reduce",
        "reduce/norm",
        "reduce/activation",
        "shuffle",
        "depthwise",
        "depthwise/norm",
        "expand",
        "expand/norm",
      ],
      ...["add", "activation"],
    ]);
    expect(nodesUnder("stage3/unit1", graph).slice(-3)).toEqual(["expand/activation", "pool", "concatenate"]);
    const joined = findNode(graph, "stage3/unit1/concatenate");
    expect(joined?.inputs[0]).toBe(findNode(graph, "stage3/unit1/pool")?.id);
    expect(findNode(graph, "stage3/unit1/pool")?.operation).toMatchObject({ countIncludePad: true, kernel: [3, 3] });
  });

  it("shuffles the channels inside by g in the paper's wiring, and back by m/g after the depthwise in the authors'", () => {
    const shuffleOf = (of: typeof graph) => findNode(of, "stage2/unit2/shuffle")?.operation;
    expect(shuffleOf(graph)).toEqual({ op: "permute", permutation: { kind: "shuffle", groups: 3 } });
    expect(shuffleOf(authors)).toEqual({ op: "permute", permutation: { kind: "shuffle", groups: 20 } });
    const order = nodesUnder("stage2/unit1", authors);
    expect(order.indexOf("shuffle")).toBe(order.indexOf("depthwise/norm") + 1);
    expect(nodesOf(graph, "permute")).toHaveLength(16);
    expect(nodesOf(build("shufflenet_v1_1.0_g1").graph, "permute")).toHaveLength(0);
  });

  it("does not group the first convolution of stage 2, and no other is dense", () => {
    const groups = nodesOf(graph, "convolution").filter(
      ({ name }) => name.endsWith("/reduce") || name.endsWith("/expand"),
    );
    expect(groups.filter((node) => node.operation.groups === 1).map((node) => node.name)).toEqual([
      "stage2/unit1/reduce",
    ]);
  });

  it("rounds other widths to what the groups need", () => {
    const stage2 = (width: number, groups: number) =>
      findNode(build("shufflenet_v1", { width, groups }).graph, "stage2/unit1/concatenate")?.shape[3];
    expect([stage2(0.25, 2), stage2(0.25, 4), stage2(0.5, 2), stage2(0.5, 4), stage2(1.5, 2), stage2(1.5, 4)]).toEqual([
      48, 64, 104, 144, 304, 416,
    ]);
  });

  it("never gives both wirings the same naming, for the names do not tell them apart", () => {
    const [paper, megvii] = ["paper", "megvii"].map((wiring) => build("shufflenet_v1", { wiring }).namings[0]);
    expect([paper?.name, megvii?.name]).toEqual(["pytorch", "megvii"]);
    expect([...(paper?.modules ?? [])]).toEqual([...(megvii?.modules ?? [])]);
    expect(build("shufflenet_v1", { wiring: "megvii" }).preprocessing).toMatchObject({ channelOrder: "bgr", scale: 1 });
  });

  it.each([
    [{ groups: 5 }, "table 1 has channels for 1, 2, 3, 4, 8 groups, not for 5"],
    [
      { groups: 3, channels: [340, 680, 1360] },
      "stage2/unit1: 3 groups do not divide the 340 / 4 = 85 channels inside: 85 / 3 = 28.333",
    ],
    [
      { groups: 3, stemChannels: 16 },
      "3 groups do not divide the 240 - 16 = 224 channels of the expanding convolution",
    ],
    [{ groups: 1, channels: [24, 48, 96] }, "the shortcut brings 24 of the 24 channels; 24 - 24 = 0 are left"],
    [
      { resolution: 28 },
      "an input of 28x28 is too small: the strides 2 * 2 * 2 * 2 * 2 = 32 leave 0.875 of a pixel. Use at least 32x32",
    ],
    [{ repeats: [4, 8], channels: [240, 480, 960] }, "repeats has 2 entries (4, 8); it needs 3"],
  ])("refuses %j with the arithmetic", (options, message) => {
    expect(() => build("shufflenet_v1", options)).toThrow(OptionError);
    expect(() => build("shufflenet_v1", options)).toThrow(message);
  });
});
