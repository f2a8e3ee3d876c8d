import type { FunctionBuilder } from "../wasm/function_builder.ts";
import type { Local } from "../wasm/value_types.ts";
import type { Buffer } from "./layout.ts";
import type { Tile } from "./tuning.ts";

/** Numbers that the module carries: packed weights, tables of offsets. Written once the arena is laid out. */
export interface Constant {
  readonly bytes: number;
  /** Weights are copies of the parameters' numbers, each at its place, and zeros; tables are anything else. */
  readonly holds: "weights" | "table";
  /** How weights lie in the block, one after another; they fill it. What storage in fewer bits has to know. */
  readonly panels?: readonly Panels[];
  /** What is computed from another constant when the module starts, by a kernel with their two addresses; it does not travel. */
  readonly madeBy?: { readonly kernel: Kernel; readonly from: Constant };
  /** Fills the block. `addressOf` gives a buffer's first byte. */
  write(block: { f32: Float32Array; i32: Int32Array }, addressOf: (buffer: Buffer) => number): void;
}

/** `count` panels of packed weights: `rows` rows of `lanes` floats, one output channel a lane. The first row is the bias. */
export interface Panels {
  readonly count: number;
  readonly rows: number;
  readonly lanes: number;
}

/** What a kernel is called with: an address that is known once the arena is laid out. Offsets are in bytes. */
export type Address =
  | { readonly kind: "buffer"; readonly buffer: Buffer; readonly offset: number }
  | { readonly kind: "constant"; readonly constant: Constant }
  /** No address but a number that the kernel wants to know. */
  | { readonly kind: "number"; readonly value: number }
  /** The thread's own copy of a buffer that has one for each thread. */
  | { readonly kind: "thread"; readonly buffer: Buffer }
  /** In a buffer of the caller's: moves on with every picture of a batch. */
  | { readonly kind: "batch"; readonly buffer: Buffer };

/**
 * A generated function. Equal names are equal functions, and are emitted once.
 *
 * Its parameters are i32 addresses and numbers, then `start` and `end`: the units of work (pixels, rows) that this call does. Any split of the
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
  /** Units that the kernel does with one walk over its weights, if several grains: fewer cost another walk. */
  readonly block?: number | undefined;
  /** How it goes over the rows of the picture it writes, if it can be called for a few of them at a time; or that it sets a border. */
  readonly rows?: RowWork | "border" | undefined;
  readonly choice?: TileChoice | undefined;
  /** What decides how long it takes beside the kernel: numbers and tables that it is called with. */
  readonly variant?: string | undefined;
}

/** What could be chosen otherwise: the name that `Tuning` knows it by, the tile of most channels, and others to try. */
export interface TileChoice {
  readonly key: string;
  readonly tile: Tile;
  readonly others: readonly Tile[];
}

/**
 * A call's work on one row of its output: `units` units, which read the input's rows from `row · stride − top` on, `span` of them. The
 * kernel's parameters `input…` point at the first of these rows, all others at `row`.
 */
export interface RowWork {
  readonly units: number;
  readonly stride: number;
  readonly top: number;
  readonly span: number;
}

/** Row by row from input to output. */
export const rowByRow: RowWork = { units: 1, stride: 1, top: 0, span: 1 };

/** What a node became. */
export interface Step {
  /** The node's name, and its operation as shown in profiles. */
  readonly name: string;
  readonly op: string;
  readonly calls: readonly Call[];
  readonly reads: readonly Buffer[];
  readonly writes: readonly Buffer[];
  /** What its calls need for themselves. */
  readonly scratch?: readonly Buffer[] | undefined;
  readonly macs: number;
  /** Bytes of each buffer that it reads and writes for one picture, borders aside. */
  readonly traffic: ReadonlyMap<Buffer, number>;
  /** Several steps run band by band, after this step's own calls. */
  readonly bands?: Bands | undefined;
}

/**
 * Steps that run one after another for some rows of their output, then for the next ones: what lies between them needs room for these
 * rows only, and stays in cache. Each thread does a share of the rows, in band buffers of its own.
 */
export interface Bands {
  readonly steps: readonly Step[];
  /** Rows of the output, and how many a band has; the last one may have fewer. */
  readonly height: number;
  readonly rows: number;
  readonly buffers: readonly BandBuffer[];
}

/** A buffer of which a band holds a few rows. */
export interface BandBuffer {
  /** As steps know it. */
  readonly whole: Buffer;
  /** What takes its place: as many rows as a band needs, without border above and below. */
  readonly band: Buffer;
  readonly range: RowRange;
  /** Sets the columns left and right of the picture in all its rows. */
  readonly border: Call | undefined;
}

/** Rows needed for rows `from` to `to` of the output: `rate · from + first` to `rate · (to − 1) + last`, exclusive; some lie in the border. */
export interface RowRange {
  readonly rate: number;
  readonly first: number;
  readonly last: number;
}
