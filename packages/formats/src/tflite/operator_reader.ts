import { FormatError } from "@depthwise/core";
import { shapeOfValue, wrapped } from "../importer/channels.ts";
import type { ForeignValue } from "../importer/foreign_value.ts";
import type { Importer } from "../importer/importer.ts";
import { InputReader } from "../importer/input_reader.ts";
import type { FileOperator } from "./decode_tflite_file.ts";
import type { FlatTable } from "./flat_table.ts";

/** An operator while it is read: its inputs and options, as what they must be. */
export class OperatorReader extends InputReader {
  readonly operator: FileOperator;

  constructor(to: Importer, operator: FileOperator, inputs: readonly (ForeignValue | undefined)[]) {
    super(to, inputs);
    this.operator = operator;
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
