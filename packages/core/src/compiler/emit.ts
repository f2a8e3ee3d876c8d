import type { Manifest, StepManifest } from "../runtime/manifest.ts";
import { elementCount } from "../tensor.ts";
import type { FunctionBuilder, FunctionHandle } from "../wasm/function_builder.ts";
import { f64, i32, memory } from "../wasm/instructions.ts";
import { createModule, type ModuleBuilder } from "../wasm/module_builder.ts";
import type { I32, Local } from "../wasm/value_types.ts";
import { type Arena, planArena } from "./arena.ts";
import { callsOf } from "./bands.ts";
import { type BandSurroundings, emitBands } from "./emit_bands.ts";
import { type Buffer, imageBytes } from "./layout.ts";
import type { Lowered, Port } from "./lower.ts";
import { CACHE_LINE, importMemory, roundUp, SLACK_BYTES } from "./module_memory.ts";
import { movedBytes, movedBytesWithoutBands } from "./moved_bytes.ts";
import type { Address, Bands, Call, Constant, Kernel, Step } from "./plan.ts";
import type { Target } from "./target.ts";
import { CONTROL_BYTES, emitThreads } from "./threads.ts";
import { emitDecoding, type StoredWeights, storeWeights, type WeightType } from "./weight_storage.ts";

/** Address 0 stays unused, so that a forgotten address is seen. */
const FIRST_BYTE = 64;

/** Where everything lies in the module's memory. */
interface MemoryPlan {
  readonly arena: Arena;
  readonly arenaStart: number;
  readonly constants: ReadonlyMap<Constant, number>;
  /** Those that are not made of others when the module starts. */
  readonly travelling: ReadonlyMap<Constant, number>;
  /** Of those that travel, and of those that are made of them when the module starts. */
  readonly constantBytes: number;
  readonly madeBytes: number;
  readonly profile: number | undefined;
  /** The threads' meeting point; undefined for one thread. */
  readonly control: number | undefined;
  readonly end: number;
}

/** What is written beside the code. */
export interface EmitOptions {
  /** Keep the names of functions. */
  readonly names: boolean;
  readonly storage: WeightType;
  /** Leave the weights out of the module. */
  readonly split: boolean;
}

/** What `emit` made. */
export interface Emitted {
  readonly module: ModuleBuilder;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly manifest: Manifest;
  /** The weights where they were split off. */
  readonly weights?: Uint8Array<ArrayBuffer>;
}

/**
 * Writes a lowered graph as a module: one function a kernel, one `run` that calls them in order, and the packed weights as data.
 *
 * @throws {UnsupportedError} if it needs more memory than there are addresses
 */
export function emit(name: string, lowered: Lowered, target: Target, { names, storage, split }: EmitOptions): Emitted {
  const plan = planMemory(lowered, target);
  const module = createModule({ name: "depthwise" });
  const pages = importMemory(module, {
    bytes: plan.end,
    threads: target.threads,
    what: `"${name}"`,
    advice: "Use a smaller resolution or batch.",
  });
  const now = target.profile ? module.importFunction("env", "now", { params: [], results: ["f64"] }) : undefined;
  const stored = storeWeights(weightImage(plan), FIRST_BYTE, plan.travelling, storage);
  const kernels = emitKernels(module, lowered, plan);
  emitInitialize(module, stored, split, plan, kernels);
  emitRun(module, lowered, plan, kernels, now);
  const manifest = {
    ...describeModule(name, lowered, target, plan, pages),
    stored: { type: storage, split, offset: stored.offset, bytes: stored.bytes.length },
  };
  return { module, manifest, bytes: module.bytes({ names }), ...(split ? { weights: stored.bytes } : {}) };
}

function planMemory(lowered: Lowered, target: Target): MemoryPlan {
  const constants = new Map<Constant, number>();
  let next = FIRST_BYTE;
  const all = constantsOf(lowered);
  const place = (constant: Constant) => {
    constants.set(constant, next);
    next = roundUp(next + constant.bytes, CACHE_LINE);
  };
  all.filter(({ madeBy }) => madeBy === undefined).forEach(place);
  const travelling = new Map(constants);
  const constantBytes = next - FIRST_BYTE;
  all.filter(({ madeBy }) => madeBy !== undefined).forEach(place);
  const madeBytes = next - FIRST_BYTE - constantBytes;
  const arena = planArena(lowered);
  const arenaStart = next;
  next = roundUp(next + arena.bytes + SLACK_BYTES, CACHE_LINE);
  const profile = target.profile ? next : undefined;
  if (profile !== undefined) next = roundUp(next + (lowered.steps.length + 1) * 8, CACHE_LINE);
  const control = target.threads > 1 ? next : undefined;
  if (control !== undefined) next += CONTROL_BYTES;
  return { arena, arenaStart, constants, travelling, constantBytes, madeBytes, profile, control, end: next };
}

