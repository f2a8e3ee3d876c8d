import { scalarOf } from "../importer/arithmetic.ts";
import { shapeOfValue, wrapped } from "../importer/channels.ts";
import type { ForeignValue } from "../importer/foreign_value.ts";
import type { Importer } from "../importer/importer.ts";
import { InputReader } from "../importer/input_reader.ts";
import type { FileNode, FileTensor } from "./decode_onnx_file.ts";

/** A node while it is read: its inputs and attributes, as what they must be. */
export class NodeReader extends InputReader {
  readonly node: FileNode;
  /** Version of the operators' meaning. */
  readonly opset: number;

  constructor(to: Importer, node: FileNode, opset: number, inputs: readonly (ForeignValue | undefined)[]) {
    super(to, inputs);
    this.node = node;
    this.opset = opset;
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
