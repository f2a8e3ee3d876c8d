import { FormatError, UnsupportedError } from "@depthwise/core";

/** Random numbers, the same on every machine. */
interface Random {
  /** A whole number of 0 to `count` − 1. */
  below(count: number): number;
}

/** mulberry32, by T. Ettinger. */
function seededRandom(seed: number): Random {
  let state = Math.imul(seed + 1, 0x9e3779b1);
  const uint32 = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  return { below: (count) => Math.floor((uint32() / 2 ** 32) * count) };
}

/** What a reader may take for a hostile file. */
const limits = { milliseconds: 2000, bytes: (file: number) => 2 * file + 64 * 2 ** 20 } as const;

/** Numbers that lengths, counts and offsets become. */
const tellingNumbers: readonly number[] = [
  0, 1, 0x7f, 0x80, 0xff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffff0,
];

/**
 * One of endlessly many damaged copies of a file: cut short, bits turned, lengths made huge, pieces repeated, moved, or from another file.
 */
function damaged(seeds: readonly Uint8Array[], random: Random): Uint8Array {
  let bytes = Uint8Array.from(seeds[random.below(seeds.length)] as Uint8Array);
  for (let times = 1 + random.below(3); times > 0; times--) bytes = damagedOnce(bytes, seeds, random);
  return bytes;
}

function damagedOnce(
  bytes: Uint8Array<ArrayBuffer>,
  seeds: readonly Uint8Array[],
  random: Random,
): Uint8Array<ArrayBuffer> {
  if (bytes.length === 0) return bytes;
  const at = random.below(bytes.length);
  const end = Math.min(bytes.length, at + 1 + random.below(64));
  switch (random.below(8)) {
    case 0:
      return bytes.slice(0, at);
    case 1:
      bytes[at] = (bytes[at] as number) ^ (1 << random.below(8));
      return bytes;
    case 2:
      bytes[at] = random.below(256);
      return bytes;
    case 3:
      return withNumber(bytes, at, random);
    case 4:
      return joined(bytes.subarray(0, at), bytes.subarray(end)); // a piece lost
    case 5:
      return joined(bytes.subarray(0, end), bytes.subarray(at)); // a piece twice
    case 6: {
      const other = seeds[random.below(seeds.length)] as Uint8Array;
      const from = random.below(other.length);
      return joined(bytes.subarray(0, at), other.subarray(from, from + random.below(256)), bytes.subarray(end));
    }
    default:
      bytes.set(
        Uint8Array.from({ length: end - at }, () => random.below(256)),
        at,
      );
      return bytes;
  }
}

/** A length, count or offset of 1, 2, 4 or 8 bytes, or a varint, made another. */
function withNumber(bytes: Uint8Array<ArrayBuffer>, at: number, random: Random): Uint8Array<ArrayBuffer> {
  const value = tellingNumbers[random.below(tellingNumbers.length)] as number;
  const width = [1, 2, 4, 8][random.below(4)] as number;
  for (let i = 0; i < width && at + i < bytes.length; i++) {
    bytes[at + i] = width === 8 && i >= 4 ? random.below(2) * 255 : Math.floor(value / 2 ** (8 * i)) % 256;
  }
  return bytes;
}

function joined(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/**
 * Reads a hostile file; returns the typed error it gave, or undefined if it could be read.
 *
 * @throws {Error} for any other error, and if it took longer or more memory than it may
 */
export function readHostile(bytes: Uint8Array, read: (bytes: Uint8Array) => unknown): Error | undefined {
  const before = memory();
  const start = performance.now();
  let problem: Error | undefined;
  try {
    read(bytes);
  } catch (error) {
    if (!(error instanceof FormatError || error instanceof UnsupportedError)) throw error;
    problem = error;
  }
  const milliseconds = performance.now() - start;
  if (milliseconds > limits.milliseconds) throw new Error(`A file of ${bytes.length} bytes took ${milliseconds} ms.`);
  const grown = memory() - before;
  if (grown > limits.bytes(bytes.length)) throw new Error(`A file of ${bytes.length} bytes took ${grown} bytes.`);
  return problem;
}

/** Of the heap and of arrays outside it; what is garbage already counts, so that what a file took is never underestimated by much. */
function memory(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/**
 * Reads `count` damaged copies of the files.
 *
 * @returns how many were refused
 * @throws {Error} naming the number and the bytes of the first that broke the reader
 */
export function readDamaged(
  seeds: readonly Uint8Array[],
  count: number,
  read: (bytes: Uint8Array) => unknown,
  name: string,
): number {
  let refused = 0;
  for (let number = 0; number < count; number++) {
    const bytes = damaged(seeds, seededRandom(number));
    try {
      refused += Number(readHostile(bytes, read) !== undefined);
    } catch (error) {
      const base64 = Buffer.from(bytes).toString("base64").slice(0, 20_000);
      throw new Error(`${name}, damaged copy ${number}: ${String(error)}\n${base64}`, { cause: error });
    }
  }
  return refused;
}
