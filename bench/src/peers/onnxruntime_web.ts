import { writeOnnx } from "@depthwise/formats";
import * as ort from "onnxruntime-web";
import type { Peer } from "../peer.ts";
import { inputShape, toChannelsFirst } from "./onnx_input.ts";
import { fileOf, versionOf } from "./versions.ts";

/** ONNX Runtime's WebAssembly build on its CPU provider: the only build there is for CPUs, 128-bit SIMD without relaxed multiply-add. */
export const onnxruntimeWeb: Peer = {
  version: versionOf("onnxruntime-web"),
  shipped: ["ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"].map((file) =>
    fileOf("onnxruntime-web", `dist/${file}`),
  ),
  async load(graph, weights, { threads }) {
    ort.env.wasm.numThreads = threads;
    ort.env.wasm.proxy = false;
    ort.env.logLevel = "error";
    const session = await ort.InferenceSession.create(writeOnnx(graph, weights), {
      executionProviders: ["wasm"],
      graphOptimizationLevel: "all",
      executionMode: "sequential",
      enableCpuMemArena: true,
      enableMemPattern: true,
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
