import { FormatError } from "../errors.ts";
import { type DType, elementCount, formatShape, type Shape, type Tensor, toFloat32 } from "../tensor.ts";
import { type ElementType, elementNames, elementTypes, isElementName } from "./element_types.ts";
import { type HeaderEntry, parseHeader } from "./parse_header.ts";

/** What a safetensors file holds. */
export interface SafetensorsFile {
  /** By name, in the header's order. */
  readonly tensors: Map<string, Tensor>;
  /** The header's `__metadata__`; empty where there is none. It has no prototype: every key is the file's. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Options of `readSafetensors`. */
export interface ReadSafetensorsOptions {
  /** The file's name, for messages. */
  readonly file?: string | undefined;
  /** Refuse NaN and infinite values. Default false. */
  readonly finite?: boolean | undefined;
}

/** Bytes of the header's length, which stand first. */
const lengthBytes = 8;
/** The reference implementation's limit on a header. */
const longestHeader = 100_000_000;

const arrayOf = {
  bool: Uint8Array,
  u8: Uint8Array,
  i8: Int8Array,
  i16: Int16Array,
  u16: Uint16Array,
  f16: Uint16Array,
  bf16: Uint16Array,
  i32: Int32Array,
  u32: Uint32Array,
  f32: Float32Array,
  f64: Float64Array,
  i64: BigInt64Array,
  u64: BigUint64Array,
} as const satisfies { [D in DType]: unknown };

/**
 * Reads a safetensors file: `u64` header length, JSON header, bytes of the tensors.
 *
 * Every length is checked before it is used, and the tensors must fill the file without a gap, an overlap or a rest. Tensors are views of
 * `bytes` where they are aligned, copies where they are not: do not write to either. The two 8-bit float types, which no Tensor has, are
 * widened to `f32`.
 *
 * @throws {FormatError} naming the tensor and the byte, for anything that the format does not allow
 */
export function readSafetensors(bytes: Uint8Array, options: ReadSafetensorsOptions = {}): SafetensorsFile {
  const { file, finite = false } = options;
  const dataStart = lengthBytes + headerLength(bytes, file);
  const { entries, metadata } = parseHeader(bytes.slice(lengthBytes, dataStart), lengthBytes, file);
  checkRanges(entries, bytes.length - dataStart, file);
  const tensors = new Map<string, Tensor>();
  for (const entry of entries) {
    const read = readTensor(bytes, dataStart, entry, file);
    if (finite) checkFinite(entry.name, read, file);
    tensors.set(entry.name, read);
  }
  return { tensors, metadata };
}

function invalid(problem: string, file: string | undefined, hint?: string): FormatError {
  return new FormatError(`Not a valid safetensors file: ${problem}`, {
    ...(file === undefined ? {} : { file }),
    ...(hint === undefined ? {} : { hint }),
  });
}

function headerLength(bytes: Uint8Array, file: string | undefined): number {
  if (bytes.length < lengthBytes) {
    throw invalid(`it has ${bytes.length} bytes, and the header's length alone takes ${lengthBytes}.`, file);
  }
  const length = new DataView(bytes.buffer, bytes.byteOffset, lengthBytes).getBigUint64(0, true);
  const rest = bytes.length - lengthBytes;
  if (length > BigInt(longestHeader) || length > BigInt(rest)) {
    const limit = rest < longestHeader ? `only ${rest} bytes follow` : `the limit is ${longestHeader}`;
    throw invalid(
      `byte 0 announces a header of ${length} bytes, but ${limit}.`,
      file,
      "The file is cut short, or of another format.",
    );
  }
  if (bytes[lengthBytes] !== 0x7b) throw invalid(`the header does not begin with "{" (byte ${lengthBytes}).`, file);
  return Number(length);
}

/** Each range must be as long as its shape and type say, and all together must cover the data once. */
function checkRanges(entries: readonly HeaderEntry[], dataLength: number, file: string | undefined): void {
  for (const { name, dtype, shape, range, at } of entries) {
    const where = `tensor "${name}" (byte ${at})`;
    if (!isElementName(dtype)) {
      throw invalid(`${where} has the unknown dtype "${dtype}".`, file, `Known are ${elementNames.join(", ")}.`);
    }
    const needed = byteLength(shape, elementTypes[dtype]);
    if (needed === undefined) throw invalid(`${where} has too many elements: ${formatShape(shape)}.`, file);
    const [start, end] = range;
    if (end > dataLength) {
      throw invalid(
        `${where} lies at ${start} to ${end}, but the data has ${dataLength} bytes.`,
        file,
        "The file is cut short.",
      );
    }
    if (end - start !== needed) {
      throw invalid(
        `${where}: ${dtype} ${formatShape(shape)} takes ${needed} bytes, but data_offsets ${start} to ${end} hold ${end - start}.`,
        file,
      );
    }
  }
  let covered = 0;
  let before: string | undefined;
  for (const { name, range, at } of entries.toSorted((a, b) => a.range[0] - b.range[0] || a.range[1] - b.range[1])) {
    const previous = before === undefined ? "the data's start" : `the end of "${before}"`;
    if (range[0] < covered)
      throw invalid(
        `tensor "${name}" (byte ${at}) starts at ${range[0]}, before ${previous} at ${covered}: they overlap.`,
        file,
      );
    if (range[0] > covered)
      throw invalid(
        `tensor "${name}" (byte ${at}) starts at ${range[0]}, after a hole from ${previous} at ${covered}.`,
        file,
      );
    covered = range[1];
    before = name;
  }
  if (covered !== dataLength) {
    throw invalid(
      `${dataLength - covered} bytes follow the last tensor, which ends at ${covered} of the data's ${dataLength}.`,
      file,
    );
  }
}

/** Bytes of a tensor, or undefined where float64 cannot count them. */
function byteLength(shape: Shape, type: ElementType): number | undefined {
  let bytes = type.bytes;
  for (const length of shape) {
    bytes *= length;
    if (!Number.isSafeInteger(bytes)) return undefined;
  }
  return bytes;
}

function readTensor(bytes: Uint8Array, dataStart: number, entry: HeaderEntry, file: string | undefined): Tensor {
  if (!isElementName(entry.dtype))
    throw invalid(`tensor "${entry.name}" has the unknown dtype "${entry.dtype}".`, file);
  const type = elementTypes[entry.dtype];
  const { dtype, decode } = type;
  const { shape } = entry;
  const raw = bytes.subarray(dataStart + entry.range[0], dataStart + entry.range[1]);
  if (decode !== undefined) {
    const values = Float32Array.from({ length: 256 }, (_, byte) => decode(byte));
    return { dtype: "f32", shape, data: Float32Array.from(raw, (byte) => values[byte] as number) };
  }
  // Not raw.slice(): of a Node Buffer that is a view, as unaligned as before.
  const aligned = raw.byteOffset % type.bytes === 0 ? raw : new Uint8Array(raw);
  const data = new arrayOf[dtype](aligned.buffer as ArrayBuffer, aligned.byteOffset, elementCount(shape));
  return { dtype, shape, data };
}

const floatTypes: ReadonlySet<DType> = new Set<DType>(["f32", "f16", "bf16", "f64"]);

/**
 * Refuses NaN and infinite values.
 *
 * @throws {FormatError} naming the tensor and the first such element
 */
function checkFinite(name: string, source: Tensor, file?: string): void {
  if (!floatTypes.has(source.dtype)) return;
  const values: ArrayLike<number> = source.dtype === "f64" ? (source.data as Float64Array) : toFloat32(source);
  let first = -1;
  let count = 0;
  for (let index = 0; index < values.length; index++) {
    if (Number.isFinite(values[index])) continue;
    if (count++ === 0) first = index;
  }
  if (count === 0) return;
  throw new FormatError(
    `Tensor "${name}" ${formatShape(source.shape)} holds ${values[first]} at element ${first}; ${count} of its ${values.length} elements are not finite.`,
    file === undefined ? {} : { file },
  );
}
