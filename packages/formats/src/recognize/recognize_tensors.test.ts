import { build, exchangeTensors, initializeWeights, type Tensor, tensor } from "@depthwise/core";
import { describe, expect, test } from "vitest";
import { recognizeTensors } from "./recognize_tensors.ts";

function tensorsOf(name: string, naming: string, options: Readonly<Record<string, unknown>> = {}): Map<string, Tensor> {
  const network = build(name, options);
  return new Map(exchangeTensors(initializeWeights(network.graph, 1), network, { naming }));
}

describe("recognizeTensors", () => {
  test.each([
    ["shufflenet_v1_0.5_g3_megvii", "megvii"],
    ["igcv1_cifar", "pytorch"],
    ["igcv2_cifar", "pytorch"],
    ["igcv3_cifar", "pytorch"],
    ["shufflenet_v2_0.5", "torchvision"],
    ["shufflenet_v2_0.5_megvii", "megvii"],
    ["mobilenet_v1_0.25_224", "timm"],
    ["mobilenet_v2_0.35_224", "timm"],
    ["mobilenet_v2_0.35_224", "torchvision"],
    ["mobilenet_v2_cifar", "torchvision"],
    ["squeezenet_1.0_complex_bypass", "torchvision"],
    ["squeezenext_1.0_23_pytorchcv", "pytorchcv"],
    ["xception_cifar", "timm"],
  ])("knows %s by the names of %s", (name, naming) => {
    const found = recognizeTensors(tensorsOf(name, naming));
    expect(found).toMatchObject({ recognized: { network: { name }, naming } });
    const { recognized } = found as Extract<typeof found, { recognized: unknown }>;
    expect(recognized.weights).toEqual(initializeWeights(build(name).graph, 1));
  });

  test("names all that fit as well", () => {
    const found = recognizeTensors(tensorsOf("squeezenet_1.1", "torchvision"));
    expect(found).toMatchObject({ recognized: { alike: ["squeezenet_1.1", "squeezenet_1.1_224"] } });
    const chosen = recognizeTensors(tensorsOf("squeezenet_1.1", "torchvision"), { only: "squeezenet_1.1_224" });
    expect(chosen).toMatchObject({ recognized: { network: { name: "squeezenet_1.1_224" } } });
  });

  test("takes classes and channels of the input from the tensors", () => {
    const options = { classes: 7, inputChannels: 1 };
    const found = recognizeTensors(tensorsOf("mobilenet_v2_0.5_160", "torchvision", options));
    expect(found).toMatchObject({ recognized: { network: { options: { width: 0.5, ...options } } } });
  });

  test("knows that conversions of TFLite's networks pad as TensorFlow does", () => {
    const tensors = new Map<string, Tensor>();
    for (const [name, each] of tensorsOf("mobilenet_v1_0.25_224", "folded")) {
      if (!name.includes(".norm.")) tensors.set(name, each);
      const bias = name.replace(/\.norm\.bias$/, ".bias");
      if (bias !== name) tensors.set(bias, each);
    }
    expect(recognizeTensors(tensors)).toMatchObject({
      recognized: { naming: "folded", network: { options: { padding: "tf" } } },
    });
  });

  test("tells the nearest where none fits", () => {
    const tensors = tensorsOf("mobilenet_v2_0.5_160", "torchvision");
    tensors.delete("features.3.conv.0.0.weight");
    tensors.set("extra", tensor([1]));
    const total = tensors.size;
    expect(recognizeTensors(tensors)).toEqual({
      nearest: {
        name: "mobilenet_v2_0.5_224",
        naming: "torchvision",
        found: total - 1,
        expected: total,
        unexpected: 1,
      },
    });
    expect(recognizeTensors(new Map([["w", tensor([2, 2])]]))).toMatchObject({ nearest: { found: 0, unexpected: 1 } });
  });

  test("refuses numbers that are none", () => {
    const tensors = tensorsOf("igcv3_cifar", "pytorch");
    const [name, first] = [...tensors][0] as [string, Tensor];
    tensors.set(name, { ...first, data: (first.data as Float32Array).fill(Number.NaN) } as Tensor);
    expect(() => recognizeTensors(tensors)).toThrow(/not finite/);
  });
});
