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

/** What dequantised weights may take beyond that: they take four times what they take in the file. */
const dequantizedAllowance = 16 * 2 ** 20;

/**
 * A budget for what a reader makes beside the views into the file: twice the file's size and 32 MiB; where weights are dequantised up to four
 * times the file's size, but not more than another 16 MiB.
 */
export function memoryBudget(fileBytes: number, file?: string, isDequantized = false): MemoryBudget {
  const limit = 2 * fileBytes + allowance + (isDequantized ? Math.min(2 * fileBytes, dequantizedAllowance) : 0);
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
