import { elementCount, FormatError, formatShape, type Tensor, toFloat32, UnsupportedError } from "@depthwise/core";
import { MOST_AXES } from "../importer/channels.ts";
import type { Constant, NumberArray } from "../importer/foreign_value.ts";
import type { MemoryBudget } from "../memory_budget.ts";
import { arrayTypes, type DType, viewOf } from "../typed_arrays.ts";
import { type FileNumbers, type FileTensor, unpackFloats, unpackVarints } from "./decode_onnx_file.ts";

/** TensorProto.DataType: which element types are read. */
const dtypes: ReadonlyMap<number, DType> = new Map([
  [1, "f32"],
  [2, "u8"],
  [3, "i8"],
  [4, "u16"],
  [5, "i16"],
  [6, "i32"],
  [7, "i64"],
  [9, "bool"],
  [10, "f16"],
  [11, "f64"],
  [12, "u32"],
  [13, "u64"],
  [16, "bf16"],
]);

/** Whether TensorProto.DataType is one of floats. */
export function isFloatType(dataType: number): boolean {
  const dtype = dtypes.get(dataType);
  return dtype !== undefined && ["f32", "f16", "bf16", "f64"].includes(dtype);
}

/**
 * The numbers of a TensorProto, in any of the forms that they may be stored in.
 *
 * @throws {UnsupportedError} if they are in another file, or of a type that no tensor of ours has
 * @throws {FormatError} if there are more or fewer than the shape says
 */
export function readTensor(source: FileTensor, budget: MemoryBudget): Tensor {
  const what = `Tensor "${source.name}"`;
  const dtype = dtypes.get(source.dataType);
  if (source.isExternal) {
    throw new UnsupportedError(`${what} has its numbers in another file, "${source.location ?? "not named"}".`, {
      hint: "Save the model with its weights inside: onnx.save(model, path, save_as_external_data=False).",
    });
  }
  if (dtype === undefined) {
    throw new UnsupportedError(`${what} has elements of type ${source.dataType} (TensorProto.DataType).`);
  }
  if (source.dims.length > MOST_AXES || !source.dims.every((length) => Number.isSafeInteger(length) && length >= 0)) {
    throw new FormatError(`${what} has the shape ${formatShape(source.dims.slice(0, MOST_AXES))}.`);
  }
  const count = elementCount(source.dims);
  const bytesEach = arrayTypes[dtype].BYTES_PER_ELEMENT;
  const raw = source.raw?.length === 0 ? undefined : source.raw;
  const stored =
    raw ??
    (dtype === "f32" ? joined(source.floats) : undefined) ??
    (dtype === "f64" ? joined(source.doubles) : undefined);
  if (stored !== undefined) {
    expectCount(what, source, stored.length / bytesEach, count);
    return { dtype, shape: source.dims, data: viewOf(stored, dtype, budget, what) } as Tensor;
  }
  const numbers = listOf(source, dtype, budget);
  expectCount(what, source, numbers.length, count);
  budget.spend(bytesEach * count, what);
  const data = new arrayTypes[dtype](count);
  const is64 = dtype === "i64" || dtype === "u64";
  for (let i = 0; i < count; i++) data[i] = is64 ? BigInt(Math.trunc(numbers[i] as number)) : (numbers[i] as number);
  return { dtype, shape: source.dims, data } as Tensor;
}

/** A tensor as a constant: half floats widened, 64-bit integers as doubles. */
export function constantOf(tensor: Tensor, budget: MemoryBudget): Constant {
  const { dtype, shape, data } = tensor;
  const isInteger = !["f32", "f16", "bf16", "f64"].includes(dtype);
  if (dtype === "f16" || dtype === "bf16" || dtype === "f64") {
    budget.spend(4 * data.length, "Weights of other floats than float32");
    return { kind: "constant", shape, data: toFloat32(tensor), isInteger };
  }
  if (dtype === "i64" || dtype === "u64") {
    budget.spend(8 * data.length, "64-bit integers");
    return { kind: "constant", shape, data: Float64Array.from(data as BigInt64Array, Number), isInteger };
  }
  return { kind: "constant", shape, data: data as NumberArray, isInteger };
}

/** Packed numbers of one run are what raw_data would be. */
function joined({ packed }: FileNumbers): Uint8Array | undefined {
  return packed.length === 1 ? packed[0] : undefined;
}

function listOf(source: FileTensor, dtype: DType, budget: MemoryBudget): readonly number[] {
  if (dtype === "f32") return unpackFloats(source.floats, budget);
  if (dtype === "f64") return source.doubles.single;
  // uint32 shares its field with uint64; all smaller ones, and bits of half floats, are in int32_data.
  const is64 = dtype === "i64" || dtype === "u64" || dtype === "u32";
  return unpackVarints(is64 ? source.int64s : source.int32s, budget);
}

function expectCount(what: string, { dims }: FileTensor, received: number, expected: number): void {
  if (received === expected) return;
  throw new FormatError(`${what} of shape ${formatShape(dims)} needs ${expected} numbers; the file has ${received}.`);
}
