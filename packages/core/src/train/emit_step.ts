import { type Arena, planArena } from "../compiler/arena.ts";
import { emitKernel } from "../compiler/emit.ts";
import { type Buffer, imageBytes } from "../compiler/layout.ts";
import { bufferBytes } from "../compiler/lowering.ts";
import { CACHE_LINE, importMemory, roundUp, SLACK_BYTES } from "../compiler/module_memory.ts";
import type { Address, Constant, Kernel, Step } from "../compiler/plan.ts";
import type { Target } from "../compiler/target.ts";
import { CONTROL_BYTES, emitThreads } from "../compiler/threads.ts";
import type { FunctionBuilder, FunctionHandle } from "../wasm/function_builder.ts";
import { f32, f64, i32, i64, memory, select } from "../wasm/instructions.ts";
import { createModule, type ModuleBuilder } from "../wasm/module_builder.ts";
import type { I32, Local } from "../wasm/value_types.ts";
import {
  groupSettings,
  type OptimizerName,
  packKernel,
  reduceKernel,
  statisticsKernel,
  updateKernel,
} from "./kernels/optimizer.ts";
import {
  BLOCK_BYTES,
  multiplyKernel,
  orthogonalKernel,
  orthogonalScratchBytes,
  writeBlock,
} from "./kernels/orthogonal.ts";
import type { LoweredStep } from "./lower_step.ts";
import type { ParameterPlan } from "./parameter_plan.ts";
import type { TrainingManifest } from "./training_manifest.ts";

/** Parts that the gradient's norm is summed in: the same for every number of threads. */
const PARTS = 64;

/** Words of the settings, in bytes from their start. Settings of the parameter groups follow, a line each. */
const settings = {
  slots: 0,
  packOnly: 4,
  clip: 8,
  averageShare: 12,
  momentum: 16,
  norm: 24,
  scale: 32,
} as const;

/** Gives out addresses one after another. */
class Layout {
  next: number;
  constructor(first: number) {
    this.next = first;
  }
  take(bytes: number): number {
    const at = this.next;
    this.next = roundUp(at + bytes, CACHE_LINE);
    return at;
  }
}

/** Where everything lies. */
interface MemoryPlan {
  readonly settings: number;
  readonly partials: number;
  readonly control: number | undefined;
  /** One zero vector stands before the parameters: what packed weights have between channels. */
  readonly zero: number;
  readonly parameters: number;
  readonly average: number;
  readonly first: number;
  readonly second: number;
  readonly mean: number;
  readonly statistics: number;
  readonly statisticsAverage: number;
  readonly tables: number;
  readonly tableBytes: Uint8Array<ArrayBuffer>;
  readonly packTable: number;
  readonly gradientTable: number;
  readonly statisticsTable: number;
  readonly factors: number;
  /** Of each group: the table of its matrices. */
  readonly blocks: readonly number[];
  /** A thread's room for a matrix that is made orthogonal. */
  readonly scratch: number;
  readonly scratchBytes: number;
  readonly constants: ReadonlyMap<Constant, number>;
  readonly packed: number;
  readonly packedVectors: number;
  readonly slots: number;
  readonly slotBytes: number;
  readonly slotSumBytes: number;
  readonly slotOffsets: ReadonlyMap<Buffer, number>;
  readonly arenas: number;
  readonly arenaBytes: number;
  readonly arena: Arena;
  readonly single: ReadonlySet<Buffer>;
  readonly end: number;
}

/** Steps that run picture by picture together, or one that runs once. */
interface StepGroup {
  readonly isWhole: boolean;
  readonly steps: readonly Step[];
}

/** Neighbouring picture steps run together: each picture is still in cache when the next step wants it. */
function groupSteps({ steps, to }: LoweredStep): readonly StepGroup[] {
  const groups: { isWhole: boolean; steps: Step[] }[] = [];
  for (const step of steps) {
    const isWhole = to.wholeSteps.has(step);
    const last = groups.at(-1);
    if (last && !isWhole && !last.isWhole) last.steps.push(step);
    else groups.push({ isWhole, steps: [step] });
  }
  return groups;
}

