/** What runs in the page: every peer, each loaded at its first question. */
import { answerer } from "../answer.ts";
import { ceilings } from "../ceilings.ts";
import type { Answers, Question } from "../messages.ts";
import type { Peer } from "../peer.ts";
import { depthwise } from "../peers/depthwise.ts";

/** Loads each peer, whose own files are under an address. */
const loaders: Readonly<Record<string, (address: string) => Promise<Pick<Peer, "load">>>> = {
  depthwise: async () => depthwise("relaxed"),
  "depthwise-plain": async () => depthwise("plain"),
  async litert(address) {
    const library = await import("@litertjs/core");
    const { loadLitertModel } = await import("../peers/litert_model.ts");
    await library.loadLiteRt(address);
    return { load: (...network) => loadLitertModel(library, ...network) };
  },
  async "onnxruntime-web"(address) {
    const ort = await import("onnxruntime-web/wasm");
    const { loadSession } = await import("../peers/onnx_session.ts");
    Object.assign(ort.env.wasm, { numThreads: 1, proxy: false, wasmPaths: address });
    return {
      load: (graph, weights) => loadSession(ort, graph, weights, { executionProviders: ["wasm"] }),
    };
  },
  async tfjs(address) {
    const { env } = await import("@tensorflow/tfjs-core");
    const { setWasmPaths } = await import("@tensorflow/tfjs-backend-wasm");
    const { loadTfjsModel } = await import("../peers/tfjs_model.ts");
    setWasmPaths(address);
    // It would take its build for threads, even for one; in Node and in pages that are not isolated it does not.
    env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
    return { load: loadTfjsModel };
  },
};

const answerers = new Map<string, ReturnType<typeof answerer>>();

/** Answers a question with a peer. */
export function ask(name: string, address: string, question: Question): Promise<Answers[Question["ask"]]> {
  const load = loaders[name];
  if (load === undefined) throw new Error(`${name} does not run in a page.`);
  const answer = answerers.get(name) ?? answerer(() => load(address), false);
  answerers.set(name, answer);
  return answer(question);
}

/** The page's own ceiling. */
export const measureCeiling = ceilings();
