import { type Block, bandedStep, blockOf, callsOf, isRowCall, rowsKept, rowsNeeded, studySteps } from "./bands.ts";
import { hash } from "./hash.ts";
import { type Buffer, imageBytes, rowBytes } from "./layout.ts";
import type { Lowered } from "./lower.ts";
import { constantBytes } from "./moved_bytes.ts";
import type { RowRange, Step } from "./plan.ts";
import type { Target } from "./target.ts";
import type { Tuning } from "./tuning.ts";

/** What the planner believes of a machine. */
export interface Machine {
  /** Bytes that stay in the second-level cache while other things pass through it. */
  readonly cacheBytes: number;
  /** Nanoseconds for a byte written to memory beyond it, or read from there. */
  readonly beyondCache: number;
  /** Nanoseconds for a byte of a band that moves up, read and written within the cache. */
  readonly move: number;
  /** Nanoseconds for a multiply-accumulate. */
  readonly mac: number;
  /** Nanoseconds for a call of a kernel: beginnings and ends of loops that branch prediction misses. */
  readonly call: number;
}

/**
 * What is assumed where nobody measured. Memory beyond the second-level cache costs 0.007 (Zen 5) to 0.12 nanoseconds a byte (an older
 * server); here stands the geometric mean. It decides between equals only: where bands pay, they pay on both.
 */
const typicalMachine: Machine = { cacheBytes: 400_000, beyondCache: 0.03, move: 0.04, mac: 0.04, call: 200 };

/** Most steps of a block: two inverted residuals, or a ShuffleNet unit with two branches. */
const MOST_STEPS = 8;
/** Most rows of a band: more change nothing but the cache that they take. */
const MOST_ROWS = 16;

/** A block, rows for its bands, and the nanoseconds that this saves. */
export interface PlannedBlock {
  readonly block: Block;
  readonly rows: number;
  readonly saved: number;
}

/** What saving is counted for. */
interface Setting {
  readonly machine: Machine;
  readonly threads: number;
  readonly measured: Tuning["bands"] | undefined;
}

/** The name that `Tuning` knows a block by: equal blocks do equal work. */
export function blockKey({ steps, height }: Block, threads: number): string {
  const work = steps.flatMap(({ calls }) => calls.map(({ kernel, variant = "" }) => kernel.name + variant));
  return `${threads}_${height}_${hash(work)}`;
}

/** Rows that a band may have: one, up to what the cache holds beside the weights. */
export function rowChoices(block: Block, threads: number, machine: Machine = typicalMachine): readonly number[] {
  const whole = [...block.inner.keys()].reduce((sum, buffer) => sum + imageBytes(buffer), 0);
  // With many threads, their bands together must not take more memory than the whole would.
  const room = Math.min(machine.cacheBytes - constantBytes(block.steps.flatMap(callsOf)), whole / threads);
  const rows = Array.from({ length: Math.min(block.height, MOST_ROWS) }, (_, i) => i + 1);
  return rows.filter((count) => bandBytes(block, count) <= room);
}

/** Runs steps band by band where that saves time, by a model of what memory access costs or by what was measured. */
export function planBands(lowered: Lowered, target: Target, machine: Machine = typicalMachine): Lowered {
  const { steps } = lowered;
  const chosen = new Map(plannedBlocks(lowered, target, machine).map((planned) => [planned.block.first, planned]));
  const planned: Step[] = [];
  for (let index = 0; index < steps.length; ) {
    const candidate = chosen.get(index);
    planned.push(candidate ? bandedStep(candidate.block, candidate.rows, target.threads) : (steps[index] as Step));
    index += candidate?.block.steps.length ?? 1;
  }
  return { ...lowered, steps: planned };
}

