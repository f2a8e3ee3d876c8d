import type { DType } from "../tensor.ts";

/** Names of element types in a safetensors header. */
export type ElementName =
  | "BOOL"
  | "U8"
  | "I8"
  | "F8_E5M2"
  | "F8_E4M3"
  | "I16"
  | "U16"
  | "F16"
  | "BF16"
  | "I32"
  | "U32"
  | "F32"
  | "F64"
  | "I64"
  | "U64";

/** How elements of one type lie in the file. */
export interface ElementType {
  /** Bytes an element takes in the file. */
  readonly bytes: number;
  /** The type it has as a Tensor. */
  readonly dtype: DType;
  /** For types that no Tensor has: the float32 value of each of the 256 bytes. */
  readonly decode?: (byte: number) => number;
}

/** Every element type of the format, smallest alignment first: the order in which the reference writer sorts, last one first. */
export const elementTypes: { readonly [Name in ElementName]: ElementType } = {
  BOOL: { bytes: 1, dtype: "bool" },
  U8: { bytes: 1, dtype: "u8" },
  I8: { bytes: 1, dtype: "i8" },
  F8_E5M2: { bytes: 1, dtype: "f32", decode: decodeE5M2 },
  F8_E4M3: { bytes: 1, dtype: "f32", decode: decodeE4M3 },
  I16: { bytes: 2, dtype: "i16" },
  U16: { bytes: 2, dtype: "u16" },
  F16: { bytes: 2, dtype: "f16" },
  BF16: { bytes: 2, dtype: "bf16" },
  I32: { bytes: 4, dtype: "i32" },
  U32: { bytes: 4, dtype: "u32" },
  F32: { bytes: 4, dtype: "f32" },
  F64: { bytes: 8, dtype: "f64" },
  I64: { bytes: 8, dtype: "i64" },
  U64: { bytes: 8, dtype: "u64" },
};

/** Every name, in the order of `elementTypes`. */
export const elementNames: readonly ElementName[] = Object.keys(elementTypes) as ElementName[];

/** The name under which tensors of a type are written. */
export const elementNameOf: { readonly [D in DType]: ElementName } = {
  bool: "BOOL",
  u8: "U8",
  i8: "I8",
  i16: "I16",
  u16: "U16",
  f16: "F16",
  bf16: "BF16",
  i32: "I32",
  u32: "U32",
  f32: "F32",
  f64: "F64",
  i64: "I64",
  u64: "U64",
};

/** Whether a header's word is an element type that we know. */
export function isElementName(word: string): word is ElementName {
  return Object.hasOwn(elementTypes, word);
}

/** 8-bit float with 5 exponent bits (bias 15) and infinities (Micikevicius et al., arXiv:2209.05433, table 1). */
export function decodeE5M2(byte: number): number {
  const sign = byte & 0x80 ? -1 : 1;
  const exponent = (byte >> 2) & 0x1f;
  const fraction = byte & 3;
  if (exponent === 0) return sign * fraction * 2 ** -16;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 4) * 2 ** (exponent - 15);
}

/** 8-bit float with 4 exponent bits (bias 7), no infinities, and NaN only where all other bits are set (the same table). */
export function decodeE4M3(byte: number): number {
  const sign = byte & 0x80 ? -1 : 1;
  const exponent = (byte >> 3) & 0xf;
  const fraction = byte & 7;
  if (exponent === 0) return sign * fraction * 2 ** -9;
  if (exponent === 15 && fraction === 7) return Number.NaN;
  return sign * (1 + fraction / 8) * 2 ** (exponent - 7);
}
