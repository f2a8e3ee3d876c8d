import {
  DepthwiseError,
  type Model,
  type Network,
  OptionError,
  type Pixels,
  type Preprocessing,
  preprocess,
} from "@depthwise/core";
import { decodePicture } from "../pictures/decode_picture.ts";
import { bestClasses, type ClassScore } from "./best_classes.ts";

/** Options of {@link classifyPictures}. */
export interface ClassifyOptions {
  /** Classes told of each picture. Default 5. */
  readonly top?: number;
  /** Class names in index order. Default: the network's, where it has any. */
  readonly labels?: readonly string[];
  /** How pictures become the network's input. Default: the network's own. */
  readonly preprocessing?: Preprocessing;
}

/** What became of one picture. */
export type PictureResult =
  | { readonly file: string; readonly top: readonly ClassScore[] }
  | { readonly file: string; readonly error: DepthwiseError };

/** Pictures that are decoded before their turn: decoding happens on other threads while the network runs on this one. */
const lookAhead = 4;

/**
 * Classifies pictures, in the order given. One that cannot be read is reported in its place and does not stop the others.
 *
 * @param model a network compiled and loaded; it must take one picture at a time
 * @param network where it comes from: its preprocessing and labels
 * @param files paths of pictures; `listPictures` expands folders
 * @throws {OptionError} if the network takes several pictures at a time
 */
export async function* classifyPictures(
  model: Model,
  network: Network,
  files: readonly string[],
  options: ClassifyOptions = {},
): AsyncGenerator<PictureResult, void, void> {
  const { top = 5, labels = network.labels, preprocessing = network.preprocessing } = options;
  const batch = model.manifest.inputs[0]?.shape[0];
  if (batch !== 1) {
    throw new OptionError(
      `${network.name} takes ${batch} pictures at a time; to classify, build it with a batch of 1.`,
    );
  }
  const queue: Promise<Pixels | DepthwiseError>[] = [];
  for (const [index, file] of files.entries()) {
    while (queue.length < lookAhead && index + queue.length < files.length) {
      queue.push(decodeOrError(files[index + queue.length] as string));
    }
    const pixels = await (queue.shift() as Promise<Pixels | DepthwiseError>);
    if (pixels instanceof DepthwiseError) yield { file, error: pixels };
    else {
      const { output } = model.run({ input: preprocess(pixels, preprocessing) });
      yield { file, top: bestClasses(output as Float32Array, top, labels) };
    }
  }
}

async function decodeOrError(file: string): Promise<Pixels | DepthwiseError> {
  try {
    return await decodePicture(file);
  } catch (error) {
    if (error instanceof DepthwiseError) return error;
    throw error;
  }
}
