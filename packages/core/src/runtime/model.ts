/// <reference lib="esnext.disposable" preserve="true" />
import { DisposedError, OptionError, ShapeError, WeightsError } from "../errors.ts";
import { joinVectors } from "./host/wide_vectors.ts";
import { instantiateModule, type ModuleInstance, runModule, stopModule, whyNoThreads } from "./instantiate.ts";
import type { Compiled, Manifest, PortManifest } from "./manifest.ts";

/** Time of one step of the last run. */
export interface StepTime {
  readonly name: string;
  readonly op: string;
  readonly macs: number;
  readonly milliseconds: number;
}

/** A compiled network, ready to run. */
export interface Model extends Disposable {
  readonly manifest: Manifest;
  /** Threads that run it: fewer than compiled for where the host has no shared memory or no workers. */
  readonly threads: number;
  /**
   * Runs the network.
   *
   * @param inputs floats by input name, row-major, each as long as the input's shape says (`[N, H, W, C]`)
   * @returns floats by output name: new arrays, the caller's own
   * @throws {ShapeError} for a missing input or one of another length
   * @throws {OptionError} for an unknown input
   */
  run(inputs: Readonly<Record<string, Float32Array>>): Record<string, Float32Array<ArrayBuffer>>;
  /** The input's floats in the module's memory: fill it and call `execute` where even one copy counts. Do not keep it after dispose. */
  input(name: string): Float32Array;
  /** The output's floats in the module's memory, as the last run left them. */
  output(name: string): Float32Array;
  /** Runs on what the inputs hold. */
  execute(): void;
  /**
   * Times of the steps of the last run (with batches: of its last picture).
   *
   * @throws {OptionError} if the module was compiled without `profile`
   */
  profile(): readonly StepTime[];
  /** Frees the module's memory and ends its threads. Every use afterwards throws a DisposedError. */
  dispose(): void;
}

/** Options of `load`. */
export interface LoadOptions {
  /** At most this many threads; never more than the module was compiled for. Default: as many. */
  readonly threads?: number | undefined;
  /** Hears once why a model that could have more threads runs on one. Default: the console's warnings. */
  readonly warn?: ((message: string) => void) | undefined;
}

/**
 * Loads a compiled network. Compilation of the bytes by the engine is asynchronous.
 *
 * A module for several threads needs shared memory: in pages that means cross-origin isolation. Where it is missing, the model says so
 * once and runs on one thread.
 *
 * @throws {OptionError} if `threads` is not a whole number of at least 1
 * @throws {WeightsError} if the weights were split off and are not given, or have another length
 * @throws WebAssembly's own errors if the bytes were changed, or the engine lacks what they need
 */
export async function load(compiled: Compiled, options: LoadOptions = {}): Promise<Model> {
  const { manifest } = compiled;
  const wanted = options.threads ?? manifest.threads;
  if (!Number.isInteger(wanted) || wanted < 1)
    throw new OptionError(`threads must be a whole number of at least 1, received ${wanted}.`);
  const threads = Math.min(wanted, manifest.threads);
  checkWeights(compiled);
  if (manifest.wide) joinVectors();
  if (threads > 1) {
    const reason = whyNoThreads();
    const instance = reason === undefined ? await instantiate(compiled, threads).catch(describeFailure) : reason;
    if (typeof instance !== "string") return modelOf(manifest, instance);
    // biome-ignore lint/suspicious/noConsole: who serves the page must learn of it, and has no other place to look.
    (options.warn ?? console.warn)(`"${manifest.name}" runs on one thread instead of ${threads}: ${instance}`);
  }
  return modelOf(manifest, await instantiate(compiled, 1));
}

function checkWeights({ manifest: { name, stored }, weights }: Compiled): void {
  if (!stored.split || weights?.length === stored.bytes) return;
  throw new WeightsError(
    `"${name}" was compiled with { split: true }: expected its weights of ${stored.bytes} bytes, received ${weights?.length ?? "none"}.`,
  );
}

function describeFailure(error: unknown): string {
  return `workers could not be started (${error instanceof Error ? error.message : String(error)}).`;
}

/** Puts weights that were split off in place, then the module. */
function instantiate(compiled: Compiled, threads: number): Promise<ModuleInstance> {
  const { manifest, weights } = compiled;
  const { stored } = manifest;
  return instantiateModule(compiled, threads, ({ buffer }) => {
    if (stored.split && weights) new Uint8Array(buffer).set(weights, stored.offset);
  });
}

function modelOf(manifest: Manifest, loaded: ModuleInstance): Model {
  let alive: ModuleInstance | undefined = loaded;

  function use(): ModuleInstance {
    if (alive === undefined) throw new DisposedError(`Model "${manifest.name}" was disposed.`);
    return alive;
  }

  function floats({ offset, elements }: PortManifest): Float32Array {
    return new Float32Array(use().memory.buffer, offset, elements);
  }

  const model: Model = {
    manifest,
    threads: loaded.threads,
    run(inputs) {
      for (const name of Object.keys(inputs)) portOf(manifest.inputs, name, manifest.name);
      for (const port of manifest.inputs) {
        const given = inputs[port.name];
        if (given === undefined || given.length !== port.elements) {
          throw new ShapeError(
            `Input "${port.name}" of "${manifest.name}" is ${port.shape.join("x")}: expected ${port.elements} floats, received ${given?.length ?? "none"}.`,
          );
        }
      }
      for (const port of manifest.inputs) floats(port).set(inputs[port.name] as Float32Array);
      model.execute();
      return Object.fromEntries(manifest.outputs.map((port) => [port.name, new Float32Array(floats(port))]));
    },
    input: (name) => floats(portOf(manifest.inputs, name, manifest.name)),
    output: (name) => floats(portOf(manifest.outputs, name, manifest.name)),
    execute() {
      runModule(use());
    },
    profile() {
      const { memory } = use();
      if (manifest.profileOffset === undefined) {
        throw new OptionError(`"${manifest.name}" was compiled without { profile: true }.`);
      }
      const times = new Float64Array(memory.buffer, manifest.profileOffset, manifest.steps.length + 1);
      return manifest.steps.map(({ name, op, macs }, i) => ({
        name,
        op,
        macs,
        milliseconds: (times[i + 1] as number) - (times[i] as number),
      }));
    },
    dispose() {
      if (alive) stopModule(alive);
      alive = undefined;
    },
    [Symbol.dispose]() {
      model.dispose();
    },
  };
  return model;
}

function portOf(ports: readonly PortManifest[], name: string, model: string): PortManifest {
  const port = ports.find((candidate) => candidate.name === name);
  if (port === undefined) {
    throw new OptionError(
      `"${model}" has no "${name}". It has ${ports.map((candidate) => candidate.name).join(", ")}.`,
    );
  }
  return port;
}
