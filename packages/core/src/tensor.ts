import { ShapeError } from "./errors.ts";

/** Element types a tensor may have. Networks compute in `f32`; the others are how files store numbers. */
export type DType =
  | "f32"
  | "f16"
  | "bf16"
  | "f64"
  | "i8"
  | "u8"
  | "i16"
  | "u16"
  | "i32"
  | "u32"
  | "i64"
  | "u64"
  | "bool";

/** Lengths of a tensor's axes, outermost first. `[]` is a scalar. Activations are `[N, H, W, C]`. */
export type Shape = readonly number[];

interface ArrayOf {
  f32: Float32Array;
  /** Raw bits: no engine that we support has a Float16Array. */
  f16: Uint16Array;
  /** Raw bits, the upper half of a float32. */
  bf16: Uint16Array;
  f64: Float64Array;
  i8: Int8Array;
  u8: Uint8Array;
  i16: Int16Array;
  u16: Uint16Array;
  i32: Int32Array;
  u32: Uint32Array;
  i64: BigInt64Array;
  u64: BigUint64Array;
  bool: Uint8Array;
}

/** The only array type there is: element type, shape, and the elements in row-major order. */
export interface Tensor<D extends DType = DType> {
  readonly dtype: D;
  readonly shape: Shape;
  readonly data: ArrayOf[D];
}

/** Numbers of a graph's parameters, by parameter name. */
export type Weights = ReadonlyMap<string, Tensor>;

/** Bytes one element takes. */
export const bytesPerElement: { readonly [D in DType]: number } = {
  f32: 4,
  f16: 2,
  bf16: 2,
  f64: 8,
  i8: 1,
  u8: 1,
  i16: 2,
  u16: 2,
  i32: 4,
  u32: 4,
  i64: 8,
  u64: 8,
  bool: 1,
};

/** Number of elements of a shape; 1 for a scalar. */
export function elementCount(shape: Shape): number {
  let count = 1;
  for (const length of shape) count *= length;
  return count;
}

/** `[1, 224, 224, 3]` as `1x224x224x3`; a scalar as `scalar`. */
export function formatShape(shape: Shape): string {
  return shape.length === 0 ? "scalar" : shape.join("x");
}

/** Whether two shapes are the same. */
export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((length, axis) => length === b[axis]);
}

/**
 * A float32 tensor over `data` (not copied), or zeros.
 *
 * @throws {ShapeError} if `data` has another number of elements than `shape`
 */
export function tensor(shape: Shape, data?: Float32Array): Tensor<"f32"> {
  const count = elementCount(shape);
  if (data !== undefined && data.length !== count) {
    throw new ShapeError(`A tensor of shape ${formatShape(shape)} needs ${count} elements, received ${data.length}.`);
  }
  return { dtype: "f32", shape, data: data ?? new Float32Array(count) };
}

/** The float32 value of half-precision bits. */
export function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const floatBits = new Uint32Array(1);
const floatValue = new Float32Array(floatBits.buffer);

/** Half-precision bits nearest to a float32 value, ties to even; overflow gives infinity. */
export function floatToHalf(value: number): number {
  floatValue[0] = value;
  const bits = floatBits[0] as number;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00; // 65520 and above round to infinity
  if (magnitude < 0x38800000) {
    // Subnormal halves are multiples of 2^-24. The product is exact, and rounding it ties to even.
    const scaled = Math.abs(value) * 2 ** 24;
    const floor = Math.floor(scaled);
    const rest = scaled - floor;
    return sign | (rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor);
  }
  const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1);
  return sign | ((rounded - 0x38000000) >>> 13);
}

/** The elements as float32, converted if they are stored otherwise. Float32 data is returned as it is, not copied. */
export function toFloat32(source: Tensor): Float32Array {
  if (source.dtype === "f32") return source.data as Float32Array;
  const out = new Float32Array(source.data.length);
  if (source.dtype === "f16") {
    const data = source.data as Uint16Array;
    for (let i = 0; i < out.length; i++) out[i] = halfToFloat(data[i] as number);
  } else if (source.dtype === "bf16") {
    const bits = new Uint32Array(out.buffer);
    const data = source.data as Uint16Array;
    for (let i = 0; i < out.length; i++) bits[i] = (data[i] as number) << 16;
  } else {
    for (let i = 0; i < out.length; i++) out[i] = Number(source.data[i]);
  }
  return out;
}
