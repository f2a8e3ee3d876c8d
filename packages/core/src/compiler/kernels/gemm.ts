import type { Activation } from "../../graph/operations.ts";
import type { FunctionBuilder } from "../../wasm/function_builder.ts";
import { f32x4, i32, select, v128 } from "../../wasm/instructions.ts";
import type { I32, Local } from "../../wasm/value_types.ts";
import { FLOAT, LANES } from "../layout.ts";
import type { Kernel } from "../plan.ts";
import type { Target } from "../target.ts";
import { packedGroupFloats, rowRuns, type Segment, tileCount, unrolledSteps } from "./gemm_tiles.ts";
import { type ActivationConstants, activate, activationConstants, madd } from "./simd.ts";
import { times } from "./times.ts";

/** Where output pixel m finds its data: base + m·pixelBytes + floor(m / width)·wrapBytes. */
export interface PixelMap {
  readonly pixelBytes: number;
  /** Extra bytes at each new row of the output; 0 where all pixels lie in one line. */
  readonly wrapBytes: number;
}

/** Floats that are read one after another: `repeat` stretches of `count`, `stepBytes` apart, from `offsetBytes` on. */
export interface DepthRun {
  /** Which of the kernel's inputs. */
  readonly input: number;
  readonly offsetBytes: number;
  readonly count: number;
  readonly repeat: number;
  readonly stepBytes: number;
}

/**
 * Single stretches one after the other, in one loop that they share: where there are several, a loop for each is much code. Each has an
 * entry of four numbers in the kernel's table: bytes from the first input to its first float, `pixelBytes` and `wrapBytes` of what it
 * lies in, and its floats. So products that differ only in what they read share a function.
 */
export interface DepthRuns {
  /** Whether any of them lies in something with a border. */
  readonly wraps: boolean;
}

/** Floats at any distances from the pixel: `entries` of the kernel's table, from the entry `first` on. */
export interface DepthTable {
  readonly input: number;
  readonly first: number;
  readonly entries: number;
}

/** Floats at any distances from the pixel, written out one by one: for a few. */
export interface DepthList {
  readonly input: number;
  readonly offsetsBytes: readonly number[];
}

/**
 * A convolution as a matrix product: M pixels, K inputs a pixel (taps and channels), N output channels.
 *
 * The loop nest: blocks of pixels · groups · segments · panels of tiles · pixels · tiles · K. The tile's sums stay in registers; an
 * input float is copied to all lanes and multiplied with `vectors` weight vectors, which lie packed in the order of their use.
 */
export interface GemmSpec {
  /** M, and the output's width that `wrapBytes` counts in. */
  readonly pixels: number;
  readonly width: number;
  readonly inputs: readonly PixelMap[];
  readonly output: PixelMap;
  readonly residual: PixelMap | undefined;
  readonly groups: number;
  readonly groupInputBytes: number;
  readonly groupOutputBytes: number;
  /** Pixels that all groups do before the next ones, or all pixels, as with a single group: each group reads and writes its part of the same lines of the cache. */
  readonly block: number;
  /** The walk over a pixel's inputs. Runs and lists hold for every group; of a table each group has its own. */
  readonly depth: readonly (DepthRun | DepthRuns | DepthList | DepthTable)[];
  /** K. */
  readonly depthCount: number;
  readonly segments: readonly Segment[];
  /** Tiles of channels that a panel has at most: its weights stay in cache while the pixels go by. */
  readonly panel: number;
  /** What the kernel's units are: pixels, or tiles of channels, counted over all groups. */
  readonly split: "pixels" | "channels";
  readonly activation: Activation;
  readonly residualActivation: Activation;
}

/** Where a pixel stands, counted row by row from the one at `base`. */
export function placeOf({ pixelBytes, wrapBytes }: PixelMap, width: number, base: I32, pixel: I32): I32 {
  const inLine = i32.add(base, i32.mul(pixel, pixelBytes));
  return wrapBytes === 0 ? inLine : i32.add(inLine, i32.mul(i32.div_u(pixel, width), wrapBytes));
}

/** Whether the kernel takes a table. */
function usesTable({ depth }: GemmSpec): boolean {
  return depth.some((walk) => "entries" in walk || "wraps" in walk);
}

