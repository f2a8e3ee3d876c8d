/** `model.worker.mjs`: one of the other threads, in Node or on the web. */

interface Job {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly thread: number;
  readonly threads: number;
}

interface Port {
  once?(event: "message", listener: (job: Job) => void): void;
  onmessage?: (event: { readonly data: Job }) => void;
  postMessage(message: unknown): void;
  close(): void;
}

interface Host {
  readonly process?: { getBuiltinModule?(name: string): { readonly parentPort: Port | null } | undefined };
}

const port =
  (globalThis as unknown as Host).process?.getBuiltinModule?.("node:worker_threads")?.parentPort ??
  (globalThis as unknown as Port);

async function begin({ module, memory, thread, threads }: Job): Promise<void> {
  const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
  port.postMessage("ready");
  (exports as unknown as { work(thread: number, threads: number): void }).work(thread, threads);
  port.close();
}

if (port.once) port.once("message", begin);
else port.onmessage = ({ data }) => void begin(data);