/** Buffers that only one group uses: they need room for one picture, the others come after it. */
function findSingles(groups: readonly StepGroup[], rooms: ReadonlyMap<Buffer, unknown>): ReadonlySet<Buffer> {
  const users = new Map<Buffer, Set<number>>();
  groups.forEach(({ steps }, index) => {
    for (const buffer of steps.flatMap(({ reads, writes }) => [...reads, ...writes])) {
      const set = users.get(buffer) ?? new Set();
      users.set(buffer, set.add(index));
    }
  });
  return new Set(
    [...users].filter(([buffer, used]) => used.size === 1 && !rooms.has(buffer)).map(([buffer]) => buffer),
  );
}

/** Arena of one thread: lifetimes count in groups, because a group's pictures overlap. */
function planGroups(groups: readonly StepGroup[], lowered: LoweredStep, single: ReadonlySet<Buffer>): Arena {
  const stand = new Map<Buffer, Buffer>();
  const inArena = (buffers: readonly Buffer[]) =>
    [...new Set(buffers)]
      .filter((buffer) => !lowered.to.rooms.has(buffer))
      .map((buffer) => {
        const known = stand.get(buffer) ?? (single.has(buffer) ? { ...buffer, images: 1 } : buffer);
        stand.set(buffer, known);
        return known;
      });
  const steps = groups.map(({ steps: members }) => ({
    ...(members[0] as Step),
    calls: [],
    reads: inArena(members.flatMap((step) => step.reads)),
    writes: inArena(members.flatMap((step) => step.writes)),
  }));
  const arena = planArena({ ...lowered, steps, inputs: [], outputs: [], images: 1 });
  const offsets = new Map([...stand].map(([buffer, other]) => [buffer, arena.offsets.get(other) as number]));
  return { ...arena, offsets };
}

/** Everything `emitStep` needs beside the steps. */
export interface EmitStepOptions {
  readonly name: string;
  readonly target: Target;
  readonly slots: number;
  readonly optimizer: OptimizerName;
}

/**
 * Writes a training step as a module. `run(thread, threads)`: threads share the micro-batches, each with an arena of its own; then they
 * share the parameters: mean gradient, optimiser, moving average, and packing for the next step.
 *
 * @throws {UnsupportedError} if it needs more memory than there are addresses
 */
export function emitStep(
  lowered: LoweredStep,
  parameters: ParameterPlan,
  options: EmitStepOptions,
): { bytes: Uint8Array<ArrayBuffer>; manifest: TrainingManifest } {
  const { target, name } = options;
  const groups = groupSteps(lowered);
  const plan = planMemory(lowered, groups, parameters, options);
  const module = createModule({ name: "depthwise_training" });
  const pages = importMemory(module, {
    bytes: plan.end,
    threads: target.threads,
    what: `Training "${name}"`,
    advice: "Use a smaller batch, micro-batch or resolution.",
  });
  const data = module.passiveData(plan.tableBytes);
  module.function("initialize", { params: {}, results: [], export: "initialize" }, (f) => {
    f.do(memory.init(data, plan.tables, 0, plan.tableBytes.length));
  });
  const kernels = new Map<string, FunctionHandle>();
  const kernelOf = (kernel: Kernel) => {
    const known = kernels.get(kernel.name) ?? emitKernel(module, kernel);
    kernels.set(kernel.name, known);
    return known;
  };
  const microBatch = emitMicroBatch(module, groups, plan, kernelOf, lowered.batch);
  emitRun(module, plan, parameters, options, microBatch, kernelOf);
  return {
    bytes: module.bytes({ names: false }),
    manifest: describeTraining(lowered, parameters, plan, options, pages),
  };
}

