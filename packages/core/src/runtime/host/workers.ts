/** Starts worker threads in Node, pages and workers. The only file of core that knows of those hosts. */

/** What a worker is sent. */
interface Job {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly thread: number;
  readonly threads: number;
}

/** A worker of either kind, as far as we use it. */
interface HostWorker {
  postMessage(message: unknown): void;
  terminate(): unknown;
  /** Node: an idle worker does not keep the process alive. */
  unref?(): void;
  on?(event: string, listener: (value: unknown) => void): unknown;
  onmessage?: unknown;
  onerror?: unknown;
}

interface Host {
  readonly process?: {
    getBuiltinModule?(name: string): { Worker: new (source: string, options: object) => HostWorker };
  };
  readonly Worker?: new (url: string) => HostWorker;
  readonly Blob?: new (parts: readonly string[], options: { type: string }) => object;
  readonly URL: { createObjectURL(blob: object): string; revokeObjectURL(url: string): void };
  readonly document?: unknown;
}

const host = globalThis as unknown as Host;

/** Instantiates the module on the shared memory, says so, and works until it is stopped. */
const script = `
const begin = async ({ module, memory, thread, threads }, reply, end) => {
  const { exports } = await WebAssembly.instantiate(module, { env: { memory, now: () => 0 } });
  reply("ready");
  exports.work(thread, threads);
  end();
};
if (typeof require === "function") {
  const { parentPort } = require("node:worker_threads");
  parentPort.once("message", (job) => begin(job, (text) => parentPort.postMessage(text), () => parentPort.close()));
} else {
  onmessage = (event) => begin(event.data, (text) => postMessage(text), () => close());
}
`;

/** Whether the thread we are on may sleep on shared memory: a page's main thread may not. */
export function canSleep(): boolean {
  return host.document === undefined;
}

/**
 * Starts `threads − 1` workers and waits until each is ready. They end by themselves after the module's `stop`.
 *
 * @throws what the host says, for example where a policy forbids workers
 */
export async function startWorkers(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  threads: number,
): Promise<void> {
  const workers: HostWorker[] = [];
  try {
    const ready = Array.from({ length: threads - 1 }, (_, i) => {
      const worker = createWorker();
      workers.push(worker);
      const isReady = whenReady(worker);
      const job: Job = { module, memory, thread: i + 1, threads };
      worker.postMessage(job);
      return isReady;
    });
    await Promise.all(ready);
  } catch (error) {
    for (const worker of workers) worker.terminate();
    throw error;
  }
  for (const worker of workers) worker.unref?.();
}

function createWorker(): HostWorker {
  const node = host.process?.getBuiltinModule?.("node:worker_threads");
  if (node) return new node.Worker(script, { eval: true });
  const { Worker, Blob } = host;
  if (Worker === undefined || Blob === undefined) throw new TypeError("This host has no workers.");
  const url = host.URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  try {
    return new Worker(url);
  } finally {
    host.URL.revokeObjectURL(url);
  }
}

function whenReady(worker: HostWorker): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) =>
      reject(error instanceof Error ? error : new TypeError("A worker could not be started."));
    if (worker.on) {
      worker.on("message", () => resolve());
      worker.on("error", fail);
    } else {
      worker.onmessage = () => resolve();
      worker.onerror = fail;
    }
  });
}
