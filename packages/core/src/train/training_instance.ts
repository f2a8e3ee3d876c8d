/// <reference lib="esnext.disposable" preserve="true" />
import { DisposedError, OptionError, ShapeError } from "../errors.ts";
import { joinVectors } from "../runtime/host/wide_vectors.ts";
import { instantiateModule, type ModuleInstance, runModule, stopModule, whyNoThreads } from "../runtime/instantiate.ts";
import { formatShape, type Tensor, toFloat32, type Weights } from "../tensor.ts";
import type { CompiledTraining, SlotPort, TrainingManifest } from "./training_manifest.ts";

/** What the parameters of a group follow in a step. */
export interface GroupStep {
  /** Learning rate. */
  readonly rate: number;
  /** Weight decay: with `sgd` added to the gradient, with `adamw` apart from it. */
  readonly decay: number;
}

/** Settings of one step. */
export interface StepSettings {
  /** By group name. */
  readonly groups: Readonly<Record<string, GroupStep>>;
  /** Momentum of `sgd`, or the first moment's decay of `adamw`. Default 0.9. */
  readonly beta1?: number | undefined;
  /** The second moment's decay of `adamw`. Default 0.999. */
  readonly beta2?: number | undefined;
  /** Default 1e-8. */
  readonly epsilon?: number | undefined;
  /** Largest norm of all gradients together. Default: none. */
  readonly clip?: number | undefined;
  /** Decay of the weights' moving average: 0 follows the weights. Default 0. */
  readonly averageDecay?: number | undefined;
  /** Share of a step's statistics in the running ones. Default 0.1. */
  readonly momentum?: number | undefined;
}

/** What a step gave. */
export interface StepResult {
  /** Mean over the pictures. */
  readonly loss: number;
  /** Norm of the mean gradient. Not finite: then nothing was changed. */
  readonly gradientNorm: number;
}

/** Everything that another run needs to go on to the same numbers. */
export interface TrainingState {
  readonly weights: Weights;
  readonly average: Weights;
  readonly first: Weights;
  readonly second: Weights;
  /** Steps done. */
  readonly steps: number;
}

/** A compiled training step with its memory: weights, moments, running statistics. */
export interface TrainingInstance extends Disposable {
  readonly manifest: TrainingManifest;
  readonly threads: number;
  /** Floats of a micro-batch's input: `[N, H, W, C]`, `targets` `[N, classes]`, or a mask. Fill them before `step`. */
  input(name: string, slot: number): Float32Array;
  /** `[N, classes]`, as the last step left them. */
  logits(slot: number): Float32Array;
  /** `[N]`: each picture's loss in the last step, in nats. */
  losses(slot: number): Float32Array;
  /** One step over the first `slots` micro-batches (default: all). */
  step(settings: StepSettings, slots?: number): StepResult;
  /** Copies of parameters and running statistics, by name. `average`: of the moving average. */
  weights(which?: "now" | "average"): Map<string, Tensor<"f32">>;
  /** The last step's mean gradients, by name of the trained parameter; zeros for those that are frozen. */
  gradients(): Map<string, Tensor<"f32">>;
  state(): TrainingState;
  /** Goes on from a state. */
  restore(state: TrainingState): void;
  dispose(): void;
}

/**
 * Loads a compiled training step and gives it its first weights. The moving average begins as a copy of them.
 *
 * @param options.threads at most this many; default: as many as it was compiled for
 * @throws {ShapeError} for a weight that is missing or of another size
 */
export async function loadTraining(
  compiled: CompiledTraining,
  weights: Weights,
  options: { readonly threads?: number | undefined } = {},
): Promise<TrainingInstance> {
  const { manifest } = compiled;
  const wanted = Math.min(options.threads ?? manifest.threads, manifest.threads);
  if (!Number.isInteger(wanted) || wanted < 1)
    throw new OptionError(`threads must be a whole number of at least 1, received ${options.threads}.`);
  if (manifest.wide) joinVectors();
  const threads = whyNoThreads() === undefined ? wanted : 1;
  const instance = new Instance(manifest, await instantiateModule(compiled, threads));
  instance.begin(weights);
  return instance;
}

type ArrayName = keyof TrainingManifest["arrays"];

class Instance implements TrainingInstance {
  readonly manifest: TrainingManifest;
  readonly threads: number;
  #module: ModuleInstance | undefined;
  readonly #shapes = new Map<string, readonly number[]>();
  #steps = 0;

  constructor(manifest: TrainingManifest, module: ModuleInstance) {
    this.manifest = manifest;
    this.threads = module.threads;
    this.#module = module;
  }

  /** First weights, and shapes of all. */
  begin(weights: Weights): void {
    const problems: string[] = [];
    for (const { name, count } of [...this.manifest.parameters, ...this.manifest.running]) {
      const given = weights.get(name);
      const length = given?.data.length;
      if (given && length === count) this.#shapes.set(name, given.shape);
      else
        problems.push(`"${name}": expected ${count} numbers, received ${given ? formatShape(given.shape) : "nothing"}`);
    }
    if (problems.length > 0) throw new ShapeError(`Weights do not fit the training step:\n  ${problems.join("\n  ")}`);
    this.#write("parameters", "statistics", weights);
    this.#write("average", "statisticsAverage", weights);
    this.#pack();
  }

