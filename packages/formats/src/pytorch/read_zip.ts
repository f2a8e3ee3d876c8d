import { FormatError, UnsupportedError } from "@depthwise/core";
import { Inflate } from "fflate";
import type { MemoryBudget } from "../memory_budget.ts";

/** One file of an archive. */
export interface ZipEntry {
  readonly name: string;
  /** As it lies in the archive: a view. */
  readonly packed: Uint8Array;
  /** Length once unpacked. */
  readonly size: number;
  readonly isDeflated: boolean;
}

const signatures = {
  local: 0x04034b50,
  central: 0x02014b50,
  end: 0x06054b50,
  end64: 0x06064b50,
  locator64: 0x07064b50,
};
const lengths = { local: 30, central: 46, end: 22, end64: 56, locator64: 20 } as const;
const longestComment = 0xffff;
const isEncrypted = 1;
const methods = { stored: 0, deflated: 8 } as const;
/** Tag of the extra field with 64-bit sizes, and the value that sends one there. */
const zip64 = { tag: 1, seeThere: 0xffffffff } as const;
/** Packed bytes that are inflated at a time: what they can become at most is little beside a budget. */
const inflateStep = 4096;

/**
 * The files of a ZIP archive, by name. Everything is taken from the central directory and checked against the local headers: names,
 * places within the archive, no two files on the same bytes. Nothing is unpacked yet.
 *
 * @throws {FormatError} where the archive contradicts itself or is cut short
 * @throws {UnsupportedError} for encrypted files and other compressions than deflate
 */
export function readZip(bytes: Uint8Array, file?: string): ReadonlyMap<string, ZipEntry> {
  const zip = new ZipReader(bytes, file);
  const { start, end, count } = zip.directory();
  const entries = new Map<string, ZipEntry>();
  const ranges: { readonly name: string; readonly from: number; readonly to: number }[] = [];
  let at = start;
  for (let i = 0; i < count; i++) {
    const found = zip.entry(at, end, start);
    at = found.next;
    if (entries.has(found.entry.name)) throw zip.invalid(`two files are named "${found.entry.name}".`);
    entries.set(found.entry.name, found.entry);
    ranges.push({ name: found.entry.name, from: found.from, to: found.to });
  }
  ranges.sort((a, b) => a.from - b.from);
  for (const [i, range] of ranges.entries()) {
    const before = ranges[i - 1];
    if (before !== undefined && range.from < before.to) {
      throw zip.invalid(`"${range.name}" begins at byte ${range.from}, within "${before.name}".`);
    }
  }
  return entries;
}

/**
 * The bytes of a file: a view where they are stored as they are.
 *
 * @throws {FormatError} if they are not what the archive says, or more than the budget has
 */
export function unpack(entry: ZipEntry, budget: MemoryBudget, file?: string): Uint8Array {
  if (!entry.isDeflated) return entry.packed;
  budget.spend(entry.size, `"${entry.name}" of the archive`);
  const wrong = (problem: string, cause?: unknown): FormatError =>
    new FormatError(`Not a valid ZIP archive: "${entry.name}" ${problem}`, {
      cause,
      ...(file === undefined ? {} : { file }),
    });
  const unpacked = new Uint8Array(entry.size);
  let filled = 0;
  const inflate = new Inflate((chunk) => {
    if (filled + chunk.length > entry.size) throw wrong(`unpacks to more than the ${entry.size} bytes it announces.`);
    unpacked.set(chunk, filled);
    filled += chunk.length;
  });
  try {
    for (let at = 0; at < entry.packed.length; at += inflateStep) {
      inflate.push(entry.packed.subarray(at, at + inflateStep), at + inflateStep >= entry.packed.length);
    }
  } catch (error) {
    if (error instanceof FormatError) throw error;
    throw wrong(`cannot be unpacked: ${(error as Error).message}.`, error);
  }
  if (filled !== entry.size) throw wrong(`unpacks to ${filled} bytes, but announces ${entry.size}.`);
  return unpacked;
}