/** What calls read, each once, and what that is made of. */
function constantsOf(lowered: Lowered): readonly Constant[] {
  const addresses = lowered.steps.flatMap((step) => callsOf(step).flatMap((call) => call.args));
  const read = addresses.flatMap((address) => (address.kind === "constant" ? [address.constant] : []));
  return [...new Set(read.flatMap((constant) => (constant.madeBy ? [constant.madeBy.from, constant] : [constant])))];
}

function addressOfBuffer(plan: MemoryPlan, buffer: Buffer): number {
  return plan.arenaStart + (plan.arena.offsets.get(buffer) as number);
}

/** The constants' room as the kernels want it. */
function weightImage(plan: MemoryPlan): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(plan.constantBytes);
  for (const [constant, offset] of plan.travelling) {
    const at = offset - FIRST_BYTE;
    const words = Math.ceil(constant.bytes / 4);
    constant.write(
      { f32: new Float32Array(bytes.buffer, at, words), i32: new Int32Array(bytes.buffer, at, words) },
      // What exists in bands only has no address; tables hold distances within it.
      (buffer) => plan.arenaStart + (plan.arena.offsets.get(buffer) ?? 0),
    );
  }
  return bytes;
}

/**
 * `initialize()` puts the weights in place: once, by whoever made the memory. Weights that were split off have to be at their offset by
 * then.
 */
function emitInitialize(
  module: ModuleBuilder,
  { bytes, offset, moves }: StoredWeights,
  split: boolean,
  { constants }: MemoryPlan,
  kernels: ReadonlyMap<string, FunctionHandle>,
): void {
  const decode = emitDecoding(module, moves);
  const data = split ? undefined : module.passiveData(bytes);
  module.function("initialize", { params: {}, results: [], export: "initialize" }, (f) => {
    if (data) f.do(memory.init(data, offset, 0, bytes.length));
    decode(f);
    for (const [{ madeBy }, at] of constants) {
      if (madeBy === undefined) continue;
      const from = constants.get(madeBy.from) as number;
      const maker = kernels.get(madeBy.kernel.name) as FunctionHandle;
      f.invoke(maker, [i32.const(from), i32.const(at), i32.const(0), i32.const(1)]);
    }
  });
}

function emitKernels(
  module: ModuleBuilder,
  lowered: Lowered,
  { constants }: MemoryPlan,
): ReadonlyMap<string, FunctionHandle> {
  const makers = [...constants.keys()].flatMap(({ madeBy }) => madeBy?.kernel ?? []);
  const handles = new Map<string, FunctionHandle>();
  for (const kernel of [...makers, ...lowered.steps.flatMap(callsOf).map((call) => call.kernel)]) {
    if (handles.has(kernel.name)) continue;
    handles.set(kernel.name, emitKernel(module, kernel));
  }
  return handles;
}

/** A kernel as a function of its module. */
export function emitKernel(module: ModuleBuilder, kernel: Kernel): FunctionHandle {
  const params = Object.fromEntries([...kernel.params, "start", "end"].map((param) => [param, "i32" as const]));
  return module.function(kernel.name, { params, results: [] }, (f, locals) => kernel.emit(f, locals));
}

