/** A `model.json` of a graph model, as far as we write it. */
import type { Shape } from "@depthwise/core";
import { encodeText } from "./graph_node.ts";

/** An attribute of a node. Whole numbers are texts, texts base64: the JSON form of protocol buffers. */
export type TfjsAttribute =
  | { readonly type: string }
  | { readonly b: boolean }
  | { readonly i: string }
  | { readonly f: number }
  | { readonly s: string }
  | { readonly shape: TfjsShape }
  | { readonly list: { readonly i?: readonly string[]; readonly s?: readonly string[] } };

/** A node of the graph. */
export interface TfjsNode {
  readonly name: string;
  readonly op: string;
  readonly input: readonly string[];
  readonly attr: Readonly<Record<string, TfjsAttribute>>;
}

/** A tensor's lengths. */
export interface TfjsShape {
  readonly dim: readonly { readonly size: string }[];
}

/** An input or output. */
export interface TfjsPort {
  readonly name: string;
  readonly dtype: "DT_FLOAT";
  readonly tensorShape: TfjsShape;
}

/** A constant: a node of the graph whose numbers are among the weights. */
export interface TfjsConstant {
  readonly name: string;
  readonly shape: Shape;
  readonly data: Float32Array | Int32Array;
}

/** The type of all that is computed. */
export const float: TfjsAttribute = { type: "DT_FLOAT" };
/** The type of shapes and axes. */
export const int32: TfjsAttribute = { type: "DT_INT32" };

/** Lengths as the format has them. */
export function tfjsShape(shape: Shape): TfjsShape {
  return { dim: shape.map((length) => ({ size: String(length) })) };
}

/** A list of whole numbers as an attribute. */
export function integerList(...values: readonly number[]): TfjsAttribute {
  return { list: { i: values.map(String) } };
}

/** A text as an attribute. */
export function text(value: string): TfjsAttribute {
  return { s: encodeText(value) };
}

/** A list of texts as an attribute. */
export function textList(...values: readonly string[]): TfjsAttribute {
  return { list: { s: values.map(encodeText) } };
}
