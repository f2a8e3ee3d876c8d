import type { Shape, Value } from "@depthwise/core";
import type { Axes } from "./axes.ts";

/** Numbers as a file stores them, or as they were computed from such. 64-bit integers are doubles here. */
export type NumberArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array;

/** A foreign tensor that is known. */
export interface Constant {
  readonly kind: "constant";
  readonly shape: Shape;
  readonly data: NumberArray;
  /** Divisions of integers give integers. */
  readonly isInteger: boolean;
}

/** `scale·x + shift`, each for all channels or for each channel of the value, in its order. */
export interface Affine {
  readonly scale: number | Float64Array;
  readonly shift: number | Float64Array;
}

/** A foreign tensor that is computed: a value of ours, seen through foreign axes. */
export interface View {
  readonly kind: "view";
  readonly value: Value;
  readonly axes: Axes;
  /** What is still to be done to the value's numbers. */
  readonly affine: Affine | undefined;
  /** Name of the foreign node that only gave other axes to the value: of what is made of it once somebody reads it so. */
  readonly name?: string;
  /** Whether the foreign tensor holds quantised integers that stand for the value's numbers. */
  readonly isQuantized: boolean;
}

/** A foreign tensor. */
export type ForeignValue = Constant | View;

/** A view of a value as it is. */
export function viewOf(value: Value, axes: Axes): View {
  return { kind: "view", value, axes, affine: undefined, isQuantized: false };
}

/** A constant of floats. */
export function floatConstant(shape: Shape, data: Float32Array): Constant {
  return { kind: "constant", shape, data, isInteger: false };
}

/** A constant of whole numbers. */
export function integerConstant(shape: Shape, values: readonly number[]): Constant {
  return { kind: "constant", shape, data: Float64Array.from(values), isInteger: true };
}
