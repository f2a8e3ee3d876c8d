import { FormatError, readSafetensors } from "@depthwise/core";
import type { ForeignModel, FormatName } from "./foreign_model.ts";

/** Options of {@link readModel}. */
export interface ReadModelOptions {
  /** The file's name, for messages, and for its ending where the content does not tell the format. */
  readonly file?: string | undefined;
  /** Reads a file that the model names, relative to it: the shards of TensorFlow.js. */
  readonly readBeside?: ((name: string) => Promise<Uint8Array>) | undefined;
}

/** By ending. */
const endings: readonly (readonly [pattern: RegExp, format: FormatName])[] = [
  [/\.safetensors$/i, "safetensors"],
  [/\.(pth|pt|bin|ckpt)$/i, "pytorch"],
  [/\.onnx$/i, "onnx"],
  [/\.(tflite|lite)$/i, "tflite"],
  [/\.json$/i, "tfjs"],
  [/\.caffemodel$/i, "caffe"],
];

/**
 * Reads a model file of any format: by its content, then by its ending.
 *
 * @throws {FormatError} for a file of none of the formats, or broken; {@link UnsupportedError} for what a format has and we do not
 */
export async function readModel(bytes: Uint8Array, options: ReadModelOptions = {}): Promise<ForeignModel> {
  const { file, readBeside } = options;
  const format = formatOf(bytes, file);
  // Each reader, and the library that it stands on, is loaded when it is needed.
  switch (format) {
    case "safetensors":
      return { format, tensors: readSafetensors(bytes, { file }).tensors };
    case "pytorch":
      return (await import("./pytorch/read_pytorch.ts")).readPytorch(bytes, { file });
    case "onnx":
      return (await import("./onnx/read_onnx.ts")).readOnnx(bytes, { file });
    case "tflite":
      return (await import("./tflite/read_tflite.ts")).readTflite(bytes, { file });
    case "caffe":
      return (await import("./caffe/read_caffe.ts")).readCaffe(bytes, { file });
    case "tfjs":
      return (await import("./tfjs/read_tfjs.ts")).readTfjs(bytes, { file, readBeside });
    case undefined:
      throw new FormatError("The file is no model in a format that is read here.", {
        hint: "Formats: safetensors, PyTorch (.pth, .pt), ONNX, TFLite, TensorFlow.js (model.json), Caffe (.caffemodel).",
        ...(file === undefined ? {} : { file }),
      });
    default:
      return format satisfies never;
  }
}

/** The format of a model file, as far as its beginning and its name tell; readers find out whether it is true. */
export function formatOf(bytes: Uint8Array, file?: string): FormatName | undefined {
  const ending = endings.find(([pattern]) => pattern.test(file ?? ""))?.[1];
  return formatOfContent(bytes, ending) ?? ending;
}

const zipStart = [0x50, 0x4b, 0x03, 0x04];
/** Pickles of protocol 2 and later. */
const pickleStart = 0x80;
const tfliteIdentifier = "TFL3";
const brace = 0x7b;

function formatOfContent(bytes: Uint8Array, ending: FormatName | undefined): FormatName | undefined {
  if (zipStart.every((byte, i) => bytes[i] === byte)) return "pytorch";
  if (String.fromCharCode(...bytes.subarray(4, 8)) === tfliteIdentifier) return "tflite";
  if (isSafetensors(bytes)) return "safetensors";
  if (firstLetter(bytes) === brace) return "tfjs";
  if (bytes[0] === pickleStart) return "pytorch";
  return protobufOf(bytes, ending);
}

/** A header's length that fits, then JSON. */
function isSafetensors(bytes: Uint8Array): boolean {
  if (bytes.length < 10 || bytes[8] !== brace) return false;
  const length = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  return length <= BigInt(bytes.length - 8);
}

/** After blanks and a byte order mark. */
function firstLetter(bytes: Uint8Array): number | undefined {
  let at = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  while ([0x20, 0x09, 0x0a, 0x0d].includes(bytes[at] ?? 0)) at++;
  return bytes[at];
}

/**
 * ONNX and Caffe are both protocol buffers, which do not say what they are. ONNX's first field is a number, its version (tag 0x08); Caffe's a
 * text, the network's name (0x0a), or a layer (0x12 and 0xa2 0x06).
 */
function protobufOf(bytes: Uint8Array, ending: FormatName | undefined): FormatName | undefined {
  if (ending === "onnx" || ending === "caffe") return ending;
  if (ending !== undefined) return undefined;
  if (bytes[0] === 0x08 && (bytes[1] ?? 0) > 0 && (bytes[1] ?? 0) < 0x40) return "onnx";
  const isCaffe = bytes[0] === 0x0a || bytes[0] === 0x12 || (bytes[0] === 0xa2 && bytes[1] === 0x06);
  return isCaffe && bytes.length > 64 ? "caffe" : undefined;
}
