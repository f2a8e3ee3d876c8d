import { Worker } from "node:worker_threads";
import { DepthwiseError, DisposedError, InternalError } from "@depthwise/core";
import type { BatchJob, BatchMaker, BatchMakerSettings, MadeBatch } from "./batch_maker.ts";
import type { WorkerAnswer } from "./loader_worker.ts";

/** Worker threads that make batches. */
export interface WorkerPool {
  /** Gives a job to the worker with the least to do. Its memory is gone until it comes back in the answer. */
  readonly make: BatchMaker;
  /** Ends the workers at once; what they were at is rejected. */
  dispose(): Promise<void>;
}

interface Waiting {
  resolve(made: MadeBatch): void;
  reject(error: unknown): void;
}

interface PoolWorker {
  readonly worker: Worker;
  /** Answers come in the order of jobs. */
  readonly waiting: Waiting[];
}

/** Starts `count` workers. */
export function startWorkerPool(settings: BatchMakerSettings, count: number): WorkerPool {
  const workers = Array.from({ length: count }, () => startWorker(settings));
  let isDisposed = false;
  return {
    make(job) {
      if (isDisposed) return Promise.reject(new DisposedError("The loader was used after its disposal."));
      return give(
        workers.reduce((idlest, one) => (one.waiting.length < idlest.waiting.length ? one : idlest)),
        job,
      );
    },
    async dispose() {
      isDisposed = true;
      for (const one of workers) rejectAll(one, new DisposedError("The loader was disposed while it made a batch."));
      await Promise.all(workers.map(({ worker }) => worker.terminate()));
    },
  };
}

function startWorker(settings: BatchMakerSettings): PoolWorker {
  // Built, this file and the worker's are JavaScript.
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const worker = new Worker(new URL(`./loader_worker.${extension}`, import.meta.url), { workerData: settings });
  const one: PoolWorker = { worker, waiting: [] };
  worker.on("message", (answer: WorkerAnswer) => {
    const waiting = one.waiting.shift();
    if (waiting === undefined) return; // disposed of meanwhile
    if (one.waiting.length === 0) worker.unref();
    if ("made" in answer) waiting.resolve(answer.made);
    else waiting.reject(errorOf(answer.error));
  });
  worker.on("error", (cause) => {
    rejectAll(
      one,
      new InternalError(`A loader's worker failed: ${cause instanceof Error ? cause.message : cause}`, { cause }),
    );
  });
  worker.on("exit", (code) => {
    rejectAll(one, new InternalError(`A loader's worker ended with code ${code}`));
  });
  worker.unref(); // only a batch that somebody waits for keeps the process alive
  return one;
}

function give(one: PoolWorker, job: BatchJob): Promise<MadeBatch> {
  const { pictures, targets } = job.memory;
  return new Promise((resolve, reject) => {
    one.waiting.push({ resolve, reject });
    one.worker.ref();
    one.worker.postMessage(job, [pictures.buffer as ArrayBuffer, targets.buffer as ArrayBuffer]);
  });
}

function rejectAll(one: PoolWorker, error: DepthwiseError): void {
  for (const { reject } of one.waiting.splice(0)) reject(error);
  one.worker.unref();
}

function errorOf({ code, message }: { code: DepthwiseError["code"]; message: string }): DepthwiseError {
  return code === "internal" ? new InternalError(message) : new DepthwiseError(code, message);
}
