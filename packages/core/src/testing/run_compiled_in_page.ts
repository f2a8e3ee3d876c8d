import { type RunRequest, type RunResult, runCompiled } from "./run_compiled.ts";

async function fetchFloats(address: string): Promise<Float32Array> {
  return new Float32Array(await (await fetch(address)).arrayBuffer());
}

/** In the page itself. */
export async function runInPage(requests: readonly RunRequest[]): Promise<RunResult[]> {
  const results: RunResult[] = [];
  for (const request of requests) results.push(await runCompiled(request, await fetchFloats(request.address)));
  return results;
}

/** In a module worker of the page, which fetches the floats itself. */
export async function runInWorker(requests: readonly RunRequest[]): Promise<RunResult[]> {
  const worker = new Worker(new URL("./run_compiled_worker.ts", import.meta.url), { type: "module" });
  try {
    return await new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data as RunResult[]);
      worker.onerror = ({ message }) => reject(new TypeError(`the worker failed: ${message}`));
      worker.postMessage(requests);
    });
  } finally {
    worker.terminate();
  }
}
