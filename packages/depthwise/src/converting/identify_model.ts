import { basename, dirname } from "node:path";
import {
  build,
  loadWeights,
  type Network,
  preprocessingPresets,
  type Tensor,
  UnsupportedError,
  type Weights,
  WeightsError,
  withInputSize,
} from "@depthwise/core";
import {
  dropBackground,
  type ForeignModel,
  matchGraph,
  type NearestNetwork,
  pictureOptionsOf,
  plainNetwork,
  recognizeGraph,
  recognizeTensors,
} from "@depthwise/formats";

/** A file of another tool as a network with weights. */
export interface IdentifiedModel {
  readonly network: Network;
  readonly weights: Weights;
  /** Published networks that the file's tensors fit as well; more than one where only the caller can tell. */
  readonly alike: readonly string[];
}

/** Options of {@link identifyModel}. */
export interface IdentifyOptions {
  /** For messages, and as the name of a network that is none of ours. */
  readonly file: string;
  /** A family's or a variant's name: the file is of it. */
  readonly only?: string | undefined;
}

/**
 * Which network a file holds: one of ours, recognised by names and shapes or by its graph, or the graph as it is.
 *
 * @throws {WeightsError} for tensors without a graph that no network here has, naming the nearest
 * @throws {UnsupportedError} for a graph that is no network from one picture to one output
 */
export function identifyModel(model: ForeignModel, options: IdentifyOptions): IdentifiedModel {
  if (model.network !== undefined) return identifyGraph(model, model.network, options);
  const found = identifyTensors(stateDict(model), options);
  return model.format === "caffe" ? { ...found, network: fromCaffe(found.network) } : found;
}

/** Caffe's kernels are for BGR, as OpenCV reads pictures, with the mean that the family's authors subtract. */
function fromCaffe(network: Network): Network {
  const usual = preprocessingPresets[network.family === "mobilenet_v1" ? "caffeMobileNet" : "caffeSqueezeNetBgr"];
  return { ...network, preprocessing: withInputSize(usual, network.preprocessing.size) };
}

function identifyTensors(tensors: ReadonlyMap<string, Tensor>, { file, only }: IdentifyOptions): IdentifiedModel {
  const found = recognizeTensors(tensors, { only, file });
  if ("nearest" in found) throw unknownTensors(found.nearest, tensors, file, only);
  return found.recognized;
}

function unknownTensors(
  { name, naming, found, expected, unexpected }: NearestNetwork,
  tensors: ReadonlyMap<string, Tensor>,
  file: string,
  only: string | undefined,
): WeightsError {
  const these = `${tensors.size} tensors (${[...tensors.keys()].slice(0, 3).join(", ")}, ...)`;
  const near =
    found === 0
      ? "no name of them is known"
      : `nearest is ${name}, by the names of "${naming}": ${found} of its ${expected} tensors are there, and ${unexpected} that it does not have`;
  return new WeightsError(
    `${file} holds ${these} and no network; they are ${only === undefined ? "none" : `no ${only}`} of ours: ${near}.`,
    {
      file,
      hint: "Name the network, with its options, and give the file as its weights: mobilenet_v2 --width 0.4 --weights FILE.",
    },
  );
}

function identifyGraph(
  { format, labels, pixels }: ForeignModel,
  { graph, weights }: NonNullable<ForeignModel["network"]>,
  { file, only }: IdentifyOptions,
): IdentifiedModel {
  const found = recognizeGraph(graph, weights, { only });
  if (found === undefined && only !== undefined) {
    throw new WeightsError(`${file} holds a network that is no ${only}.`, {
      file,
      hint: "Leave the family out to read it as it is.",
    });
  }
  const { network, weights: named } = found ?? plainNetwork(graph, weights, nameOf(file), format);
  const known = labels !== undefined && labels.length === network.classes ? { labels } : {};
  const preprocessing = pixels === undefined ? network.preprocessing : bytesAs(pixels, network.preprocessing);
  return { network: { ...network, preprocessing, ...known }, weights: named, alike: [] };
}

/** The preprocessing of a network whose file takes pictures as integers, and says what they stand for. */
function bytesAs(
  { scale, offset }: NonNullable<ForeignModel["pixels"]>,
  preprocessing: Network["preprocessing"],
): Network["preprocessing"] {
  return { ...preprocessing, scale, mean: [-offset, -offset, -offset], std: [1, 1, 1] };
}

/** `model.json` says nothing; its folder does. */
function nameOf(file: string): string {
  const own = basename(file).replace(/\.[^.]*$/, "");
  const folder = basename(dirname(file));
  return (own === "model" && /\w/.test(folder) ? folder : own) || "model";
}

/**
 * A file's weights for a network that the caller named.
 *
 * @throws {WeightsError} if they are another network's
 */
export function weightsFor(network: Network, model: ForeignModel, file: string): Weights {
  if (model.network === undefined) return loadWeights(stateDict(model), network, { file });
  const { graph, weights } = model.network;
  const ends = pictureOptionsOf(graph);
  if (network.family === undefined)
    throw new UnsupportedError(`${network.name} takes weights of our own files only.`, { file });
  const same = ends === undefined ? undefined : build(network.family, { ...network.options, ...ends });
  const named = same === undefined ? undefined : matchGraph(same, graph, weights);
  if (same === undefined || named === undefined) throw otherGraph(network, model.network, file);
  const isWithBackground = same.classes === network.classes + 1;
  const fitting = isWithBackground ? dropBackground(same, named).weights : named;
  return loadWeights(fitting, network, { file, naming: "depthwise" });
}

/** Says in which options the file's network differs, where it is of the same family. */
function otherGraph(
  network: Network,
  { graph, weights }: NonNullable<ForeignModel["network"]>,
  file: string,
): WeightsError {
  const found = recognizeGraph(graph, weights);
  if (found === undefined) {
    return new WeightsError(`${file} holds a network that is not ${network.name}, nor another of ours.`, { file });
  }
  const differing = Object.entries(found.network.options).filter(
    ([name, value]) =>
      JSON.stringify(value) !== JSON.stringify(network.options[name]) &&
      !["resolution", "batch", "dropout"].includes(name),
  );
  const isSameFamily = found.network.family === network.family;
  const options = differing.map(([name, value]) => `${name} ${JSON.stringify(value)}`).join(", ");
  return new WeightsError(
    `${file} holds ${found.network.name}${isSameFamily ? ` with ${options}` : ""}, not ${network.name}.`,
    { file, hint: isSameFamily ? "Give the network those options." : `Use the file itself as MODEL.` },
  );
}

/** The tensors without the prefix that PyTorch's DataParallel puts before all names. */
export function stateDict({ tensors }: ForeignModel): ReadonlyMap<string, Tensor> {
  const prefix = "module.";
  const names = [...tensors.keys()];
  if (names.length === 0 || !names.every((name) => name.startsWith(prefix))) return tensors;
  return new Map([...tensors].map(([name, tensor]) => [name.slice(prefix.length), tensor]));
}
