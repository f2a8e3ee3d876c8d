import { DepthwiseError } from "@depthwise/core";

/** @throws {DepthwiseError} with the code `aborted`, if the signal says so */
export function checkNotAborted(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted) throw abortedError(what, signal.reason);
}

/** Waits for `work`, but no longer than until the signal. */
export function untilAborted<Result>(
  work: Promise<Result>,
  signal: AbortSignal | undefined,
  what: string,
): Promise<Result> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(abortedError(what, signal.reason));
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}

function abortedError(what: string, cause: unknown): DepthwiseError {
  return new DepthwiseError("aborted", `${what}: stopped as asked.`, { cause });
}
