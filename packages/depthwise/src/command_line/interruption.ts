/** Exit codes by signal: 128 and the signal's number, as shells have it. */
const exitCodes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

const cleanUps = new Set<() => void>();

/**
 * Keeps something to be done, at once and without waiting, if a signal ends the process.
 *
 * @returns forgets it again
 */
export function onInterruption(cleanUp: () => void): () => void {
  cleanUps.add(cleanUp);
  return () => void cleanUps.delete(cleanUp);
}

/** From here on Ctrl-C cleans up and ends the process with 130. */
export function handleSignals(): void {
  for (const signal of Object.keys(exitCodes) as (keyof typeof exitCodes)[]) {
    process.once(signal, () => {
      for (const cleanUp of cleanUps) cleanUp();
      process.exit(exitCodes[signal]);
    });
  }
}
