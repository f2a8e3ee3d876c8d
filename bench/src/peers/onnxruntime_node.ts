import { writeOnnx } from "@depthwise/formats";
import * as ort from "onnxruntime-node";
import type { Peer } from "../peer.ts";
import { inputShape, toChannelsFirst } from "./onnx_input.ts";
import { versionOf } from "./versions.ts";

/** ONNX Runtime's native library on the CPU provider, with every vector unit that the CPU has. */
export const onnxruntimeNode: Peer = {
  version: versionOf("onnxruntime-node"),
  shipped: [],
  async load(graph, weights, { threads }) {
    const session = await ort.InferenceSession.create(writeOnnx(graph, weights), {
      executionProviders: ["cpu"],
      graphOptimizationLevel: "all",
      executionMode: "sequential",
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      enableCpuMemArena: true,
      enableMemPattern: true,
      logSeverityLevel: 3,
    });
    let feeds: Record<string, ort.Tensor> = {};
    return {
      feed(input) {
        const { data, dims } = toChannelsFirst(input, inputShape(graph));
        feeds = { input: new ort.Tensor("float32", data, dims) };
      },
      run: async () => (await session.run(feeds)).output?.data as Float32Array,
      dispose: () => void session.release(),
    };
  },
};
