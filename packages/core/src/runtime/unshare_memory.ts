import { FormatError } from "../errors.ts";

const HEADER_BYTES = 8;
const IMPORT_SECTION = 2;
const MEMORY_KIND = 2;
const FUNCTION_KIND = 0;
/** Flags of a memory's limits: a maximum is given; the memory is shared. */
const HAS_MAXIMUM = 1;
const SHARED = 3;

/**
 * A module that was made for threads, as one for a single thread: its memory import no longer asks for shared memory. Atomic
 * instructions work on ordinary memory too.
 *
 * @throws {FormatError} if the module imports no shared memory
 */
export function unshareMemory(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const at = findMemoryFlags(bytes);
  if (bytes[at] !== SHARED) throw new FormatError("The module does not import a shared memory.");
  const copy = bytes.slice();
  copy[at] = HAS_MAXIMUM;
  return copy;
}

/** Where the flags of the imported memory's limits are. Imports stand before it as functions at most. */
function findMemoryFlags(bytes: Uint8Array): number {
  let at = HEADER_BYTES;
  const number = () => {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = bytes[at++] ?? 0;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    return value >>> 0;
  };
  const skipName = () => {
    const length = number();
    at += length;
  };
  while (at < bytes.length) {
    const section = bytes[at++];
    const size = number();
    if (section !== IMPORT_SECTION) {
      at += size;
      continue;
    }
    for (let left = number(); left > 0; left--) {
      skipName();
      skipName();
      const kind = bytes[at++];
      if (kind === MEMORY_KIND) return at;
      if (kind !== FUNCTION_KIND) break;
      number();
    }
    break;
  }
  throw new FormatError("The module imports no memory.");
}
