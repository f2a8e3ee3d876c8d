import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { FormatError, type Shape } from "@depthwise/core";
import type { MemoryBudget } from "../memory_budget.ts";
import { viewOf } from "../typed_arrays.ts";

/** A layer of a Caffe network, of the current format or the one before it. */
export interface CaffeLayer {
  readonly name: string;
  /** `Convolution`, `InnerProduct`, ...; of the older format only those that matter here, else empty. */
  readonly type: string;
  readonly bottoms: readonly string[];
  readonly tops: readonly string[];
  readonly blobs: readonly CaffeBlob[];
}

/** Numbers of a layer. */
export interface CaffeBlob {
  readonly shape: Shape;
  readonly data: Float32Array;
}

/** Numbers of the fields that are read, as caffe.proto gives them. */
const fields = {
  network: { layersV1: 2, layer: 100 },
  layer: { name: 1, type: 2, bottom: 3, top: 4, blobs: 7 },
  layerV1: { oldest: 1, bottom: 2, top: 3, name: 4, type: 5, blobs: 6 },
  blob: { num: 1, channels: 2, height: 3, width: 4, data: 5, shape: 7, doubleData: 8 },
  shape: { dim: 1 },
} as const;

/** V1LayerParameter.LayerType, of layers with weights. */
const typesV1: ReadonlyMap<number, string> = new Map([
  [4, "Convolution"],
  [14, "InnerProduct"],
  [39, "Deconvolution"],
]);

/** Memory for a layer or blob beside its numbers, about. */
const recordBytes = 500;
const mostAxes = 8;

/** A field of a message: its number and, by its wire type, a number, 4 or 8 bytes, or many. */
interface Field {
  readonly number: number;
  readonly varint: number | undefined;
  readonly bytes: Uint8Array | undefined;
}

/**
 * The layers of a `.caffemodel` file (a NetParameter message), in order.
 *
 * @throws {FormatError} where the message is broken off or contradicts itself
 */
export function decodeCaffeModel(bytes: Uint8Array, budget: MemoryBudget, file?: string): readonly CaffeLayer[] {
  const decoder = new Decoder(budget, file);
  try {
    return decoder.layers(bytes);
  } catch (error) {
    if (error instanceof FormatError) throw error;
    // The wire reader's own: it knows nothing of ours.
    throw decoder.invalid(`${(error as Error).message}.`, error);
  }
}

class Decoder {
  readonly #budget: MemoryBudget;
  readonly #file: string | undefined;

  constructor(budget: MemoryBudget, file: string | undefined) {
    this.#budget = budget;
    this.#file = file;
  }

