import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { FormatError } from "@depthwise/core";
import type { MemoryBudget } from "../memory_budget.ts";

/** The part of an ONNX file that is read: named as in the specification (onnx.proto), nothing checked but that the bytes are protobuf. */

/** AttributeProto: the fields that are there. */
export interface FileAttribute {
  readonly float?: number;
  readonly int?: number;
  readonly text?: string;
  readonly floats: readonly number[];
  readonly ints: readonly number[];
  readonly tensor?: FileTensor;
}

/** NodeProto. */
export interface FileNode {
  readonly name: string;
  readonly opType: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, FileAttribute>;
}

/** Numbers of a repeated field: packed, as the bytes they are stored in, or one by one. */
export interface FileNumbers {
  readonly packed: readonly Uint8Array[];
  readonly single: readonly number[];
}

/** TensorProto. */
export interface FileTensor {
  readonly name: string;
  readonly dims: readonly number[];
  readonly dataType: number;
  readonly raw: Uint8Array | undefined;
  readonly floats: FileNumbers;
  readonly doubles: FileNumbers;
  /** Of int32_data. */
  readonly int32s: FileNumbers;
  /** Of int64_data and uint64_data. */
  readonly int64s: FileNumbers;
  readonly isExternal: boolean;
  /** Where the numbers are, if not in the file. */
  readonly location: string | undefined;
}

/** ValueInfoProto of a tensor. A length that is not known is undefined. */
export interface FilePort {
  readonly name: string;
  readonly elementType: number | undefined;
  readonly dims: readonly (number | undefined)[] | undefined;
}

/** GraphProto. */
export interface FileGraph {
  readonly name: string;
  readonly nodes: readonly FileNode[];
  readonly initializers: readonly FileTensor[];
  readonly inputs: readonly FilePort[];
  readonly outputs: readonly FilePort[];
}

/** ModelProto. */
export interface FileModel {
  readonly irVersion: number;
  readonly opsets: ReadonlyMap<string, number>;
  readonly graph: FileGraph | undefined;
}

/** Bytes that a record of each kind takes here, roughly: what a small file may ask for is limited by them. */
const recordBytes = { message: 400, text: 48, number: 8 } as const;

/** Handles one field of a message; what it does not read is passed over. */
type FieldHandler = (field: number, wire: WireType) => void;

/**
 * Decodes the bytes of a model file.
 *
 * @throws {FormatError} if they are not protobuf, or what is decoded would be out of proportion to the file
 */
export function decodeOnnxFile(bytes: Uint8Array, budget: MemoryBudget, file?: string): FileModel {
  try {
    return new OnnxDecoder(bytes, budget).model();
  } catch (error) {
    if (error instanceof FormatError) throw error;
    // The library throws errors of several kinds for bytes that are none of its format.
    const reason = error instanceof Error ? error.message : String(error);
    throw new FormatError(`Not a valid ONNX file: its bytes are not protocol buffers (${reason}).`, {
      cause: error,
      ...(file === undefined ? {} : { file }),
    });
  }
}

class OnnxDecoder {
  readonly #reader: BinaryReader;
  readonly #budget: MemoryBudget;
  /** Where the message that is being read ends. */
  #end: number;

  constructor(bytes: Uint8Array, budget: MemoryBudget) {
    this.#reader = new BinaryReader(bytes);
    this.#budget = budget;
    this.#end = bytes.length;
  }

