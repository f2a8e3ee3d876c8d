import { build, exchangeTensors, FormatError, initializeWeights, writeSafetensors } from "@depthwise/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { writeOnnx } from "./onnx/write_onnx.ts";
import { writePytorch } from "./pytorch/write_pytorch.ts";
import { formatOf, readModel } from "./read_model.ts";
import { writeTflite } from "./tflite/write_tflite.ts";

const network = build("squeezenet_cifar", { batchNorm: false });
const weights = initializeWeights(network.graph, 1);
const tensors = exchangeTensors(weights, network, { naming: "torchvision" });
const files = {
  safetensors: writeSafetensors(tensors),
  pytorch: writePytorch(tensors),
  onnx: writeOnnx(network.graph, weights),
  tflite: writeTflite(network.graph, weights),
} as const;

describe("readModel", () => {
  test.each(Object.entries(files))("knows %s by its content, whatever its name", async (format, bytes) => {
    for (const file of [undefined, "model", "model.json", "model.tflite", "model.pth"]) {
      if (format === "onnx" && file?.includes(".")) continue; // protocol buffers do not say what they are
      expect(formatOf(bytes, file)).toBe(format);
    }
    const model = await readModel(bytes);
    expect(model.format).toBe(format);
    expect(model.tensors.size).toBeGreaterThanOrEqual(tensors.size);
  });

  test("takes the ending where the content says nothing", async () => {
    const nothing = Uint8Array.of(1, 2, 3);
    expect(formatOf(nothing, "a.ONNX")).toBe("onnx");
    expect(formatOf(nothing, "a.caffemodel")).toBe("caffe");
    expect(formatOf(nothing, "a.jpg")).toBeUndefined();
    await expect(readModel(nothing, { file: "a.jpg" })).rejects.toThrow(FormatError);
  });

  test("never fails otherwise than with a format's error on bytes of any kind", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 200 }),
        fc.constantFrom(undefined, "x.onnx", "x.pth"),
        async (bytes, file) => {
          try {
            await readModel(bytes, { file });
          } catch (error) {
            expect(["format", "unsupported", "graph", "shape"]).toContain((error as { code?: string }).code);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});
