import { invariant } from "../errors.ts";
import { f32, f32x4, i32, v128 } from "../wasm/instructions.ts";
import { createModule } from "../wasm/module_builder.ts";
import type { F32 } from "../wasm/value_types.ts";
import { madd } from "./kernels/simd.ts";
import { supportsRelaxedSimd } from "./probe.ts";
import type { Target } from "./target.ts";

/** A measure of what this engine's multiply-adds can do at most, here and now. */
export interface Ceiling {
  readonly simd: "relaxed" | "plain";
  /** Whether they come in pairs that V8 makes 256 bits of. */
  readonly wide: boolean;
  /**
   * Multiply-adds on registers alone for about this long: 10^9 multiply-accumulates a second of one thread. Clocks change, so measure in
   * turns with what is compared to it.
   *
   * @param milliseconds default 4
   */
  measure(milliseconds?: number): number;
  /**
   * The same over all of that time: what is left of it when the system and its host have taken their share. `measure` takes the best of
   * stretches of a fraction of a millisecond, which nothing interrupts.
   *
   * @param milliseconds default 4
   */
  sustain(milliseconds?: number): number;
}

/**
 * Chains of multiply-adds that do not wait for each other. A fused one takes about four cycles, a multiplication and an addition six to
 * eight, and current cores begin two a cycle: 12 chains keep them busy either way, and with two factors fit the 15 vector registers that
 * V8 has to give.
 */
const CHAINS = 12;
/** Rounds of all chains in one trip of the loop, so that counting costs nothing. */
const UNROLLED = 8;
const LANES = 4;
/** About a millisecond: long against the clock's grain, short enough for the optimised code to take over between two calls. */
const TRIPS_PER_CALL = 20_000;
/** Engines optimise a function after some calls; this many milliseconds were enough with a margin (V8 needs about 10). */
const WARM_UP_MS = 60;

/**
 * Builds and warms up a loop of independent multiply-adds on registers: the ceiling that kernels are held against.
 *
 * @param simd default: what `compile` takes on this engine
 * @param wide pairs of 128 bits that V8 joins under `--experimental-wasm-revectorize`, as `compile` with `wide` emits them; without that
 *   flag they stay pairs
 */
export async function createCeiling(
  simd: "relaxed" | "plain" = supportsRelaxedSimd() ? "relaxed" : "plain",
  wide: boolean = false,
): Promise<Ceiling> {
  const chains = wide ? 2 * CHAINS : CHAINS;
  const macsPerCall = chains * UNROLLED * LANES * TRIPS_PER_CALL;
  const module = await WebAssembly.compile(ceilingModule(simd, chains, wide));
  const { exports } = await WebAssembly.instantiate(module);
  const loop = exports.loop as (trips: number) => number;
  const run = (milliseconds: number): { readonly best: number; readonly mean: number } => {
    const start = performance.now();
    let [best, calls, now] = [0, 0, start];
    do {
      const before = now;
      loop(TRIPS_PER_CALL);
      calls++;
      now = performance.now();
      best = Math.max(best, macsPerCall / (now - before) / 1e6);
    } while (now - start < milliseconds);
    return { best, mean: (calls * macsPerCall) / (now - start) / 1e6 };
  };
  const measure = (milliseconds: number = 4): number => run(milliseconds).best;
  // Every chain has come to 2: nothing was left out.
  invariant(loop(TRIPS_PER_CALL) === 2 * chains, "the ceiling's loop gives another sum than its chains have");
  // In turns with the event loop, where engines hand over code that was optimised in the background.
  for (let warm = 0; warm < WARM_UP_MS; warm += 4) {
    measure(4);
    await Promise.resolve();
  }
  return { simd, wide, measure, sustain: (milliseconds = 4) => run(milliseconds).mean };
}

function ceilingModule(simd: "relaxed" | "plain", count: number, wide: boolean): Uint8Array<ArrayBuffer> {
  const target: Target = { simd, wide, threads: 1, profile: false };
  const module = createModule({ name: "ceiling" });
  module.memory({ minPages: 1 });
  module.function("loop", { params: { trips: "i32" }, results: ["f32"], export: "loop" }, (f, { trips }) => {
    // x/2 + 1 stays near 2: no value becomes infinite or subnormal.
    const half = f.let("half", f32x4.splat(0.5));
    const one = f.let("one", f32x4.splat(1));
    const at = f.let("at", i32.const(0));
    const place = (i: number) => ({ offset: i * LANES * 4 });
    const chains = Array.from({ length: count }, (_, i) => f.let(`chain${i}`, v128.load(at, place(i))));
    f.for({ name: "trip", from: i32.const(0), to: trips, step: 1 }, () => {
      for (let round = 0; round < UNROLLED; round++)
        for (const chain of chains) f.set(chain, madd(target, chain, half, one));
    });
    // Neighbours that are stored are what V8 joins pairs by.
    if (wide) chains.forEach((chain, i) => f.do(v128.store(at, chain, place(i))));
    // Every chain is part of the result, or the engine would leave it out.
    const results = chains.map((chain, i) => (wide ? f32.load(at, place(i)) : f32x4.extract_lane(chain, 0)));
    f.return(results.reduce<F32>((sum, result) => f32.add(sum, result), f32.const(0)));
  });
  return module.bytes();
}