/** The kernel of a spec. Parameters: `input0`…, `weights`, `table` where there is one, `output`, `residual` where there is one. */
export function gemmKernel(name: string, spec: GemmSpec, target: Target): Kernel {
  const params = [
    ...spec.inputs.map((_, i) => `input${i}`),
    "weights",
    ...(usesTable(spec) ? ["table"] : []),
    "output",
    ...(spec.residual ? ["residual"] : []),
  ];
  return { name, params, emit: (f, p) => new GemmEmitter(f, p, spec, target).emit() };
}

type Params = Readonly<Record<string, Local<"i32">>>;

/** A pointer for each pixel of a tile; one pointer where the pixels lie in a line. */
interface TilePointers {
  readonly map: PixelMap;
  readonly locals: readonly Local<"i32">[];
}

/** Addresses of a tile's pixel: the pointer and a constant offset. */
function pixelAddress(pointers: TilePointers, row: number): { pointer: Local<"i32">; offset: number } {
  return pointers.locals.length === 1
    ? { pointer: pointers.locals[0] as Local<"i32">, offset: row * pointers.map.pixelBytes }
    : { pointer: pointers.locals[row] as Local<"i32">, offset: 0 };
}

/** Writes one kernel. A class because the loops share two dozen locals. */
class GemmEmitter {
  readonly #f: FunctionBuilder;
  readonly #p: Params;
  readonly #spec: GemmSpec;
  readonly #target: Target;
  readonly #constants: ActivationConstants;
  /** Bases of the group at work. */
  readonly #inputs: readonly Local<"i32">[];
  readonly #output: Local<"i32">;
  readonly #residual: Local<"i32"> | undefined;
  readonly #groupWeights: Local<"i32">;
  readonly #groupTable: Local<"i32"> | undefined;
  /** Pixels of the block at work, where the units are pixels. */
  #start: I32;
  #end: I32;

  constructor(f: FunctionBuilder, p: Params, spec: GemmSpec, target: Target) {
    this.#f = f;
    this.#p = p;
    this.#spec = spec;
    this.#target = target;
    this.#constants = activationConstants(f, [spec.activation, spec.residualActivation]);
    this.#inputs = spec.inputs.map((_, i) => p[`input${i}`] as Local<"i32">);
    this.#output = p["output"] as Local<"i32">;
    this.#residual = p["residual"];
    this.#groupWeights = p["weights"] as Local<"i32">;
    this.#groupTable = p["table"];
    this.#start = p["start"] as Local<"i32">;
    this.#end = p["end"] as Local<"i32">;
  }

