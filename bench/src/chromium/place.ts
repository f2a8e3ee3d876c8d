import { readFileSync } from "node:fs";
import { startBrowser } from "../../../packages/core/src/testing/browser.ts";
import { fileOf } from "../peers/versions.ts";
import type { Place } from "../place.ts";

/** The runtimes' own files that their scripts fetch, by address under the served files. */
const served: Readonly<Record<string, URL>> = {
  "litert/litert_wasm_internal.js": fileOf("@litertjs/core", "wasm/litert_wasm_internal.js"),
  "litert/litert_wasm_internal.wasm": fileOf("@litertjs/core", "wasm/litert_wasm_internal.wasm"),
  "onnxruntime-web/ort-wasm-simd-threaded.mjs": fileOf("onnxruntime-web", "dist/ort-wasm-simd-threaded.mjs"),
  "onnxruntime-web/ort-wasm-simd-threaded.wasm": fileOf("onnxruntime-web", "dist/ort-wasm-simd-threaded.wasm"),
  "tfjs/tfjs-backend-wasm-simd.wasm": fileOf("@tensorflow/tfjs-backend-wasm", "dist/tfjs-backend-wasm-simd.wasm"),
};

/** One page of a Chromium, isolated so that its clock is fine: all peers run there, and the ceiling is its own. */
export async function chromiumPlace(): Promise<Place> {
  const session = await startBrowser();
  for (const [name, file] of Object.entries(served)) {
    session.serve(name, readFileSync(file), name.endsWith(".wasm") ? "application/wasm" : "text/javascript");
  }
  const files = `${new URL(session.page.url()).origin}/files`;
  const page = new URL("./page.ts", import.meta.url);
  return {
    engine: `Chromium ${session.page.context().browser()?.version()}`,
    start: ({ name }) => ({
      name,
      ask: (question) => session.evaluate(page, "ask", name, `${files}/${name}/`, question),
      [Symbol.dispose]() {},
    }),
    ceiling: (simd, milliseconds) => session.evaluate(page, "measureCeiling", simd, milliseconds),
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  };
}
