import { elementCount, FormatError, formatShape, type Tensor, toFloat32, UnsupportedError } from "@depthwise/core";
import { MOST_AXES } from "../importer/channels.ts";
import { dequantize } from "../importer/fold.ts";
import type { Constant, NumberArray } from "../importer/foreign_value.ts";
import type { MemoryBudget } from "../memory_budget.ts";
import { arrayTypes, type DType, viewOf } from "../typed_arrays.ts";
import type { FileTensor } from "./decode_tflite_file.ts";

/** TensorType: which element types are read. */
const dtypes: ReadonlyMap<number, DType> = new Map([
  [0, "f32"],
  [1, "f16"],
  [2, "i32"],
  [3, "u8"],
  [4, "i64"],
  [6, "bool"],
  [7, "i16"],
  [9, "i8"],
  [10, "f64"],
  [12, "u64"],
  [15, "u32"],
  [16, "u16"],
]);

/**
 * The numbers of a constant tensor as they are stored, or undefined where it has none.
 *
 * @throws {UnsupportedError} for sparse tensors and types that no tensor of ours has
 * @throws {FormatError} if there are more or fewer bytes than the shape says
 */
export function readTensor(source: FileTensor, budget: MemoryBudget): Tensor | undefined {
  const { name, shape, type, data } = source;
  if (data === undefined) return undefined;
  const what = `Tensor "${name}"`;
  const dtype = dtypes.get(type);
  if (source.isSparse) throw new UnsupportedError(`${what} is sparse.`);
  if (dtype === undefined) throw new UnsupportedError(`${what} has elements of type ${type} (TensorType).`);
  if (shape.length > MOST_AXES || !shape.every((length) => length >= 0)) {
    throw new FormatError(`${what} has the shape ${formatShape(shape.slice(0, MOST_AXES))}.`);
  }
  const expected = elementCount(shape) * arrayTypes[dtype].BYTES_PER_ELEMENT;
  if (data.length !== expected) {
    throw new FormatError(`${what} of shape ${formatShape(shape)} needs ${expected} bytes; it has ${data.length}.`);
  }
  return { dtype, shape, data: viewOf(data, dtype, budget, what) } as Tensor;
}

/** A tensor as a constant: quantised numbers as those that they stand for, half floats widened, 64-bit integers as doubles. */
export function constantOf(source: FileTensor, tensor: Tensor, budget: MemoryBudget): Constant {
  const { dtype, shape, data } = tensor;
  const isInteger = !["f32", "f16", "f64"].includes(dtype);
  if (dtype === "f16" || dtype === "f64") {
    budget.spend(4 * data.length, "Weights of other floats than float32");
    return { kind: "constant", shape, data: toFloat32(tensor), isInteger };
  }
  if (dtype === "i64" || dtype === "u64") budget.spend(8 * data.length, "64-bit integers");
  const numbers =
    dtype === "i64" || dtype === "u64" ? Float64Array.from(data as BigInt64Array, Number) : (data as NumberArray);
  const constant: Constant = { kind: "constant", shape, data: numbers, isInteger };
  const { quantization } = source;
  if (quantization === undefined || !isInteger) return constant;
  const list = (values: readonly number[]): Constant => ({
    kind: "constant",
    shape: [values.length],
    data: Float64Array.from(values),
    isInteger: false,
  });
  const { scales, zeroPoints } = quantization;
  // Lists name the axis that their channels had in the kernel.
  const axis = shape.length === 1 ? 0 : quantization.axis;
  return dequantize(budget, constant, list(scales), zeroPoints.length === 0 ? undefined : list(zeroPoints), axis);
}
