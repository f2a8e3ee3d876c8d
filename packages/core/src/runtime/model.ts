/// <reference lib="esnext.disposable" preserve="true" />
import { DisposedError, OptionError, ShapeError, WeightsError } from "../errors.ts";
import { joinVectors } from "./host/wide_vectors.ts";
import { canSleep, startWorkers } from "./host/workers.ts";
import type { Compiled, Manifest, PortManifest } from "./manifest.ts";
import { unshareMemory } from "./unshare_memory.ts";

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

/** What a module exports. The last four are there only if it was compiled for threads. */
interface Exports {
  initialize(): void;
  run(thread: number, threads: number): void;
  start(threads: number): void;
  stop(): void;
  readonly canSleep?: WebAssembly.Global;
}

/** A module in its memory, with its threads. */
interface Instance {
  readonly exports: Exports;
  readonly memory: WebAssembly.Memory;
  readonly threads: number;
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
    const instance = reason === undefined ? await instantiateShared(compiled, threads).catch(describeFailure) : reason;
    if (typeof instance !== "string") return modelOf(manifest, instance);
    // biome-ignore lint/suspicious/noConsole: who serves the page must learn of it, and has no other place to look.
    (options.warn ?? console.warn)(`"${manifest.name}" runs on one thread instead of ${threads}: ${instance}`);
  }
  return modelOf(manifest, await instantiateAlone(compiled));
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

function whyNoThreads(): string | undefined {
  if (typeof SharedArrayBuffer === "undefined" || globalThis.crossOriginIsolated === false) {
    return "shared memory needs a cross-origin isolated page (headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp).";
  }
  return undefined;
}

async function instantiateShared(compiled: Compiled, threads: number): Promise<Instance> {
  const { bytes, manifest } = compiled;
  const module = await WebAssembly.compile(bytes);
  const memory = new WebAssembly.Memory({ initial: manifest.pages, maximum: manifest.pages, shared: true });
  const exports = await instantiate(module, memory, compiled);
  if (exports.canSleep) exports.canSleep.value = canSleep() ? 1 : 0;
  await startWorkers(module, memory, threads);
  return { exports, memory, threads };
}

async function instantiateAlone(compiled: Compiled): Promise<Instance> {
  const { bytes, manifest } = compiled;
  const module = await WebAssembly.compile(manifest.threads > 1 ? unshareMemory(bytes) : bytes);
  const memory = new WebAssembly.Memory({ initial: manifest.pages, maximum: manifest.pages });
  return { exports: await instantiate(module, memory, compiled), memory, threads: 1 };
}

async function instantiate(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  { manifest: { stored }, weights }: Compiled,
): Promise<Exports> {
  const instance = await WebAssembly.instantiate(module, { env: { memory, now: () => performance.now() } });
  const exports = instance.exports as unknown as Exports;
  if (stored.split && weights) new Uint8Array(memory.buffer).set(weights, stored.offset);
  exports.initialize();
  return exports;
}

function modelOf(manifest: Manifest, loaded: Instance): Model {
  let alive: Instance | undefined = loaded;

  function use(): Instance {
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
      const { exports, threads } = use();
      if (threads > 1) exports.start(threads);
      else exports.run(0, 1);
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
      if (alive && alive.threads > 1) alive.exports.stop();
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
