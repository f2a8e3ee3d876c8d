import {
  exchangeTensors,
  type Network,
  OptionError,
  type Tensor,
  type Weights,
  writeSafetensors,
  writeWeights,
} from "@depthwise/core";
import { type FormatName, writeOnnx, writePytorch, writeTfjs, writeTflite } from "@depthwise/formats";
import { weightsHash } from "../weights_hash.ts";

/** The formats that are written. */
export type WrittenFormat = Exclude<FormatName, "caffe">;

/** What is to be written. */
export interface WriteModelOptions {
  /** Names and layouts of the tensors. Default: ours in safetensors, the network's best known in PyTorch's files. */
  readonly naming?: string | undefined;
  readonly weightsType?: "f32" | "f16" | undefined;
}

/** Files of a model, by name beside one another; the last one names the others, and is the model. */
export interface WrittenModel {
  readonly files: readonly (readonly [name: string, bytes: Uint8Array])[];
  /** Tensors in them. */
  readonly tensors: number;
}

/**
 * The format that a file's ending asks for.
 *
 * @throws {OptionError} for an ending that asks for none
 */
export function formatToWrite(file: string): WrittenFormat {
  const endings: readonly (readonly [RegExp, WrittenFormat])[] = [
    [/\.safetensors$/i, "safetensors"],
    [/\.(pth|pt)$/i, "pytorch"],
    [/\.onnx$/i, "onnx"],
    [/\.tflite$/i, "tflite"],
    [/(^|[/\\])model\.json$/i, "tfjs"],
  ];
  const format = endings.find(([pattern]) => pattern.test(file))?.[1];
  if (format !== undefined) return format;
  throw new OptionError(`convert: ${file}: its ending says no format that is written.`, {
    hint: "Formats: .safetensors, .pth, .pt, .onnx, .tflite, and a file named model.json for TensorFlow.js.",
  });
}

/**
 * A network in a format.
 *
 * @throws {OptionError} for a naming or a type that the format or the network does not have
 * @throws {UnsupportedError} for what the format cannot say
 */
export function writeModel(
  network: Network,
  weights: Weights,
  format: WrittenFormat,
  file: string,
  options: WriteModelOptions = {},
): WrittenModel {
  checkOptions(format, options);
  const { naming, weightsType: dtype } = options;
  const { graph } = network;
  switch (format) {
    case "safetensors":
      return one(file, writeWeights(weights, network, { naming, dtype }), weights.size);
    case "pytorch": {
      const tensors = exchangeTensors(weights, network, { naming: naming ?? network.namings[0]?.name, dtype });
      return one(file, writePytorch(tensors), tensors.size);
    }
    case "onnx":
      return one(file, writeOnnx(graph, weights), weights.size);
    case "tflite":
      return one(file, writeTflite(graph, weights), weights.size);
    case "tfjs": {
      const weightsFile = weightsName(weights);
      const written = writeTfjs(graph, weights, { weightsFile });
      const files = [[weightsFile, written.weights] as const, [file, written.modelJson] as const];
      return { files, tensors: weights.size };
    }
    default:
      return format satisfies never;
  }
}

/**
 * Tensors of no network that is known, as they are.
 *
 * @throws {OptionError} for a format that needs the network, and for a naming
 */
export function writeTensors(
  tensors: ReadonlyMap<string, Tensor>,
  format: WrittenFormat,
  file: string,
  options: WriteModelOptions = {},
): WrittenModel {
  if (format !== "safetensors" && format !== "pytorch") {
    throw new OptionError(`convert: ${file} needs the network, and the tensors do not say of which they are.`, {
      hint: "--family says it: a family or a variant; `depthwise list` shows them.",
    });
  }
  if (options.naming !== undefined || options.weightsType === "f16") {
    throw new OptionError(
      "convert: tensors of an unknown network are written as they are, without --naming and --weights-type.",
    );
  }
  return one(file, format === "safetensors" ? writeSafetensors(tensors) : writePytorch(tensors), tensors.size);
}

/** Weights of TensorFlow.js beside their `model.json`: {@link weightsName}. */
export const tfjsWeightsName: RegExp = /weights-[0-9a-f]{16}\.bin/;

/** Called by their content, so that a `model.json` never stands beside the weights of another. */
function weightsName(weights: Weights): string {
  return `weights-${weightsHash(weights)}.bin`;
}

function one(file: string, bytes: Uint8Array, tensors: number): WrittenModel {
  return { files: [[file, bytes]], tensors };
}

function checkOptions(format: WrittenFormat, { naming, weightsType }: WriteModelOptions): void {
  if (format === "safetensors" || format === "pytorch") return;
  if (naming !== undefined)
    throw new OptionError(`convert: --naming is for .safetensors and .pth; ${format} has the graph's names.`);
  if (weightsType === "f16")
    throw new OptionError(`convert: --weights-type f16 is for .safetensors and .pth; ${format} is written as f32.`);
}
