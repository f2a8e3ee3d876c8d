import type { FunctionBuilder } from "../wasm/function_builder.ts";
import type { Local } from "../wasm/value_types.ts";
import type { Buffer } from "./layout.ts";

/** Numbers that the module carries: packed weights, tables of offsets. Written once the arena is laid out. */
export interface Constant {
  readonly bytes: number;
  /** Fills the block. `addressOf` gives a buffer's first byte. */
  write(block: { f32: Float32Array; i32: Int32Array }, addressOf: (buffer: Buffer) => number): void;
}

/** An address that is known once the arena is laid out. Offsets are in bytes. */
export type Address =
  | { readonly kind: "buffer"; readonly buffer: Buffer; readonly offset: number }
  | { readonly kind: "constant"; readonly constant: Constant }
  /** In a buffer of the caller's: moves on with every picture of a batch. */
  | { readonly kind: "batch"; readonly buffer: Buffer };

/**
 * A generated function. Equal names are equal functions, and are emitted once.
 *
 * Its parameters are i32 addresses, then `start` and `end`: the units of work (pixels, rows) that this call does. Any split of the
 * units gives the same bits.
 */
export interface Kernel {
  readonly name: string;
  readonly params: readonly string[];
  emit(f: FunctionBuilder, params: Readonly<Record<string, Local<"i32">>>): void;
}

/** One call of a kernel in a step. */
export interface Call {
  readonly kernel: Kernel;
  readonly args: readonly Address[];
  readonly units: number;
  /** Threads get whole multiples of this many units. */
  readonly grain: number;
}

/** What a node became. */
export interface Step {
  /** The node's name, and its operation as shown in profiles. */
  readonly name: string;
  readonly op: string;
  readonly calls: readonly Call[];
  readonly reads: readonly Buffer[];
  readonly writes: readonly Buffer[];
  readonly macs: number;
}
