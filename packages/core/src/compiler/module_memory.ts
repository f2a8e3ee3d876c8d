import { UnsupportedError } from "../errors.ts";
import { MAX_PAGES, type ModuleBuilder, PAGE_BYTES } from "../wasm/module_builder.ts";

/** What engines fetch at once, and threads should not share. */
export const CACHE_LINE = 64;
/** Kernels may read a vector beyond the last buffer's last float. */
export const SLACK_BYTES = 64;

export function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

/**
 * Imports the module's memory, shared if there are threads.
 *
 * @param what needs it, for the message
 * @param advice what makes it need less
 * @returns its pages
 * @throws {UnsupportedError} if it needs more memory than there are addresses
 */
export function importMemory(
  module: ModuleBuilder,
  { bytes, threads, what, advice }: { bytes: number; threads: number; what: string; advice: string },
): number {
  const pages = Math.ceil(bytes / PAGE_BYTES);
  if (pages > MAX_PAGES) {
    throw new UnsupportedError(
      `${what} needs ${pages} pages of memory; WebAssembly has at most ${MAX_PAGES}. ${advice}`,
    );
  }
  const limits = threads > 1 ? { minPages: pages, maxPages: pages, shared: true } : { minPages: pages };
  module.importMemory("env", "memory", limits);
  return pages;
}
