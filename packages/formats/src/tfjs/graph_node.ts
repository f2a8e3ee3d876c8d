import { FormatError } from "@depthwise/core";
import { shapeOfValue, wrapped } from "../importer/channels.ts";
import type { ForeignValue } from "../importer/foreign_value.ts";
import type { Importer, Layout } from "../importer/importer.ts";
import { InputReader } from "../importer/input_reader.ts";
import {
  booleanField,
  field,
  type JsonObject,
  listField,
  numberField,
  objectField,
  objectsField,
  shown,
  textField,
} from "./json_value.ts";

/** A node of a GraphDef: its name, its operation, and where its inputs come from. */
export interface FileNode {
  readonly name: string;
  readonly op: string;
  /** `name` or `name:2`; control inputs (`^name`) left out. */
  readonly inputs: readonly string[];
  readonly attributes: JsonObject;
}

/** The nodes of a model's topology. */
export function parseNodes(topology: JsonObject): readonly FileNode[] {
  return objectsField(topology, "node").map((node) => ({
    name: textField(node, "name"),
    op: textField(node, "op"),
    inputs: listField(node, "input").filter((input): input is string => typeof input === "string" && input[0] !== "^"),
    attributes: objectField(node, "attr"),
  }));
}

/** `split:1` as the node and which of its outputs. */
export function parseInput(input: string): readonly [name: string, output: number] {
  const at = input.lastIndexOf(":");
  const output = at < 0 ? 0 : Number(input.slice(at + 1));
  return at > 0 && Number.isInteger(output) ? [input.slice(0, at), output] : [input, 0];
}

/** Lists of attributes and inputs are as long as this at most: none that is read has more. */
const longestList = 4096;

/** A node while it is read: its inputs and attributes, as what they must be. */
export class GraphNode extends InputReader {
  readonly node: FileNode;

  constructor(to: Importer, node: FileNode, inputs: readonly ForeignValue[]) {
    super(to, inputs);
    this.node = node;
  }

  /** Numbers of an input, few of them. */
  override numbers(position: number): readonly number[] {
    return this.listOf(this.constant(position));
  }

  /** An axis of a value, negative ones counted from the end. */
  axis(value: ForeignValue, axis: number | undefined): number {
    return wrapped(this.to, axis ?? 0, shapeOfValue(value).length);
  }

  /** Numbers of an attribute that is a list: `{list: {i: ["1", "2"]}}`. */
  integers(name: string): readonly number[] {
    const items = listField(objectField(this.#attribute(name), "list"), "i");
    if (items.length > longestList) throw new FormatError(`has ${items.length} numbers as "${name}".`);
    return items.map((item) => wholeNumber(item, name));
  }

  /** An attribute that is a whole number: `{i: "1"}`. */
  integer(name: string, otherwise: number): number {
    const value = field(this.#attribute(name), "i");
    return value === undefined ? otherwise : wholeNumber(value, name);
  }

  float(name: string, otherwise: number): number {
    return numberField(this.#attribute(name), "f", otherwise);
  }

  boolean(name: string): boolean {
    return booleanField(this.#attribute(name), "b", false);
  }

  /** An attribute that is a text, in base64 or bytes. */
  text(name: string, otherwise: string): string {
    const value = field(this.#attribute(name), "s");
    return value === undefined ? otherwise : decodeText(value, name);
  }

  texts(name: string): readonly string[] {
    const items = listField(objectField(this.#attribute(name), "list"), "s");
    if (items.length > longestList) throw new FormatError(`has ${items.length} texts as "${name}".`);
    return items.map((item) => decodeText(item, name));
  }

  /** An attribute that is a type: `{type: "DT_FLOAT"}`, or its number. */
  type(name: string): unknown {
    return field(this.#attribute(name), "type");
  }

  layout(): Layout {
    return this.text("data_format", "NHWC") === "NCHW" ? "NCHW" : "NHWC";
  }

  #attribute(name: string): JsonObject {
    return objectField(this.node.attributes, name);
  }
}

/** 64-bit integers are texts in JSON. */
function wholeNumber(value: unknown, name: string): number {
  const number = typeof value === "string" ? Number(value) : value;
  if (typeof number === "number" && Number.isSafeInteger(number)) return number;
  throw new FormatError(`"${name}" must be whole numbers, received ${shown(value)}.`);
}

/** The lengths of a shape attribute, `{shape: {dim: [{size: "-1"}]}}`; undefined where even their number is open. */
export function shapeAttribute(attribute: JsonObject): readonly number[] | undefined {
  const shape = objectField(attribute, "shape");
  return shapeOfDims(shape);
}

/** The same of a TensorShapeProto. */
export function shapeOfDims(shape: JsonObject): readonly number[] | undefined {
  if (booleanField(shape, "unknownRank", false) || field(shape, "dim") === undefined) return undefined;
  return objectsField(shape, "dim").map((dim) => wholeNumber(field(dim, "size") ?? -1, "size"));
}

const base64Letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const longestText = 256;

/** A text as the converter writes it: base64, or a list of bytes. */
function decodeText(value: unknown, name: string): string {
  if (Array.isArray(value) && value.length <= longestText && value.every((byte) => Number.isInteger(byte))) {
    return String.fromCharCode(...(value as number[]));
  }
  if (typeof value !== "string" || value.length > longestText) throw new FormatError(`"${name}" must be a text.`);
  let text = "";
  let bits = 0;
  let count = 0;
  for (const letter of value.replace(/=+$/, "")) {
    const sextet = base64Letters.indexOf(letter);
    if (sextet < 0) throw new FormatError(`"${name}" must be base64, received ${shown(value)}.`);
    bits = ((bits << 6) | sextet) & 0xfff;
    count += 6;
    if (count >= 8) {
      count -= 8;
      text += String.fromCharCode((bits >> count) & 0xff);
    }
  }
  return text;
}

/** A text in base64, as attributes are written. */
export function encodeText(text: string): string {
  let encoded = "";
  let bits = 0;
  let count = 0;
  for (const letter of text) {
    bits = ((bits << 8) | letter.charCodeAt(0)) & 0xffff;
    for (count += 8; count >= 6; ) {
      count -= 6;
      encoded += base64Letters[(bits >> count) & 0x3f];
    }
  }
  if (count > 0) encoded += base64Letters[(bits << (6 - count)) & 0x3f];
  return encoded.padEnd(Math.ceil(encoded.length / 4) * 4, "=");
}
