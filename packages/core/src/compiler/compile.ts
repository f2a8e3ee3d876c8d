import { OptionError } from "../errors.ts";
import { findNode, type Graph, isNode } from "../graph/graph.ts";
import { initializeWeights } from "../graph/initialize.ts";
import { inferencePasses, type PassReport, runPasses, unfusedPasses } from "../passes/pipeline.ts";
import { toProgram } from "../passes/program.ts";
import type { Compiled } from "../runtime/manifest.ts";
import type { Weights } from "../tensor.ts";
import { emit } from "./emit.ts";
import { type Lowered, lower } from "./lower.ts";
import { planBands } from "./plan_bands.ts";
import { supportsRelaxedSimd } from "./probe.ts";
import type { Target } from "./target.ts";
import type { Tuning } from "./tuning.ts";
import { type WeightType, weightTypes } from "./weight_storage.ts";

/** What can be compiled: a network that `build` made or a file brought, or anything else with a name and a graph. */
export interface CompiledSubject {
  readonly name: string;
  readonly graph: Graph;
}

/** Options of `compile`. */
export interface CompileOptions {
  /** Numbers of the parameters. Without them they are drawn from `seed`. */
  readonly weights?: Weights | undefined;
  /** Default 0. */
  readonly seed?: number | undefined;
  /** `relaxed` uses fused multiply-add; default: what this engine supports. `plain` runs wherever WebAssembly SIMD does. */
  readonly simd?: "relaxed" | "plain" | undefined;
  /**
   * Most threads that may run the network together (1 to 64); above 1 the module works on shared memory. Results are the same, bit for
   * bit, for every number of threads. Default 1.
   */
  readonly threads?: number | undefined;
  /**
   * Shape the kernels for engines that join pairs of 128-bit operations into 256-bit ones. Node's V8 does so behind an experimental flag
   * that holds for the whole process (`--experimental-wasm-revectorize`); `load` sets it for a model that was compiled so. Elsewhere
   * such a model runs, but slower than one without. Default false.
   */
  readonly wide?: boolean | undefined;
  /**
   * Let convolutions compute the activations and sums that follow them. Default true. Without, each runs by itself, as most engines ran
   * them when the papers were written: to see what fusing is worth. Batch norms are folded either way.
   */
  readonly fuse?: boolean | undefined;
  /**
   * Run blocks of steps band by band where that saves memory access: a few rows of their output at a time, so that what lies between them
   * stays in cache. Results are the same bits either way. Default true.
   */
  readonly bands?: boolean | undefined;
  /** Choices that `tune` measured. Default: a model of what is fast on most machines. Results are the same bits either way. */
  readonly tuning?: Tuning | undefined;
  /** Names of nodes whose values become outputs beside the network's own. */
  readonly keep?: readonly string[] | undefined;
  /** Record the time of every step, for `model.profile()`. Default false. */
  readonly profile?: boolean | undefined;
  /**
   * How the module holds its weights until they are put in place at the start: `f32` as they are, `f16` in half precision, `int8` as whole
   * numbers with a scale for each output channel. Kernels compute in float32 whatever it is. Default `f32`.
   */
  readonly storage?: WeightType | undefined;
  /** Give the weights beside the module instead of in it, for a file of their own. Default false. */
  readonly split?: boolean | undefined;
  /** Keep the names of functions for profilers and debuggers. Default false: they cost bytes. */
  readonly names?: boolean | undefined;
  /** Hears of each pass. */
  readonly onPass?: ((report: PassReport) => void) | undefined;
}

/**
 * Compiles a network, or any graph, to one WebAssembly module made for exactly that graph.
 *
 * @throws {WeightsError} if the weights do not fit
 * @throws {OptionError} if `keep` names no node, or `threads` is out of range
 * @throws {UnsupportedError} for graphs that the compiler does not take
 */
export function compile(network: CompiledSubject | Graph, options: CompileOptions = {}): Compiled {
  const { lowered, target } = planNetwork(network, options);
  const {
    bytes,
    manifest,
    weights: split,
  } = emit(network.name, lowered, target, {
    names: options.names ?? false,
    storage: checkStorage(options.storage ?? "f32"),
    split: options.split ?? false,
  });
  return { bytes, manifest, ...(split === undefined ? {} : { weights: split }) };
}

/** The steps and buffers of what `compile` writes. Throws as it does. */
export function planNetwork(
  network: CompiledSubject | Graph,
  options: CompileOptions,
): { readonly lowered: Lowered; readonly target: Target } {
  const graph = withKept("graph" in network ? network.graph : network, options.keep ?? []);
  const weights = options.weights ?? initializeWeights(graph, options.seed ?? 0);
  const target: Target = {
    simd: options.simd ?? (supportsRelaxedSimd() ? "relaxed" : "plain"),
    wide: options.wide ?? false,
    threads: checkThreads(options.threads ?? 1),
    profile: options.profile ?? false,
    tuning: options.tuning,
  };
  const passes = (options.fuse ?? true) ? inferencePasses : unfusedPasses;
  const program = runPasses(toProgram(graph, weights), passes, options.onPass);
  const lowered = lower(program, target);
  return { lowered: (options.bands ?? true) ? planBands(lowered, target) : lowered, target };
}

function checkStorage(storage: WeightType): WeightType {
  if (weightTypes.includes(storage)) return storage;
  throw new OptionError(`storage must be one of ${weightTypes.join(", ")}, received ${JSON.stringify(storage)}.`);
}

/** More threads than any machine that this is for has cores. */
const MOST_THREADS = 64;

function checkThreads(threads: number): number {
  if (Number.isInteger(threads) && threads >= 1 && threads <= MOST_THREADS) return threads;
  throw new OptionError(`threads must be a whole number from 1 to ${MOST_THREADS}, received ${threads}.`);
}

/** The graph with more of its values as outputs. */
function withKept(graph: Graph, keep: readonly string[]): Graph {
  if (keep.length === 0) return graph;
  const taken = new Set(graph.outputs.map((output) => output.name));
  const added = keep.map((name) => {
    const node = findNode(graph, name);
    if (node === undefined || isNode(node, "parameter"))
      throw new OptionError(`Graph "${graph.name}" has no value named "${name}" to keep.`);
    if (taken.has(name)) throw new OptionError(`"${name}" is an output already; it needs no keeping.`);
    taken.add(name);
    return { name, value: node.id };
  });
  return { ...graph, outputs: [...graph.outputs, ...added] };
}
