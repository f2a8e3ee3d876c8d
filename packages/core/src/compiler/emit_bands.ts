import type { FunctionBuilder, FunctionHandle } from "../wasm/function_builder.ts";
import { i32, memory, select } from "../wasm/instructions.ts";
import type { I32, Local } from "../wasm/value_types.ts";
import { isRowCall, type RowCall, rowStep, rowsKept } from "./bands.ts";
import { type Buffer, imageBytes, rowBytes } from "./layout.ts";
import type { Address, BandBuffer, Bands, Kernel } from "./plan.ts";

/** What bands need of the module around them. */
export interface BandSurroundings {
  addressOf(buffer: Buffer): number;
  addressExpr(address: Address): I32;
  handleOf(kernel: Kernel): FunctionHandle;
}

/** The rows of the output that a band computes. */
export interface BandRows {
  /** The first row of the bands done one after another; this band's first one, and the row after its last. */
  readonly start: Local<"i32">;
  readonly from: Local<"i32">;
  readonly to: Local<"i32">;
}

/** A band buffer while a band is at work. */
interface BandState {
  readonly buffer: BandBuffer;
  /** This thread's buffer. */
  readonly base: I32;
  /** The row of the picture that lies first in it, perhaps one of the border above. */
  readonly origin: Local<"i32">;
  /** Rows of the picture that the band has to compute. */
  readonly from: Local<"i32">;
  readonly to: Local<"i32">;
}

/**
 * A block's output, band by band. At each band, the rows of a buffer that the band before computed and this one reads again move to the
 * buffer's start; rows that lie in the border are set to zero; then each step computes the rows that are missing.
 *
 * @returns what writes the code of one band; it stands once in the code, in a loop over bands
 */
export function beginBands(
  f: FunctionBuilder,
  bands: Bands,
  thread: Local<"i32"> | undefined,
  around: BandSurroundings,
): (rows: BandRows) => void {
  const bases = bands.buffers.map(({ band }) => {
    const first = i32.const(around.addressOf(band));
    return thread ? f.let("band", i32.add(first, i32.mul(thread, imageBytes(band)))) : first;
  });
  bands.buffers.forEach(({ border }, i) => {
    if (border) f.invoke(around.handleOf(border.kernel), [bases[i] as I32, i32.const(0), i32.const(1)]);
  });
  return (rows) => {
    const states = bands.buffers.map((buffer, i) => beginBand(f, bands, buffer, bases[i] as I32, rows));
    for (const step of bands.steps) {
      const own = states.find(({ buffer }) => step.writes.includes(buffer.whole)) ?? rows;
      for (const call of step.calls) if (isRowCall(call)) emitCall(f, call, own, states, around);
    }
  };
}

/** Keeps, clears, and says what is to be computed. */
function beginBand(
  f: FunctionBuilder,
  { height, rows: bandRows }: Bands,
  buffer: BandBuffer,
  base: I32,
  { start, from: bandFrom, to: bandTo }: BandRows,
): BandState {
  const { whole, range } = buffer;
  const { rate, first, last } = range;
  const bytes = rowBytes(whole);
  const kept = rowsKept(range);
  const origin = f.let("origin", i32.add(i32.mul(bandFrom, rate), first));
  const end = f.let("needed", i32.add(i32.mul(i32.sub(bandTo, 1), rate), last));
  const from = f.let("from", origin);
  if (kept > 0) {
    f.if(i32.gt_s(bandFrom, start), () => {
      f.do(memory.copy(base, i32.add(base, rate * bandRows * bytes), kept * bytes));
      f.set(from, i32.add(from, kept));
    });
  }
  const clear = (first: I32, end: I32) => {
    const at = i32.add(base, i32.mul(i32.sub(first, origin), bytes));
    f.do(memory.fill(at, 0, i32.mul(i32.sub(end, first), bytes)));
  };
  const to = f.let("to", end);
  if (first < 0) {
    f.if(i32.lt_s(from, 0), () => {
      clear(from, select(i32.lt_s(end, 0), end, i32.const(0)));
      f.set(from, 0);
    });
  }
  if (rate * (height - 1) + last > whole.height) {
    f.if(i32.gt_s(to, whole.height), () => {
      clear(select(i32.gt_s(from, whole.height), from, i32.const(whole.height)), end);
      f.set(to, whole.height);
    });
  }
  return { buffer, base, origin, from, to };
}

function emitCall(
  f: FunctionBuilder,
  call: RowCall,
  { from, to }: Pick<BandRows, "from" | "to">,
  states: readonly BandState[],
  around: BandSurroundings,
): void {
  const args = call.args.map((address, i) => {
    if (address.kind !== "buffer") return around.addressExpr(address);
    const { buffer, offset } = address;
    const row = i32.mul(from, rowStep(call, i));
    const state = states.find((candidate) => candidate.buffer.whole === buffer);
    if (state === undefined) return i32.add(around.addressExpr(address), i32.mul(row, rowBytes(buffer)));
    const inBand = i32.sub(i32.sub(row, state.origin), buffer.halo.top);
    return i32.add(i32.add(state.base, offset), i32.mul(inBand, rowBytes(buffer)));
  });
  // All rows of a band may lie in the border.
  f.if(i32.lt_s(from, to), () => {
    f.invoke(around.handleOf(call.kernel), [...args, i32.const(0), i32.mul(i32.sub(to, from), call.rows.units)]);
  });
}
