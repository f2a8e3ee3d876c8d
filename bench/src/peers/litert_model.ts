import type { Graph, Weights } from "@depthwise/core";
import { writeTflite } from "@depthwise/formats";
import type { Tensor } from "@litertjs/core";
import type { Loaded, PeerOptions } from "../peer.ts";
import { inputShape } from "./onnx_input.ts";

/** A graph in LiteRT.js, whose WebAssembly module has started. */
export async function loadLitertModel(
  library: typeof import("@litertjs/core"),
  graph: Graph,
  weights: Weights,
  { threads }: PeerOptions,
): Promise<Loaded> {
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
}
