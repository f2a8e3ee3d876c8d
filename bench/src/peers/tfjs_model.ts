import { type Graph, runPasses, toProgram, type Weights } from "@depthwise/core";
import { setThreadsCount } from "@tensorflow/tfjs-backend-wasm";
import * as tf from "@tensorflow/tfjs-core";
import type { Loaded, PeerOptions } from "../peer.ts";
import { inputShape } from "./onnx_input.ts";
import { tfjsGraph } from "./tfjs_graph.ts";

/** A graph in TensorFlow.js on its WebAssembly backend, with batch norms folded and activations fused as its own converter does. */
export async function loadTfjsModel(graph: Graph, weights: Weights, { threads }: PeerOptions): Promise<Loaded> {
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
}
