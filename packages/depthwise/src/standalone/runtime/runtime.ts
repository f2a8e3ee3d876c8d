/**
 * What `model.mjs` runs on: a few kilobytes once it is minified, and nothing else. `scripts/standalone_runtime.ts` turns it into text.
 * Errors are the platform's own classes, for there is no other module to import them from.
 */
import { fillInput, type PixelSource } from "./pixels.ts";
import { type Build, labelsSection, type Setup } from "./setup.ts";

/** Where a file of the model is, or what is in it. */
export type Source = Settled | PromiseLike<Settled>;

type Settled = string | URL | Response | BufferSource | WebAssembly.Module;

/** Files by name. */
export type Files = Readonly<Record<string, () => Source | undefined>>;

/** Options of `createModel`. */
export interface ModelOptions {
  /** Files that are elsewhere than beside `model.mjs`: their addresses, or what is in them. */
  readonly files?: Readonly<Record<string, Source | undefined>>;
  /** At most this many threads. */
  readonly threads?: number;
}

/** Whatever a canvas can draw, or bytes. */
export type Picture = CanvasImageSource | PixelSource;

export interface ClassScore {
  readonly index: number;
  readonly label: string;
  readonly probability: number;
}

/** A model as `createModel` gives it. `model.d.ts` says what it does. */
export interface StandaloneModel {
  readonly name: string;
  readonly input: readonly number[];
  readonly labels: readonly string[];
  readonly threads: number;
  classify(picture: Picture, options?: { readonly top?: number }): ClassScore[];
  run(input: Float32Array): Float32Array;
  dispose(): void;
}

/** Starts the other threads; waits until each is ready. */
export type StartThreads = (module: WebAssembly.Module, memory: WebAssembly.Memory, threads: number) => Promise<void>;

interface Exports {
  initialize(): void;
  run(thread: number, threads: number): void;
  start(threads: number): void;
  stop(): void;
  readonly canSleep: WebAssembly.Global;
}

interface Host {
  readonly process?: {
    getBuiltinModule?(name: string): { readFile(url: URL): Promise<Uint8Array<ArrayBuffer>> };
  };
  readonly document?: Document;
  readonly SharedArrayBuffer?: object;
  readonly crossOriginIsolated?: boolean;
}

const host = globalThis as unknown as Host;

/** `(func (param v128) (result v128) (f32x4.relaxed_madd (local.get 0) (local.get 0) (local.get 0)))`. */
const relaxedProbe = "AGFzbQEAAAABBgFgAXsBewMCAQAKDQELACAAIAAgAP2FAgs=";

function hasRelaxedSimd(): boolean {
  return WebAssembly.validate(Uint8Array.from(atob(relaxedProbe), (character) => character.charCodeAt(0)));
}

/** The file as a response or a module, however it was named. */
async function open(source: Source | undefined, name: string): Promise<Response | WebAssembly.Module> {
  let found = await source;
  if (typeof found === "string" || found instanceof URL) {
    const files = `${found}`.startsWith("file:") && host.process?.getBuiltinModule?.("node:fs/promises");
    found = files ? await files.readFile(new URL(found)) : await fetch(found);
  }
  if (found instanceof WebAssembly.Module) return found;
  const response = found instanceof Response ? found : new Response(found);
  if (!response.ok) throw Error(`${name}: HTTP ${response.status}`);
  return response;
}

