import type { CompiledSubject } from "../compiler/compile.ts";
import { largestDivisor } from "../compiler/layout.ts";
import { supportsRelaxedSimd } from "../compiler/probe.ts";
import type { Target } from "../compiler/target.ts";
import { OptionError, UnsupportedError } from "../errors.ts";
import type { ValueId } from "../graph/graph.ts";
import { emitStep } from "./emit_step.ts";
import type { OptimizerName } from "./kernels/optimizer.ts";
import { lowerStep } from "./lower_step.ts";
import { planParameters } from "./parameter_plan.ts";
import type { StepGraph, StepNode } from "./step_graph.ts";
import { trainingStep } from "./training_graph.ts";
import type { CompiledTraining } from "./training_manifest.ts";

/** Options of `compileTraining`. */
export interface CompileTrainingOptions {
  /** Pictures of a step. A multiple of the micro-batch. */
  readonly batch: number;
  /**
   * Pictures that go forward and backward together; batch norm's statistics are theirs. Default: the largest divisor of the batch up
   * to 32.
   */
  readonly microBatch?: number | undefined;
  /** Default `sgd`: Nesterov's momentum. */
  readonly optimizer?: OptimizerName | undefined;
  /** Most threads that may work together. Results are the same, bit for bit, for every number of threads. Default 1. */
  readonly threads?: number | undefined;
  /** As for `compile`. */
  readonly simd?: "relaxed" | "plain" | undefined;
  /** As for `compile`. Default false. */
  readonly wide?: boolean | undefined;
  /** Which parameters stay as they are. Default: none. */
  readonly frozen?: ((parameter: string) => boolean) | undefined;
  /** Which group of settings (rate, decay) a parameter follows. Default: all in one, `all`. */
  readonly groupOf?: ((parameter: string, shape: readonly number[]) => string) | undefined;
}

/** Positions of parameters go through float32 while weights are packed: whole numbers beyond this do not survive. */
const MOST_FLOATS = 2 ** 24 - 1;

/**
 * Compiles a training step of a network: forward, backward and optimiser in one WebAssembly module.
 *
 * @throws {OptionError} for a batch that the micro-batch does not divide, or threads out of range
 * @throws {UnsupportedError} for networks of more than 16.7 million parameters, or with operations whose gradients are not compiled
 */
export function compileTraining({ name, graph }: CompiledSubject, options: CompileTrainingOptions): CompiledTraining {
  const { batch, optimizer = "sgd", threads = 1, frozen, groupOf = () => "all" } = options;
  const microBatch = options.microBatch ?? largestDivisor(batch, 32);
  if (!Number.isInteger(microBatch) || microBatch < 1 || batch % microBatch !== 0) {
    throw new OptionError(`The micro-batch must divide the batch: ${microBatch} does not divide ${batch}.`);
  }
  if (!Number.isInteger(threads) || threads < 1 || threads > 64)
    throw new OptionError(`threads must be a whole number from 1 to 64, received ${threads}.`);
  const step = trainingStep(graph, { batch: microBatch, frozen });
  return compileStep(step, { ...options, name, batch, optimizer, threads, groupOf });
}

/** Options of `compileStep`. */
export interface CompileStepOptions extends Omit<CompileTrainingOptions, "microBatch" | "frozen"> {
  /** Default: the step's own. */
  readonly name?: string | undefined;
}

/**
 * Compiles a step that `trainingStep` made: the batch is a multiple of the step's own.
 *
 * @throws {UnsupportedError} as `compileTraining`
 */
export function compileStep(step: StepGraph, options: CompileStepOptions): CompiledTraining {
  const { batch, optimizer = "sgd", threads = 1, groupOf = () => "all", name = step.name } = options;
  const microBatch = nodeAt(step, step.loss).shape[0] as number;
  const target: Target = {
    simd: options.simd ?? (supportsRelaxedSimd() ? "relaxed" : "plain"),
    wide: options.wide ?? false,
    threads,
    profile: false,
  };
  const parameters = planParameters(step, groupOf, optimizer);
  if (parameters.floats > MOST_FLOATS) {
    throw new UnsupportedError(
      `"${name}" has ${parameters.floats} parameters; training is compiled for up to ${MOST_FLOATS}.`,
    );
  }
  const positions = new Map(
    [...parameters.places].map(({ name: parameter, offset, count }) => [
      parameter,
      Float32Array.from({ length: count }, (_, i) => offset + i + 1),
    ]),
  );
  const lowered = lowerStep(step, positions, target, microBatch);
  return emitStep(lowered, parameters, { name, target, slots: batch / microBatch, optimizer });
}

function nodeAt(step: StepGraph, id: ValueId): StepNode {
  return step.nodes[id] as StepNode;
}
