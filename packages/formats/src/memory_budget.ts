import { FormatError } from "@depthwise/core";

/** What a reader may allocate: a small file must not make a large model. */
export interface MemoryBudget {
  /**
   * Notes an allocation before it is made.
   *
   * @throws {FormatError} if the file would take more than it may
   */
  spend(bytes: number, what: string): void;
}

/** Beside what is in proportion to the file: lists, names, tables. */
const allowance = 32 * 2 ** 20;

/** A budget of twice the file's size and 32 MiB, for what a reader makes beside the views into the file. */
export function memoryBudget(fileBytes: number, file?: string): MemoryBudget {
  const limit = 2 * fileBytes + allowance;
  let spent = 0;
  return {
    spend(bytes, what) {
      spent += bytes;
      if (spent <= limit) return;
      throw new FormatError(
        `${what} would need ${spent} bytes of memory in all, for a file of ${fileBytes}; the limit is ${limit}.`,
        file === undefined ? {} : { file },
      );
    },
  };
}