  invalid(problem: string, cause?: unknown): FormatError {
    return new FormatError(`Not a valid .caffemodel file: ${problem}`, {
      cause,
      ...(this.#file === undefined ? {} : { file: this.#file }),
    });
  }

  layers(bytes: Uint8Array): readonly CaffeLayer[] {
    const layers: CaffeLayer[] = [];
    for (const { number, bytes: message } of fieldsOf(bytes)) {
      if (message === undefined) continue;
      if (number === fields.network.layer) layers.push(this.#layer(message, fields.layer));
      if (number === fields.network.layersV1) layers.push(this.#layer(message, fields.layerV1));
    }
    return layers;
  }

  #layer(bytes: Uint8Array, numbers: typeof fields.layer | typeof fields.layerV1): CaffeLayer {
    this.#budget.spend(recordBytes, "The layers");
    let name = "";
    let type = "";
    const bottoms: string[] = [];
    const tops: string[] = [];
    const blobs: CaffeBlob[] = [];
    for (const field of fieldsOf(bytes)) {
      const { number, bytes: content } = field;
      if (number === numbers.type) type = content ? this.#text(content) : (typesV1.get(field.varint ?? 0) ?? "");
      if (content === undefined) continue;
      if (number === numbers.name) name = this.#text(content);
      else if (number === numbers.bottom) bottoms.push(this.#text(content));
      else if (number === numbers.top) tops.push(this.#text(content));
      else if (number === numbers.blobs) blobs.push(this.#blob(content, name));
      else if ("oldest" in numbers && number === numbers.oldest) {
        throw this.invalid("it is of the first format (V0).", undefined);
      }
    }
    return { name, type, bottoms, tops, blobs };
  }

  #blob(bytes: Uint8Array, layer: string): CaffeBlob {
    this.#budget.spend(recordBytes, "The layers");
    const legacy = [0, 0, 0, 0];
    let shape: Shape | undefined;
    const floats: Uint8Array[] = [];
    const doubles: Uint8Array[] = [];
    for (const { number, varint, bytes: content } of fieldsOf(bytes)) {
      if (varint !== undefined && number <= fields.blob.width) legacy[number - 1] = varint;
      if (content === undefined) continue;
      if (number === fields.blob.shape) shape = this.#shape(content);
      const chunks = number === fields.blob.data ? floats : number === fields.blob.doubleData ? doubles : undefined;
      if (chunks === undefined) continue;
      this.#budget.spend(chunkBytes, "The numbers");
      chunks.push(content);
    }
    const data = doubles.length > 0 ? this.#doubles(joined(doubles, this.#budget)) : this.#floats(floats);
    const lengths = shape ?? legacy;
    const count = lengths.reduce((product, length) => product * length, 1);
    if (count !== data.length && data.length > 0) {
      throw this.invalid(`a blob of "${layer}" has ${data.length} numbers for the shape ${lengths.join("x")}.`);
    }
    return { shape: lengths, data };
  }

  /** One run of numbers is a view of the file where it is aligned. */
  #floats(chunks: readonly Uint8Array[]): Float32Array {
    const bytes = chunks.length === 1 ? (chunks[0] as Uint8Array) : joined(chunks, this.#budget);
    if (bytes.length % 4 !== 0) throw this.invalid(`${bytes.length} bytes are no float32 numbers.`);
    return viewOf(bytes, "f32", this.#budget, "The numbers");
  }

  #doubles(bytes: Uint8Array): Float32Array {
    if (bytes.length % 8 !== 0) throw this.invalid(`${bytes.length} bytes are no float64 numbers.`);
    this.#budget.spend(bytes.length / 2, "The numbers");
    return Float32Array.from(viewOf(bytes, "f64", this.#budget, "The numbers"));
  }

  #shape(bytes: Uint8Array): Shape {
    const shape: number[] = [];
    const add = (length: number): void => {
      if (shape.length === mostAxes) throw this.invalid(`a shape has more than ${mostAxes} axes.`);
      shape.push(length);
    };
    for (const { number, varint, bytes: packed } of fieldsOf(bytes)) {
      if (number !== fields.shape.dim) continue;
      if (varint !== undefined) add(varint);
      const reader = new BinaryReader(packed ?? new Uint8Array());
      while (reader.pos < reader.len) add(Number(reader.int64()));
    }
    const wrong = shape.find((length) => !Number.isSafeInteger(length) || length < 0);
    if (wrong !== undefined) throw this.invalid(`a shape has an axis of length ${wrong}.`);
    return shape;
  }

  #text(bytes: Uint8Array): string {
    this.#budget.spend(2 * bytes.length + 16, "Names");
    return new TextDecoder().decode(bytes);
  }
}

/** Memory for noting a run of numbers: a number that is not packed is one. */
const chunkBytes = 100;

/** The fields of a message, one after another. */
function* fieldsOf(message: Uint8Array): Generator<Field> {
  const reader = new BinaryReader(message);
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    if (type === WireType.Varint) yield { number, varint: Number(reader.int64()), bytes: undefined };
    else if (type === WireType.LengthDelimited) yield { number, varint: undefined, bytes: reader.bytes() };
    else if (type === WireType.Bit32 || type === WireType.Bit64) {
      yield { number, varint: undefined, bytes: reader.skip(type) };
    } else reader.skip(type, number);
  }
}

function joined(chunks: readonly Uint8Array[], budget: MemoryBudget): Uint8Array {
  const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  budget.spend(length, "The numbers");
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
