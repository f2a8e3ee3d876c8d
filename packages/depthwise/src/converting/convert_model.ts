import { type Network, readNetwork, readSafetensors, type Weights } from "@depthwise/core";
import { dropBackground, type FormatName, formatOf, recognizeTensors } from "@depthwise/formats";
import { readBytes } from "../command_line/read_bytes.ts";
import { identifyModel, stateDict } from "./identify_model.ts";
import { readModelFile } from "./read_model_file.ts";
import { formatToWrite, type WriteModelOptions, type WrittenFormat, writeModel, writeTensors } from "./write_model.ts";
import { writeModelFiles } from "./write_model_files.ts";

/** Options of {@link convertModel}. */
export interface ConvertOptions extends WriteModelOptions {
  /** A family's or a variant's name: the file is of it. */
  readonly family?: string | undefined;
  /** Leave out the first class, TensorFlow's background. */
  readonly dropBackground?: boolean | undefined;
}

/** What was read and written. */
export interface Conversion {
  readonly read: { readonly format: FormatName; readonly tensors: number };
  readonly written: { readonly format: WrittenFormat; readonly tensors: number; readonly bytes: number };
  /** Of the network, or null for a network that is none of ours. */
  readonly family: string | null;
  /** Name of the network, or null for tensors that are of no network known. */
  readonly network: string | null;
  /** What the file had and the written one has not: training state, counts of batches. */
  readonly unmatched: readonly string[];
  /** Published networks that the tensors fit as well. */
  readonly alike: readonly string[];
}

interface ReadFile {
  readonly format: FormatName;
  readonly tensors: number;
  readonly unmatched: readonly string[];
  readonly alike: readonly string[];
  readonly model: { readonly network: Network; readonly weights: Weights } | undefined;
  /** Of a file whose network is not known. */
  readonly raw: ReturnType<typeof stateDict>;
}

/**
 * Writes a model file in another format. OUT is written whole or not at all.
 *
 * @throws {IoError | FormatError | UnsupportedError | WeightsError | OptionError} before anything is written
 */
export async function convertModel(input: string, output: string, options: ConvertOptions = {}): Promise<Conversion> {
  const format = formatToWrite(output);
  const file = await readFileToConvert(input, format, options);
  const model =
    options.dropBackground && file.model !== undefined
      ? dropBackground(file.model.network, file.model.weights)
      : file.model;
  const name = output.split(/[/\\]/).at(-1) as string;
  const written =
    model === undefined
      ? writeTensors(file.raw, format, name, options)
      : writeModel(model.network, model.weights, format, name, options);
  const bytes = await writeModelFiles(output, written);
  return {
    read: { format: file.format, tensors: file.tensors },
    written: { format, tensors: written.tensors, bytes },
    family: model?.network.family ?? null,
    network: model?.network.name ?? null,
    unmatched: file.unmatched,
    alike: file.alike,
  };
}

async function readFileToConvert(file: string, to: WrittenFormat, { family: only }: ConvertOptions): Promise<ReadFile> {
  const bytes = await readBytes(file);
  if (formatOf(bytes, file) === "safetensors" && readSafetensors(bytes, { file }).metadata.depthwise !== undefined) {
    const { network, weights } = readNetwork(bytes, { file });
    return {
      format: "safetensors",
      tensors: weights.size,
      unmatched: [],
      alike: [],
      model: { network, weights },
      raw: weights,
    };
  }
  const foreign = await readModelFile(file, bytes);
  const raw = stateDict(foreign);
  const common = { format: foreign.format, tensors: foreign.tensors.size, raw };
  const isUnknown = foreign.network === undefined && only === undefined && "nearest" in recognizeTensors(raw, { file });
  // Tensors can go from one container to another without anybody knowing what they are.
  if (isUnknown && (to === "safetensors" || to === "pytorch")) {
    return { ...common, unmatched: foreign.ignored ?? [], alike: [], model: undefined };
  }
  const { alike, ...model } = identifyModel(foreign, { file, only });
  const counts =
    foreign.network === undefined ? [...raw.keys()].filter((name) => name.endsWith("num_batches_tracked")) : [];
  return { ...common, unmatched: [...(foreign.ignored ?? []), ...counts], alike, model };
}
