import { build, compile, type Graph, initializeWeights, load, nodesOf, tensor, type Weights } from "@depthwise/core";
import { describe, expect, it } from "vitest";
import { relativeError } from "../../core/src/testing/differences.ts";
import { goldenNetworks } from "../../core/src/testing/golden_networks.ts";
import { readOnnx } from "./onnx/read_onnx.ts";
import { writeOnnx } from "./onnx/write_onnx.ts";
import { numbers } from "./testing/onnx_cases.ts";
import { readTflite } from "./tflite/read_tflite.ts";
import { writeTflite } from "./tflite/write_tflite.ts";

/** As every round trip must hold. */
const TOLERANCE = 1e-5;

/** Weights of which none is as it is before training: statistics and offsets would hide what happens to them. */
function trainedWeights(graph: Graph): Weights {
  return new Map(
    [...initializeWeights(graph)].map(([name, { shape, data }], seed) => {
      const noise = numbers(data.length, seed);
      const shifted = Float32Array.from(data as Float32Array, (value, i) => value + 0.2 * (noise[i] as number) ** 2);
      return [name, shape.length === 1 ? tensor(shape, shifted) : tensor(shape, data as Float32Array)] as const;
    }),
  );
}

async function outputOf(graph: Graph, weights: Weights): Promise<Float32Array> {
  using model = await load(compile(graph, { weights }));
  const [input] = nodesOf(graph, "input");
  const count = (input?.shape ?? []).reduce((product, length) => product * length, 1);
  const outputs = model.run({ [input?.name ?? ""]: Float32Array.from(numbers(count, 3)) });
  return Float32Array.from(outputs[graph.outputs[0]?.name ?? ""] ?? []);
}

function nodesAsText({ nodes }: Graph): readonly string[] {
  return nodes.map(({ name, operation, shape }) => `${operation.op} ${name} ${shape.join("x")}`).toSorted();
}

describe("files that are written and read again", () => {
  it("are of all ten families", () => {
    expect(new Set(goldenNetworks.map(({ family }) => family)).size).toBe(10);
  });

  it.each(goldenNetworks)("give the same numbers: $file", async ({ family, options }) => {
    const { graph } = build(family, options);
    const weights = trainedWeights(graph);
    const expected = await outputOf(graph, weights);
    const onnx = readOnnx(writeOnnx(graph, weights)).network;
    const tflite = readTflite(writeTflite(graph, weights)).network;
    if (onnx === undefined || tflite === undefined) throw new TypeError("no network");
    expect(relativeError(await outputOf(onnx.graph, onnx.weights), expected)).toBeLessThan(TOLERANCE);
    expect(relativeError(await outputOf(tflite.graph, tflite.weights), expected)).toBeLessThan(TOLERANCE);
    // ONNX keeps every operation: what comes back is what was written, names included.
    const computed = (each: Graph) => nodesAsText(each).filter((line) => !line.startsWith("dropout"));
    expect(computed(onnx.graph)).toEqual(computed(graph));
  });
});