/** `run(thread, threads)`: for each picture of the batch, every step in order; all threads meet after each step. */
function emitRun(
  module: ModuleBuilder,
  lowered: Lowered,
  plan: MemoryPlan,
  kernels: ReadonlyMap<string, FunctionHandle>,
  now: FunctionHandle<readonly ["f64"]> | undefined,
): void {
  const meet = plan.control === undefined ? undefined : emitThreads(module, plan.control);
  const params = { thread: "i32", threads: "i32" } as const;
  const run = module.function("run", { params, results: [], export: "run" }, (f, { thread, threads }) => {
    const around = (image: Local<"i32"> | undefined): BandSurroundings => ({
      addressOf: (buffer) => addressOfBuffer(plan, buffer),
      addressExpr: (address) => addressExpr(address, plan, image, thread),
      handleOf: (kernel) => kernels.get(kernel.name) as FunctionHandle,
    });
    const emitSteps = (image: Local<"i32"> | undefined) => {
      stamp(f, plan, now, thread, 0);
      lowered.steps.forEach((step, index) => {
        f.comment(step.name);
        for (const call of step.calls) {
          const handle = kernels.get(call.kernel.name) as FunctionHandle;
          const args = call.args.map((address) => addressExpr(address, plan, image, thread));
          if (meet) emitShare(f, call, handle, args, thread, threads);
          else f.invoke(handle, [...args, i32.const(0), i32.const(call.units)]);
        }
        if (step.bands) emitBandedShare(f, step.bands, meet ? { thread, threads } : undefined, around(image));
        if (meet) f.invoke(meet.barrier, [threads]);
        stamp(f, plan, now, thread, index + 1);
      });
    };
    if (lowered.images === 1) emitSteps(undefined);
    else f.repeat({ name: "image", from: 0, to: lowered.images, step: 1 }, emitSteps);
  });
  meet?.exportLoops(run);
}

/** Calls a kernel for a thread's share of the units: whole grains, the last one perhaps shorter. */
function emitShare(
  f: FunctionBuilder,
  call: Call,
  handle: FunctionHandle,
  args: readonly I32[],
  thread: Local<"i32">,
  threads: Local<"i32">,
): void {
  const grains = Math.ceil(call.units / call.grain);
  const boundary = (index: I32) => i32.mul(i32.div_u(i32.mul(i32.const(grains), index), threads), call.grain);
  const start = f.let("start", boundary(thread));
  const end = f.let("end", boundary(i32.add(thread, 1)));
  if (call.units % call.grain !== 0) f.if(i32.gt_u(end, call.units), () => f.set(end, call.units));
  f.if(i32.lt_u(start, end), () => f.invoke(handle, [...args, start, end]));
}

/** Runs a thread's share of a block's rows, or all of them. */
function emitBandedShare(
  f: FunctionBuilder,
  bands: Bands,
  team: { thread: Local<"i32">; threads: Local<"i32"> } | undefined,
  around: BandSurroundings,
): void {
  const boundary = (index: I32) => i32.div_u(i32.mul(index, bands.height), team?.threads ?? 1);
  const start = f.let("start", team ? boundary(team.thread) : i32.const(0));
  const end = f.let("end", team ? boundary(i32.add(team.thread, 1)) : i32.const(bands.height));
  emitBands(f, bands, team?.thread, { start, end }, around);
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

/** A step as manifests and plans show it. */
export function describeStep(step: Step): StepManifest {
  const variants = callsOf(step).flatMap(({ variant }) => variant ?? []);
  return {
    name: step.name,
    op: step.op,
    macs: step.macs,
    kernels: [...new Set(callsOf(step).map((call) => call.kernel.name))],
    ...(variants.length === 0 ? {} : { variant: variants.join("+") }),
    movedBytes: movedBytes(step),
    movedBytesWithoutBands: movedBytesWithoutBands(step),
  };
}

function describeModule(
  name: string,
  lowered: Lowered,
  target: Target,
  plan: MemoryPlan,
  pages: number,
): Omit<Manifest, "stored"> {
  const port = ({ name: portName, shape, buffer }: Port) => ({
    name: portName,
    shape,
    offset: addressOfBuffer(plan, buffer),
    elements: elementCount(shape),
  });
  return {
    name,
    inputs: lowered.inputs.map(port),
    outputs: lowered.outputs.map(port),
    simd: target.simd,
    wide: target.wide,
    threads: target.threads,
    pages,
    weightBytes: plan.constantBytes,
    ...(plan.madeBytes === 0 ? {} : { transformedBytes: plan.madeBytes }),
    arenaBytes: plan.arena.bytes,
    arenaLowerBound: plan.arena.lowerBound,
    ...(plan.profile === undefined ? {} : { profileOffset: plan.profile }),
    macs: lowered.steps.reduce((sum, step) => sum + step.macs, 0),
    steps: lowered.steps.map(describeStep),
  };
}
