import type { Peer } from "../peer.ts";
import { loadTfjsModel } from "./tfjs_model.ts";
import { fileOf } from "./versions.ts";

/** TensorFlow.js on its WebAssembly backend: 128-bit SIMD. */
export const tfjsWasm: Peer = {
  shipped: [
    fileOf("@tensorflow/tfjs-core", "dist/tf-core.min.js"),
    fileOf("@tensorflow/tfjs-backend-wasm", "dist/tf-backend-wasm.min.js"),
    fileOf("@tensorflow/tfjs-backend-wasm", "dist/tfjs-backend-wasm-simd.wasm"),
  ],
  load: loadTfjsModel,
};
