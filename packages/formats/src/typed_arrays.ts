import type { Tensor } from "@depthwise/core";
import type { MemoryBudget } from "./memory_budget.ts";

/** Element types a tensor may have. */
export type DType = Tensor["dtype"];

/** Makes the array of an element type. */
type ArrayType<D extends DType> = {
  new (length: number): Tensor<D>["data"];
  new (buffer: ArrayBuffer, byteOffset: number, length: number): Tensor<D>["data"];
  readonly BYTES_PER_ELEMENT: number;
};

/** The array of each element type. */
export const arrayTypes: { readonly [D in DType]: ArrayType<D> } = {
  f32: Float32Array,
  f16: Uint16Array,
  bf16: Uint16Array,
  f64: Float64Array,
  i8: Int8Array,
  u8: Uint8Array,
  i16: Int16Array,
  u16: Uint16Array,
  i32: Int32Array,
  u32: Uint32Array,
  i64: BigInt64Array,
  u64: BigUint64Array,
  bool: Uint8Array,
};

/**
 * Bytes, little-endian, as elements: a view where they are aligned, a copy where not.
 *
 * @param bytes a whole number of elements
 */
export function viewOf<D extends DType>(
  bytes: Uint8Array,
  dtype: D,
  budget: MemoryBudget,
  what: string,
): Tensor<D>["data"] {
  const bytesEach = arrayTypes[dtype].BYTES_PER_ELEMENT;
  const isAligned = bytes.byteOffset % bytesEach === 0;
  if (!isAligned) budget.spend(bytes.length, what);
  const aligned = isAligned ? bytes : new Uint8Array(bytes);
  const elements = new arrayTypes[dtype](aligned.buffer as ArrayBuffer, aligned.byteOffset, aligned.length / bytesEach);
  return elements as Tensor<D>["data"];
}
