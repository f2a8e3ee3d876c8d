import { invariant, OptionError } from "../errors.ts";
import { median } from "../statistics.ts";
import { i32, i32x4, v128 } from "../wasm/instructions.ts";
import { createModule, PAGE_BYTES } from "../wasm/module_builder.ts";
import type { V128 } from "../wasm/value_types.ts";

/** How fast a set of bytes is read again and again. */
export interface BandwidthPoint {
  readonly bytes: number;
  /** 10^9 bytes a second, of one thread. */
  readonly gigabytesPerSecond: number;
}

/** A level of the memory: a cache, or what lies behind the last one. */
export interface MemoryLevel {
  /** `level 1` is the nearest to the processor, `memory` the furthest. */
  readonly name: string;
  /** The largest measured set that is read at its speed; null for the last one, which holds everything. */
  readonly bytes: number | null;
  readonly gigabytesPerSecond: number;
}

/** A measure of how fast this engine reads memory with 128-bit loads, here and now. */
export interface Bandwidth {
  /**
   * Reads the same bytes for about this long: the best of 10^9 bytes a second.
   *
   * @param bytes a multiple of {@link bytesPerTrip} up to the size that it was created for
   * @param milliseconds default 1
   */
  measure(bytes: number, milliseconds?: number): number;
}

/** Loads of one trip of the loop. As many sums wait for none of each other, and fit the vector registers. */
const CHAINS = 8;
const UNROLLED = 4;
const VECTOR_BYTES = 16;
/** Working sets are multiples of it. */
export const bytesPerTrip: number = CHAINS * UNROLLED * VECTOR_BYTES;

const KILOBYTE = 1024;

/** From what any first cache holds to what hardly any last one does, a factor of two apart. */
export const workingSets: readonly number[] = Array.from({ length: 13 }, (_, i) => 16 * KILOBYTE * 2 ** i);

/** One timing reads at least so much: calls and the clock's grain then cost nothing. */
const leastBytes = 4 * KILOBYTE * KILOBYTE;
/** Engines optimise a function after some calls. */
const warmUp = { calls: 40, bytes: 64 * KILOBYTE };

/**
 * Builds and warms up a loop that streams through memory.
 *
 * @param mostBytes the largest set to be read. Default: the largest of {@link workingSets}
 */
export async function createBandwidth(mostBytes: number = Math.max(...workingSets)): Promise<Bandwidth> {
  const compiled = await WebAssembly.compile(bandwidthModule(mostBytes));
  const { exports } = await WebAssembly.instantiate(compiled);
  const read = exports.read as (bytes: number, passes: number) => number;
  // Systems lay memory that was never written on one page of zeros, which stays in the first cache.
  new Int32Array((exports.memory as WebAssembly.Memory).buffer).fill(1);
  const measure = (bytes: number, milliseconds: number = 1): number => {
    if (!(bytes > 0 && bytes <= mostBytes && bytes % bytesPerTrip === 0)) {
      throw new OptionError(
        `bytes: expected a multiple of ${bytesPerTrip} from ${bytesPerTrip} to ${mostBytes}, received ${bytes}.`,
      );
    }
    const passes = Math.max(1, Math.ceil(leastBytes / bytes));
    const start = performance.now();
    let best = 0;
    let now = start;
    // Once to bring the set as near as it gets, before it counts.
    read(bytes, 1);
    do {
      const before = performance.now();
      const sum = read(bytes, passes);
      now = performance.now();
      invariant(sum === (((bytes / 4) * passes) | 0), "the bandwidth's loop did not read all of its bytes");
      // Clocks of pages stand still for up to 0.1 ms.
      if (now > before) best = Math.max(best, (bytes * passes) / (now - before) / 1e6);
    } while (now - start < milliseconds || best === 0);
    return best;
  };
  for (let call = 0; call < warmUp.calls; call++) {
    measure(Math.min(warmUp.bytes, mostBytes), 0);
    if (call % 8 === 7) await Promise.resolve();
  }
  return { measure };
}

