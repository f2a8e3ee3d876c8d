import type { StorageRef, TensorRef } from "./torch_values.ts";

/** What a pickle may hold here. Nothing in it can do anything: classes and functions are names. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleList
  | PickleTuple
  | PickleDict
  | PickleSet
  | PickleGlobal
  | PickleOpaque
  | StorageRef
  | TensorRef;

/** A list. */
export interface PickleList {
  readonly kind: "list";
  readonly items: PickleValue[];
}

/** A tuple. */
export interface PickleTuple {
  readonly kind: "tuple";
  readonly items: readonly PickleValue[];
}

/** A dict or OrderedDict: its keys and values in the order in which they were set. */
export interface PickleDict {
  readonly kind: "dict";
  readonly keys: PickleValue[];
  readonly values: PickleValue[];
}

/** A set or frozenset. */
export interface PickleSet {
  readonly kind: "set";
  readonly items: PickleValue[];
}

/** The name of a class or function, `module.name`. */
export interface PickleGlobal {
  readonly kind: "global";
  readonly name: string;
}

/** An object of a class that is known to be harmless and of no use here. */
export interface PickleOpaque {
  readonly kind: "opaque";
  readonly name: string;
}

/** An object of the given kind, or undefined. */
export function ofKind<K extends "list" | "tuple" | "dict" | "set" | "global" | "opaque" | "storage" | "tensor">(
  value: PickleValue | undefined,
  kind: K,
): Extract<PickleValue, { readonly kind: K }> | undefined {
  if (value === null || typeof value !== "object" || value instanceof Uint8Array || value.kind !== kind)
    return undefined;
  return value as Extract<PickleValue, { readonly kind: K }>;
}
