import { describe, expect, it } from "vitest";
import { OptionError } from "../errors.ts";
import { build } from "./build.ts";
import { exchangeNames, findModule } from "./exchange_names.ts";

describe("exchangeNames", () => {
  it("gives torchvision's MobileNetV2 its 262 tensors", () => {
    const { graph, namings } = build("mobilenet_v2");
    const rows = exchangeNames(graph, namings[0]!);
    expect(namings[0]!.name).toBe("torchvision");
    expect(rows).toHaveLength(262); // 52 convolutions, 52 norms of four, the classifier's two
    expect(rows.slice(0, 2)).toEqual([
      { ourParameter: "stem/kernel", theirName: "features.0.0.weight", layout: "oihw" },
      { ourParameter: "stem/norm/gamma", theirName: "features.0.1.weight", layout: "same" },
    ]);
    const find = (ours: string) => rows.find((row) => row.ourParameter === ours);
    expect(find("stage1/unit1/project/kernel")?.theirName).toBe("features.1.conv.1.weight");
    expect(find("stage3/unit2/depthwise/norm/variance")?.theirName).toBe("features.5.conv.1.1.running_var");
    expect(find("stage3/unit2/depthwise/norm/mean")?.theirName).toBe("features.5.conv.1.1.running_mean");
    expect(find("stage3/unit2/depthwise/norm/beta")?.theirName).toBe("features.5.conv.1.1.bias");
    expect(find("classifier/kernel")).toEqual({
      ourParameter: "classifier/kernel",
      theirName: "classifier.1.weight",
      layout: "out_in",
    });
  });

  it("gives torchvision's SqueezeNets their places", () => {
    const names = (name: string) => {
      const { graph, namings } = build(name);
      return exchangeNames(graph, namings[0]!).map((row) => row.theirName);
    };
    expect(names("squeezenet_1.0")).toContain("features.12.expand3x3.bias");
    expect(names("squeezenet_1.1")).toContain("features.6.squeeze.weight");
    expect(names("squeezenet_1.1")).not.toContain("features.5.squeeze.weight");
  });

  it("gives timm's MobileNetV2 its names", () => {
    const { graph, namings } = build("mobilenet_v2");
    const names = exchangeNames(graph, namings.find(({ name }) => name === "timm")!).map((row) => row.theirName);
    for (const name of [
      "conv_stem.weight",
      "blocks.0.0.conv_pw.weight",
      "blocks.2.1.bn3.running_var",
      "conv_head.weight",
    ]) {
      expect(names).toContain(name);
    }
  });

  it("refuses the naming of another network", () => {
    const { graph } = build("mobilenet_v2");
    expect(() => exchangeNames(graph, build("squeezenet").namings[0]!)).toThrow(OptionError);
  });
});

describe("findModule", () => {
  it("finds a node by its name, and a unit's last node by the unit's", () => {
    const { graph } = build("mobilenet_v2");
    expect(findModule(graph, "stage3/unit2/expand")?.name).toBe("stage3/unit2/expand");
    expect(findModule(graph, "stage3/unit2")?.name).toBe("stage3/unit2/add");
    expect(findModule(graph, "stage1/unit1")?.name).toBe("stage1/unit1/project/norm");
    expect(findModule(graph, "stage9")).toBeUndefined();
  });
});
