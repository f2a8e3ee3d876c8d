import { parentPort, workerData } from "node:worker_threads";
import { DepthwiseError, InternalError } from "@depthwise/core";
import sharp from "sharp";
import { type BatchJob, type BatchMakerSettings, createBatchMaker, type MadeBatch } from "./batch_maker.ts";

/** What a worker answers. An error travels as its parts: a class does not survive the way. */
export type WorkerAnswer =
  | { readonly made: MadeBatch }
  | { readonly error: { readonly code: DepthwiseError["code"]; readonly message: string } };

// Pictures are decoded several at a time already.
sharp.concurrency(1);
const port = parentPort;
if (port === null) throw new InternalError("loader_worker.ts was run outside of a worker thread");
const make = createBatchMaker(workerData as BatchMakerSettings);

/** Jobs wait for each other, so that batches come back in the order in which they were asked for. */
let last: Promise<void> = Promise.resolve();

port.on("message", (job: BatchJob) => {
  last = last.then(async () => {
    const answer = await answerOf(job);
    const { pictures, targets } = job.memory;
    const transferred = "made" in answer ? [pictures.buffer as ArrayBuffer, targets.buffer as ArrayBuffer] : [];
    port.postMessage(answer, transferred);
  });
});

async function answerOf(job: BatchJob): Promise<WorkerAnswer> {
  try {
    return { made: await make(job) };
  } catch (error) {
    const code = error instanceof DepthwiseError ? error.code : "internal";
    return { error: { code, message: error instanceof Error ? error.message : String(error) } };
  }
}
