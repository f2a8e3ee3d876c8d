import { describe, expect, it } from "vitest";
import { OptionError } from "../errors.ts";
import { findNode, isNode, nodesOf } from "../graph/graph.ts";
import { countMacs, countParameters } from "../testing/layer_rows.ts";
import { build } from "./build.ts";

/** Names of a unit's nodes in order, parameters and norms left out. */
function nodesUnder(network: string, path: string): string[] {
  return build(network)
    .graph.nodes.filter(
      (node) => node.name.startsWith(`${path}/`) && !isNode(node, "parameter") && !isNode(node, "batch_norm"),
    )
    .map((node) => node.name.slice(path.length + 1));
}

describe("ShuffleNet V2", () => {
  it.each([
    // torchvision's num_params.
    ["shufflenet_v2_0.5", 1_366_792],
    ["shufflenet_v2_1.0", 2_278_604],
    ["shufflenet_v2_1.5", 3_503_624],
    ["shufflenet_v2_2.0", 7_393_996],
  ])("%s has torchvision's %i parameters", (name, parameters) => {
    expect(countParameters(build(name).graph)).toBe(parameters);
  });

  it.each([
    ["shufflenet_v2_1.0_megvii", 146],
    ["shufflenet_v2_1.5_megvii", 299],
    ["shufflenet_v2_2.0_megvii", 591],
    ["shufflenet_v2_50", 2304],
  ])("%s has the published %i million MACs", (name, macs) => {
    expect(Math.round(countMacs(build(name).graph) / 1e6)).toBe(macs);
  });

  it("builds figure 3(c): half passes, the other goes through the branch, shuffle at the end", () => {
    expect(nodesUnder("shufflenet_v2_1.0", "stage2/unit2")).toEqual([
      ...["passed", "branch", "branch2/reduce", "branch2/reduce/activation", "branch2/depthwise"],
      ...["branch2/expand", "branch2/expand/activation", "concatenate", "shuffle"],
    ]);
    const { graph } = build("shufflenet_v2_1.0");
    expect(findNode(graph, "stage2/unit2/shuffle")?.operation).toEqual({
      op: "permute",
      permutation: { kind: "shuffle", groups: 2 },
    });
    expect(findNode(graph, "stage2/unit2/passed")?.operation).toMatchObject({ start: 0, count: 58 });
    expect(nodesOf(graph, "add")).toHaveLength(0);
  });

  it("splits by parity and never shuffles afterwards in the authors' wiring", () => {
    const nodes = nodesUnder("shufflenet_v2_1.0_megvii", "stage2/unit2");
    expect(nodes.slice(0, 3)).toEqual(["parity", "even", "odd"]);
    expect(nodes.at(-1)).toBe("concatenate");
    const { graph } = build("shufflenet_v2_1.0_megvii");
    expect(findNode(graph, "stage2/unit2/parity")?.operation).toMatchObject({ permutation: { groups: 58 } });
    expect(findNode(graph, "stage2/unit1/branch/expand")?.shape[3]).toBe(116 - 24);
    expect(findNode(graph, "classifier/bias")).toBeUndefined();
  });

  it("adds the odd half in the large network, projects in first units, and mixes where it downsamples", () => {
    expect(nodesUnder("shufflenet_v2_large_megvii", "stage3/unit1").slice(-4)).toEqual([
      "concatenate",
      "activation",
      "mix",
      "mix/activation",
    ]);
    expect(nodesUnder("shufflenet_v2_large_megvii", "stage3/unit2").slice(-3)).toEqual([
      "add",
      "concatenate",
      "activation",
    ]);
    const { graph, namings } = build("shufflenet_v2_large_megvii");
    expect(nodesOf(graph, "batch_norm").every((node) => node.operation.epsilon === 1e-9)).toBe(true);
    expect(namings[0]?.modules.get("stage4/unit23/branch/spatial")).toBe("features.2.4w.branch_main.1.conv");
  });

  it("knows squeeze-and-excitation's convolutions as linear layers of the checkpoint", () => {
    const naming = build("shufflenet_v2_2.0_se").namings[0];
    expect(naming?.modules.get("stage2/unit1/squeeze_excite/reduce")).toBe("stage2.0.se.fc1");
    expect(naming?.linear?.has("stage2/unit1/squeeze_excite/reduce")).toBe(true);
    expect(naming?.linear?.has("stage2/unit1/branch2/reduce")).toBe(false);
  });

  it("gives each wiring its own names and pictures", () => {
    const naming = (name: string) => build(name).namings.map((each) => each.name);
    expect([naming("shufflenet_v2_1.0"), naming("shufflenet_v2_1.0_megvii")]).toEqual([["torchvision"], ["megvii"]]);
    expect(build("shufflenet_v2_1.0").preprocessing.resizeShortSide).toBe(256);
    expect(build("shufflenet_v2_1.5").preprocessing.resizeShortSide).toBe(232);
    expect(build("shufflenet_v2_1.0_megvii").preprocessing.channelOrder).toBe("bgr");
  });

  it("takes widths that table 5 does not have", () => {
    const shape = findNode(build("shufflenet_v2", { width: 0.75 }).graph, "stage4/unit1/shuffle")?.shape;
    expect(shape?.[3]).toBe(4 * 88);
  });

  it.each([
    [{ channels: [49, 98, 196] }, "2 groups do not divide the 49 channels"],
    [{ wiring: "megvii", channels: [24, 48, 96] }, "24 - 24 = 0 are left for the branch"],
    [
      { wiring: "megvii", squeezeExcite: true },
      "the megvii wiring never has squeezeExcite and residual; received true and false",
    ],
    [{ wiring: "megvii_large" }, "always has squeezeExcite and residual"],
    [
      { wiring: "megvii_large", squeezeExcite: true, residual: true },
      "8 groups do not divide the 116 / 2 = 58 channels of the branch",
    ],
    [{ stemChannels: [] }, "stemChannels is empty"],
    [{ resolution: [224, 31] }, "an input of 224x31 is too small"],
  ])("refuses %j with the arithmetic", (options, message) => {
    expect(() => build("shufflenet_v2", options)).toThrow(OptionError);
    expect(() => build("shufflenet_v2", options)).toThrow(message);
  });
});
