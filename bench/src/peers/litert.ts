import type { Peer } from "../peer.ts";
import { loadLitertModel } from "./litert_model.ts";
import { loadLitert } from "./load_litert.ts";
import { fileOf } from "./versions.ts";

/** Google's LiteRT.js: TensorFlow Lite with XNNPACK as WebAssembly, relaxed SIMD where the engine has it. */
export const litert: Peer = {
  shipped: ["dist/index.js", "wasm/litert_wasm_internal.js", "wasm/litert_wasm_internal.wasm"].map((file) =>
    fileOf("@litertjs/core", file),
  ),
  async load(graph, weights, options) {
    return loadLitertModel(await loadLitert(options.threads), graph, weights, options);
  },
};
