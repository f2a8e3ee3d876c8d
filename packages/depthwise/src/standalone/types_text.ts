/** What `model.d.mts` says: the types of `model.mjs`, whatever library the reader's compiler has of the platform. */
export function typesText(model: string, input: readonly number[], labels: readonly string[] | undefined): string {
  return `/// <reference lib="esnext.disposable" />
/* ${model.replaceAll("*/", "* /")} */

/** Class names, in index order in \`model.labels\`. */
export type Label =
  ${labelType(labels)};

/** A class and how sure the network is of it. */
export interface ClassScore {
  /** Counted from 0. */
  readonly index: number;
  readonly label: Label;
  /** After softmax over all classes; 0 to 1. */
  readonly probability: number;
}

/** A type of the platform by name; never where there is no such thing. */
type Platform<Name extends string> = typeof globalThis extends { [N in Name]: { prototype: infer Type } } ? Type : never;

/** Bytes of a picture: RGB or RGBA (alpha not premultiplied), row by row. \`ImageData\` is one. */
export interface PixelSource {
  readonly data: ArrayLike<number>;
  readonly width: number;
  readonly height: number;
}

/** What can be classified. */
export type Picture =
  | PixelSource
  | Platform<"ImageBitmap">
  | Platform<"HTMLImageElement">
  | Platform<"HTMLVideoElement">
  | Platform<"HTMLCanvasElement">
  | Platform<"OffscreenCanvas">
  | Platform<"VideoFrame">;

/** Where a file of the model is, or what is in it. */
export type Source =
  | string
  | ArrayBuffer
  | ArrayBufferView
  | Platform<"URL">
  | Platform<"Response">
  | WebAssembly.Module;

/** Options of \`createModel\`. */
export interface ModelOptions {
  /** Files that are elsewhere than beside \`model.mjs\`, by name: \`{ "model.wasm": "/assets/model.wasm" }\`. */
  readonly files?: Readonly<Record<string, Source | PromiseLike<Source> | undefined>>;
  /** At most this many threads; never more than the model was compiled for. More than one needs a cross-origin isolated page. */
  readonly threads?: number;
}

/** The network, ready to run. */
export interface Model extends Disposable {
  readonly name: string;
  /** \`[N, H, W, C]\`. */
  readonly input: readonly [${input.join(", ")}];
  readonly labels: readonly Label[];
  /** Threads that run it. */
  readonly threads: number;
  /**
   * The most probable classes, best first. The picture is resized, cropped and normalised as the network wants it, with the same numbers
   * in every browser and in Node.
   *
   * @param options.top how many; default 5
   * @throws TypeError for a picture without pixels, or bytes that are neither RGB nor RGBA
   */
  classify(picture: Picture, options?: { readonly top?: number }): ClassScore[];
  /**
   * Runs the network on numbers.
   *
   * @param input ${input.join("x")} floats, normalised already
   * @returns the logits, before softmax: a new array
   */
  run(input: Float32Array): Float32Array<ArrayBuffer>;
  /** Frees the memory and ends the threads. Every use afterwards throws. */
  dispose(): void;
}

/**
 * Loads the network.
 *
 * @throws if a file cannot be fetched, or the engine lacks WebAssembly SIMD
 */
export function createModel(options?: ModelOptions): Promise<Model>;
`;
}

function labelType(labels: readonly string[] | undefined): string {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: TypeScript's own template type.
  if (labels === undefined) return "`class ${number}`";
  return [...new Set(labels)].map((label) => `| ${JSON.stringify(label)}`).join("\n  ");
}