function planMemory(
  lowered: LoweredStep,
  groups: readonly StepGroup[],
  parameters: ParameterPlan,
  { target, slots: slotCount }: EmitStepOptions,
): MemoryPlan {
  const layout = new Layout(CACHE_LINE);
  const settingsAt = layout.take(CACHE_LINE * (1 + parameters.groups.length));
  const partials = layout.take(PARTS * 8);
  const control = target.threads > 1 ? layout.take(CONTROL_BYTES) : undefined;
  const zero = layout.take(CACHE_LINE);
  const bytes = parameters.floats * 4;
  const [parametersAt, average, first, second, mean] = [0, 0, 0, 0, 0].map(() => layout.take(bytes)) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const statistics = layout.take(parameters.statistics.floats * 4);
  const statisticsAverage = layout.take(parameters.statistics.floats * 4);

  const single = findSingles(groups, lowered.to.rooms);
  const arena = planGroups(groups, lowered, single);

  // A micro-batch's own memory: sums first, cleared together; a line of zeros before them, for what has no gradient.
  const slotLayout = new Layout(CACHE_LINE);
  const slotOffsets = new Map<Buffer, number>();
  const place = (room: string) => {
    for (const [buffer, kind] of lowered.to.rooms)
      if (kind === room) slotOffsets.set(buffer, slotLayout.take(bufferBytes(buffer)));
  };
  place("sums");
  const slotSumBytes = slotLayout.next;
  place("port");
  const slotBytes = roundUp(slotLayout.next + SLACK_BYTES, CACHE_LINE);

  const all = new Set(
    lowered.steps.flatMap(({ calls }) =>
      calls.flatMap(({ args }) => args.flatMap((a) => (a.kind === "constant" ? [a.constant] : []))),
    ),
  );
  const weights = [...all].filter(({ holds }) => holds === "weights");
  const others = [...all].filter(({ holds }) => holds === "table");
  const packed = layout.next;
  const constants = new Map<Constant, number>();
  for (const constant of weights) constants.set(constant, layout.take(constant.bytes));
  const packedVectors = (layout.next - packed) / 16;
  const tables = layout.next;
  for (const constant of others) constants.set(constant, layout.take(constant.bytes));
  const packTable = layout.take(packedVectors * 16);
  const gradientTable = layout.take(bytes);
  const statisticsTable = layout.take(parameters.statistics.floats * 4);
  const factors = layout.take(parameters.statistics.floats * 4);
  const blocks = parameters.groups.map((group) => layout.take(group.blocks.length * BLOCK_BYTES));
  const tableBytes = new Uint8Array(layout.next - tables);
  const scratchBytes = roundUp(
    parameters.groups
      .flatMap((group) => group.blocks)
      .reduce((most, block) => Math.max(most, orthogonalScratchBytes(block)), 0),
    CACHE_LINE,
  );
  const scratch = layout.take(scratchBytes * target.threads);
  const slots = layout.take(slotBytes * slotCount);
  const arenas = layout.next;
  const arenaBytes = roundUp(arena.bytes + SLACK_BYTES, CACHE_LINE);
  const end = arenas + arenaBytes * target.threads;
  const plan: MemoryPlan = {
    settings: settingsAt,
    partials,
    control,
    zero,
    parameters: parametersAt,
    average,
    first,
    second,
    mean,
    statistics,
    statisticsAverage,
    tables,
    tableBytes,
    packTable,
    gradientTable,
    statisticsTable,
    factors,
    blocks,
    scratch,
    scratchBytes,
    constants,
    packed,
    packedVectors,
    slots,
    slotBytes,
    slotSumBytes,
    slotOffsets,
    arenas,
    arenaBytes,
    arena,
    single,
    end,
  };
  fillTables(plan, lowered, parameters, weights, others);
  return plan;
}