  model(): FileModel {
    let irVersion = 0;
    let graph: FileGraph | undefined;
    const opsets = new Map<string, number>();
    this.#fields((field, wire) => {
      if (field === 1) irVersion = this.#integer(wire);
      else if (field === 7) graph = this.#message(wire, () => this.#graph());
      else if (field === 8) this.#message(wire, () => this.#opset(opsets));
      else this.#skip(wire);
    });
    return { irVersion, opsets, graph };
  }

  #opset(opsets: Map<string, number>): void {
    let domain = "";
    let version = 0;
    this.#fields((field, wire) => {
      if (field === 1) domain = this.#text(wire);
      else if (field === 2) version = this.#integer(wire);
      else this.#skip(wire);
    });
    opsets.set(domain, version);
  }

  #graph(): FileGraph {
    let name = "";
    const nodes: FileNode[] = [];
    const initializers: FileTensor[] = [];
    const inputs: FilePort[] = [];
    const outputs: FilePort[] = [];
    this.#fields((field, wire) => {
      if (field === 1) nodes.push(this.#message(wire, () => this.#node()));
      else if (field === 2) name = this.#text(wire);
      else if (field === 5) initializers.push(this.#message(wire, () => this.#tensor()));
      else if (field === 11) inputs.push(this.#message(wire, () => this.#port()));
      else if (field === 12) outputs.push(this.#message(wire, () => this.#port()));
      else this.#skip(wire);
    });
    return { name, nodes, initializers, inputs, outputs };
  }

  #node(): FileNode {
    let [name, opType, domain] = ["", "", ""];
    const inputs: string[] = [];
    const outputs: string[] = [];
    const attributes = new Map<string, FileAttribute>();
    this.#fields((field, wire) => {
      if (field === 1) inputs.push(this.#text(wire));
      else if (field === 2) outputs.push(this.#text(wire));
      else if (field === 3) name = this.#text(wire);
      else if (field === 4) opType = this.#text(wire);
      else if (field === 5) this.#message(wire, () => this.#attribute(attributes));
      else if (field === 7) domain = this.#text(wire);
      else this.#skip(wire);
    });
    return { name, opType, domain, inputs, outputs, attributes };
  }

  #attribute(attributes: Map<string, FileAttribute>): void {
    let name = "";
    let single: Pick<FileAttribute, "float" | "int" | "text" | "tensor"> = {};
    const floats = emptyNumbers();
    const ints = emptyNumbers();
    this.#fields((field, wire) => {
      if (field === 1) name = this.#text(wire);
      else if (field === 2) single = { ...single, float: this.#float(wire) };
      else if (field === 3) single = { ...single, int: this.#integer(wire) };
      else if (field === 4) single = { ...single, text: this.#text(wire) };
      else if (field === 5) single = { ...single, tensor: this.#message(wire, () => this.#tensor()) };
      else if (field === 7) this.#repeated(floats, wire, WireType.Bit32, () => this.#reader.float());
      else if (field === 8) this.#repeated(ints, wire, WireType.Varint, () => this.#varint());
      else this.#skip(wire);
    });
    const unpacked = { floats: unpackFloats(floats, this.#budget), ints: unpackVarints(ints, this.#budget) };
    attributes.set(name, { ...single, ...unpacked });
  }

  #tensor(): FileTensor {
    let [name, location]: [string, string | undefined] = ["", undefined];
    let dataType = 0;
    let raw: Uint8Array | undefined;
    let isExternal = false;
    const dims = emptyNumbers();
    const [floats, doubles, int32s, int64s] = [emptyNumbers(), emptyNumbers(), emptyNumbers(), emptyNumbers()];
    this.#fields((field, wire) => {
      if (field === 1) this.#repeated(dims, wire, WireType.Varint, () => this.#varint());
      else if (field === 2) dataType = this.#integer(wire);
      else if (field === 4) this.#repeated(floats, wire, WireType.Bit32, () => this.#reader.float());
      else if (field === 5) this.#repeated(int32s, wire, WireType.Varint, () => this.#varint());
      else if (field === 7 || field === 11) this.#repeated(int64s, wire, WireType.Varint, () => this.#varint());
      else if (field === 8) name = this.#text(wire);
      else if (field === 9) raw = this.#bytes(wire);
      else if (field === 10) this.#repeated(doubles, wire, WireType.Bit64, () => this.#reader.double());
      else if (field === 13) location = this.#message(wire, () => this.#location()) ?? location;
      else if (field === 14) isExternal = this.#integer(wire) !== 0;
      else this.#skip(wire);
    });
    const lengths = unpackVarints(dims, this.#budget);
    return { name, dims: lengths, dataType, raw, floats, doubles, int32s, int64s, isExternal, location };
  }

  /** The value of an entry of external_data, if its key is `location`. */
  #location(): string | undefined {
    let [key, value] = ["", ""];
    this.#fields((field, wire) => {
      if (field === 1) key = this.#text(wire);
      else if (field === 2) value = this.#text(wire);
      else this.#skip(wire);
    });
    return key === "location" ? value : undefined;
  }

  #port(): FilePort {
    let name = "";
    let type: Omit<FilePort, "name"> = { elementType: undefined, dims: undefined };
    this.#fields((field, wire) => {
      if (field === 1) name = this.#text(wire);
      else if (field === 2) type = this.#message(wire, () => this.#type()) ?? type;
      else this.#skip(wire);
    });
    return { name, ...type };
  }

  /** TypeProto, if it is of a tensor. */
  #type(): Omit<FilePort, "name"> | undefined {
    let tensor: Omit<FilePort, "name"> | undefined;
    this.#fields((field, wire) => {
      if (field === 1) tensor = this.#message(wire, () => this.#tensorType());
      else this.#skip(wire);
    });
    return tensor;
  }

  #tensorType(): Omit<FilePort, "name"> {
    let elementType: number | undefined;
    let dims: (number | undefined)[] | undefined;
    this.#fields((field, wire) => {
      if (field === 1) elementType = this.#integer(wire);
      else if (field === 2) dims = this.#message(wire, () => this.#shape());
      else this.#skip(wire);
    });
    return { elementType, dims };
  }

  #shape(): (number | undefined)[] {
    const dims: (number | undefined)[] = [];
    this.#fields((field, wire) => {
      if (field === 1) dims.push(this.#message(wire, () => this.#dimension()));
      else this.#skip(wire);
    });
    return dims;
  }

  #dimension(): number | undefined {
    let length: number | undefined;
    this.#fields((field, wire) => {
      if (field === 1) length = this.#integer(wire);
      else this.#skip(wire);
    });
    return length;
  }

  #fields(handle: FieldHandler): void {
    const reader = this.#reader;
    while (reader.pos < this.#end) {
      const [field, wire] = reader.tag();
      handle(field, wire);
    }
    if (reader.pos !== this.#end) throw invalid(`a field reaches beyond its message, which ends at byte ${this.#end}`);
  }

  #message<T>(wire: WireType, read: () => T): T {
    this.#expect(wire, WireType.LengthDelimited);
    this.#budget.spend(recordBytes.message, "The file's records");
    const length = this.#reader.uint32();
    const [outer, end] = [this.#end, this.#reader.pos + length];
    if (end > outer) throw invalid(`a message of ${length} bytes at byte ${this.#reader.pos} reaches beyond its place`);
    this.#end = end;
    const value = read();
    this.#end = outer;
    return value;
  }

  #text(wire: WireType): string {
    const bytes = this.#bytes(wire);
    this.#budget.spend(recordBytes.text + bytes.length, "The file's texts");
    return new TextDecoder().decode(bytes);
  }

  #bytes(wire: WireType): Uint8Array {
    this.#expect(wire, WireType.LengthDelimited);
    const bytes = this.#reader.bytes();
    if (this.#reader.pos > this.#end) throw invalid(`a field of ${bytes.length} bytes reaches beyond its message`);
    return bytes;
  }

  #integer(wire: WireType): number {
    this.#expect(wire, WireType.Varint);
    return this.#varint();
  }

  #varint(): number {
    return Number(this.#reader.int64());
  }

  #float(wire: WireType): number {
    this.#expect(wire, WireType.Bit32);
    return this.#reader.float();
  }

  #repeated(to: MutableNumbers, wire: WireType, single: WireType, read: () => number): void {
    this.#budget.spend(recordBytes.number, "The file's numbers");
    if (wire === WireType.LengthDelimited) to.packed.push(this.#bytes(wire));
    else {
      this.#expect(wire, single);
      to.single.push(read());
    }
    if (to.packed.length > 0 && to.single.length > 0) throw invalid("a list of numbers is half packed, half not");
  }

  #skip(wire: WireType): void {
    // Groups, which could nest without end, are in no version of the format.
    if (wire === WireType.StartGroup || wire === WireType.EndGroup) throw invalid("a field is a group");
    this.#reader.skip(wire);
  }

  #expect(wire: WireType, expected: WireType): void {
    if (wire !== expected) throw invalid(`a field has wire type ${wire} instead of ${expected}`);
  }
}

interface MutableNumbers {
  readonly packed: Uint8Array[];
  readonly single: number[];
}

function emptyNumbers(): MutableNumbers {
  return { packed: [], single: [] };
}

/** Whole numbers of a repeated field. */
export function unpackVarints({ packed, single }: FileNumbers, budget: MemoryBudget): readonly number[] {
  if (packed.length === 0) return single;
  const numbers: number[] = [];
  for (const bytes of packed) {
    budget.spend(recordBytes.number * bytes.length, "The file's numbers");
    const reader = new BinaryReader(bytes);
    while (reader.pos < bytes.length) numbers.push(Number(reader.int64()));
  }
  return numbers;
}

/** Floats of a repeated field. */
export function unpackFloats({ packed, single }: FileNumbers, budget: MemoryBudget): readonly number[] {
  if (packed.length === 0) return single;
  const numbers: number[] = [];
  for (const bytes of packed) {
    budget.spend(recordBytes.number * bytes.length, "The file's numbers");
    const reader = new BinaryReader(bytes);
    while (reader.pos < bytes.length) numbers.push(reader.float());
  }
  return numbers;
}

function invalid(problem: string): FormatError {
  return new FormatError(`Not a valid ONNX file: ${problem}.`);
}
