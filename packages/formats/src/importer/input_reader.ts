import { FormatError } from "@depthwise/core";
import type { Constant, ForeignValue, View } from "./foreign_value.ts";
import type { Importer } from "./importer.ts";

/** The inputs of a node while it is read, as what they must be. */
export class InputReader {
  readonly to: Importer;
  readonly #inputs: readonly (ForeignValue | undefined)[];

  constructor(to: Importer, inputs: readonly (ForeignValue | undefined)[]) {
    this.to = to;
    this.#inputs = inputs;
  }

  /** All inputs that are there. */
  get inputs(): readonly ForeignValue[] {
    return this.#inputs.filter((input) => input !== undefined);
  }

  /** An input; negative positions count from the last one. */
  value(position: number): ForeignValue {
    const value = this.#inputs.at(position);
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
    return this.#inputs.at(position) === undefined ? undefined : this.constant(position);
  }

  /** Numbers of an input, few of them, if it is there. */
  numbers(position: number): readonly number[] | undefined {
    const constant = this.optional(position);
    return constant === undefined ? undefined : this.listOf(constant);
  }

  /** A constant as a list, which takes more memory than it does. */
  protected listOf({ data }: Constant): readonly number[] {
    this.to.budget.spend(16 * data.length, "Lists of positions");
    return Array.from(data as Iterable<number> & ArrayLike<number>);
  }
}