/** Writes the tables: distances between buffers, where packed weights come from, where gradients and moments lie. */
function fillTables(
  plan: MemoryPlan,
  { to }: LoweredStep,
  parameters: ParameterPlan,
  weights: readonly Constant[],
  others: readonly Constant[],
): void {
  const words = (at: number, count: number) => ({
    i32: new Int32Array(plan.tableBytes.buffer, at - plan.tables, count),
    f32: new Float32Array(plan.tableBytes.buffer, at - plan.tables, count),
  });
  // Distances between buffers of a kind hold in every arena and every slot.
  const addressOf = (buffer: Buffer) => plan.slotOffsets.get(buffer) ?? (plan.arena.offsets.get(buffer) as number);
  for (const constant of others)
    constant.write(words(plan.constants.get(constant) as number, Math.ceil(constant.bytes / 4)), addressOf);
  for (const constant of weights) {
    const count = Math.ceil(constant.bytes / 4);
    // Packed once with positions in place of numbers: 0 for nothing, else one more than the parameter's float.
    const positions = new Float32Array(count);
    constant.write({ f32: positions, i32: new Int32Array(positions.buffer) }, addressOf);
    const { i32: table } = words(plan.packTable + (plan.constants.get(constant) as number) - plan.packed, count);
    positions.forEach((position, i) => {
      table[i] = position === 0 ? 0 : plan.parameters - plan.zero + (position - 1) * 4;
    });
  }
  const { i32: gradientTable } = words(plan.gradientTable, parameters.floats);
  for (const { offset, count, gradient } of parameters.trained) {
    const { buffer, at } = to.whichNumbers(gradient);
    const base = plan.slotOffsets.get(buffer) as number;
    for (let i = 0; i < count; i++) gradientTable[offset + i] = base + at(i) * 4;
  }
  parameters.groups.forEach(({ blocks }, group) => {
    const table = words(plan.blocks[group] as number, (blocks.length * BLOCK_BYTES) / 4);
    blocks.forEach((block, i) => writeBlock(table, (i * BLOCK_BYTES) / 4, block));
  });
  const { floats, moments } = parameters.statistics;
  const { i32: statisticsTable } = words(plan.statisticsTable, floats);
  const { f32: factors } = words(plan.factors, floats);
  for (const { offset, channels, value, count } of moments) {
    const { buffer, at } = to.whichNumbers(value);
    const base = plan.slotOffsets.get(buffer) as number;
    for (let i = 0; i < 2 * channels; i++) {
      statisticsTable[offset + i] = base + at(i) * 4;
      // The running variance is the unbiased one, as in every framework.
      factors[offset + i] = i < channels ? 1 : count / Math.max(1, count - 1);
    }
  }
}

/** `micro_batch(arena, slot)`: forward and backward over one micro-batch. */
function emitMicroBatch(
  module: ModuleBuilder,
  groups: readonly StepGroup[],
  plan: MemoryPlan,
  kernelOf: (kernel: Kernel) => FunctionHandle,
  batch: number,
): FunctionHandle {
  const addressIn = (address: Address, arena: I32, slot: I32, image: Local<"i32"> | undefined): I32 => {
    if (address.kind === "constant") return i32.const(plan.constants.get(address.constant) as number);
    if (address.kind === "number") return i32.const(address.value);
    const { buffer } = address;
    const offset = address.kind === "buffer" ? address.offset : 0;
    const inSlot = plan.slotOffsets.get(buffer);
    const base =
      inSlot === undefined
        ? i32.add(arena, (plan.arena.offsets.get(buffer) as number) + offset)
        : i32.add(slot, inSlot + offset);
    const moves = image && buffer.images > 1 && !plan.single.has(buffer);
    return moves ? i32.add(base, i32.mul(image, imageBytes(buffer))) : base;
  };
  return module.function(
    "micro_batch",
    { params: { arena: "i32", slot: "i32" }, results: [] },
    (f, { arena, slot }) => {
      f.do(memory.fill(slot, 0, plan.slotSumBytes));
      for (const { isWhole, steps } of groups) {
        const emitCalls = (image: Local<"i32"> | undefined) => {
          for (const { name, calls } of steps) {
            f.comment(name);
            for (const { kernel, args, units } of calls) {
              const addresses = args.map((address) => addressIn(address, arena, slot, image));
              f.invoke(kernelOf(kernel), [...addresses, i32.const(0), i32.const(units)]);
            }
          }
        };
        if (isWhole || batch === 1) emitCalls(undefined);
        else f.repeat({ name: "image", from: 0, to: batch, step: 1 }, emitCalls);
      }
    },
  );
}

