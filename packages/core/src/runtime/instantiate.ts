import { canSleep, startWorkers } from "./host/workers.ts";
import { unshareMemory } from "./unshare_memory.ts";

/** What a module exports. The last three are there only if it was compiled for threads. */
interface ModuleExports {
  initialize(): void;
  run(thread: number, threads: number): void;
  start(threads: number): void;
  stop(): void;
  readonly canSleep?: WebAssembly.Global;
}

/** A module in its memory, with its threads. */
export interface ModuleInstance {
  readonly exports: ModuleExports;
  readonly memory: WebAssembly.Memory;
  readonly threads: number;
}

/** A module as it was compiled. */
export interface CompiledModule {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Pages of memory that it needs, and most threads that it was compiled for. */
  readonly manifest: { readonly pages: number; readonly threads: number };
}

/** Why modules cannot share memory with workers here; undefined where they can. */
export function whyNoThreads(): string | undefined {
  if (typeof SharedArrayBuffer === "undefined" || globalThis.crossOriginIsolated === false) {
    return "shared memory needs a cross-origin isolated page (headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp).";
  }
  return undefined;
}

/**
 * Puts a module into a memory of its own and initializes it; with several threads the memory is shared, and workers wait in it.
 *
 * @param prepare fills the memory before the module initializes it
 * @throws WebAssembly's own errors, and what the host says about workers
 */
export async function instantiateModule(
  { bytes, manifest }: CompiledModule,
  threads: number,
  prepare?: (memory: WebAssembly.Memory) => void,
): Promise<ModuleInstance> {
  const isShared = threads > 1;
  const module = await WebAssembly.compile(manifest.threads > 1 && !isShared ? unshareMemory(bytes) : bytes);
  const size = { initial: manifest.pages, maximum: manifest.pages };
  const memory = new WebAssembly.Memory(isShared ? { ...size, shared: true } : size);
  const instance = await WebAssembly.instantiate(module, { env: { memory, now: () => performance.now() } });
  const exports = instance.exports as unknown as ModuleExports;
  prepare?.(memory);
  exports.initialize();
  if (isShared) {
    if (exports.canSleep) exports.canSleep.value = canSleep() ? 1 : 0;
    await startWorkers(module, memory, threads);
  }
  return { exports, memory, threads };
}

/** Runs the module once, on all of its threads. */
export function runModule({ exports, threads }: ModuleInstance): void {
  if (threads > 1) exports.start(threads);
  else exports.run(0, 1);
}

/** Ends the module's workers. */
export function stopModule({ exports, threads }: ModuleInstance): void {
  if (threads > 1) exports.stop();
}
