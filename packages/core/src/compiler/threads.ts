import type { FunctionHandle } from "../wasm/function_builder.ts";
import { i32, i64, memory } from "../wasm/instructions.ts";
import type { ModuleBuilder } from "../wasm/module_builder.ts";
import type { I32 } from "../wasm/value_types.ts";
import { CACHE_LINE } from "./module_memory.ts";

/** Words of the control block, each on a line of its own so that spinning threads do not slow the others' writes. */
const ARRIVED = 0;
const ROUND = CACHE_LINE;
const SLEEPERS = 2 * CACHE_LINE;
const JOB = 3 * CACHE_LINE;
const STOP = 4 * CACHE_LINE;

/** Bytes of the control block. */
export const CONTROL_BYTES: number = 5 * CACHE_LINE;

/**
 * Looks at a word this often before going to sleep: some tenth of a millisecond. Threads wait for each other a few microseconds at a step,
 * but waking a sleeper takes fifty and more on a virtual machine. Measured in turns on two cores, over one thread, with 2,000 and with this:
 * MobileNet V2 1.77 and 1.87x, ShuffleNet V2 1.55 and 1.76x, SqueezeNext 1.43 and 1.60x; four times as many gain 1 to 3 % more.
 */
const SPINS = 40_000;

/** What threads need in a module. */
export interface ThreadSupport {
  /** `barrier(threads)`: returns once all threads have called it. */
  readonly barrier: FunctionHandle;
  /** Exports `start` and `work`, which call the given `run(thread, threads)`. */
  exportLoops(run: FunctionHandle): void;
}

/**
 * Threads over shared memory, all of it in the module: the host only starts workers that call `work(thread, threads)`.
 *
 * - `start(threads)` wakes the workers and runs thread 0's share.
 * - `work(thread, threads)` waits for jobs until `stop` is called: it looks for a moment, then sleeps, so that an idle model costs nothing.
 * - `canSleep`: 0 on a page's main thread, which may not wait; it looks again and again then.
 */
export function emitThreads(module: ModuleBuilder, control: number): ThreadSupport {
  const canSleep = module.global("canSleep", "i32", 1, { mutable: true, export: "canSleep" });

  /** Returns once the word at `address` differs from `old`. */
  const awaitChange = module.function(
    "awaitChange",
    { params: { address: "i32", old: "i32" }, results: [] },
    (f, { address, old }) => {
      const spins = f.local("spins", "i32");
      const hasChanged = (): I32 => i32.ne(i32.atomic.load(address), old);
      f.block((done) => {
        f.loop((again) => {
          f.brIf(done, hasChanged());
          f.set(spins, i32.add(spins, 1));
          f.brIf(again, i32.lt_u(spins, SPINS));
          f.brIf(again, i32.eqz(canSleep.get()));
          // Counted before the last look, which the wait itself does: whoever changes the word sees the sleeper or is seen by it.
          f.drop(i32.atomic.rmw.add(i32.const(control + SLEEPERS), 1));
          f.drop(memory.atomic.wait32(address, old, i64.const(-1)));
          f.drop(i32.atomic.rmw.sub(i32.const(control + SLEEPERS), 1));
          f.br(again);
        });
      });
    },
  );

  /** Adds one to a word and wakes whoever sleeps on it. */
  const signal = module.function("signal", { params: { address: "i32" }, results: [] }, (f, { address }) => {
    f.drop(i32.atomic.rmw.add(address, 1));
    f.if(i32.atomic.load(i32.const(control + SLEEPERS)), () => f.drop(memory.atomic.notify(address, -1)));
  });

  const barrier = module.function("barrier", { params: { threads: "i32" }, results: [] }, (f, { threads }) => {
    f.if(i32.gt_u(threads, 1), () => {
      const round = f.let("round", i32.atomic.load(i32.const(control + ROUND)));
      const before = i32.atomic.rmw.add(i32.const(control + ARRIVED), 1);
      f.if(
        i32.eq(i32.add(before, 1), threads),
        () => {
          f.do(i32.atomic.store(i32.const(control + ARRIVED), 0));
          f.invoke(signal, [i32.const(control + ROUND)]);
        },
        () => f.invoke(awaitChange, [i32.const(control + ROUND), round]),
      );
    });
  });

  const exportLoops = (run: FunctionHandle): void => {
    module.function("start", { params: { threads: "i32" }, results: [], export: "start" }, (f, { threads }) => {
      f.if(i32.gt_u(threads, 1), () => f.invoke(signal, [i32.const(control + JOB)]));
      f.invoke(run, [i32.const(0), threads]);
    });
    module.function("stop", { params: {}, results: [], export: "stop" }, (f) => {
      f.do(i32.atomic.store(i32.const(control + STOP), 1));
      f.invoke(signal, [i32.const(control + JOB)]);
    });
    module.function(
      "work",
      { params: { thread: "i32", threads: "i32" }, results: [], export: "work" },
      (f, { thread, threads }) => {
        // Memory is fresh when workers start, and the first job may be there before they are: jobs are counted from 0.
        const job = f.local("job", "i32");
        f.loop((again) => {
          f.invoke(awaitChange, [i32.const(control + JOB), job]);
          f.if(i32.eqz(i32.atomic.load(i32.const(control + STOP))), () => {
            f.set(job, i32.add(job, 1));
            f.invoke(run, [thread, threads]);
            f.br(again);
          });
        });
      },
    );
  };
  return { barrier, exportLoops };
}
