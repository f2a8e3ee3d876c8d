/** The part of `model.mjs` that only models for several threads have. */

/** A worker of Node or of the web, as far as it is used here. */
export interface AnyWorker {
  postMessage(message: unknown): void;
  terminate(): unknown;
  unref?(): void;
  on?(event: string, listener: (value: unknown) => void): unknown;
  onmessage?: unknown;
  onerror?: unknown;
}

/** Starts `threads - 1` workers; they end after the module's `stop`. */
export async function startWorkers(
  newWorker: () => AnyWorker,
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  threads: number,
): Promise<void> {
  const workers = Array.from({ length: threads - 1 }, newWorker);
  try {
    await Promise.all(
      workers.map(
        (worker, i) =>
          new Promise((resolve, reject) => {
            worker.on?.("message", resolve);
            worker.on?.("error", reject);
            worker.onmessage = resolve;
            worker.onerror = reject;
            worker.postMessage({ module, memory, thread: i + 1, threads });
          }),
      ),
    );
    for (const worker of workers) worker.unref?.();
  } catch (error) {
    for (const worker of workers) worker.terminate();
    throw error;
  }
}
