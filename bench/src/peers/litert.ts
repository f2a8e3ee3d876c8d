import { writeTflite } from "@depthwise/formats";
import type { Tensor } from "@litertjs/core";
import type { Peer } from "../peer.ts";
import { loadLitert } from "./load_litert.ts";
import { inputShape } from "./onnx_input.ts";
import { fileOf, versionOf } from "./versions.ts";

/** Google's LiteRT.js: TensorFlow Lite with XNNPACK as WebAssembly, relaxed SIMD where the engine has it. */
export const litert: Peer = {
  version: versionOf("@litertjs/core"),
  shipped: ["dist/index.js", "wasm/litert_wasm_internal.js", "wasm/litert_wasm_internal.wasm"].map((file) =>
    fileOf("@litertjs/core", file),
  ),
  async load(graph, weights, { threads }) {
    const library = await loadLitert(threads);
    const model = await library.loadAndCompile(writeTflite(graph, weights), {
      accelerator: "wasm",
      cpuOptions: { numThreads: threads },
    });
    let input: Tensor | undefined;
    return {
      feed(numbers) {
        input?.delete();
        input = new library.Tensor(Float32Array.from(numbers), [...inputShape(graph)]);
      },
      async run() {
        const outputs = await model.run(input as Tensor);
        const numbers = outputs[0]?.toTypedArray() as Float32Array;
        for (const output of outputs) output.delete();
        return numbers;
      },
      dispose() {
        input?.delete();
        model.delete();
      },
    };
  },
};
