import { DisposedError, OptionError, ShapeError } from "../errors.ts";
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
  /** Frees the module's memory. Every use afterwards throws a DisposedError. */
  dispose(): void;
}

interface Exports {
  initialize(): void;
  run(): void;
}

/**
 * Loads a compiled network. Compilation of the bytes by the engine is asynchronous.
 *
 * @throws WebAssembly's own errors if the bytes were changed, or the engine lacks what they need
 */
export async function load(compiled: Compiled): Promise<Model> {
  const module = await WebAssembly.compile(compiled.bytes);
  const { manifest } = compiled;
  const memory = new WebAssembly.Memory({ initial: manifest.pages });
  const imports = { env: { memory, now: () => performance.now() } };
  const instance = await WebAssembly.instantiate(module, imports);
  const exports = instance.exports as unknown as Exports;
  exports.initialize();
  return modelOf(manifest, exports, memory);
}

function modelOf(manifest: Manifest, loadedExports: Exports, loadedMemory: WebAssembly.Memory): Model {
  let alive: { exports: Exports; memory: WebAssembly.Memory } | undefined = {
    exports: loadedExports,
    memory: loadedMemory,
  };

  function use(): { exports: Exports; memory: WebAssembly.Memory } {
    if (alive === undefined) throw new DisposedError(`Model "${manifest.name}" was disposed.`);
    return alive;
  }

  function floats({ offset, elements }: PortManifest): Float32Array {
    return new Float32Array(use().memory.buffer, offset, elements);
  }

  const model: Model = {
    manifest,
    run(inputs) {
      for (const name of Object.keys(inputs)) portOf(manifest.inputs, name, manifest.name);
      for (const port of manifest.inputs) {
        const given = inputs[port.name];
        if (given === undefined || given.length !== port.elements) {
          throw new ShapeError(
            `Input "${port.name}" of "${manifest.name}" is ${port.shape.join("x")}: expected ${port.elements} floats, received ${given?.length ?? "none"}.`,
          );
        }
        floats(port).set(given);
      }
      model.execute();
      return Object.fromEntries(
        manifest.outputs.map((port) => [port.name, floats(port).slice() as Float32Array<ArrayBuffer>]),
      );
    },
    input: (name) => floats(portOf(manifest.inputs, name, manifest.name)),
    output: (name) => floats(portOf(manifest.outputs, name, manifest.name)),
    execute: () => use().exports.run(),
    profile() {
      if (manifest.profileOffset === undefined)
        throw new OptionError(`"${manifest.name}" was compiled without { profile: true }.`);
      const times = new Float64Array(
        use().memory.buffer.slice(manifest.profileOffset, manifest.profileOffset + 8 * (manifest.steps.length + 1)),
      );
      return manifest.steps.map(({ name, op, macs }, i) => ({
        name,
        op,
        macs,
        milliseconds: (times[i + 1] as number) - (times[i] as number),
      }));
    },
    dispose() {
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
  if (port === undefined)
    throw new OptionError(
      `"${model}" has no "${name}". It has ${ports.map((candidate) => candidate.name).join(", ")}.`,
    );
  return port;
}
