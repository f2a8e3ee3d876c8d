import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import type { Peer } from "../peer.ts";
import { stepsOfProfile } from "./onnx_profile.ts";
import { loadSession } from "./onnx_session.ts";

/** ONNX Runtime's native library on the CPU provider, with every vector unit that the CPU has. */
export const onnxruntimeNode: Peer = {
  shipped: [],
  async load(graph, weights, { threads, profile }) {
    const options = {
      executionProviders: ["cpu"],
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      logSeverityLevel: 3,
    } as const;
    if (!profile) return loadSession(ort, graph, weights, options);
    const folder = mkdtempSync(join(tmpdir(), "depthwise-bench-"));
    const profiled = { ...options, profileFilePrefix: join(folder, "profile") };
    return loadSession(ort, graph, weights, profiled, async (session, runs) => {
      session.endProfiling();
      const [file] = readdirSync(folder);
      const text = readFileSync(join(folder, file as string), "utf8");
      rmSync(folder, { recursive: true });
      return stepsOfProfile(text, runs);
    });
  },
};
