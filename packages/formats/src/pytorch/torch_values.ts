import type { DType } from "../typed_arrays.ts";

/** A run of elements in the file that tensors are views of. */
export interface StorageRef {
  readonly kind: "storage";
  /** Its name in the file. */
  readonly key: string;
  /** Undefined where the storage is bytes and each tensor says what they are. */
  readonly dtype: DType | undefined;
  /** In elements, or bytes without a dtype. */
  readonly length: number;
  /** Of the view's first element in the storage: legacy files have views of storages. */
  readonly start: number;
}

/** A view of a storage. Nothing of it is checked yet. */
export interface TensorRef {
  readonly kind: "tensor";
  readonly storage: StorageRef;
  readonly dtype: DType;
  /** In elements, from the storage's start. */
  readonly offset: number;
  readonly size: readonly number[];
  /** In elements. */
  readonly stride: readonly number[];
}

/** Names of PyTorch's element types, as `torch.float32` and as `FloatStorage`. */
const elementTypes: readonly (readonly [dtype: DType, name: string, storage: string])[] = [
  ["f32", "float32", "Float"],
  ["f64", "float64", "Double"],
  ["f16", "float16", "Half"],
  ["bf16", "bfloat16", "BFloat16"],
  ["i64", "int64", "Long"],
  ["i32", "int32", "Int"],
  ["i16", "int16", "Short"],
  ["i8", "int8", "Char"],
  ["u8", "uint8", "Byte"],
  ["bool", "bool", "Bool"],
];

/** From `torch.FloatStorage` to the element type. */
export const storageTypes: ReadonlyMap<string, DType> = new Map(
  elementTypes.flatMap(([dtype, , storage]) => [
    [`torch.${storage}Storage`, dtype],
    [`torch.cuda.${storage}Storage`, dtype],
  ]),
);

/** From `torch.float32` to the element type; those too that have no storage of their own. */
export const dtypeNames: ReadonlyMap<string, DType> = new Map<string, DType>([
  ...elementTypes.map(([dtype, name]): [string, DType] => [`torch.${name}`, dtype]),
  ["torch.uint16", "u16"],
  ["torch.uint32", "u32"],
  ["torch.uint64", "u64"],
]);

/** Names of storages that are bytes. */
export const untypedStorages: ReadonlySet<string> = new Set([
  "torch.storage.UntypedStorage",
  "torch.UntypedStorage",
  "torch.storage._UntypedStorage",
]);

/** From the element type to `FloatStorage`. */
export const storageNames: ReadonlyMap<DType, string> = new Map(
  elementTypes.map(([dtype, , storage]) => [dtype, `${storage}Storage`]),
);
