import {
  build,
  FormatError,
  initializeWeights,
  type Network,
  OptionError,
  parsePreprocessing,
  readNetwork,
  readSafetensors,
  readWeights,
  UnsupportedError,
  type Weights,
  withInputSize,
} from "@depthwise/core";
import { parseLabels } from "./classification/labels.ts";
import type { WeightsOptions } from "./command_line/invocation.ts";
import type { ModelArgument } from "./command_line/model_argument.ts";
import { readBytes } from "./command_line/read_bytes.ts";

/** A network with its numbers. */
export interface OpenedModel {
  readonly network: Network;
  readonly weights: Weights;
}

/**
 * The network of a MODEL argument, without weights.
 *
 * @throws {OptionError} for an unknown name or option
 * @throws {IoError | FormatError | WeightsError} for a file that is no model
 */
export async function openNetwork(argument: ModelArgument): Promise<Network> {
  return argument.isFile ? (await openFile(argument)).network : build(argument.subject, argument.options);
}

/**
 * The network of a MODEL argument with weights: those of `--weights`, of the model file, or drawn from `--seed` (default 0).
 *
 * Labels and preprocessing of a weights file that this library wrote go with its weights.
 *
 * @throws {OptionError | IoError | FormatError | WeightsError} as {@link openNetwork}, and for weights that do not fit
 */
export async function openModel(argument: ModelArgument, { weights, seed }: WeightsOptions): Promise<OpenedModel> {
  if (weights !== undefined && seed !== undefined) throw new OptionError("Either --weights or --seed, not both.");
  if (weights === undefined && argument.isFile) {
    if (seed !== undefined) throw new OptionError("--seed draws weights for a name; a model file brings its own.");
    return openFile(argument);
  }
  const network = await openNetwork(argument);
  if (weights === undefined) return { network, weights: initializeWeights(network.graph, seed ?? 0) };
  return withWeightsFile(network, weights);
}

async function openFile({ subject }: ModelArgument): Promise<OpenedModel> {
  const isOther = /\.(pth|pt|onnx|tflite|json)$/i.test(subject);
  if (isOther) {
    throw new UnsupportedError(`${subject}: model files are read as safetensors only.`, {
      file: subject,
      hint: "Name the network and give its weights as safetensors: mobilenet_v2_1.0_224 --weights FILE.",
    });
  }
  return readNetwork(await readBytes(subject), { file: subject });
}

async function withWeightsFile(network: Network, file: string): Promise<OpenedModel> {
  const bytes = await readBytes(file);
  const weights = readWeights(bytes, network, { file });
  const { metadata } = readSafetensors(bytes, { file });
  // Others may use these keys for something else.
  if (metadata.depthwise === undefined) return { network, weights };
  const labels = metadata.labels === undefined ? undefined : parseLabels(metadata.labels, network.classes, file);
  return {
    network: {
      ...network,
      ...(labels === undefined ? {} : { labels }),
      preprocessing: withInputSize(preprocessingOf(metadata.preprocessing, file), network.preprocessing.size),
    },
    weights,
  };
}

function preprocessingOf(text: string | undefined, file: string): Network["preprocessing"] {
  try {
    return parsePreprocessing(text ?? "");
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw new FormatError(`${file}: metadata, ${cause.message}`, { file, cause });
  }
}