/** The blocks that save most together, in order. */
export function plannedBlocks(
  lowered: Lowered,
  { threads, tuning }: Target,
  machine: Machine = typicalMachine,
): readonly PlannedBlock[] {
  const { steps } = lowered;
  const on: Setting = { machine, threads, measured: tuning?.bands };
  const study = studySteps(lowered);
  const large = [...study.uses].flatMap(([buffer, use]) => (isLarge(buffer, machine) ? use : []));
  // From the last step backwards: the most that can be saved from each step on, and the block that begins there then.
  const saved = new Array<number>(steps.length + 1).fill(0);
  const best = new Array<PlannedBlock | undefined>(steps.length);
  for (let first = steps.length - 1; first >= 0; first--) {
    saved[first] = saved[first + 1] as number;
    for (let last = first + 1; last < Math.min(steps.length, first + MOST_STEPS); last++) {
      const after = saved[last + 1] as number;
      if (!large.some((use) => use.first >= first && use.last <= last)) continue;
      const block = blockOf(study, first, last);
      if (block === undefined || accessSaved(block, on) + after <= (saved[first] as number)) continue;
      const candidate = bestRows(block, on);
      const sum = candidate.saved + after;
      if (sum > (saved[first] as number)) [saved[first], best[first]] = [sum, candidate];
    }
  }
  const chosen: PlannedBlock[] = [];
  for (let index = 0; index < steps.length; ) {
    const candidate = best[index];
    if (candidate) chosen.push(candidate);
    index += candidate?.block.steps.length ?? 1;
  }
  return chosen;
}

function isLarge(buffer: Buffer, machine: Machine): boolean {
  return imageBytes(buffer) > machine.cacheBytes;
}

/** Nanoseconds for memory beyond the cache, of inner buffers that would need it. */
function accessSaved({ steps, inner }: Block, { machine, threads }: Setting): number {
  let bytes = 0;
  for (const buffer of inner.keys()) {
    if (!isLarge(buffer, machine)) continue;
    for (const { traffic } of steps) bytes += traffic.get(buffer) ?? 0;
  }
  return (bytes * machine.beyondCache) / threads;
}

function bestRows(block: Block, on: Setting): PlannedBlock {
  const measured = on.measured?.[blockKey(block, on.threads)];
  if (measured) return { block, ...measured };
  let best: PlannedBlock = { block, rows: 1, saved: Number.NEGATIVE_INFINITY };
  for (const rows of rowChoices(block, on.threads, on.machine)) {
    const saved = accessSaved(block, on) - nanosecondsSpent(block, rows, on);
    if (saved > best.saved) best = { block, rows, saved };
  }
  return best;
}

/** Nanoseconds that bands take beside the work itself. */
function nanosecondsSpent(block: Block, rows: number, { machine, threads }: Setting): number {
  const share = Math.ceil(block.height / threads);
  const bands = Math.ceil(share / rows);
  let spent = 0;
  for (const [buffer, range] of block.inner) {
    spent += (bands - 1) * rowsKept(range) * rowBytes(buffer) * machine.move;
  }
  for (const step of block.steps) {
    const [output] = step.writes as readonly [Buffer];
    const range = block.inner.get(output);
    // Each thread begins with rows that its neighbour has too.
    const again = threads > 1 && range ? rowsKept(range) / output.height : 0;
    spent += step.macs * machine.mac * (again + tailShare(step, range, rows) / threads);
    spent += bands * step.calls.length * machine.call;
  }
  return spent;
}

function bandBytes({ inner }: Block, rows: number): number {
  return [...inner].reduce((sum, [buffer, range]) => sum + rowsNeeded(range, rows) * rowBytes(buffer), 0);
}

/** What the last tile of each band computes twice, as a share of the step's work. */
function tailShare({ calls }: Step, range: RowRange | undefined, rows: number): number {
  return Math.max(
    ...calls.filter(isRowCall).map((call) => {
      const pixels = call.rows.units * rows * (range?.rate ?? 1);
      const waste = (units: number) => (Math.ceil(units / call.grain) * call.grain) / units;
      return waste(pixels) - waste(call.units);
    }),
  );
}
