import type { Buffer } from "./layout.ts";
import type { Lowered } from "./lower.ts";
import { bufferBytes } from "./lowering.ts";

/** Buffers start at whole cache lines. */
const ALIGNMENT = 64;

/** Where each buffer lies, from the arena's start. */
export interface Arena {
  readonly offsets: ReadonlyMap<Buffer, number>;
  readonly bytes: number;
  /** The most bytes that are alive in one step: no arena can be smaller. */
  readonly lowerBound: number;
}

/** A buffer from the first step that writes it to the last one that reads it. */
interface Lifetime {
  readonly buffer: Buffer;
  readonly bytes: number;
  readonly first: number;
  readonly last: number;
}

/** Where one order of placing put everything. */
interface Placing {
  readonly order: readonly Lifetime[];
  /** Where the arena's end was hoped to be. */
  readonly ceiling: number;
  readonly offsets: ReadonlyMap<Buffer, number>;
  readonly bytes: number;
  /** A buffer that reaches to the arena's end. */
  readonly highest: Lifetime | undefined;
}

/** Orders to try first. None is best for every network; each is for some. */
const orders: readonly ((a: Lifetime, b: Lifetime) => number)[] = [
  (a, b) => b.bytes - a.bytes || a.first - b.first,
  (a, b) => a.first - b.first || b.bytes - a.bytes,
  (a, b) => b.last - a.last || b.bytes - a.bytes,
  (a, b) => b.last - b.first - (a.last - a.first) || b.bytes - a.bytes,
];

/**
 * Changes to the best order that are tried: beyond this many, nothing was gained any more on the published networks. A try takes some
 * tenths of a millisecond.
 */
const MOST_TRIES = 60;

/**
 * Gives buffers that are never alive together the same bytes: one after another, each into the tightest gap between those that are
 * alive with it. The order decides how good that is, so several are tried, and the best one is improved by placing what reaches
 * highest earlier. Inputs and outputs live throughout, so that the caller may write before and read after.
 *
 * Each order is tried from the floor up, and from both ends of an arena as small as can be: in a chain of layers, where each buffer
 * lives with the one before it and the one after, they take turns at the ends.
 */
export function planArena(lowered: Lowered): Arena {
  const lifetimes = findLifetimes(lowered);
  const lowerBound = mostAlive(lifetimes, lowered.steps.length);
  let best = [Number.POSITIVE_INFINITY, lowerBound]
    .flatMap((ceiling) => orders.map((order) => place(lifetimes.toSorted(order), ceiling)))
    .reduce((smallest, placing) => (placing.bytes < smallest.bytes ? placing : smallest));
  for (let tries = 0; tries < MOST_TRIES && best.bytes > lowerBound; tries++) {
    const changed = place(withEarlier(best, tries), best.ceiling);
    if (changed.bytes <= best.bytes) best = changed;
  }
  return { offsets: best.offsets, bytes: best.bytes, lowerBound };
}

/** The order with its highest buffer somewhere earlier, at another place in each try: multiples of the golden ratio spread evenly. */
function withEarlier({ order, highest }: Placing, tries: number): readonly Lifetime[] {
  if (highest === undefined) return order;
  const position = order.indexOf(highest) || order.length;
  const share = (tries * 0.6180339887498949) % 1;
  const others = order.filter((lifetime) => lifetime !== highest);
  return others.toSpliced(Math.floor(share * position), 0, highest);
}

function place(order: readonly Lifetime[], ceiling: number): Placing {
  // Kept by offset, so that gaps are met from the arena's start on.
  const placed: { readonly lifetime: Lifetime; readonly offset: number }[] = [];
  const offsets = new Map<Buffer, number>();
  let bytes = 0;
  let highest: Lifetime | undefined;
  for (const lifetime of order) {
    const offset = tightestGap(placed, lifetime, ceiling);
    const at = placed.findIndex((other) => other.offset > offset);
    placed.splice(at < 0 ? placed.length : at, 0, { lifetime, offset });
    offsets.set(lifetime.buffer, offset);
    if (offset + lifetime.bytes > bytes) [bytes, highest] = [offset + lifetime.bytes, lifetime];
  }
  return { order, ceiling, offsets, bytes, highest };
}

/**
 * The offset in the smallest gap that is large enough. Where none is, the end of what is alive at the same time. Below a ceiling, a
 * buffer keeps to the side of its gap that stays longer, so that what becomes free lies together.
 */
function tightestGap(
  placed: readonly { readonly lifetime: Lifetime; readonly offset: number }[],
  { first, last, bytes }: Lifetime,
  ceiling: number,
): number {
  let end = 0;
  let below = Number.POSITIVE_INFINITY;
  let best = -1;
  let bestGap = Number.POSITIVE_INFINITY;
  const tryGap = (to: number, above: number) => {
    const gap = to - end;
    if (gap >= bytes && gap < bestGap)
      [best, bestGap] = [above > below && ceiling < Number.POSITIVE_INFINITY ? to - bytes : end, gap];
  };
  for (const { lifetime: other, offset } of placed) {
    if (other.last < first || last < other.first) continue;
    tryGap(offset, other.last);
    if (offset + other.bytes > end) [end, below] = [offset + other.bytes, other.last];
  }
  tryGap(ceiling, Number.POSITIVE_INFINITY);
  return best < 0 ? end : best;
}

function findLifetimes({ steps, inputs, outputs }: Lowered): readonly Lifetime[] {
  const first = new Map<Buffer, number>();
  const last = new Map<Buffer, number>();
  steps.forEach((step, index) => {
    for (const buffer of [...step.writes, ...step.reads, ...(step.scratch ?? [])]) {
      if (!first.has(buffer)) first.set(buffer, index);
      last.set(buffer, index);
    }
  });
  for (const { buffer } of [...inputs, ...outputs]) {
    first.set(buffer, 0);
    last.set(buffer, Math.max(0, steps.length - 1));
  }
  return [...first].map(([buffer, start]) => ({
    buffer,
    bytes: Math.ceil(bufferBytes(buffer) / ALIGNMENT) * ALIGNMENT,
    first: start,
    last: last.get(buffer) as number,
  }));
}

function mostAlive(lifetimes: readonly Lifetime[], steps: number): number {
  let most = 0;
  for (let step = 0; step < steps; step++) {
    const alive = lifetimes.reduce(
      (sum, { bytes, first, last }) => (first <= step && step <= last ? sum + bytes : sum),
      0,
    );
    most = Math.max(most, alive);
  }
  return most;
}
