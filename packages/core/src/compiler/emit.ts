import type { Manifest, StepManifest } from "../runtime/manifest.ts";
import { elementCount } from "../tensor.ts";
import type { FunctionHandle } from "../wasm/function_builder.ts";
import { i32, memory } from "../wasm/instructions.ts";
import { createModule, type ModuleBuilder } from "../wasm/module_builder.ts";
import { planArena } from "./arena.ts";
import { callsOf } from "./bands.ts";
import { claimsBytes } from "./claims.ts";
import { addressOfBuffer, emitRun, type MemoryPlan, tasksOf } from "./emit_run.ts";
import type { Lowered, Port } from "./lower.ts";
import { CACHE_LINE, importMemory, roundUp, SLACK_BYTES } from "./module_memory.ts";
import { movedBytes, movedBytesWithoutBands } from "./moved_bytes.ts";
import type { Constant, Kernel, Step } from "./plan.ts";
import type { Target } from "./target.ts";
import { CONTROL_BYTES } from "./threads.ts";
import { emitDecoding, type StoredWeights, storeWeights, type WeightType } from "./weight_storage.ts";

/** Address 0 stays unused, so that a forgotten address is seen. */
const FIRST_BYTE = 64;

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
  emitRun(module, lowered, plan, kernels, target, now);
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
  if (control !== undefined) next += CONTROL_BYTES + claimsBytes(tasksOf(lowered).length, target.threads);
  return { arena, arenaStart, constants, travelling, constantBytes, madeBytes, profile, control, end: next };
}

/** What calls read, each once, and what that is made of. */
function constantsOf(lowered: Lowered): readonly Constant[] {
  const addresses = lowered.steps.flatMap((step) => callsOf(step).flatMap((call) => call.args));
  const read = addresses.flatMap((address) => (address.kind === "constant" ? [address.constant] : []));
  return [...new Set(read.flatMap((constant) => (constant.madeBy ? [constant.madeBy.from, constant] : [constant])))];
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
