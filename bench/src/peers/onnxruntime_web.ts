import type { Peer } from "../peer.ts";
import { stepsOfProfile } from "./onnx_profile.ts";
import { loadSession } from "./onnx_session.ts";
import { fileOf, versionOf } from "./versions.ts";

/** ONNX Runtime's WebAssembly build on its CPU provider: the only build there is for CPUs, 128-bit SIMD without relaxed multiply-add. */
export const onnxruntimeWeb: Peer = {
  version: versionOf("onnxruntime-web"),
  shipped: ["ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"].map((file) =>
    fileOf("onnxruntime-web", `dist/${file}`),
  ),
  async load(graph, weights, { threads, profile }) {
    // Its profile is printed line by line, by the function that it finds when it is imported.
    const printed: string[] = [];
    if (profile) console.log = (line: string) => printed.push(line);
    const ort = await import("onnxruntime-web");
    ort.env.wasm.numThreads = threads;
    ort.env.wasm.proxy = false;
    ort.env.logLevel = "error";
    const options = { executionProviders: ["wasm"] } as const;
    if (!profile) return loadSession(ort, graph, weights, options);
    return loadSession(ort, graph, weights, options, async (session, runs) => {
      session.endProfiling();
      return stepsOfProfile(printed.join("\n"), runs);
    });
  },
};
