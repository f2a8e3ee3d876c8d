import { UnsupportedError } from "@depthwise/core";
import type { PickleValue } from "./pickle_values.ts";

/** What is in a file: the pickled object, and the bytes of its storages. */
export interface TorchArchive {
  readonly root: PickleValue;
  /** @throws {FormatError} if the file has none of that name */
  storage(key: string): Uint8Array;
}

/** @throws {UnsupportedError} for big-endian files */
export function checkByteOrder(order: string, file: string | undefined): void {
  if (order === "little") return;
  throw new UnsupportedError(`The file's numbers are in ${order}-endian order; read is little-endian.`, {
    hint: "Load it in Python on a machine like the one that wrote it, and save it from there as safetensors.",
    ...(file === undefined ? {} : { file }),
  });
}