  input(name: string, slot: number): Float32Array {
    const port = this.manifest.inputs.find((candidate) => candidate.name === name);
    if (port === undefined) {
      throw new OptionError(
        `Training has no input "${name}". It has ${this.manifest.inputs.map((p) => p.name).join(", ")}.`,
      );
    }
    return this.#port(port, slot);
  }

  logits(slot: number): Float32Array {
    return this.#port(this.manifest.logits, slot);
  }

  losses(slot: number): Float32Array {
    return this.#port(this.manifest.loss, slot);
  }

  step(settings: StepSettings, slots: number = this.manifest.slots): StepResult {
    if (!Number.isInteger(slots) || slots < 1 || slots > this.manifest.slots)
      throw new OptionError(`slots must be a whole number from 1 to ${this.manifest.slots}, received ${slots}.`);
    this.#settings(settings, slots);
    this.#run(false);
    let loss = 0;
    for (let slot = 0; slot < slots; slot++) for (const value of this.losses(slot)) loss += value;
    const [gradientNorm] = new Float64Array(this.#buffer(), this.manifest.settings.norm, 1) as unknown as [number];
    if (Number.isFinite(gradientNorm)) this.#steps++;
    return { loss: loss / (slots * this.manifest.batch), gradientNorm };
  }

  weights(which: "now" | "average" = "now"): Map<string, Tensor<"f32">> {
    return which === "now" ? this.#read("parameters", "statistics") : this.#read("average", "statisticsAverage");
  }

  gradients(): Map<string, Tensor<"f32">> {
    return this.#read("gradient");
  }

  state(): TrainingState {
    return {
      weights: this.weights(),
      average: this.weights("average"),
      first: this.#read("first"),
      second: this.#read("second"),
      steps: this.#steps,
    };
  }

  restore(state: TrainingState): void {
    this.begin(state.weights);
    this.#write("average", "statisticsAverage", state.average);
    this.#write("first", undefined, state.first);
    this.#write("second", undefined, state.second);
    this.#steps = state.steps;
  }

  dispose(): void {
    if (this.#module) stopModule(this.#module);
    this.#module = undefined;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #use(): ModuleInstance {
    if (this.#module === undefined) throw new DisposedError(`Training of "${this.manifest.name}" was disposed.`);
    return this.#module;
  }

  #buffer(): ArrayBufferLike {
    return this.#use().memory.buffer;
  }

  #port({ offset, elements }: SlotPort, slot: number): Float32Array {
    return new Float32Array(
      this.#buffer() as ArrayBuffer,
      this.manifest.slotsOffset + slot * this.manifest.slotBytes + offset,
      elements,
    );
  }

  #array(name: ArrayName, floats: number): Float32Array {
    return new Float32Array(this.#buffer() as ArrayBuffer, this.manifest.arrays[name], floats);
  }

  #write(array: ArrayName, statistics: ArrayName | undefined, weights: Weights): void {
    const { floats, statisticsFloats, parameters, running } = this.manifest;
    const into = this.#array(array, floats);
    for (const { name, offset, count } of parameters) {
      const values = weights.get(name);
      if (values?.data.length === count) into.set(toFloat32(values), offset);
    }
    if (statistics === undefined) return;
    const numbers = this.#array(statistics, statisticsFloats);
    for (const { name, offset } of running) numbers.set(toFloat32(weights.get(name) as Tensor), offset);
  }

  #read(array: ArrayName, statistics?: ArrayName): Map<string, Tensor<"f32">> {
    const { floats, statisticsFloats, parameters, running } = this.manifest;
    const values = new Map<string, Tensor<"f32">>();
    const take = (from: Float32Array, { name, offset, count }: { name: string; offset: number; count: number }) =>
      values.set(name, {
        dtype: "f32",
        shape: this.#shapes.get(name) as readonly number[],
        data: from.slice(offset, offset + count),
      });
    for (const place of parameters) take(this.#array(array, floats), place);
    if (statistics) for (const place of running) take(this.#array(statistics, statisticsFloats), place);
    return values;
  }

  #settings(settings: StepSettings, slots: number): void {
    const { settings: at, groups, groupSettings } = this.manifest;
    const view = new DataView(this.#buffer() as ArrayBuffer);
    const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, clip = 0, averageDecay = 0, momentum = 0.1 } = settings;
    view.setInt32(at.slots, slots, true);
    view.setFloat32(at.clip, clip, true);
    view.setFloat32(at.averageShare, 1 - averageDecay, true);
    view.setFloat32(at.momentum, momentum, true);
    const step = this.#steps + 1;
    for (const { name, settings: own } of groups) {
      const group = settings.groups[name];
      if (group === undefined) throw new OptionError(`The step has no settings for the parameter group "${name}".`);
      const numbers = {
        ...group,
        beta1,
        beta2,
        epsilon,
        correction1: 1 / (1 - beta1 ** step),
        correction2: 1 / (1 - beta2 ** step),
      };
      groupSettings.forEach((key, i) => view.setFloat32(own + i * 4, numbers[key], true));
    }
  }

  #pack(): void {
    this.#run(true);
  }

  #run(packOnly: boolean): void {
    new DataView(this.#buffer() as ArrayBuffer).setInt32(this.manifest.settings.packOnly, packOnly ? 1 : 0, true);
    runModule(this.#use());
  }
}
