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

  it("gives the authors' SqueezeNets in Caffe their layers", () => {
    const { graph, namings } = build("squeezenet_1.1");
    const names = exchangeNames(graph, namings.find(({ name }) => name === "caffe")!).map((row) => row.theirName);
    // forresti/SqueezeNet, SqueezeNet_v1.1/deploy.prototxt
    expect(names.slice(0, 4)).toEqual([
      "conv1.weight",
      "conv1.bias",
      "fire2/squeeze1x1.weight",
      "fire2/squeeze1x1.bias",
    ]);
    expect(names).toContain("fire9/expand3x3.weight");
    expect(names).toContain("conv10.bias");
    expect(names).toHaveLength(52);
  });

  it("gives shicai's MobileNet in Caffe its layers", () => {
    const { graph, namings } = build("mobilenet_v1", { activation: "relu" });
    const rows = exchangeNames(graph, namings.find(({ name }) => name === "caffe")!);
    const convolutions = rows.map((row) => row.theirName).filter((name) => /(dw|sep)\.weight$/.test(name));
    // mobilenet_deploy.prototxt of shicai/MobileNet-Caffe
    const blocks = ["2_1", "2_2", "3_1", "3_2", "4_1", "4_2", "5_1", "5_2", "5_3", "5_4", "5_5", "5_6", "6"];
    expect(convolutions).toEqual(blocks.flatMap((block) => [`conv${block}/dw.weight`, `conv${block}/sep.weight`]));
    expect(rows.find((row) => row.ourParameter === "stem/norm/variance")?.theirName).toBe("conv1/bn.running_var");
    expect(rows.find((row) => row.ourParameter === "classifier/kernel")).toEqual({
      ourParameter: "classifier/kernel",
      theirName: "fc7.weight",
      layout: "oihw",
    });
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
