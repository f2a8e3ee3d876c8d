import { FormatError, UnsupportedError } from "@depthwise/core";
import type { MemoryBudget } from "../memory_budget.ts";
import { FlatFile, type FlatTable } from "./flat_table.ts";

/** The part of a TFLite file that is read: named as in the schema (schema.fbs), nothing checked but that it is all in the file. */

/** QuantizationParameters: `(integer − zeroPoint)·scale`, of one element or one for each position along `axis`. */
export interface FileQuantization {
  readonly scales: readonly number[];
  readonly zeroPoints: readonly number[];
  readonly axis: number;
}

/** Tensor. One with `data` is a constant. */
export interface FileTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** TensorType. */
  readonly type: number;
  readonly data: Uint8Array | undefined;
  readonly quantization: FileQuantization | undefined;
  readonly isSparse: boolean;
}

/** Operator. Tensors by their positions; −1 for one that is not there. */
export interface FileOperator {
  /** BuiltinOperator. */
  readonly code: number;
  /** Name of an operator that the schema does not have. */
  readonly customCode: string | undefined;
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly options: FlatTable | undefined;
}

/** Model, and of its subgraphs the first. */
export interface FileModel {
  readonly name: string;
  readonly tensors: readonly FileTensor[];
  readonly operators: readonly FileOperator[];
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
}

/** Bytes that a record takes here, roughly. */
const RECORD_BYTES = 400;
const SCHEMA_VERSION = 3;

/**
 * Decodes the bytes of a model file.
 *
 * @throws {FormatError} if something points out of the file, or what is decoded would be out of proportion to it
 * @throws {UnsupportedError} for models of several subgraphs, and weights outside of the buffers
 */
export function decodeTfliteFile(bytes: Uint8Array, budget: MemoryBudget): FileModel {
  const file = new FlatFile(bytes, budget);
  if (!file.hasIdentifier("TFL3")) throw new FormatError('Not a valid TFLite file: bytes 4 to 7 are not "TFL3".');
  const model = file.root();
  const version = model.uint32(0);
  if (version !== SCHEMA_VERSION) throw new UnsupportedError(`Version ${version} of the TFLite schema is not read.`);
  const [subgraph, ...others] = model.tables(2);
  if (subgraph === undefined) throw new FormatError("Not a valid TFLite file: it has no subgraph.");
  if (others.length > 0) {
    throw new UnsupportedError(`The model has ${others.length + 1} subgraphs; control flow is not read.`);
  }
  const buffers = model.tables(4);
  const codes = model.tables(1);
  budget.spend(RECORD_BYTES * (buffers.length + codes.length), "The file's records");
  return {
    name: subgraph.text(4) ?? "",
    tensors: subgraph.tables(0).map((tensor) => decodeTensor(tensor, buffers, budget)),
    operators: subgraph.tables(3).map((operator) => decodeOperator(operator, codes, budget)),
    inputs: subgraph.int32s(1) ?? [],
    outputs: subgraph.int32s(2) ?? [],
  };
}

function decodeTensor(tensor: FlatTable, buffers: readonly FlatTable[], budget: MemoryBudget): FileTensor {
  budget.spend(RECORD_BYTES, "The file's records");
  const name = tensor.text(3) ?? "";
  const position = tensor.uint32(2);
  const buffer = buffers[position];
  if (buffer === undefined) throw new FormatError(`Tensor "${name}" has buffer ${position} of ${buffers.length}.`);
  // Offsets into what follows the flatbuffer: models of over 2 GB.
  if (buffer.int64(1) > 1) throw new UnsupportedError(`Tensor "${name}" has its numbers outside of the flatbuffer.`);
  const data = buffer.bytes(0);
  return {
    name,
    shape: tensor.int32s(0) ?? [],
    type: tensor.int8(1),
    data: data === undefined || data.length === 0 ? undefined : data,
    quantization: decodeQuantization(name, tensor.table(4)),
    isSparse: tensor.has(6),
  };
}

function decodeQuantization(name: string, table: FlatTable | undefined): FileQuantization | undefined {
  const scales = table?.float32s(2) ?? [];
  if (table === undefined || scales.length === 0) return undefined;
  if (table.int8(4) !== 0) throw new UnsupportedError(`Tensor "${name}" is quantised by a scheme of its own.`);
  return { scales, zeroPoints: table.int64s(3) ?? [], axis: table.int32(6) };
}

function decodeOperator(operator: FlatTable, codes: readonly FlatTable[], budget: MemoryBudget): FileOperator {
  budget.spend(RECORD_BYTES, "The file's records");
  const position = operator.uint32(0);
  const code = codes[position];
  if (code === undefined) throw new FormatError(`An operator has code ${position} of ${codes.length}.`);
  return {
    // Readers take the larger one of the old field, a byte, and the new.
    code: Math.max(code.int8(0), code.int32(3)),
    customCode: code.text(1),
    inputs: operator.int32s(1) ?? [],
    outputs: operator.int32s(2) ?? [],
    options: operator.table(4),
  };
}