function emitRun(
  module: ModuleBuilder,
  plan: MemoryPlan,
  parameters: ParameterPlan,
  options: EmitStepOptions,
  microBatch: FunctionHandle,
  kernelOf: (kernel: Kernel) => FunctionHandle,
): void {
  const meet = plan.control === undefined ? undefined : emitThreads(module, plan.control);
  const params = { thread: "i32", threads: "i32" } as const;
  const setting = (name: keyof typeof settings) => plan.settings + settings[name];
  const run = module.function("run", { params, results: [], export: "run" }, (f, { thread, threads }) => {
    const barrier = () => meet && f.invoke(meet.barrier, [threads]);
    const slots = f.let("slots", i32.load(i32.const(setting("slots"))));
    f.if(i32.eqz(i32.load(i32.const(setting("packOnly")))), () => {
      const slot = f.let("slot", thread);
      f.while(
        () => i32.lt_s(slot, slots),
        () => {
          const arena = i32.add(i32.mul(thread, plan.arenaBytes), plan.arenas);
          f.invoke(microBatch, [arena, i32.add(i32.mul(slot, plan.slotBytes), plan.slots)]);
          f.set(slot, i32.add(slot, threads));
        },
      );
      barrier();
      emitReduce(f, plan, parameters, kernelOf, thread, threads, slots);
      barrier();
      emitScale(f, plan, thread);
      barrier();
      // A gradient that is no number would spoil the parameters: then they stay as they are, and the host sees the norm.
      const isNumber = f64.lt(f64.load(i32.const(setting("norm"))), f64.const(Number.POSITIVE_INFINITY));
      f.if(isNumber, () => emitUpdate(f, plan, parameters, options, kernelOf, thread, threads, slots));
      barrier();
    });
    const pack = kernelOf(packKernel());
    const addresses = [plan.zero, plan.packTable, plan.packed].map((address) => i32.const(address));
    shared(f, plan.packedVectors, thread, threads, (start, end) => f.invoke(pack, [...addresses, start, end]));
    barrier();
  });
  meet?.exportLoops(run);
}

/** A thread's share of so many units. */
function shared(
  f: FunctionBuilder,
  units: number,
  thread: Local<"i32">,
  threads: Local<"i32">,
  body: (start: Local<"i32">, end: Local<"i32">) => void,
): void {
  if (units === 0) return;
  // In 64 bits: many millions of units times many threads.
  const boundary = (index: I32) =>
    i32.wrap_i64(i64.div_u(i64.mul(i64.extend_i32_u(index), i64.const(units)), i64.extend_i32_u(threads)));
  const start = f.let("start", boundary(thread));
  const end = f.let("end", boundary(i32.add(thread, 1)));
  f.if(i32.lt_s(start, end), () => body(start, end));
}

function emitReduce(
  f: FunctionBuilder,
  plan: MemoryPlan,
  parameters: ParameterPlan,
  kernelOf: (kernel: Kernel) => FunctionHandle,
  thread: Local<"i32">,
  threads: Local<"i32">,
  slots: Local<"i32">,
): void {
  const reduce = kernelOf(reduceKernel());
  const vectors = parameters.floats / 4;
  shared(f, PARTS, thread, threads, (start, end) => {
    f.for({ name: "part", from: start, to: end, step: 1 }, (part) => {
      const boundary = (index: I32) => i32.div_u(i32.mul(index, vectors), PARTS);
      const args = [plan.slots, slots, plan.slotBytes, plan.gradientTable, plan.mean];
      const square = i32.add(i32.mul(part, 8), plan.partials);
      f.invoke(reduce, [...args, square, boundary(part), boundary(i32.add(part, 1))]);
    });
  });
}

/** The gradient's norm, and what gradients are multiplied with so that it is not above the limit. Thread 0 writes both. */
function emitScale(f: FunctionBuilder, plan: MemoryPlan, thread: Local<"i32">): void {
  const at = (name: keyof typeof settings) => i32.const(plan.settings + settings[name]);
  f.if(i32.eqz(thread), () => {
    const total = f.local("total", "f64");
    f.repeat({ name: "part", from: 0, to: PARTS * 8, step: 8 }, (part) => {
      f.set(total, f64.add(total, f64.load(part, { offset: plan.partials })));
    });
    const norm = f.let("norm", f64.sqrt(total));
    f.do(f64.store(at("norm"), norm));
    const limit = f.let("limit", f32.load(at("clip")));
    const factor = f.let("factor", f32.div(limit, f32.demote_f64(f64.add(norm, f64.const(1e-12)))));
    const isAbove = i32.and(f32.gt(limit, f32.const(0)), f32.lt(factor, f32.const(1)));
    f.do(f32.store(at("scale"), select(isAbove, factor, f32.const(1))));
  });
}

