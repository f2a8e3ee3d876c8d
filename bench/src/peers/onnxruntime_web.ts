import fs from "node:fs";
import type { Peer } from "../peer.ts";
import { stepsOfProfile } from "./onnx_profile.ts";
import { loadSession } from "./onnx_session.ts";
import { fileOf } from "./versions.ts";

/** ONNX Runtime's WebAssembly build on its CPU provider: the only build there is for CPUs, 128-bit SIMD without relaxed multiply-add. */
export const onnxruntimeWeb: Peer = {
  shipped: ["ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"].map((file) =>
    fileOf("onnxruntime-web", `dist/${file}`),
  ),
  async load(graph, weights, { threads, profile }) {
    const printed = profile ? captureOutput() : [];
    const ort = await import("onnxruntime-web");
    ort.env.wasm.numThreads = threads;
    ort.env.wasm.proxy = false;
    ort.env.logLevel = "error";
    const options = { executionProviders: ["wasm"] } as const;
    if (!profile) return loadSession(ort, graph, weights, options);
    return loadSession(ort, graph, weights, options, async (session, runs) => {
      session.endProfiling();
      return stepsOfProfile(printed.join(""), runs);
    });
  },
};

/** It prints its profile to the standard output, where it has no files, by the function of Node that it finds when it starts. */
function captureOutput(): readonly string[] {
  const printed: string[] = [];
  const writeSync = fs.writeSync as (file: number, text: string) => number;
  fs.writeSync = ((file: number, text: string) =>
    file === 1 ? printed.push(text) : writeSync(file, text)) as typeof fs.writeSync;
  return printed;
}
