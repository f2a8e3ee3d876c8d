import { compile, load as loadCompiled } from "@depthwise/core";
import type { Peer } from "../peer.ts";

/** Ours, compiled for relaxed or plain SIMD. */
export function depthwise(simd: "relaxed" | "plain"): Peer {
  return {
    version: "this checkout",
    shipped: [],
    async load(graph, weights, { threads, wide }) {
      const options = { weights, simd, wide, threads };
      const model = await loadCompiled(compile(graph, options));
      let numbers = new Float32Array();
      return {
        feed(input) {
          numbers = Float32Array.from(input);
        },
        run: async () => model.run({ input: numbers }).output as Float32Array,
        dispose: () => model.dispose(),
      };
    },
  };
}
