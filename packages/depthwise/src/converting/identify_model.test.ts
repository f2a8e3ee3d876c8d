import { build, exchangeTensors, initializeWeights } from "@depthwise/core";
import { describe, expect, it } from "vitest";
import { identifyModel } from "./identify_model.ts";

describe("identifyModel", () => {
  it.each([
    ["squeezenet_1.1", [123, 117, 104]],
    ["mobilenet_v1_1.0_224", [123.68, 116.78, 103.94]],
  ])("gives Caffe's weights of %s blue, green, red pictures", (name, mean) => {
    const network = build(name);
    const tensors = exchangeTensors(initializeWeights(network.graph, 1), network, { naming: "caffe" });
    const found = identifyModel({ format: "caffe", tensors }, { file: "it.caffemodel", only: name });
    expect(found.network.preprocessing).toMatchObject({ channelOrder: "bgr", mean });
    expect(found.network.preprocessing.size).toEqual(network.preprocessing.size);
  });
});
