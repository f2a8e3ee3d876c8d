import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { build } from "../networks/build.ts";
import { elementCount, halfToFloat, type Tensor, toFloat32 } from "../tensor.ts";
import { sharedPath } from "../testing/shared_data.ts";
import { loadWeights, readWeights } from "./load_weights.ts";
import { writeWeights } from "./model_file.ts";
import { readSafetensors } from "./read_safetensors.ts";

function weightsFile(name: string): Uint8Array {
  return readFileSync(sharedPath("data", "weights", name));
}

/** One element of a stored tensor, read from the bytes without our reader. */
function storedElement(bytes: Uint8Array, name: string, index: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const length = Number(view.getBigUint64(0, true));
  const header = JSON.parse(Buffer.from(bytes.subarray(8, 8 + length)).toString()) as Record<
    string,
    { dtype: string; data_offsets: [number, number] }
  >;
  const { dtype, data_offsets } = header[name] as { dtype: string; data_offsets: [number, number] };
  const start = 8 + length + data_offsets[0];
  return dtype === "F16"
    ? halfToFloat(view.getUint16(start + 2 * index, true))
    : view.getFloat32(start + 4 * index, true);
}

describe("pretrained weights", () => {
  test.each([
    [
      "squeezenet_1.0.safetensors",
      "squeezenet_1.0",
      "fire9/expand3x3/kernel",
      "features.12.expand3x3.weight",
      1_248_424,
    ],
    [
      "squeezenet_1.1.safetensors",
      "squeezenet_1.1",
      "fire9/expand3x3/kernel",
      "features.12.expand3x3.weight",
      1_235_496,
    ],
    [
      "mobilenet_v2_1.0.safetensors",
      "mobilenet_v2_1.0_224",
      "stem/kernel",
      "features.0.0.weight",
      3_504_872 + 2 * 17_056,
    ],
    ["mobilenet_v1_0.25_224.safetensors", "mobilenet_v1_0.25_224", "stem/kernel", "stem.weight", 470_072 + 2 * 2_736],
  ])("of %s load into %s without a rest", (file, name, ours, theirs, count) => {
    const bytes = weightsFile(file);
    const network = build(name);
    const weights = readWeights(bytes, network);
    expect([...weights.values()].reduce((sum, { shape }) => sum + elementCount(shape), 0)).toBe(count);
    const kernel = weights.get(ours) as Tensor;
    const [kh, kw, inputs, out] = kernel.shape as [number, number, number, number];
    for (const [o, i, y, x] of [
      [0, 0, 0, 1],
      [3, 2, 1, 0],
      [out - 1, inputs - 1, kh - 1, kw - 1],
      [5, 1, 0, 2],
    ] as const) {
      const index = ((o * inputs + i) * kh + y) * kw + x;
      expect(kernel.data[((y * kw + x) * inputs + i) * out + o]).toBe(storedElement(bytes, theirs, index));
    }
    expect([...readWeights(writeWeights(weights, network), network)]).toEqual([...weights]);
  });

  test("of SqueezeNet 1.0 do not load into 1.1", () => {
    expect(() => readWeights(weightsFile("squeezenet_1.0.safetensors"), build("squeezenet_1.1"))).toThrow(
      /missing:[\s\S]*unexpected:/,
    );
  });

  test("whose batch norms are folded give norms that are the identity but for the bias", () => {
    const bytes = weightsFile("mobilenet_v1_0.25_224.safetensors");
    const weights = readWeights(bytes, build("mobilenet_v1_0.25_224"));
    const values = (part: string) => toFloat32(weights.get(`stem/norm/${part}`) as Tensor);
    expect(values("gamma")).toEqual(new Float32Array(8).fill(1));
    expect(values("mean")).toEqual(new Float32Array(8));
    expect([...values("beta")]).toEqual(
      Array.from({ length: 8 }, (_, index) => storedElement(bytes, "stem.bias", index)),
    );
  });
});

describe("golden files", () => {
  const folder = sharedPath("reference", "golden");
  test.each(readdirSync(folder))("%s is read: weights, input, output and blocks", (name) => {
    const { tensors, metadata } = readSafetensors(readFileSync(sharedPath("reference", "golden", name)), {
      finite: true,
    });
    expect(tensors.get("input")?.shape).toHaveLength(4);
    expect(tensors.get("output")?.shape).toEqual([1, 10]);
    expect(Object.keys(metadata).length).toBeGreaterThan(0);
  });

  test("load once input, output and blocks are taken away", () => {
    const { tensors } = readSafetensors(
      readFileSync(sharedPath("reference", "golden", "mobilenet_v2_0.25_96.safetensors")),
    );
    const network = build("mobilenet_v2", { width: 0.25, resolution: 96, classes: 10 });
    const isWeight = (name: string) => !/^(input|output|blocks\..*)$/.test(name);
    const weights = loadWeights(new Map([...tensors].filter(([name]) => isWeight(name))), network);
    expect(weights.size).toBe(52 * 5 + 2);
    expect(() => loadWeights(tensors, network)).toThrow(/6 unexpected:/);
  });
});
