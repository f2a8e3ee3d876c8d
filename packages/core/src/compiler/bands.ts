import { type Buffer, hasHalo } from "./layout.ts";
import type { Lowered } from "./lower.ts";
import { fillCall } from "./lowering.ts";
import type { BandBuffer, Call, RowRange, RowWork, Step } from "./plan.ts";

/** Consecutive steps that can run band by band, and the rows that a band needs of each buffer that only they use. */
export interface Block {
  /** Index of its first step, and how many it has. */
  readonly first: number;
  readonly steps: readonly Step[];
  /** Rows of what it computes. */
  readonly height: number;
  readonly inner: ReadonlyMap<Buffer, RowRange>;
}

/** The rows of the block's output themselves. */
const outputRows: RowRange = { rate: 1, first: 0, last: 1 };

/** What must be known of the steps to find blocks among them. */
export interface Study {
  readonly steps: readonly Step[];
  /** The calls of each step that can be done for some rows, or undefined where it has others. */
  readonly work: readonly (readonly RowCall[] | undefined)[];
  /** The first and the last step that touches a buffer; of what the caller reads or writes there is none. */
  readonly uses: ReadonlyMap<Buffer, { readonly first: number; readonly last: number }>;
}

export function studySteps({ steps, inputs, outputs }: Lowered): Study {
  const uses = new Map<Buffer, { first: number; last: number }>();
  steps.forEach(({ reads, writes }, index) => {
    for (const buffer of [...reads, ...writes]) uses.set(buffer, { first: index, ...uses.get(buffer), last: index });
  });
  for (const { buffer } of [...inputs, ...outputs]) uses.delete(buffer);
  return { steps, uses, work: steps.map(rowCalls) };
}

/**
 * Steps `first` to `last` as a block, or undefined where they are none: where a step needs more than some rows of what another one
 * computes, or rows at another pace.
 */
export function blockOf({ steps, work, uses }: Study, first: number, last: number): Block | undefined {
  const inside = steps.slice(first, last + 1);
  const height = (inside.at(-1) as Step).writes[0]?.height ?? 0;
  const written = new Set(inside.flatMap((step) => step.writes));
  const isInner = (buffer: Buffer) => {
    const use = uses.get(buffer);
    return use !== undefined && use.first >= first && use.last <= last;
  };
  const inner = new Map<Buffer, RowRange>();
  for (let index = last; index >= first; index--) {
    const calls = work[index];
    if (calls === undefined) return undefined;
    const [output] = (steps[index] as Step).writes as readonly [Buffer];
    const range = isInner(output) ? inner.get(output) : outputRows;
    if (range === undefined || (!isInner(output) && output.height !== height)) return undefined;
    if (isInner(output) && output.fill !== 0 && hasHalo(output)) return undefined;
    for (const { buffer, range: needed } of calls.flatMap((call) => readRows(call, range))) {
      if (isInner(buffer)) {
        const known = inner.get(buffer) ?? needed;
        if (known.rate !== needed.rate) return undefined;
        inner.set(buffer, union(known, needed));
      } else if (written.has(buffer) && !isSame(needed, outputRows)) return undefined;
    }
  }
  return height > 1 && inner.size > 0 ? { first, steps: inside, height, inner } : undefined;
}

/** A call that can be done for some rows. */
export type RowCall = Call & { readonly rows: RowWork };

/**
 * The step's calls but for borders, if it writes one buffer and all of them can be done for some rows. They must name every buffer that
 * they read: a table may hold distances from one buffer to another, and these differ from band to band.
 */
function rowCalls({ calls, reads, writes }: Step): readonly RowCall[] | undefined {
  const [output, ...others] = writes;
  if (output === undefined || others.length > 0) return undefined;
  const work = calls.filter((call) => call.rows !== "border");
  if (new Set(reads).size > 1 && work.some(({ kernel }) => kernel.params.includes("table"))) return undefined;
  const named = new Set(
    work.flatMap(({ args }) => args.map((arg) => (arg.kind === "buffer" ? arg.buffer : undefined))),
  );
  const isWhole = work.every(isRowCall) && reads.every((buffer) => named.has(buffer));
  const fits = ({ rows, units, grain, args }: RowCall) =>
    units === rows.units * output.height && grain <= rows.units && args.every((arg) => arg.kind !== "batch");
  return isWhole && work.length > 0 && work.every(fits) ? work : undefined;
}