function emitUpdate(
  f: FunctionBuilder,
  plan: MemoryPlan,
  parameters: ParameterPlan,
  { optimizer, target }: EmitStepOptions,
  kernelOf: (kernel: Kernel) => FunctionHandle,
  thread: Local<"i32">,
  threads: Local<"i32">,
  slots: Local<"i32">,
): void {
  const update = kernelOf(updateKernel(optimizer === "muon" ? "adamw" : optimizer));
  const setting = (name: keyof typeof settings) => plan.settings + settings[name];
  parameters.groups.forEach(({ first, floats, blocks }, index) => {
    if (blocks.length > 0) {
      const orthogonal = kernelOf(orthogonalKernel(kernelOf(multiplyKernel(target))));
      emitOrthogonal(f, plan, index, blocks.length, orthogonal, thread, threads);
      return;
    }
    const arrays = [plan.parameters, plan.mean, plan.first, plan.second, plan.average].map((at) => at + first * 4);
    const own = plan.settings + CACHE_LINE * (1 + index);
    const args = [...arrays, own, setting("scale"), setting("averageShare")];
    shared(f, floats / 4, thread, threads, (start, end) => f.invoke(update, [...args, start, end]));
  });
  const statistics = kernelOf(statisticsKernel());
  const own = [plan.slots, slots, plan.slotBytes, plan.statisticsTable, plan.factors, plan.statistics];
  const args = [...own, plan.statisticsAverage, setting("momentum"), setting("averageShare")];
  shared(f, parameters.statistics.floats, thread, threads, (start, end) => f.invoke(statistics, [...args, start, end]));
}

/** Threads take matrices in turns: the most laborious come first. */
function emitOrthogonal(
  f: FunctionBuilder,
  plan: MemoryPlan,
  group: number,
  blocks: number,
  orthogonal: FunctionHandle,
  thread: Local<"i32">,
  threads: Local<"i32">,
): void {
  const arrays = [plan.blocks[group] as number, plan.parameters, plan.mean, plan.first, plan.average];
  const own = plan.settings + CACHE_LINE * (1 + group);
  const scratch = f.let("scratch", i32.add(i32.mul(thread, plan.scratchBytes), plan.scratch));
  const block = f.let("block", thread);
  f.while(
    () => i32.lt_s(block, blocks),
    () => {
      const args = [...arrays, scratch, own, plan.settings + settings.scale, plan.settings + settings.averageShare];
      f.invoke(orthogonal, [...args, block, i32.add(block, 1)]);
      f.set(block, i32.add(block, threads));
    },
  );
}

function describeTraining(
  lowered: LoweredStep,
  parameters: ParameterPlan,
  plan: MemoryPlan,
  { name, target, slots, optimizer }: EmitStepOptions,
  pages: number,
): TrainingManifest {
  const port = ({ name: portName, buffer, elements }: LoweredStep["loss"]) => ({
    name: portName,
    offset: plan.slotOffsets.get(buffer) as number,
    elements,
  });
  return {
    name,
    simd: target.simd,
    wide: target.wide,
    threads: target.threads,
    optimizer,
    batch: lowered.batch,
    slots,
    pages,
    slotsOffset: plan.slots,
    slotBytes: plan.slotBytes,
    inputs: lowered.inputs.map(port),
    loss: port(lowered.loss),
    logits: port(lowered.logits),
    settings: Object.fromEntries(
      Object.entries(settings).map(([key, offset]) => [key, plan.settings + offset]),
    ) as TrainingManifest["settings"],
    groups: parameters.groups.map(({ name: group }, index) => ({
      name: group,
      settings: plan.settings + CACHE_LINE * (1 + index),
    })),
    groupSettings,
    arrays: {
      parameters: plan.parameters,
      average: plan.average,
      first: plan.first,
      second: plan.second,
      gradient: plan.mean,
      statistics: plan.statistics,
      statisticsAverage: plan.statisticsAverage,
    },
    floats: parameters.floats,
    statisticsFloats: parameters.statistics.floats,
    parameters: parameters.places,
    running: parameters.statistics.places,
    arenaBytes: plan.arenaBytes,
    macs: lowered.steps.reduce((sum, step) => sum + step.macs, 0),
  };
}
