import { FormatError, OptionError, UnsupportedError, WeightsError } from "../errors.ts";
import { nodeOf } from "../graph/graph.ts";
import { graphFromJson } from "../graph/json.ts";
import { build } from "../networks/build.ts";
import type { Network } from "../networks/network.ts";
import { parsePreprocessing } from "../pixels/preprocessing.ts";
import { floatToHalf, formatShape, type Shape, sameShape, type Tensor, toFloat32, type Weights } from "../tensor.ts";
import { toTheirs } from "./exchange_layout.ts";
import { loadWeights, type ReadWeightsOptions } from "./load_weights.ts";
import { expectedTensors, ownNaming } from "./match_names.ts";
import { modelMetadata, parseJson, parseOptions } from "./model_metadata.ts";
import { readSafetensors } from "./read_safetensors.ts";
import { writeSafetensors } from "./write_safetensors.ts";

/** Options of `writeWeights`. */
export interface WriteWeightsOptions {
  /** Whose names and layouts: `depthwise` for ours, or one of `network.namings`. Default `depthwise`. */
  readonly naming?: string | undefined;
  /** How the numbers are stored; `f16` halves the file. Default `f32`. */
  readonly dtype?: "f32" | "f16" | undefined;
  /** Strings to put beside the network's own metadata, which wins. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

/** A model file's content. */
export interface ModelFile {
  readonly network: Network;
  readonly weights: Weights;
  /** Everything in the header's `__metadata__`. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Larger numbers in a file's options would only make us build a graph that its tensors cannot fit. */
const largestOption = 100_000;

/**
 * Writes a network's weights as safetensors. The metadata names the network, its options, labels and preprocessing, so that
 * {@link readNetwork} needs nothing else.
 *
 * @throws {WeightsError} if a parameter of the network is missing, or of another size
 * @throws {OptionError} for an unknown naming
 */
export function writeWeights(
  weights: Weights,
  network: Network,
  options: WriteWeightsOptions = {},
): Uint8Array<ArrayBuffer> {
  const { naming = ownNaming } = options;
  // PyTorch's tools look for "pt".
  const format: Record<string, string> = naming === ownNaming ? {} : { format: "pt" };
  const tensors = exchangeTensors(weights, network, options);
  return writeSafetensors(tensors, { ...options.metadata, ...format, ...modelMetadata(network) });
}

/**
 * A network's weights under a naming's names and in its layouts: the tensors of {@link writeWeights}, for files of other formats.
 *
 * @throws {WeightsError | OptionError} as {@link writeWeights}
 */
export function exchangeTensors(
  weights: Weights,
  network: Network,
  { naming = ownNaming, dtype = "f32" }: Pick<WriteWeightsOptions, "naming" | "dtype"> = {},
): ReadonlyMap<string, Tensor> {
  const tensors = new Map<string, Tensor>();
  for (const { ourParameter, theirName, ourShape, theirShape, layout } of expectedTensors(network, naming)) {
    const source = weights.get(ourParameter);
    if (source === undefined || !sameShape(source.shape, ourShape)) {
      const received = source === undefined ? "nothing" : formatShape(source.shape);
      throw new WeightsError(
        `Weights of ${network.name}: "${ourParameter}" expects ${formatShape(ourShape)}, received ${received}.`,
      );
    }
    tensors.set(theirName, stored(toTheirs(toFloat32(source), ourShape, layout), theirShape, dtype, ourParameter));
  }
  return tensors;
}

function stored(values: Float32Array, shape: Shape, dtype: "f32" | "f16", name: string): Tensor {
  if (dtype === "f32") return { dtype, shape, data: values };
  const data = Uint16Array.from(values, floatToHalf);
  const lost = data.findIndex((bits, index) => (bits & 0x7fff) === 0x7c00 && Number.isFinite(values[index]));
  if (lost >= 0) {
    throw new WeightsError(`Weight "${name}" holds ${values[lost]} at element ${lost}, beyond float16's 65504.`, {
      hint: "Write them as f32.",
    });
  }
  return { dtype, shape, data };
}

/**
 * The network and the weights of a file that {@link writeWeights} wrote.
 *
 * @throws {FormatError} if the file is no such file, or its metadata are not what they should be
 * @throws {WeightsError} if the tensors do not fit the network
 */
export function readNetwork(bytes: Uint8Array, options: ReadWeightsOptions = {}): ModelFile {
  const { file } = options;
  const { tensors, metadata } = readSafetensors(bytes, { file });
  const network = networkOf(metadata, file);
  return { network, weights: loadWeights(tensors, network, options), metadata };
}

function networkOf(metadata: Readonly<Record<string, string>>, file: string | undefined): Network {
  const details = file === undefined ? {} : { file };
  if (metadata.depthwise === undefined) {
    throw new FormatError("The file holds tensors, but does not say of which network.", {
      ...details,
      hint: "Name the network and give the file as its weights.",
    });
  }
  if (metadata.depthwise !== "1") {
    throw new UnsupportedError(
      `The file's metadata has version ${metadata.depthwise}; this release reads version 1.`,
      details,
    );
  }
  const network =
    metadata.family === undefined ? graphNetwork(metadata, file) : familyNetwork(metadata.family, metadata, file);
  const labels = parseLabels(metadata.labels, network.classes, file);
  return {
    ...network,
    name: metadata.network ?? network.name,
    preprocessing: parsePreprocessing(metadata.preprocessing ?? ""),
    ...(labels === undefined ? {} : { labels }),
  };
}

function familyNetwork(family: string, metadata: Readonly<Record<string, string>>, file: string | undefined): Network {
  const details = file === undefined ? {} : { file };
  const networkOptions = parseOptions(metadata, file);
  for (const [name, value] of Object.entries(networkOptions)) {
    if ([value].flat().some((item) => typeof item === "number" && item > largestOption)) {
      throw new FormatError(
        `Metadata "options": ${name} ${JSON.stringify(value)} is more than ${largestOption}.`,
        details,
      );
    }
  }
  try {
    return build(family, networkOptions);
  } catch (cause) {
    if (!(cause instanceof OptionError)) throw cause;
    throw new FormatError(`The metadata do not make a network. ${cause.message}`, { ...details, cause });
  }
}

function graphNetwork(metadata: Readonly<Record<string, string>>, file: string | undefined): Network {
  const details = file === undefined ? {} : { file };
  if (metadata.graph === undefined) throw new FormatError('Metadata: neither "family" nor "graph" is there.', details);
  const graph = graphFromJson(parseJson("graph", metadata.graph, file));
  const output = graph.outputs.find(({ name }) => name === "output");
  if (output === undefined) throw new FormatError('Metadata "graph": it has no output named "output".', details);
  return {
    name: graph.name,
    family: undefined,
    options: {},
    graph,
    classes: nodeOf(graph, output.value).shape.at(-1) ?? 0,
    preprocessing: parsePreprocessing(metadata.preprocessing ?? ""),
    namings: [],
  };
}

function parseLabels(
  text: string | undefined,
  classes: number,
  file: string | undefined,
): readonly string[] | undefined {
  if (text === undefined) return undefined;
  const labels = parseJson("labels", text, file);
  if (!Array.isArray(labels) || labels.length !== classes || !labels.every((label) => typeof label === "string")) {
    throw new FormatError(
      `Metadata "labels": expected an array of ${classes} strings, received ${text.slice(0, 60)}.`,
      file === undefined ? {} : { file },
    );
  }
  return labels;
}
