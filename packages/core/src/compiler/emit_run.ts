import { invariant } from "../errors.ts";
import type { FunctionBuilder, FunctionHandle } from "../wasm/function_builder.ts";
import { f64, i32, select } from "../wasm/instructions.ts";
import type { ModuleBuilder } from "../wasm/module_builder.ts";
import type { I32, Local } from "../wasm/value_types.ts";
import type { Arena } from "./arena.ts";
import { type Claims, emitClaims, type Team } from "./claims.ts";
import { type BandSurroundings, beginBands } from "./emit_bands.ts";
import { type Buffer, imageBytes } from "./layout.ts";
import type { Lowered } from "./lower.ts";
import type { Address, Bands, Call, Constant } from "./plan.ts";
import type { Target } from "./target.ts";
import { CONTROL_BYTES, emitThreads } from "./threads.ts";

/** Where everything lies in the module's memory. */
export interface MemoryPlan {
  readonly arena: Arena;
  readonly arenaStart: number;
  readonly constants: ReadonlyMap<Constant, number>;
  /** Those that are not made of others when the module starts. */
  readonly travelling: ReadonlyMap<Constant, number>;
  /** Of those that travel, and of those that are made of them when the module starts. */
  readonly constantBytes: number;
  readonly madeBytes: number;
  readonly profile: number | undefined;
  /** The threads' meeting point, and behind it the words by which they help each other; undefined for one thread. */
  readonly control: number | undefined;
  readonly end: number;
}

export function addressOfBuffer(plan: MemoryPlan, buffer: Buffer): number {
  return plan.arenaStart + (plan.arena.offsets.get(buffer) as number);
}

/** Threads help each other with steps of so many multiply-accumulates: pieces of a few microseconds. */
const SHARED_MACS = 1_000_000;

/** What threads help each other with: calls of large steps, and blocks in bands. */
export function tasksOf(lowered: Lowered): readonly (Call | Bands)[] {
  return lowered.steps.flatMap(({ calls, macs, bands }) => [
    ...(macs >= SHARED_MACS ? calls : []),
    ...(bands ? [bands] : []),
  ]);
}

/** A team, and how it finds a task. */
interface Helpers extends Team {
  readonly claims: Claims;
  /** Threads that the module is made for. */
  readonly compiledThreads: number;
  /** Numbers of what they help each other with. */
  readonly tasks: ReadonlyMap<Call | Bands, number>;
}

/** `run(thread, threads)`: for each picture of the batch, every step in order; all threads meet after each step. */
export function emitRun(
  module: ModuleBuilder,
  lowered: Lowered,
  plan: MemoryPlan,
  kernels: ReadonlyMap<string, FunctionHandle>,
  target: Target,
  now: FunctionHandle<readonly ["f64"]> | undefined,
): void {
  const meet = plan.control === undefined ? undefined : emitThreads(module, plan.control);
  const list = tasksOf(lowered);
  const tasks = new Map(list.map((task, i) => [task, i]));
  invariant(tasks.size === list.length, "a call stands in two steps");
  const claims =
    plan.control === undefined
      ? undefined
      : emitClaims(module, plan.control + CONTROL_BYTES, tasks.size, target.threads);
  const params = { thread: "i32", threads: "i32" } as const;
  const run = module.function("run", { params, results: [], export: "run" }, (f, { thread, threads }) => {
    const helpers = claims && { thread, threads, compiledThreads: target.threads, claims, tasks };
    const around = (image: Local<"i32"> | undefined): BandSurroundings => ({
      addressOf: (buffer) => addressOfBuffer(plan, buffer),
      addressExpr: (address) => addressExpr(address, plan, image, thread),
      handleOf: (kernel) => kernels.get(kernel.name) as FunctionHandle,
    });
    const emitSteps = (image: Local<"i32"> | undefined) => {
      if (meet && claims && tasks.size > 0) {
        f.if(i32.eqz(thread), () => claims.reset(f));
        f.invoke(meet.barrier, [threads]);
      }
      stamp(f, plan, now, thread, 0);
      lowered.steps.forEach((step, index) => {
        f.comment(step.name);
        for (const call of step.calls) {
          const handle = kernels.get(call.kernel.name) as FunctionHandle;
          const args = call.args.map((address) => addressExpr(address, plan, image, thread));
          if (helpers) emitShare(f, call, handle, args, helpers);
          else f.invoke(handle, [...args, i32.const(0), i32.const(call.units)]);
        }
        if (step.bands) emitBlock(f, step.bands, helpers, around(image));
        if (meet) f.invoke(meet.barrier, [threads]);
        stamp(f, plan, now, thread, index + 1);
      });
    };
    if (lowered.images === 1) emitSteps(undefined);
    else f.repeat({ name: "image", from: 0, to: lowered.images, step: 1 }, emitSteps);
  });
  meet?.exportLoops(run);
}

