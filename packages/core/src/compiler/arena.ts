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

/**
 * Gives buffers that are never alive together the same bytes: the largest first, each at the lowest offset where nothing alive with it
 * lies. Inputs and outputs live throughout, so that the caller may write before and read after.
 */
export function planArena(lowered: Lowered): Arena {
  const lifetimes = findLifetimes(lowered);
  const placed: (Lifetime & { offset: number })[] = [];
  const offsets = new Map<Buffer, number>();
  for (const lifetime of lifetimes.toSorted((a, b) => b.bytes - a.bytes || a.first - b.first)) {
    const neighbours = placed.filter((other) => other.first <= lifetime.last && lifetime.first <= other.last);
    neighbours.sort((a, b) => a.offset - b.offset);
    let offset = 0;
    for (const other of neighbours) {
      if (offset + lifetime.bytes <= other.offset) break;
      offset = Math.max(offset, other.offset + other.bytes);
    }
    placed.push({ ...lifetime, offset });
    offsets.set(lifetime.buffer, offset);
  }
  const bytes = placed.reduce((most, { offset, bytes: size }) => Math.max(most, offset + size), 0);
  return { offsets, bytes, lowerBound: mostAlive(lifetimes, lowered.steps.length) };
}

function findLifetimes({ steps, inputs, outputs }: Lowered): readonly Lifetime[] {
  const first = new Map<Buffer, number>();
  const last = new Map<Buffer, number>();
  steps.forEach((step, index) => {
    for (const buffer of [...step.writes, ...step.reads]) {
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