export function isRowCall(call: Call): call is RowCall {
  return typeof call.rows === "object";
}

/** All calls of a step. */
export function callsOf({ calls, bands }: Step): readonly Call[] {
  if (bands === undefined) return calls;
  const borders = bands.buffers.flatMap(({ border }) => border ?? []);
  return [...calls, ...borders, ...bands.steps.flatMap((step) => step.calls.filter(isRowCall))];
}

/** Rows by which an argument moves on for each row of the output. */
export function rowStep(call: RowCall, argument: number): number {
  return isWindow(call, argument) ? call.rows.stride : 1;
}

function isWindow({ kernel }: Call, argument: number): boolean {
  return kernel.params[argument]?.startsWith("input") ?? false;
}

/** The buffers that a call touches, and which rows of them, if it is to compute the rows `range`. */
function readRows(call: RowCall, range: RowRange): readonly { buffer: Buffer; range: RowRange }[] {
  const { stride, top, span } = call.rows;
  const window = {
    rate: range.rate * stride,
    first: range.first * stride - top,
    last: (range.last - 1) * stride - top + span,
  };
  return call.args.flatMap((arg, i) =>
    arg.kind === "buffer" ? [{ buffer: arg.buffer, range: isWindow(call, i) ? window : range }] : [],
  );
}

function union(a: RowRange, b: RowRange): RowRange {
  return { rate: a.rate, first: Math.min(a.first, b.first), last: Math.max(a.last, b.last) };
}

function isSame(a: RowRange, b: RowRange): boolean {
  return a.rate === b.rate && a.first === b.first && a.last === b.last;
}

/** Rows of a buffer that a band of `rows` rows of the output needs. */
export function rowsNeeded({ rate, first, last }: RowRange, rows: number): number {
  return rate * (rows - 1) + last - first;
}

/** Of these the ones that the band before has computed already. */
export function rowsKept({ rate, first, last }: RowRange): number {
  return Math.max(0, last - first - rate);
}

/** The block as one step that runs in bands of `rows` rows of its output; every one of `threads` threads has its own band buffers. */
export function bandedStep({ steps, height, inner }: Block, rows: number, threads: number): Step {
  const buffers = [...inner].map(([whole, range]): BandBuffer => {
    const halo = { ...whole.halo, top: 0, bottom: 0 };
    const band = { ...whole, name: `${whole.name}/band`, height: rowsNeeded(range, rows), halo, images: threads };
    const border = hasHalo(band) ? fillCall(band, 0, halo) : undefined;
    return { whole, band, range, border };
  });
  const outside = (of: (step: Step) => readonly Buffer[]) => [
    ...new Set(steps.flatMap(of).filter((buffer) => !inner.has(buffer))),
  ];
  const borders = steps
    .flatMap(({ calls }) => calls.filter((call) => call.rows === "border"))
    .filter(({ args }) => args.every((arg) => arg.kind !== "buffer" || !inner.has(arg.buffer)));
  const traffic = new Map<Buffer, number>();
  for (const [buffer, bytes] of steps.flatMap((step) => [...step.traffic])) {
    if (!inner.has(buffer)) traffic.set(buffer, (traffic.get(buffer) ?? 0) + bytes);
  }
  return {
    name: blockName(steps),
    op: "bands",
    calls: borders,
    reads: outside((step) => step.reads),
    writes: [...outside((step) => step.writes), ...buffers.map(({ band }) => band)],
    macs: steps.reduce((sum, step) => sum + step.macs, 0),
    traffic,
    bands: { steps, height, rows, buffers },
  };
}

/** `stage2/unit1/expand+norm … project+norm`: the path that all steps share, then the first and the last one. */
function blockName(steps: readonly Step[]): string {
  const paths = steps.map(({ name }) => name.split("/"));
  const [first, last] = [paths[0] as string[], paths.at(-1) as string[]];
  const apart = first.findIndex((part, i) => i === first.length - 1 || paths.some((path) => path[i] !== part));
  const shared = first.slice(0, apart).map((part) => `${part}/`);
  return `${shared.join("")}${first.slice(apart).join("/")} … ${last.slice(apart).join("/")}`;
}