/** Loads the model. `files` are where they are unless the options say otherwise. */
export async function create(
  setup: Setup,
  files: Files,
  options: ModelOptions = {},
  startThreads?: StartThreads,
): Promise<StandaloneModel> {
  const { name, input: shape, relaxed, plain } = setup;
  const build = relaxed && hasRelaxedSimd() ? relaxed : plain && { ...relaxed, ...plain };
  if (!build) throw Error(`${name} needs relaxed SIMD.`);
  const load = (file: string) => open(options.files?.[file] ?? files[file]?.(), file);
  const canShare = startThreads && host.SharedArrayBuffer && host.crossOriginIsolated !== false;
  const wanted = canShare ? Math.min(options.threads ?? setup.threads, setup.threads) : 1;
  // A policy may forbid workers; the model runs without them.
  const loaded =
    (wanted > 1 && (await instantiate(build, load, wanted, startThreads).catch(() => {}))) ||
    (await instantiate(build, load, 1));

  let alive: typeof loaded | undefined = loaded;
  const { module, memory, exports, threads } = loaded;
  const [section] = WebAssembly.Module.customSections(module, labelsSection);
  const names = section && (JSON.parse(new TextDecoder().decode(section)) as string[]);
  const labels = names ?? Array.from({ length: setup.classes }, (_, index) => `class ${index}`);
  const input = new Float32Array(
    memory.buffer,
    build.input,
    shape.reduce((a, b) => a * b),
  );
  const output = new Float32Array(memory.buffer, build.output, setup.classes);

  /** Runs on the input as `fill` leaves it. */
  const run = (fill: () => void): Float32Array => {
    if (!alive) throw Error(`${name} was disposed.`);
    fill();
    if (threads > 1) exports.start(threads);
    else exports.run(0, 1);
    return output;
  };
  const dispose = () => {
    if (alive && threads > 1) exports.stop();
    alive = undefined;
  };
  return {
    name,
    input: shape,
    labels,
    threads,
    dispose,
    [(Symbol.dispose as symbol | undefined) ?? "dispose"]: dispose,
    classify(picture, { top = 5 } = {}) {
      const pixels = "data" in picture ? picture : draw(picture);
      return best(
        run(() => fillInput(input, pixels, setup.preprocessing)),
        top,
        labels,
      );
    },
    run(values) {
      if (values.length !== input.length) {
        throw RangeError(`${name} takes ${input.length} floats, not ${values.length}.`);
      }
      return run(() => input.set(values)).slice();
    },
  };
}

interface Loaded {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly exports: Exports;
  readonly threads: number;
}

async function instantiate(
  build: Build,
  load: (file: string) => ReturnType<typeof open>,
  threads: number,
  startThreads?: StartThreads,
): Promise<Loaded> {
  const { file, pages, sharedAt = 0, weights } = build;
  const stored = weights && load(weights.file).then(bytesOf);
  stored?.catch(() => {}); // it is awaited below, unless the module fails first
  const module = await compile(await load(file), threads > 1 ? 0 : sharedAt);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: threads > 1 });
  const instance = await WebAssembly.instantiate(module, { env: { memory } });
  const exports = instance.exports as unknown as Exports;
  if (weights) {
    const { at = 0, bytes: length } = weights;
    const bytes = (await stored)!.subarray(at, at + length);
    if (bytes.length < length) throw RangeError(`${weights.file} is too short.`);
    new Uint8Array(memory.buffer).set(bytes, weights.offset);
  }
  exports.initialize();
  if (threads > 1) {
    exports.canSleep.value = host.document ? 0 : 1; // a page's main thread may not wait
    await startThreads!(module, memory, threads);
  }
  return { module, memory, exports, threads };
}

/** @param sharedAt where the bytes ask for shared memory, if they must not */
async function compile(source: Response | WebAssembly.Module, sharedAt: number): Promise<WebAssembly.Module> {
  if (source instanceof WebAssembly.Module) return source;
  const isTyped = source.headers.get("content-type")?.startsWith("application/wasm");
  if (isTyped && !sharedAt && WebAssembly.compileStreaming) return WebAssembly.compileStreaming(source);
  const bytes = await bytesOf(source);
  if (sharedAt) bytes[sharedAt] = 1; // a maximum, and not shared
  return WebAssembly.compile(bytes);
}

async function bytesOf(source: Response | WebAssembly.Module): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await (source as Response).arrayBuffer());
}

/** What is to be seen on something that a canvas can draw, in its own size. Engines with SIMD have OffscreenCanvas. */
function draw(picture: CanvasImageSource): PixelSource {
  const sides = picture as unknown as Readonly<Record<string, number | undefined>>;
  const own = (side: "Width" | "Height"): number =>
    sides[`video${side}`] ?? sides[`natural${side}`] ?? sides[`display${side}`] ?? sides[side.toLowerCase()] ?? 0;
  const [width, height] = [own("Width"), own("Height")];
  if (!(width && height)) throw TypeError("The picture has no pixels yet.");
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true })!;
  context.drawImage(picture, 0, 0);
  return context.getImageData(0, 0, width, height);
}

/** The most probable classes after softmax, best first. */
function best(logits: Float32Array, top: number, labels: readonly string[]): ClassScore[] {
  const most = logits.reduce((a, b) => Math.max(a, b));
  const exponentials = Array.from(logits, (logit) => Math.exp(logit - most));
  const sum = exponentials.reduce((a, b) => a + b);
  return [...logits.keys()]
    .sort((a, b) => logits[b]! - logits[a]! || a - b)
    .slice(0, top)
    .map((index) => ({ index, label: labels[index]!, probability: exponentials[index]! / sum }));
}
