import { elementCount, FormatError, type Shape, type Tensor, UnsupportedError } from "@depthwise/core";
import type { MemoryBudget } from "../memory_budget.ts";
import { arrayTypes, type DType, viewOf } from "../typed_arrays.ts";
import {
  field,
  integers,
  type JsonObject,
  listField,
  numberField,
  objectField,
  objectsField,
  shown,
  textField,
} from "./json_value.ts";

/** How a tensor lies in the shards. */
interface WeightEntry {
  readonly name: string;
  readonly shape: Shape;
  /** What it is once decoded, and what its bytes are. */
  readonly decoded: DType;
  readonly stored: DType;
  /** Of quantised ones: `stored * scale + least`. */
  readonly affine: { readonly scale: number; readonly least: number } | undefined;
}

/** Shards whose bytes follow one another, and the tensors in them. */
interface WeightGroup {
  readonly paths: readonly string[];
  readonly entries: readonly WeightEntry[];
}

const dtypes: ReadonlyMap<string, DType> = new Map([
  ["float32", "f32"],
  ["float16", "f16"],
  ["int32", "i32"],
  ["uint8", "u8"],
  ["uint16", "u16"],
  ["bool", "bool"],
]);

/** Axes that a tensor may have. */
const mostAxes = 16;
/** Memory for a tensor beside its elements, about. */
const tensorBytes = 600;

/** The groups of a `weightsManifest`. */
export function parseManifest(model: JsonObject): readonly WeightGroup[] {
  return objectsField(model, "weightsManifest").map((group) => ({
    paths: listField(group, "paths").map(shardPath),
    entries: objectsField(group, "weights").map(parseEntry),
  }));
}

/** @throws {FormatError} if a shard is not beside the model */
function shardPath(path: unknown): string {
  const isBeside =
    typeof path === "string" && path !== "" && !/^[a-z][a-z0-9+.-]*:|^[/\\]|(^|[/\\])\.\.([/\\]|$)/i.test(path);
  if (isBeside) return path;
  throw new FormatError(`Weights are asked for at ${shown(path)}; only files beside the model are read.`);
}

function parseEntry(entry: JsonObject): WeightEntry {
  const name = textField(entry, "name");
  const shape = integers(field(entry, "shape") ?? [], "shape");
  if (shape.length > mostAxes || shape.some((length) => length < 0)) {
    throw new FormatError(`Weight "${name}" has the shape ${shape.slice(0, mostAxes).join("x")}.`);
  }
  const decoded = dtypeOf(name, textField(entry, "dtype"));
  if (field(entry, "quantization") === undefined) return { name, shape, decoded, stored: decoded, affine: undefined };
  const quantization = objectField(entry, "quantization");
  const stored = dtypeOf(name, textField(quantization, "dtype"));
  if (stored === "f16") return { name, shape, decoded: "f16", stored, affine: undefined };
  const affine = { scale: numberField(quantization, "scale"), least: numberField(quantization, "min") };
  return { name, shape, decoded, stored, affine };
}

function dtypeOf(name: string, dtype: string): DType {
  const known = dtypes.get(dtype);
  if (known !== undefined) return known;
  throw new UnsupportedError(`Weight "${name}" is of type ${dtype}; read are ${[...dtypes.keys()].join(", ")}.`);
}

/** Bytes of the tensors once decoded: what a reader's memory is measured by. */
function decodedBytes(groups: readonly WeightGroup[]): number {
  const sizes = groups.flatMap(({ entries }) => {
    return entries.map(({ shape, decoded }) => elementCount(shape) * arrayTypes[decoded].BYTES_PER_ELEMENT);
  });
  return sizes.reduce((sum, size) => sum + size, 0);
}

/**
 * The tensors of all groups, quantised ones as the numbers that they stand for. Those that are not quantised are views of the shards where
 * they are aligned and whole there.
 *
 * @throws {FormatError} if the shards are not as long as the tensors
 */
export function decodeWeights(
  groups: readonly WeightGroup[],
  shardOf: (path: string) => Uint8Array,
  budgetFor: (bytes: number) => MemoryBudget,
): { readonly tensors: ReadonlyMap<string, Tensor>; readonly budget: MemoryBudget } {
  const shards = groups.map(({ paths }) => paths.map(shardOf));
  for (const [i, { paths, entries }] of groups.entries())
    checkLength(paths, entries, shards[i] as readonly Uint8Array[]);
  // Now the tensors' sizes are known to be true.
  const budget = budgetFor(decodedBytes(groups));
  const tensors = new Map<string, Tensor>();
  for (const [i, { entries }] of groups.entries()) {
    const bytes = joined(shards[i] as readonly Uint8Array[], budget);
    let at = 0;
    for (const entry of entries) {
      const length = storedBytes(entry);
      if (tensors.has(entry.name)) throw new FormatError(`Two weights are named "${entry.name}".`);
      budget.spend(tensorBytes, `Weight "${entry.name}"`);
      tensors.set(entry.name, decodeTensor(entry, bytes.subarray(at, at + length), budget));
      at += length;
    }
  }
  return { tensors, budget };
}

function storedBytes({ shape, stored }: WeightEntry): number {
  return elementCount(shape) * arrayTypes[stored].BYTES_PER_ELEMENT;
}

function checkLength(paths: readonly string[], entries: readonly WeightEntry[], shards: readonly Uint8Array[]): void {
  const needed = entries.reduce((sum, entry) => sum + storedBytes(entry), 0);
  const received = shards.reduce((sum, { length }) => sum + length, 0);
  if (needed === received) return;
  throw new FormatError(`The weights take ${needed} bytes, but ${paths.slice(0, 4).join(", ")} have ${received}.`, {
    hint: "A file is cut short, or of another version than model.json.",
  });
}

function joined(shards: readonly Uint8Array[], budget: MemoryBudget): Uint8Array {
  if (shards.length === 1) return shards[0] as Uint8Array;
  const length = shards.reduce((sum, shard) => sum + shard.length, 0);
  budget.spend(length, "The weights");
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const shard of shards) {
    bytes.set(shard, at);
    at += shard.length;
  }
  return bytes;
}

function decodeTensor(
  { name, shape, decoded, stored, affine }: WeightEntry,
  bytes: Uint8Array,
  budget: MemoryBudget,
): Tensor {
  const elements = viewOf(bytes, stored, budget, `Weight "${name}"`);
  if (affine === undefined) return { dtype: decoded, shape, data: elements } as Tensor;
  const data = new arrayTypes[decoded](elements.length);
  const isInteger = decoded !== "f32";
  for (let i = 0; i < data.length; i++) {
    const value = Number(elements[i]) * affine.scale + affine.least;
    data[i] = (isInteger ? Math.round(value) : value) as never;
  }
  return { dtype: decoded, shape, data } as Tensor;
}
