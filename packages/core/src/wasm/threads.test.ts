/** Waiting and waking, which need shared memory and so an engine with threads. */
import { expect, it } from "vitest";
import { atomic, i32, i64, memory } from "./instructions.ts";
import { createModule } from "./module_builder.ts";

/** What a wait gives: woken, another value was there, time was up. */
const NOT_EQUAL = 1;
const TIMED_OUT = 2;

it("waits on shared memory, wakes nobody where nobody waits, and fences", () => {
  const m = createModule();
  m.importMemory("env", "memory", { minPages: 1, maxPages: 1, shared: true });
  const results = ["i32", "i32", "i32", "i32", "i32"] as const;
  m.function("run", { params: {}, results, export: "run" }, (f) => {
    f.do(i32.atomic.store(16, 7));
    f.do(i64.atomic.store(24, -1));
    f.do(atomic.fence());
    f.return(
      memory.atomic.wait32(8, 8, 0, { offset: 8 }),
      memory.atomic.wait32(8, 7, 1000, { offset: 8 }), // nanoseconds
      memory.atomic.wait64(16, -2, 0, { offset: 8 }),
      memory.atomic.wait64(16, -1n, 1000, { offset: 8 }),
      memory.atomic.notify(16, 5),
    );
  });
  const shared = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(m.bytes()), { env: { memory: shared } });
  const run = exports.run as () => number[];
  expect(run()).toEqual([NOT_EQUAL, TIMED_OUT, NOT_EQUAL, TIMED_OUT, 0]);
  expect(new Int32Array(shared.buffer)[4]).toBe(7);
});
