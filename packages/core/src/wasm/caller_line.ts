/** Errors that point at the line that used the assembler wrongly. */
import { InternalError } from "../errors.ts";

/** Any function: `entry` below is compared by identity only. */
// biome-ignore lint/suspicious/noExplicitAny: parameters of an unknown function are contravariant; only `any` accepts them all
export type Entry = (...args: any[]) => unknown;

/**
 * Throws an {@link InternalError} that ends with the file and line that called `entry`.
 *
 * @param entry the public function that was called wrongly
 */
export function fail(entry: Entry, message: string): never {
  const line = callerLine(entry);
  throw new InternalError(line === undefined ? message : `${message} (at ${line})`);
}

/** V8's extension; elsewhere the message goes without the line. */
interface StackCapture {
  captureStackTrace?(holder: object, above: Entry): void;
}

function callerLine(entry: Entry): string | undefined {
  const holder: { stack?: string } = {};
  (Error as StackCapture).captureStackTrace?.(holder, entry);
  const frame = holder.stack?.split("\n").find((line) => line.trimStart().startsWith("at "));
  return frame?.match(/\(?([^\s(]+:\d+:\d+)\)?$/)?.[1];
}
