import type { Shape } from "../tensor.ts";
import type { OperationName, OperationOf } from "./operations.ts";

/** A value while a graph is interpreted: its numbers in row-major order. */
export interface Operand {
  readonly shape: Shape;
  readonly data: Float32Array | Float64Array;
}

/** Writes an operation's output from its inputs. The shapes are already known to fit. */
export type Interpreter<K extends OperationName> = (
  operation: OperationOf<K>,
  inputs: readonly Operand[],
  output: Operand,
) => void;