/** Pieces of a share of a call: more gain nothing by balance. */
const MOST_PIECES = 8;

/** How many pieces the shares of a call have. */
function piecesOf({ units, grain, block = grain }: Call, threads: number): number {
  return Math.max(1, Math.min(MOST_PIECES, Math.floor(units / threads / block)));
}

/** Calls a kernel for a thread's share of the units: whole grains, the last one perhaps shorter. */
function emitShare(
  f: FunctionBuilder,
  call: Call,
  handle: FunctionHandle,
  args: readonly I32[],
  { thread, threads, claims, tasks, compiledThreads }: Helpers,
): void {
  const grains = Math.ceil(call.units / call.grain);
  const invoke = (from: I32, to: I32): void => {
    const start = f.let("start", i32.mul(from, call.grain));
    const end = f.let("end", i32.mul(to, call.grain));
    if (call.units % call.grain !== 0) f.if(i32.gt_u(end, call.units), () => f.set(end, call.units));
    f.if(i32.lt_u(start, end), () => f.invoke(handle, [...args, start, end]));
  };
  const boundary = (share: I32) => i32.div_u(i32.mul(share, grains), threads);
  const task = tasks.get(call);
  if (task === undefined) {
    invoke(boundary(thread), boundary(i32.add(thread, 1)));
    return;
  }
  const pieces = piecesOf(call, compiledThreads);
  claims.eachPiece(
    f,
    task,
    { thread, threads },
    () => i32.const(pieces),
    ({ share, number }) => {
      const first = f.let("first", boundary(share));
      const count = f.let("count", i32.sub(boundary(i32.add(share, 1)), first));
      const inShare = (piece: I32) => i32.add(first, i32.div_u(i32.mul(count, piece), pieces));
      invoke(inShare(number), inShare(i32.add(number, 1)));
    },
  );
}

/** A block in bands: a thread's share of its rows, or all of them. */
function emitBlock(f: FunctionBuilder, bands: Bands, helpers: Helpers | undefined, around: BandSurroundings): void {
  const emitBand = beginBands(f, bands, helpers?.thread, around);
  const { rows, height } = bands;
  const bandEnd = (from: I32, end: Local<"i32">) => {
    const to = f.let("bandEnd", i32.add(from, rows));
    f.if(i32.gt_s(to, end), () => f.set(to, end));
    return to;
  };
  if (helpers === undefined) {
    const [start, end] = [f.let("start", i32.const(0)), f.let("end", i32.const(height))];
    f.for({ name: "row", from: start, to: end, step: rows }, (from) =>
      emitBand({ start, from, to: bandEnd(from, end) }),
    );
    return;
  }
  const { threads, claims, tasks } = helpers;
  const boundary = (share: I32) => i32.div_u(i32.mul(share, height), threads);
  const rowsOf = (share: I32) => i32.sub(boundary(i32.add(share, 1)), boundary(share));
  const bandsOf = (share: I32) => i32.div_u(i32.add(rowsOf(share), rows - 1), rows);
  claims.eachPiece(f, tasks.get(bands) as number, helpers, bandsOf, ({ share, number, isTaken }) => {
    const first = f.let("first", boundary(share));
    const from = f.let("from", i32.add(first, i32.mul(number, rows)));
    const to = bandEnd(from, f.let("end", boundary(i32.add(share, 1))));
    // Bands of one's own share follow each other; those of another's begin anew.
    emitBand({ start: f.let("start", select(isTaken, from, first)), from, to });
  });
}

/** Thread 0 writes down the time. */
function stamp(
  f: FunctionBuilder,
  plan: MemoryPlan,
  now: FunctionHandle<readonly ["f64"]> | undefined,
  thread: Local<"i32">,
  index: number,
): void {
  const at = plan.profile;
  if (now === undefined || at === undefined) return;
  f.if(i32.eqz(thread), () => f.do(f64.store(i32.const(at + index * 8), f.call(now, []))));
}

function addressExpr(address: Address, plan: MemoryPlan, image: Local<"i32"> | undefined, thread: Local<"i32">): I32 {
  switch (address.kind) {
    case "buffer":
      return i32.const(addressOfBuffer(plan, address.buffer) + address.offset);
    case "constant":
      return i32.const(plan.constants.get(address.constant) as number);
    case "number":
      return i32.const(address.value);
    case "thread": {
      const first = i32.const(addressOfBuffer(plan, address.buffer));
      return address.buffer.images === 1 ? first : i32.add(first, i32.mul(thread, imageBytes(address.buffer)));
    }
    case "batch": {
      const first = i32.const(addressOfBuffer(plan, address.buffer));
      return image ? i32.add(first, i32.mul(image, imageBytes(address.buffer))) : first;
    }
    default:
      return address satisfies never;
  }
}