/** The module: `read(bytes, passes)` gives the sum of all 32-bit numbers in the first `bytes`, `passes` times. */
export function bandwidthModule(mostBytes: number): Uint8Array<ArrayBuffer> {
  const module = createModule({ name: "bandwidth" });
  module.memory({ minPages: Math.ceil(mostBytes / PAGE_BYTES), export: "memory" });
  const params = { bytes: "i32", passes: "i32" } as const;
  module.function("read", { params, results: ["i32"], export: "read" }, (f, { bytes, passes }) => {
    const sums = Array.from({ length: CHAINS }, (_, i) => f.let(`sum${i}`, i32x4.splat(0)));
    f.for({ name: "pass", from: i32.const(0), to: passes, step: 1 }, () => {
      f.for({ name: "address", from: i32.const(0), to: bytes, step: bytesPerTrip }, (address) => {
        for (let load = 0; load < CHAINS * UNROLLED; load++) {
          const sum = sums[load % CHAINS] as (typeof sums)[number];
          f.set(sum, i32x4.add(sum, v128.load(address, { offset: load * VECTOR_BYTES })));
        }
      });
    });
    const [first, ...others] = sums;
    const total = f.let(
      "total",
      others.reduce<V128>((sum, each) => i32x4.add(sum, each), first as V128),
    );
    f.return(
      [1, 2, 3].reduce((sum, lane) => i32.add(sum, i32x4.extract_lane(total, lane)), i32x4.extract_lane(total, 0)),
    );
  });
  return module.bytes();
}

/** Samples of several rounds, a list for each size, as one curve of medians. */
export function bandwidthCurve(
  sizes: readonly number[],
  rounds: readonly (readonly number[])[],
): readonly BandwidthPoint[] {
  return sizes.map((bytes, i) => ({
    bytes,
    gigabytesPerSecond: median(rounds.flatMap((round) => round[i] ?? [])),
  }));
}

/** A size belongs to a level down to this share of the level's speed; slower, it begins the next one. */
const levelHolds = 0.85;

/**
 * The levels that a curve shows: where a size is read slower by a seventh than the level so far, the next one begins. A size between two
 * falls holds two levels at once, and belongs to the further one, but does not count for its speed: the median of the other sizes. Caches that are read as fast as a
 * 128-bit load can be issued cannot be told apart: they are one level.
 *
 * @param curve by growing size
 */
export function memoryLevels(curve: readonly BandwidthPoint[]): readonly MemoryLevel[] {
  const groups: BandwidthPoint[][] = [];
  for (const point of neverRising(curve)) {
    const last = groups.at(-1);
    const falls = last !== undefined && point.gigabytesPerSecond < levelHolds * speedOf(last);
    // The first and smallest set is a level of its own, not a passage.
    const isPassage = groups.length > 1 && last?.length === 1;
    if (last !== undefined && falls && isPassage) last[0] = point;
    else if (last !== undefined && !falls) last.push(point);
    else groups.push([point]);
  }
  return groups.map((points, i) => {
    const isLast = i === groups.length - 1;
    return {
      name: isLast ? "memory" : `level ${i + 1}`,
      bytes: isLast ? null : (points.at(-1)?.bytes ?? 0),
      gigabytesPerSecond: speedOf(points),
    };
  });
}

function speedOf(points: readonly BandwidthPoint[]): number {
  return median(points.map(({ gigabytesPerSecond }) => gigabytesPerSecond));
}

/** A larger set is never read faster: where it seems so, the smaller one was disturbed. */
function neverRising(curve: readonly BandwidthPoint[]): readonly BandwidthPoint[] {
  let best = 0;
  return curve
    .toReversed()
    .map(({ bytes, gigabytesPerSecond }) => {
      best = Math.max(best, gigabytesPerSecond);
      return { bytes, gigabytesPerSecond: best };
    })
    .toReversed();
}
