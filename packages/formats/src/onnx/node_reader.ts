import { FormatError } from "@depthwise/core";
import { scalarOf } from "../importer/arithmetic.ts";
import { shapeOfValue, wrapped } from "../importer/channels.ts";
import type { Constant, ForeignValue, View } from "../importer/foreign_value.ts";
import type { Importer } from "../importer/importer.ts";
import type { FileNode, FileTensor } from "./decode_onnx_file.ts";

/** A node while it is read: its inputs and attributes, as what they must be. */
export class NodeReader {
  readonly to: Importer;
  readonly node: FileNode;
  /** Version of the operators' meaning. */
  readonly opset: number;
  readonly #inputs: readonly (ForeignValue | undefined)[];

  constructor(to: Importer, node: FileNode, opset: number, inputs: readonly (ForeignValue | undefined)[]) {
    this.to = to;
    this.node = node;
    this.opset = opset;
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

  /** The one number of an input, if it is there. */
  number(position: number): number | undefined {
    const constant = this.optional(position);
    return constant === undefined ? undefined : scalarOf(this.to, constant);
  }

  /** A whole number of the attributes. */
  int(name: string, absent: number): number {
    return this.node.attributes.get(name)?.int ?? absent;
  }

  /** A number of the attributes. */
  float(name: string, absent: number): number {
    return this.node.attributes.get(name)?.float ?? absent;
  }

  /** A text of the attributes. */
  text(name: string, absent: string): string {
    return this.node.attributes.get(name)?.text ?? absent;
  }

  /** Whole numbers of the attributes, if they are there. */
  ints(name: string): readonly number[] | undefined {
    return this.node.attributes.get(name)?.ints;
  }

  /** Numbers of the attributes, if they are there. */
  floats(name: string): readonly number[] | undefined {
    return this.node.attributes.get(name)?.floats;
  }

  /** A tensor of the attributes, if it is there. */
  tensor(name: string): FileTensor | undefined {
    return this.node.attributes.get(name)?.tensor;
  }

  /** An axis of a value that the attribute `axis` names. */
  axis(value: ForeignValue, absent: number): number {
    return wrapped(this.to, this.int("axis", absent), shapeOfValue(value).length);
  }
}
