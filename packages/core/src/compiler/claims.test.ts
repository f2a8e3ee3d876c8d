import { describe, expect, it } from "vitest";
import { i32 } from "../wasm/instructions.ts";
import { createModule } from "../wasm/module_builder.ts";
import { claimsBytes, emitClaims } from "./claims.ts";
import { importMemory } from "./module_memory.ts";

const TASKS = 3;
const THREADS = 4;
const PIECES = 5;
const LOG = 4096;

/** `go(thread, threads, task)` writes down what it took, as share · 100 + piece, `taken` of them so far; `reset()` gives all back. */
function makeTeam() {
  const module = createModule({ name: "claims" });
  importMemory(module, { bytes: 65_536, threads: 1, what: "it", advice: "" });
  const claims = emitClaims(module, 64, TASKS, THREADS);
  const taken = module.global("taken", "i32", 0, { mutable: true, export: "taken" });
  module.function("reset", { params: {}, results: [], export: "reset" }, (f) => claims.reset(f));
  const params = { thread: "i32", threads: "i32", least: "i32" } as const;
  for (let task = 0; task < TASKS; task++) {
    module.function(`go${task}`, { params, results: [], export: `go${task}` }, (f, { thread, threads, least }) => {
      // Share s has `least` + s pieces.
      const pieces = (share: Parameters<Parameters<typeof claims.eachPiece>[4]>[0]["share"]) => i32.add(share, least);
      claims.eachPiece(f, task, { thread, threads }, pieces, ({ share, number, isTaken }) => {
        const entry = i32.add(i32.add(i32.mul(share, 100), number), i32.mul(isTaken, 1000));
        f.do(i32.store(i32.add(i32.mul(taken.get(), 4), LOG), entry));
        f.setGlobal(taken, i32.add(taken.get(), 1));
      });
    });
  }
  const memory = new WebAssembly.Memory({ initial: 1 });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.bytes({ names: true })), {
    env: { memory },
  });
  const call = exports as Record<string, (...numbers: number[]) => void>;
  const count = exports["taken"] as WebAssembly.Global<"i32">;
  return {
    reset: () => call["reset"]?.(),
    go(thread: number, threads: number, task = 0, least = PIECES): readonly number[] {
      count.value = 0;
      call[`go${task}`]?.(thread, threads, least);
      return [...new Int32Array(memory.buffer, LOG, count.value)];
    },
  };
}

describe("claims", () => {
  it("give a thread its own share from the front, then the others' from the back, and nothing to who comes later", () => {
    const team = makeTeam();
    team.reset();
    expect(team.go(1, 3)).toEqual([
      ...[100, 101, 102, 103, 104, 105],
      ...[1206, 1205, 1204, 1203, 1202, 1201, 1200],
      ...[1004, 1003, 1002, 1001, 1000],
    ]);
    for (const thread of [0, 1, 2]) expect(team.go(thread, 3)).toEqual([]);
  });

  it("count each task by itself, and begin anew after a reset", () => {
    const team = makeTeam();
    team.reset();
    for (const task of [0, 1, 2]) expect(team.go(0, 1, task)).toEqual([0, 1, 2, 3, 4]);
    expect(team.go(0, 1)).toEqual([]);
    team.reset();
    expect(team.go(0, 1)).toEqual([0, 1, 2, 3, 4]);
  });

  it("do nothing for shares without pieces", () => {
    const team = makeTeam();
    team.reset();
    expect(team.go(0, 2, 0, 0)).toEqual([1100]);
  });

  it("have a word for each share and task, on lines of each thread's own", () => {
    expect(claimsBytes(1, 2)).toBe(128);
    expect(claimsBytes(17, 4)).toBe(4 * 128);
  });
});