  emit(): void {
    const { groups, pixels, block } = this.#spec;
    const f = this.#f;
    if (block >= pixels) {
      this.#groups();
      return;
    }
    const [start, end] = [this.#start, this.#end];
    f.for({ name: "block", from: start, to: end, step: block }, (from) => {
      const to = i32.add(from, block);
      this.#start = from;
      this.#end = f.let("blockEnd", select(i32.lt_s(to, end), to, end));
      this.#groups();
      this.#moveGroups(-groups);
    });
  }

  #groups(): void {
    const { groups, segments } = this.#spec;
    times(this.#f, groups, "group", () => {
      for (const i of segments.keys()) this.#segment(i);
      if (groups > 1) this.#moveGroups(1);
    });
  }

  /** The bases, by so many groups. */
  #moveGroups(count: number): void {
    const f = this.#f;
    const { segments, depthCount, groupInputBytes, groupOutputBytes, split } = this.#spec;
    const move = (local: Local<"i32"> | undefined, step: number) => {
      if (local && step !== 0) f.set(local, i32.add(local, count * step));
    };
    for (const input of this.#inputs) move(input, groupInputBytes);
    move(this.#output, groupOutputBytes);
    move(this.#residual, groupOutputBytes);
    move(this.#groupWeights, packedGroupFloats(segments, depthCount) * FLOAT);
    move(this.#groupTable, depthCount * FLOAT);
    if (split === "channels") for (const name of ["start", "end"]) move(this.#p[name], -tileCount(segments));
  }

  /** All tiles of one shape. */
  #segment(index: number): void {
    const f = this.#f;
    const { segments, depthCount, split, panel } = this.#spec;
    const segment = segments[index] as Segment;
    const skippedFloats = packedGroupFloats(segments.slice(0, index), depthCount);
    const skippedTiles = tileCount(segments.slice(0, index));
    const skippedColumns = segments.slice(0, index).reduce((sum, { vectors, count }) => sum + vectors * count, 0);
    const firstWeights = i32.add(this.#groupWeights, skippedFloats * FLOAT);
    const firstColumn = i32.const(skippedColumns * LANES * FLOAT);
    const columnBytes = segment.vectors * LANES * FLOAT;
    const tileBytes = columnBytes * (1 + depthCount);
    f.comment(`tiles of ${segment.rows} pixels x ${segment.vectors * LANES} channels`);
    if (split === "pixels" && segment.count <= panel) {
      this.#panel(index, firstWeights, firstColumn, segment.count);
      return;
    }
    const { from, to } = this.#tileRange(index, skippedTiles, segment.count);
    const inSegment = i32.sub(from, skippedTiles);
    const weights = f.let(`panel${index}`, i32.add(firstWeights, i32.mul(inSegment, tileBytes)));
    const column = f.let(`panelColumn${index}`, i32.add(firstColumn, i32.mul(inSegment, columnBytes)));
    f.for({ name: `tile${index}`, from, to, step: panel }, (at) => {
      const left = f.let(`left${index}`, i32.sub(to, at));
      const count = f.let(`tiles${index}`, select(i32.lt_s(left, panel), left, i32.const(panel)));
      this.#panel(index, weights, column, count);
      f.set(weights, i32.add(weights, panel * tileBytes));
      f.set(column, i32.add(column, panel * columnBytes));
    });
  }

  /** Some tiles of one shape side by side, for all pixels. */
  #panel(index: number, firstWeights: I32, firstColumn: I32, count: number | Local<"i32">): void {
    const f = this.#f;
    const segment = this.#spec.segments[index] as Segment;
    const weights = f.local(`w${index}`, "i32");
    const column = f.local(`column${index}`, "i32");
    this.#pixelTiles(segment, index, (part, tile) => {
      f.set(weights, firstWeights);
      f.set(column, firstColumn);
      times(f, count, `column${index}`, () => {
        this.#tile(part, tile, weights, column);
        f.set(column, i32.add(column, segment.vectors * LANES * FLOAT));
      });
    });
  }

  /** A group's tiles of a segment that this call does: all, or where tiles are the units, those of `start` to `end`, counted from the group's first. */
  #tileRange(index: number, first: number, count: number): { from: I32; to: I32 } {
    const f = this.#f;
    if (this.#spec.split === "pixels") return { from: i32.const(first), to: i32.const(first + count) };
    const { start, end } = this.#p as { start: Local<"i32">; end: Local<"i32"> };
    if (this.#spec.segments.length === 1 && this.#spec.groups === 1) return { from: start, to: end };
    const from = f.let(`from${index}`, select(i32.gt_s(start, first), start, i32.const(first)));
    const to = f.let(`to${index}`, select(i32.lt_s(end, first + count), end, i32.const(first + count)));
    return { from, to };
  }

  /** The loop over pixels: in two parts with tiles of a row less in the second, where it is known where they end. */
  #pixelTiles(segment: Segment, index: number, body: (part: Segment, tile: TileState) => void): void {
    const { split, pixels } = this.#spec;
    if (split === "pixels") {
      this.#pixelRun(segment, index, this.#start, this.#end, body);
      return;
    }
    let from = 0;
    for (const { rows, tiles } of rowRuns(pixels, segment.rows)) {
      const to = Math.min(from + rows * tiles, pixels);
      this.#pixelRun({ ...segment, rows }, index, i32.const(from), i32.const(to), body);
      from = to;
    }
  }

  /** Tiles from pixel `start` on. The last one is moved back to end with the last pixel: what it computes twice is the same. */
  #pixelRun(
    segment: Segment,
    index: number,
    start: I32,
    end: I32,
    body: (part: Segment, tile: TileState) => void,
  ): void {
    const f = this.#f;
    const { rows } = segment;
    const tile = this.#tileState(segment, index);
    f.for({ name: `m${index}`, from: start, to: end, step: rows }, (m) => {
      if (rows > 1) {
        const last = i32.sub(end, rows);
        f.set(tile.first, select(i32.gt_s(m, last), last, m));
        // A thread's share may be shorter than a tile; its neighbours' pixels are then computed again, to the same bits.
        f.set(tile.first, select(i32.lt_s(tile.first, 0), i32.const(0), tile.first));
      } else f.set(tile.first, m);
      for (const [row, line] of tile.lines.entries())
        f.set(line, i32.div_u(row === 0 ? tile.first : i32.add(tile.first, row), this.#spec.width));
      tile.inputs.forEach((pointers, i) => this.#setPointers(pointers, this.#inputs[i] as I32, tile.first));
      this.#setPointers(tile.output, this.#output, tile.first);
      if (tile.residual) this.#setPointers(tile.residual, this.#residual as I32, tile.first);
      body(segment, tile);
    });
  }

  #tileState(segment: Segment, index: number): TileState {
    const f = this.#f;
    const pointersFor = (map: PixelMap, name: string): TilePointers => {
      const count = map.wrapBytes === 0 ? 1 : segment.rows;
      return { map, locals: Array.from({ length: count }, (_, i) => f.local(`${name}${index}_${i}`, "i32")) };
    };
    const { inputs, output, residual, depth } = this.#spec;
    const wraps = inputs.some((map) => map.wrapBytes !== 0) || depth.some((walk) => "wraps" in walk && walk.wraps);
    return {
      first: f.local(`first${index}`, "i32"),
      inputs: this.#hasRuns() ? [] : inputs.map((map, i) => pointersFor(map, `x${i}_`)),
      output: pointersFor(output, "y"),
      residual: residual && pointersFor(residual, "r"),
      lines: Array.from({ length: this.#hasRuns() && wraps ? segment.rows : 0 }, (_, i) =>
        f.local(`line${index}_${i}`, "i32"),
      ),
      cursors: Array.from({ length: this.#hasRuns() || wraps ? segment.rows : 1 }, (_, i) =>
        f.local(`cursor${index}_${i}`, "i32"),
      ),
      sums: Array.from({ length: segment.rows }, (_, row) =>
        Array.from({ length: segment.vectors }, (_, v) => f.local(`acc${index}_${row}_${v}`, "v128")),
      ),
      weights: Array.from({ length: segment.vectors }, (_, v) => f.local(`b${index}_${v}`, "v128")),
      value: f.local(`a${index}`, "v128"),
      end: f.local(`end${index}`, "i32"),
    };
  }

  /** Whether runs share a loop: that finds a tile's pixels by itself, run by run. */
  #hasRuns(): boolean {
    return this.#spec.depth.some((walk) => "wraps" in walk);
  }

  #setPointers({ map, locals }: TilePointers, base: I32, first: Local<"i32">): void {
    locals.forEach((local, i) => {
      this.#f.set(local, placeOf(map, this.#spec.width, base, i === 0 ? first : i32.add(first, i)));
    });
  }

  /** One tile: sums start at the bias, run over K, and are stored through the activation. */
  #tile(segment: Segment, tile: TileState, weights: Local<"i32">, column: Local<"i32">): void {
    const f = this.#f;
    const { depth } = this.#spec;
    for (let v = 0; v < segment.vectors; v++) {
      const bias = tile.sums[0]?.[v] as Local<"v128">;
      f.set(bias, v128.load(weights, { offset: v * LANES * FLOAT }));
      for (let row = 1; row < segment.rows; row++) f.set(tile.sums[row]?.[v] as Local<"v128">, bias);
    }
    f.set(weights, i32.add(weights, segment.vectors * LANES * FLOAT));
    for (const walk of depth) {
      if ("entries" in walk) this.#depthTable(segment, tile, weights, walk);
      else if ("offsetsBytes" in walk) this.#depthList(segment, tile, weights, walk);
      else if ("wraps" in walk) this.#depthRuns(segment, tile, weights);
      else this.#depthRun(segment, tile, weights, walk);
    }
    this.#store(segment, tile, column);
  }

  #depthRun(segment: Segment, tile: TileState, weights: Local<"i32">, run: DepthRun): void {
    const f = this.#f;
    const pointers = tile.inputs[run.input] as TilePointers;
    const cursor: TilePointers = { map: pointers.map, locals: tile.cursors.slice(0, pointers.locals.length) };
    cursor.locals.forEach((local, i) => f.set(local, i32.add(pointers.locals[i] as I32, run.offsetBytes)));
    const advance = (bytes: number) => {
      if (bytes !== 0) for (const local of cursor.locals) f.set(local, i32.add(local, bytes));
    };
    times(f, run.repeat, "run", () => {
      this.#depthLoop(segment, tile, weights, run.count, advance, (k) => (row) => {
        const { pointer, offset } = pixelAddress(cursor, row);
        return v128.load32_splat(pointer, { offset: offset + k * FLOAT });
      });
      if (run.repeat > 1) advance(run.stepBytes - run.count * FLOAT);
    });
  }

  /** Run by run: where its pixels are and where its weights end stands in the table. */
  #depthRuns(segment: Segment, tile: TileState, weights: Local<"i32">): void {
    const f = this.#f;
    const stepBytes = segment.vectors * LANES * FLOAT;
    const unroll = unrolledSteps(segment, this.#target);
    const [base, pixelBytes, wrapBytes] = [
      f.local("runBase", "i32"),
      f.local("runPixel", "i32"),
      f.local("runWrap", "i32"),
    ];
    const begin = (run: Local<"i32">, runEnd: Local<"i32">): void => {
      const count = f.let("count", i32.load(run, { offset: 12 }));
      f.set(runEnd, i32.add(weights, i32.mul(count, stepBytes)));
      f.set(tile.end, i32.sub(runEnd, i32.mul(i32.rem_u(count, unroll), stepBytes)));
      f.set(pixelBytes, i32.load(run, { offset: 4 }));
      if (tile.lines.length > 0) f.set(wrapBytes, i32.load(run, { offset: 8 }));
      const first = i32.add(this.#inputs[0] as I32, i32.load(run));
      f.set(base, i32.add(first, i32.mul(tile.first, pixelBytes)));
      for (const [row, cursor] of tile.cursors.entries()) {
        const line = tile.lines[row];
        f.set(cursor, line === undefined ? base : i32.add(base, i32.mul(line, wrapBytes)));
        if (row + 1 < tile.cursors.length) f.set(base, i32.add(base, pixelBytes));
      }
    };
    const advance = (bytes: number): void => {
      for (const cursor of tile.cursors) f.set(cursor, i32.add(cursor, bytes));
    };
    const chunk = (steps: number): void =>
      this.#depthSteps(
        segment,
        tile,
        weights,
        steps,
        advance,
        (k) => (row) => v128.load32_splat(tile.cursors[row] as Local<"i32">, { offset: k * FLOAT }),
      );
    const run = f.let("run", this.#groupTable as I32);
    const runEnd = f.local("runEnd", "i32");
    const end = f.let("runsEnd", i32.add(weights, this.#spec.depthCount * stepBytes));
    f.loop((again) => {
      begin(run, runEnd);
      f.while(
        () => i32.lt_u(weights, tile.end),
        () => chunk(unroll),
      );
      f.while(
        () => i32.lt_u(weights, runEnd),
        () => chunk(1),
      );
      f.set(run, i32.add(run, 16));
      f.brIf(again, i32.lt_u(weights, end));
    });
  }

  #depthList(segment: Segment, tile: TileState, weights: Local<"i32">, { input, offsetsBytes }: DepthList): void {
    const f = this.#f;
    const stepBytes = segment.vectors * LANES * FLOAT;
    const pointers = tile.inputs[input] as TilePointers;
    offsetsBytes.forEach((bytes, k) => {
      this.#multiplyAdd(segment, tile, weights, k * stepBytes, (row) => {
        const { pointer, offset } = pixelAddress(pointers, row);
        return v128.load32_splat(pointer, { offset: offset + bytes });
      });
    });
    f.set(weights, i32.add(weights, offsetsBytes.length * stepBytes));
  }

  /** Inputs anywhere: the table holds each one's distance from the pixel. */
  #depthTable(segment: Segment, tile: TileState, weights: Local<"i32">, { input, first, entries }: DepthTable): void {
    const f = this.#f;
    const pointers = tile.inputs[input] as TilePointers;
    const table = tile.cursors[0] as Local<"i32">;
    const offset = f.local("offset", "i32");
    f.set(table, i32.add(this.#groupTable as I32, first * FLOAT));
    const advance = (bytes: number) => f.set(table, i32.add(table, bytes));
    this.#depthLoop(segment, tile, weights, entries, advance, (k) => {
      f.set(offset, i32.load(table, { offset: k * FLOAT }));
      return (row) => {
        const { pointer, offset: constant } = pixelAddress(pointers, row);
        return v128.load32_splat(i32.add(pointer, offset), { offset: constant });
      };
    });
  }

  /** `count` steps of K, unrolled. */
  #depthLoop(
    segment: Segment,
    tile: TileState,
    weights: Local<"i32">,
    count: number,
    advance: (bytes: number) => void,
    input: (k: number) => (row: number) => ReturnType<typeof v128.load32_splat>,
  ): void {
    const f = this.#f;
    const stepBytes = segment.vectors * LANES * FLOAT;
    const unroll = Math.min(count, unrolledSteps(segment, this.#target));
    const trips = Math.floor(count / unroll);
    const chunk = (steps: number) => this.#depthSteps(segment, tile, weights, steps, advance, input);
    if (trips === 1) chunk(unroll);
    else {
      f.set(tile.end, i32.add(weights, trips * unroll * stepBytes));
      f.loop((again) => {
        chunk(unroll);
        f.brIf(again, i32.lt_u(weights, tile.end));
      });
    }
    if (count % unroll > 0) chunk(count % unroll);
  }

  /** A few steps of K written out, then on with inputs and weights. */
  #depthSteps(
    segment: Segment,
    tile: TileState,
    weights: Local<"i32">,
    steps: number,
    advance: (bytes: number) => void,
    input: (k: number) => (row: number) => ReturnType<typeof v128.load32_splat>,
  ): void {
    const stepBytes = segment.vectors * LANES * FLOAT;
    for (let k = 0; k < steps; k++) this.#multiplyAdd(segment, tile, weights, k * stepBytes, input(k));
    advance(steps * FLOAT);
    this.#f.set(weights, i32.add(weights, steps * stepBytes));
  }

  #multiplyAdd(
    segment: Segment,
    tile: TileState,
    weights: Local<"i32">,
    offset: number,
    input: (row: number) => ReturnType<typeof v128.load32_splat>,
  ): void {
    const f = this.#f;
    for (let v = 0; v < segment.vectors; v++) {
      f.set(tile.weights[v] as Local<"v128">, v128.load(weights, { offset: offset + v * LANES * FLOAT }));
    }
    for (let row = 0; row < segment.rows; row++) {
      f.set(tile.value, input(row));
      for (let v = 0; v < segment.vectors; v++) {
        const sum = tile.sums[row]?.[v] as Local<"v128">;
        f.set(sum, madd(this.#target, tile.value, tile.weights[v] as Local<"v128">, sum));
      }
    }
  }

  #store(segment: Segment, tile: TileState, column: Local<"i32">): void {
    const f = this.#f;
    const { activation, residualActivation } = this.#spec;
    const address = f.local("address", "i32");
    const residualAddress = f.local("residualAddress", "i32");
    const place = (pointers: TilePointers, row: number, local: Local<"i32">): number => {
      const { pointer, offset } = pixelAddress(pointers, row);
      if (row === 0 || pointers.locals.length > 1) f.set(local, i32.add(pointer, column));
      return offset;
    };
    for (let row = 0; row < segment.rows; row++) {
      const offset = place(tile.output, row, address);
      const residualOffset = tile.residual ? place(tile.residual, row, residualAddress) : 0;
      const sums = tile.sums[row] as readonly Local<"v128">[];
      // Every load before the first store: engines that join vectors do not move loads over stores.
      sums.forEach((sum, v) => {
        let value = activate(f, this.#target, activation, sum, this.#constants);
        if (tile.residual) {
          const residual = v128.load(residualAddress, { offset: residualOffset + v * LANES * FLOAT });
          value = activate(f, this.#target, residualActivation, f32x4.add(value, residual), this.#constants);
        }
        f.set(sum, value);
      });
      sums.forEach((sum, v) => f.do(v128.store(address, sum, { offset: offset + v * LANES * FLOAT })));
    }
  }
}

/** The locals of one segment. */
interface TileState {
  readonly first: Local<"i32">;
  /** None where runs share a loop. */
  readonly inputs: readonly TilePointers[];
  /** The output's line of each pixel, where runs share a loop and an input has a border. */
  readonly lines: readonly Local<"i32">[];
  readonly output: TilePointers;
  readonly residual: TilePointers | undefined;
  readonly cursors: readonly Local<"i32">[];
  readonly sums: readonly (readonly Local<"v128">[])[];
  readonly weights: readonly Local<"v128">[];
  readonly value: Local<"v128">;
  readonly end: Local<"i32">;
}
