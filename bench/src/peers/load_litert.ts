import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import vm from "node:vm";
import { pathOf, versionOf } from "./versions.ts";

let loading: Promise<typeof import("@litertjs/core")> | undefined;

/** LiteRT.js with its WebAssembly module started; once a process. */
export function loadLitert(threads: number): Promise<typeof import("@litertjs/core")> {
  loading ??= start(threads);
  return loading;
}

async function start(threads: number): Promise<typeof import("@litertjs/core")> {
  becomeWorker();
  const library = await import("@litertjs/core");
  await library.loadLiteRt(pathToFileURL(`${scriptFolder()}/`).href, { threads: threads > 1 });
  return library;
}

/**
 * A copy of the scripts where Node takes them for the older modules that they are: their package says otherwise, and the threads that they
 * start would not run.
 */
function scriptFolder(): string {
  const folder = pathOf(".cache", `litert-${versionOf("@litertjs/core")}`);
  cpSync(pathOf("@litertjs/core", "wasm"), folder, { recursive: true, force: false });
  writeFileSync(`${folder}/package.json`, JSON.stringify({ type: "commonjs" }));
  return folder;
}

/** It runs in pages and in workers, and loads its script as a worker does; that script knows Node by the globals of older modules. */
function becomeWorker(): void {
  const scope = globalThis as unknown as Record<string, unknown>;
  scope.self = globalThis;
  scope.importScripts = (address: string): void => {
    const path = fileURLToPath(address);
    Object.assign(scope, { require: createRequire(path), __filename: path, __dirname: dirname(path) });
    vm.runInThisContext(readFileSync(path, "utf8"), { filename: path });
  };
}
