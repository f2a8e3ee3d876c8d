import { FormatError } from "@depthwise/core";
import { shapeOfValue, wrapped } from "../importer/channels.ts";
import type { Constant, ForeignValue, View } from "../importer/foreign_value.ts";
import type { Importer } from "../importer/importer.ts";
import type { FileOperator } from "./decode_tflite_file.ts";
import type { FlatTable } from "./flat_table.ts";

/** An operator while it is read: its inputs and options, as what they must be. */
export class OperatorReader {
  readonly to: Importer;
  readonly operator: FileOperator;
  readonly #inputs: readonly (ForeignValue | undefined)[];

  constructor(to: Importer, operator: FileOperator, inputs: readonly (ForeignValue | undefined)[]) {
    this.to = to;
    this.operator = operator;
    this.#inputs = inputs;
  }

  /** All inputs that are there. */
  get inputs(): readonly ForeignValue[] {
    return this.#inputs.filter((input) => input !== undefined);
  }

  /** An input. */
  value(position: number): ForeignValue {
    const value = this.#inputs[position];
    if (value !== undefined) return value;
    throw new FormatError(`has no input ${position}, which it needs.`);
  }

  /** An input that is computed. */
  view(position: number): View {
    const value = this.value(position);
    if (value.kind === "view") return value;
    throw this.to.unsupported(`its input ${position} is a constant, and none of the constants that are computed here`);
  }

  /** An input that is known. */
  constant(position: number): Constant {
    const value = this.value(position);
    if (value.kind === "constant") return value;
    throw this.to.unsupported(`its input ${position} is computed; a constant is read`);
  }

  /** An input that is known, if it is there. */
  optional(position: number): Constant | undefined {
    return this.#inputs[position] === undefined ? undefined : this.constant(position);
  }

  /** Numbers of an input, few of them, if it is there. */
  numbers(position: number): readonly number[] | undefined {
    const constant = this.optional(position);
    if (constant === undefined) return undefined;
    this.to.budget.spend(16 * constant.data.length, "Lists of positions");
    return Array.from(constant.data as Iterable<number> & ArrayLike<number>);
  }

  /** The operator's options. */
  options(): FlatTable {
    const { options } = this.operator;
    if (options !== undefined) return options;
    throw new FormatError("has no options, which it needs.");
  }

  /** An axis of a value, negative ones counted from the end. */
  axis(value: ForeignValue, axis: number): number {
    return wrapped(this.to, axis, shapeOfValue(value).length);
  }

  /** A position of so many, negative ones counted from the end. */
  axisPosition(position: number, length: number): number {
    return wrapped(this.to, position, length);
  }
}
