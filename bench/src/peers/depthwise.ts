import { compile, load as loadCompiled, type StepTime } from "@depthwise/core";
import type { Peer } from "../peer.ts";
import { medianOfLaterHalf } from "./onnx_profile.ts";

/** Ours, compiled for relaxed or plain SIMD. */
export function depthwise(simd: "relaxed" | "plain"): Peer {
  return {
    shipped: [],
    async load(graph, weights, { threads, wide, profile }) {
      const model = await loadCompiled(compile(graph, { weights, simd, wide, threads, profile }));
      const profiles: (readonly StepTime[])[] = [];
      let numbers = new Float32Array();
      return {
        feed(input) {
          numbers = Float32Array.from(input);
        },
        async run() {
          const { output } = model.run({ input: numbers });
          if (profile) profiles.push(model.profile());
          return output as Float32Array;
        },
        profile: async () =>
          model.manifest.steps.map(({ name, op }, i) => ({
            name,
            op,
            milliseconds: medianOfLaterHalf(profiles.map((steps) => steps[i]?.milliseconds ?? 0)),
          })),
        dispose: () => model.dispose(),
      };
    },
  };
}
