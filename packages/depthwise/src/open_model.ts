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
  type Weights,
  withInputSize,
} from "@depthwise/core";
import { isTrained } from "@depthwise/zoo";
import { parseLabels } from "./classification/labels.ts";
import type { WeightsOptions } from "./command_line/invocation.ts";
import type { ModelArgument } from "./command_line/model_argument.ts";
import { readBytes } from "./command_line/read_bytes.ts";
import { note } from "./command_line/terminal.ts";
import { openTrained } from "./zoo/open_trained.ts";

/** A network with its numbers. */
export interface OpenedModel {
  readonly network: Network;
  readonly weights: Weights;
}

/**
 * The network of a MODEL argument, without weights.
 *
 * @throws {OptionError} for an unknown name or option
 * @throws {IoError | FormatError | WeightsError | UnsupportedError} for a file that is no model
 */
export async function openNetwork(argument: ModelArgument): Promise<Network> {
  return argument.isFile ? (await openFile(argument)).network : build(argument.subject, argument.options);
}

/**
 * The network of a MODEL argument with weights: those of `--weights`, of the model file, of the zoo if it has the variant, or drawn from
 * `--seed` (default 0). Files may be of any format that is read.
 *
 * Labels and preprocessing of a weights file that this library wrote go with its weights.
 *
 * @throws {OptionError | IoError | FormatError | WeightsError | UnsupportedError} as {@link openNetwork}, and for weights that do not fit
 */
export async function openModel(argument: ModelArgument, { weights, seed }: WeightsOptions): Promise<OpenedModel> {
  if (weights !== undefined && seed !== undefined) throw new OptionError("Either --weights or --seed, not both.");
  if (weights === undefined && argument.isFile) {
    if (seed !== undefined) throw new OptionError("--seed draws weights for a name; a model file brings its own.");
    return openFile(argument);
  }
  const { subject, options } = argument;
  const isPlainName = weights === undefined && seed === undefined && Object.keys(options).length === 0;
  if (isPlainName && isTrained(subject)) return openTrained(subject);
  const network = await openNetwork(argument);
  if (weights === undefined) return { network, weights: initializeWeights(network.graph, seed ?? 0) };
  return withWeightsFile(network, weights);
}

async function openFile({ subject }: ModelArgument): Promise<OpenedModel> {
  const bytes = await readBytes(subject);
  const { formatOf } = await import("@depthwise/formats");
  if (formatOf(bytes, subject) === "safetensors") {
    const { metadata } = readSafetensors(bytes, { file: subject });
    if (metadata.depthwise !== undefined) return readNetwork(bytes, { file: subject });
  }
  const { readModelFile } = await import("./converting/read_model_file.ts");
  const { identifyModel } = await import("./converting/identify_model.ts");
  const { network, weights, alike } = identifyModel(await readModelFile(subject, bytes), { file: subject });
  if (alike.length > 1) {
    note(
      `depthwise: ${subject} fits ${listed(alike)} alike; taken as ${network.name}. To choose: NAME --weights ${subject}.`,
    );
  }
  return { network, weights };
}

function listed(names: readonly string[]): string {
  return `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

async function withWeightsFile(network: Network, file: string): Promise<OpenedModel> {
  const bytes = await readBytes(file);
  const { formatOf } = await import("@depthwise/formats");
  if (formatOf(bytes, file) !== "safetensors") {
    const { readModelFile } = await import("./converting/read_model_file.ts");
    const { weightsFor } = await import("./converting/identify_model.ts");
    return { network, weights: weightsFor(network, await readModelFile(file, bytes), file) };
  }
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
