import { runPasses, toProgram } from "@depthwise/core";
import { setThreadsCount } from "@tensorflow/tfjs-backend-wasm";
import * as tf from "@tensorflow/tfjs-core";
import type { Peer } from "../peer.ts";
import { inputShape } from "./onnx_input.ts";
import { tfjsGraph } from "./tfjs_graph.ts";
import { fileOf, versionOf } from "./versions.ts";

/** TensorFlow.js on its WebAssembly backend (128-bit SIMD), with batch norms folded and activations fused as its own converter does. */
export const tfjsWasm: Peer = {
  version: versionOf("@tensorflow/tfjs-core"),
  shipped: [
    fileOf("@tensorflow/tfjs-core", "dist/tf-core.min.js"),
    fileOf("@tensorflow/tfjs-backend-wasm", "dist/tf-backend-wasm.min.js"),
    fileOf("@tensorflow/tfjs-backend-wasm", "dist/tfjs-backend-wasm-simd.wasm"),
  ],
  async load(graph, weights, { threads }) {
    setThreadsCount(threads);
    await tf.setBackend("wasm");
    await tf.ready();
    const network = tfjsGraph(runPasses(toProgram(graph, weights)));
    let input: tf.Tensor4D | undefined;
    return {
      feed(numbers) {
        input?.dispose();
        input = tf.tensor4d(Float32Array.from(numbers), [...inputShape(graph)]);
      },
      async run() {
        const output = network.run(input as tf.Tensor4D);
        const numbers = output.dataSync<"float32">();
        output.dispose();
        return numbers;
      },
      dispose() {
        input?.dispose();
        network.dispose();
      },
    };
  },
};
