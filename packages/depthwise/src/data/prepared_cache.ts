import { InternalError, type Pixels } from "@depthwise/core";

/** Shared memory of a {@link PreparedCache}: what a worker thread needs to take part in it. */
export interface CacheMemory {
  /** Bytes handed out so far, in units of {@link unitBytes}; then {@link entryFields} numbers a picture. */
  readonly entries: SharedArrayBuffer;
  readonly bytes: SharedArrayBuffer;
}

/** Decoded pictures of a set, for all threads, as many as fit a budget. A picture that does not fit is decoded in every epoch. */
export interface PreparedCache {
  readonly memory: CacheMemory;
  /** The picture, if it is kept; shares the cache's memory. */
  get(index: number): Pixels | undefined;
  /** Keeps a copy, if there is room. */
  add(index: number, pixels: Pixels): void;
  /** Remembers that a picture cannot be read. */
  markUnreadable(index: number): void;
  isUnreadable(index: number): boolean;
}

const unitBytes = 64;
/** State, offset in units, width, height. */
const entryFields = 4;

const states = { absent: 0, filling: 1, kept: 2, unreadable: 3 } as const;

/** Most that one buffer of shared memory holds everywhere, and that 32-bit offsets in units reach. */
const mostBytes = 2 ** 32 - 2 ** 16;

/**
 * Reserves memory for a set. The system gives it page by page as it is filled.
 *
 * @param length pictures of the set
 * @param pictureBytes most bytes that one picture takes
 * @param budgetBytes most bytes for all
 */
export function reserveCache(length: number, pictureBytes: number, budgetBytes: number): CacheMemory {
  const all = length * (pictureBytes + unitBytes);
  const bytes = Math.max(0, Math.floor(Math.min(all, budgetBytes, mostBytes)));
  return {
    entries: new SharedArrayBuffer((1 + length * entryFields) * Int32Array.BYTES_PER_ELEMENT),
    bytes: new SharedArrayBuffer(bytes),
  };
}

/** The cache in the given memory, as this thread sees it. */
export function preparedCache(memory: CacheMemory): PreparedCache {
  const entries = new Int32Array(memory.entries);
  const units = Math.floor(memory.bytes.byteLength / unitBytes);
  const stateAt = (index: number): number => 1 + index * entryFields;
  const viewOf = (offset: number, width: number, height: number): Uint8Array =>
    new Uint8Array(memory.bytes, offset * unitBytes, width * height * 3);
  return {
    memory,
    get(index) {
      const at = stateAt(index);
      if (Atomics.load(entries, at) !== states.kept) return undefined;
      const [offset, width, height] = entries.subarray(at + 1, at + entryFields);
      return { width: width!, height: height!, data: viewOf(offset!, width!, height!) };
    },
    add(index, { width, height, data }) {
      if (data.length !== width * height * 3) throw new InternalError("A prepared picture has not three bytes a pixel");
      const at = stateAt(index);
      const needed = Math.ceil(data.length / unitBytes);
      // Two threads may have decoded the same picture; the first one keeps it.
      if (Atomics.compareExchange(entries, at, states.absent, states.filling) !== states.absent) return;
      const offset = reserve(entries, needed, units);
      if (offset === undefined) {
        Atomics.store(entries, at, states.absent);
        return;
      }
      viewOf(offset, width, height).set(data);
      entries.set([offset, width, height], at + 1);
      Atomics.store(entries, at, states.kept);
    },
    markUnreadable(index) {
      Atomics.store(entries, stateAt(index), states.unreadable);
    },
    isUnreadable: (index) => Atomics.load(entries, stateAt(index)) === states.unreadable,
  };
}

/** Takes so many units off the end; `undefined` if so many are not left. */
function reserve(entries: Int32Array, needed: number, units: number): number | undefined {
  for (;;) {
    const offset = Atomics.load(entries, 0);
    if (offset + needed > units) return undefined;
    if (Atomics.compareExchange(entries, 0, offset, offset + needed) === offset) return offset;
  }
}
