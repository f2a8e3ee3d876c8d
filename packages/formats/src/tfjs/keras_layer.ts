import { FormatError, type Pair } from "@depthwise/core";
import type { Constant, ForeignValue, View } from "../importer/foreign_value.ts";
import type { Importer, Layout } from "../importer/importer.ts";
import { noPadding, samePadding, type WindowAttributes } from "../importer/windows.ts";
import { booleanField, field, integers, type JsonObject, numberField, textField } from "./json_value.ts";

/** A Keras layer while it is read: its configuration, inputs and weights, as what they must be. */
export class KerasLayer {
  readonly to: Importer;
  readonly config: JsonObject;
  readonly inputs: readonly ForeignValue[];
  readonly #weights: (part: string) => Constant | undefined;

  constructor(
    to: Importer,
    config: JsonObject,
    inputs: readonly ForeignValue[],
    weights: (part: string) => Constant | undefined,
  ) {
    this.to = to;
    this.config = config;
    this.inputs = inputs;
    this.#weights = weights;
  }

  /** The only input, or the first. */
  view(): View {
    const [input] = this.inputs;
    if (input?.kind === "view") return input;
    throw new FormatError("has no input.");
  }

  /** A weight under one of the names that versions of Keras give it. */
  weight(...parts: readonly string[]): Constant {
    for (const part of parts) {
      const found = this.#weights(part);
      if (found !== undefined) return found;
    }
    throw new FormatError(`lacks its weight "${parts[0]}".`);
  }

  /** The bias, if it has one. */
  bias(): Constant | undefined {
    return this.boolean("use_bias", true) ? this.weight("bias") : undefined;
  }

  boolean(name: string, otherwise: boolean): boolean {
    return booleanField(this.config, name, otherwise);
  }

  number(name: string, otherwise: number): number {
    return numberField(this.config, name, otherwise);
  }

  /** A number for rows and one for columns, or one for both. */
  pair(name: string, otherwise: Pair): Pair {
    const value = field(this.config, name);
    if (value === undefined) return otherwise;
    if (typeof value === "number") return [value, value];
    const [vertical = 1, horizontal = vertical] = integers(value, name);
    return [vertical, horizontal];
  }

  layout(): Layout {
    return textField(this.config, "data_format", "channels_last") === "channels_first" ? "NCHW" : "NHWC";
  }

  /** How the window slides. */
  window(strideOtherwise: Pair = [1, 1]): WindowAttributes {
    const stride = this.pair("strides", strideOtherwise);
    const rule = textField(this.config, "padding", "valid").toLowerCase();
    if (rule !== "valid" && rule !== "same") throw this.to.unsupported(`pads by "${rule.slice(0, 20)}"`);
    return {
      stride,
      dilation: this.pair("dilation_rate", [1, 1]),
      padding: rule === "same" ? samePadding(stride, "after") : () => noPadding,
    };
  }

  /** The name of a function, which newer versions write as an object. */
  activation(name: string): string {
    const value = field(this.config, name) ?? "linear";
    if (typeof value === "string") return value;
    if (typeof value === "object" && value !== null) return textField(value as JsonObject, "class_name").toLowerCase();
    throw new FormatError(`"${name}" must be a function's name.`);
  }
}