/** Reads the records of an archive, each length checked before it is used. */
class ZipReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #file: string | undefined;

  constructor(bytes: Uint8Array, file: string | undefined) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#file = file;
  }

  invalid(problem: string): FormatError {
    return new FormatError(`Not a valid ZIP archive: ${problem}`, this.#file === undefined ? {} : { file: this.#file });
  }

  /** Where the central directory lies, and how many files it lists. */
  directory(): { readonly start: number; readonly end: number; readonly count: number } {
    const at = this.#endRecord();
    const short = {
      count: this.#view.getUint16(at + 10, true),
      size: this.#view.getUint32(at + 12, true),
      start: this.#view.getUint32(at + 16, true),
      at,
    };
    const { count, size, start, at: limit } = this.#end64(at) ?? short;
    if (start + size > limit) {
      throw this.invalid(`its directory lies at ${start} to ${start + size}, but ends before byte ${limit}.`);
    }
    if (count * lengths.central > size) throw this.invalid(`${count} files cannot be listed in ${size} bytes.`);
    return { start, end: start + size, count };
  }

  /** One record of the central directory, and the local header that it points at. */
  entry(at: number, end: number, directoryStart: number): { entry: ZipEntry; from: number; to: number; next: number } {
    this.#expect(at, lengths.central, end, signatures.central, "a record of the directory");
    const flags = this.#view.getUint16(at + 8, true);
    const method = this.#view.getUint16(at + 10, true);
    const nameLength = this.#view.getUint16(at + 28, true);
    const extraLength = this.#view.getUint16(at + 30, true);
    const next = at + lengths.central + nameLength + extraLength + this.#view.getUint16(at + 32, true);
    if (next > end) throw this.invalid(`the record at byte ${at} is longer than the directory.`);
    const nameAt = at + lengths.central;
    const name = this.#text(nameAt, nameLength);
    if ((flags & isEncrypted) !== 0) throw new UnsupportedError(`"${name}" of the archive is encrypted.`);
    if (method !== methods.stored && method !== methods.deflated) {
      throw new UnsupportedError(`"${name}" of the archive is packed by method ${method}; read are 0 and 8 (deflate).`);
    }
    const sizes = this.#sizes(at, nameAt + nameLength, extraLength);
    const isDeflated = method === methods.deflated;
    if (!isDeflated && sizes.packed !== sizes.size) {
      throw this.invalid(`"${name}" is stored, but takes ${sizes.packed} bytes for ${sizes.size}.`);
    }
    const from = sizes.local;
    this.#expect(from, lengths.local, directoryStart, signatures.local, `the header of "${name}"`);
    const dataAt = from + lengths.local + this.#view.getUint16(from + 26, true) + this.#view.getUint16(from + 28, true);
    const to = dataAt + sizes.packed;
    if (to > directoryStart) throw this.invalid(`"${name}" lies at ${dataAt} to ${to}, beyond the archive's data.`);
    const localName = this.#text(from + lengths.local, this.#view.getUint16(from + 26, true));
    if (localName !== name) throw this.invalid(`"${name}" is called "${localName}" in its own header.`);
    const packed = this.#bytes.subarray(dataAt, to);
    return { entry: { name, packed, size: sizes.size, isDeflated }, from, to, next };
  }

  /** The last record, which a comment may follow. */
  #endRecord(): number {
    const last = this.#bytes.length - lengths.end;
    for (let at = last; at >= Math.max(0, last - longestComment); at--) {
      if (this.#view.getUint32(at, true) !== signatures.end) continue;
      if (at + lengths.end + this.#view.getUint16(at + 20, true) === this.#bytes.length) return at;
    }
    throw this.invalid("its end is missing. The file is cut short, or of another format.");
  }

  /** The 64-bit form of the last record, where there is one. */
  #end64(end: number): { count: number; size: number; start: number; at: number } | undefined {
    const locator = end - lengths.locator64;
    if (locator < 0 || this.#view.getUint32(locator, true) !== signatures.locator64) return undefined;
    const at = this.#long(locator + 8);
    this.#expect(at, lengths.end64, locator, signatures.end64, "its 64-bit end");
    return { count: this.#long(at + 32), size: this.#long(at + 40), start: this.#long(at + 48), at };
  }

  /** Sizes and place of a file, from the extra field where they need 64 bits. */
  #sizes(at: number, extraAt: number, extraLength: number): { packed: number; size: number; local: number } {
    const short = [24, 20, 42].map((offset) => this.#view.getUint32(at + offset, true));
    const [size = 0, packed = 0, local = 0] = short.some((value) => value === zip64.seeThere)
      ? this.#longSizes(short, extraAt, extraAt + extraLength)
      : short;
    return { packed, size, local };
  }

  #longSizes(short: readonly number[], from: number, end: number): readonly number[] {
    for (let at = from; at + 4 <= end; ) {
      const length = this.#view.getUint16(at + 2, true);
      if (at + 4 + length > end) break;
      if (this.#view.getUint16(at, true) === zip64.tag) {
        let next = at + 4;
        return short.map((value) => {
          if (value !== zip64.seeThere) return value;
          if (next + 8 > at + 4 + length) throw this.invalid(`the 64-bit sizes at byte ${at} are cut short.`);
          next += 8;
          return this.#long(next - 8);
        });
      }
      at += 4 + length;
    }
    throw this.invalid(`the directory's record at byte ${from} lacks its 64-bit sizes.`);
  }

  #expect(at: number, length: number, end: number, signature: number, what: string): void {
    if (at + length <= end && this.#view.getUint32(at, true) === signature) return;
    throw this.invalid(`${what} is not at byte ${at}, where it should be.`);
  }

  #long(at: number): number {
    const value = this.#view.getBigUint64(at, true);
    if (value > BigInt(this.#bytes.length)) throw this.invalid(`byte ${at} says ${value}, more than the file has.`);
    return Number(value);
  }

  #text(at: number, length: number): string {
    return new TextDecoder().decode(this.#bytes.subarray(at, at + length));
  }
}
