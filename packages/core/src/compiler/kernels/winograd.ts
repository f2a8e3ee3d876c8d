import type { Activation, Pair } from "../../graph/operations.ts";
import type { FunctionBuilder } from "../../wasm/function_builder.ts";
import { f32x4, i32, select, v128 } from "../../wasm/instructions.ts";
import type { I32, Local, V128 } from "../../wasm/value_types.ts";
import { FLOAT, LANES } from "../layout.ts";
import type { Kernel } from "../plan.ts";
import type { Target } from "../target.ts";
import { type Segment, unrolledSteps } from "./gemm_tiles.ts";
import { type ActivationConstants, activate, activationConstants, madd } from "./simd.ts";
import { times } from "./times.ts";

/**
 * A convolution of stride 1 with three taps along an axis or two, by Winograd's minimal filtering F(2, 3) along each of them.
 * A. Lavin, S. Gray, Fast Algorithms for Convolutional Neural Networks, CVPR 2016, arXiv:1509.09308.
 *
 * Two outputs next to each other need four products for the six of the definition: with inputs d and taps g,
 *
 * ```
 *   m0 = (d0 − d2) g0     m1 = (d1 + d2) (g0 + g1 + g2)/2     m2 = (d2 − d1) (g0 − g1 + g2)/2     m3 = (d1 − d3) g2
 *   y0 = m0 + m1 + m2     y1 = m1 − m2 − m3
 * ```
 *
 * so 4 for 6 with 1x3 and 3x1, 16 for 36 with 3x3. Each of these positions is a matrix product over the channels, of tiles by outputs.
 *
 * The loop nest: blocks of tiles · (transform inputs) · groups · tiles of channels · (positions · pixel tiles · K, then transform back).
 * What stands between, in `scratch`, fits the second-level cache, and the sums before they are transformed back the first-level one.
 */
export interface WinogradSpec {
  /** 3 or 1 along each axis. */
  readonly kernel: Pair;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly inputPixelBytes: number;
  readonly inputRowBytes: number;
  /** Vectors of channels that are transformed at each pixel. */
  readonly inputVectors: number;
  readonly outputPixelBytes: number;
  readonly outputRowBytes: number;
  readonly groups: number;
  /** K: input channels of a group; from one to the next, and from group to group, the same number of bytes everywhere. */
  readonly depth: number;
  readonly depthBytes: number;
  readonly groupInputBytes: number;
  readonly groupOutputBytes: number;
  /** Tiles of the matrix products: their rows are tiles of the picture. */
  readonly segments: readonly Segment[];
  /** Tiles of the picture that are transformed at a time; a whole number of every segment's rows. */
  readonly block: number;
  readonly activation: Activation;
}

/** Outputs of a tile along an axis, and inputs that they need. */
function outputsAlong(taps: number): number {
  return taps === 3 ? 2 : 1;
}

function positionsAlong(taps: number): number {
  return taps === 3 ? 4 : 1;
}

/** Products for each tile and pair of channels. */
export function positionsOf([rows, columns]: Pair): number {
  return positionsAlong(rows) * positionsAlong(columns);
}

/** Tiles down and across a picture of `height` by `width` outputs. */
export function tilesOf([rows, columns]: Pair, height: number, width: number): Pair {
  return [Math.ceil(height / outputsAlong(rows)), Math.ceil(width / outputsAlong(columns))];
}

/** Bytes of transformed inputs, then of sums: what a thread needs for itself. */
export function scratchBytes(spec: WinogradSpec): number {
  const lanes = Math.max(...spec.segments.map(({ vectors }) => vectors)) * LANES;
  return transformedBytes(spec) + positionsOf(spec.kernel) * spec.block * lanes * FLOAT;
}

function transformedBytes({ kernel, block, inputVectors }: WinogradSpec): number {
  return positionsOf(kernel) * block * inputVectors * LANES * FLOAT;
}

/** Floats of one group's transformed weights: for each tile of channels each position, and for each of these K rows of the tile's channels. */
export function transformedGroupFloats({ kernel, segments, depth }: WinogradSpec): number {
  return segments.reduce((sum, { vectors, count }) => sum + count * vectors * LANES, 0) * positionsOf(kernel) * depth;
}

/**
 * Transforms weights, once. They come as `packGroup` writes them, the taps of a channel one after another. Parameters: `packed`,
 * `transformed`. One unit.
 */
export function winogradWeightsKernel(name: string, spec: WinogradSpec): Kernel {
  const { kernel, depth, groups, segments } = spec;
  return {
    name,
    params: ["packed", "transformed"],
    emit(f, p) {
      const { packed, transformed } = p as Record<"packed" | "transformed", Local<"i32">>;
      const half = f.let("half", f32x4.const(0.5, 0.5, 0.5, 0.5));
      const columnTile = ({ vectors }: Segment): void => {
        const rowBytes = vectors * LANES * FLOAT;
        f.set(packed, i32.add(packed, rowBytes));
        f.repeat({ name: "k", from: 0, to: depth, step: 1 }, () => {
          f.repeat({ name: "vector", from: 0, to: vectors, step: 1 }, () => {
            transformGrid(
              kernel,
              (kh, kw) => [f.let("g", v128.load(packed, { offset: (kh * kernel[1] + kw) * rowBytes }))],
              (taps) => transformTaps(f, taps, half),
              (row, values) => {
                values.forEach(([value], column) => {
                  const position = row * positionsAlong(kernel[1]) + column;
                  f.do(v128.store(transformed, value as V128, { offset: position * depth * rowBytes }));
                });
              },
            );
            f.set(packed, i32.add(packed, LANES * FLOAT));
            f.set(transformed, i32.add(transformed, LANES * FLOAT));
          });
          f.set(packed, i32.add(packed, (kernel[0] * kernel[1] - 1) * rowBytes));
        });
        f.set(transformed, i32.add(transformed, (positionsOf(kernel) - 1) * depth * rowBytes));
      };
      f.repeat({ name: "group", from: 0, to: groups, step: 1 }, () => {
        for (const segment of segments)
          f.repeat({ name: "tile", from: 0, to: segment.count, step: 1 }, () => columnTile(segment));
      });
    },
  };
}

/**
 * The kernel of a spec. Its units are tiles of the picture, row by row. Parameters: `input` (the first window's first cell), `bias` (the
 * packed weights, of which it reads the biases), `weights` (transformed), `scratch`, `output`.
 */
export function winogradKernel(name: string, spec: WinogradSpec, target: Target): Kernel {
  return {
    name,
    params: ["input", "bias", "weights", "scratch", "output"],
    emit: (f, p) => new WinogradEmitter(f, p as Params, spec, target).emit(),
  };
}

type Params = Readonly<Record<"input" | "bias" | "weights" | "scratch" | "output" | "start" | "end", Local<"i32">>>;

/** A vector, or two neighbouring ones where the engine joins them. */
type Vectors = readonly Local<"v128">[];

/** Where the walk over the tiles of the picture is. */
interface TileWalk {
  readonly row: Local<"i32">;
  readonly column: Local<"i32">;
}

/** What the products of a tile of channels read and write. */
interface Products {
  readonly inputs: Local<"i32">;
  readonly weights: Local<"i32">;
  readonly sums: Local<"i32">;
  /** Tiles of the picture in this block. */
  readonly count: Local<"i32">;
}

/** Writes one kernel. A class because the loops share a dozen locals. */
class WinogradEmitter {
  readonly #f: FunctionBuilder;
  readonly #p: Params;
  readonly #spec: WinogradSpec;
  readonly #target: Target;
  readonly #constants: ActivationConstants;
  readonly #tiles: Pair;
  /** Transformed inputs of a tile, and of all tiles of a block. */
  readonly #tileBytes: number;
  readonly #positionBytes: number;

  constructor(f: FunctionBuilder, p: Params, spec: WinogradSpec, target: Target) {
    this.#f = f;
    this.#p = p;
    this.#spec = spec;
    this.#target = target;
    this.#constants = activationConstants(f, [spec.activation]);
    this.#tiles = tilesOf(spec.kernel, spec.outHeight, spec.outWidth);
    this.#tileBytes = spec.inputVectors * LANES * FLOAT;
    this.#positionBytes = spec.block * this.#tileBytes;
  }

  emit(): void {
    const f = this.#f;
    const { start, end, scratch } = this.#p;
    const sums = f.let("sums", i32.add(scratch, transformedBytes(this.#spec)));
    const blockEnd = f.local("blockEnd", "i32");
    const count = f.local("count", "i32");
    f.for({ name: "block", from: start, to: end, step: this.#spec.block }, (block) => {
      f.set(count, i32.sub(end, block));
      f.if(i32.gt_s(count, this.#spec.block), () => f.set(count, this.#spec.block));
      f.set(blockEnd, i32.add(block, count));
      this.#transformInputs(block, blockEnd);
      this.#channels(block, blockEnd, { sums, count });
    });
  }

  /** All output channels of a block of tiles. */
  #channels(block: Local<"i32">, blockEnd: Local<"i32">, { sums, count }: Pick<Products, "sums" | "count">): void {
    const f = this.#f;
    const { groups, segments, depth, kernel, groupInputBytes, groupOutputBytes } = this.#spec;
    const bias = f.let("bias", this.#p.bias);
    const weights = f.let("w", this.#p.weights);
    const inputs = f.let("inputs", this.#p.scratch);
    const output = f.let("output", this.#p.output);
    const column = f.local("channels", "i32");
    times(f, groups, "group", () => {
      f.set(column, output);
      for (const segment of segments) {
        const rowBytes = segment.vectors * LANES * FLOAT;
        times(f, segment.count, "columns", () => {
          this.#products(segment, { inputs, weights, sums, count });
          this.#transformBack(segment, block, blockEnd, { bias, sums, column });
          f.set(bias, i32.add(bias, (1 + kernel[0] * kernel[1] * depth) * rowBytes));
          f.set(column, i32.add(column, rowBytes));
        });
      }
      f.set(inputs, i32.add(inputs, groupInputBytes));
      f.set(output, i32.add(output, groupOutputBytes));
    });
  }

  /** Vectors to do at once. */
  #joined(vectors: number): 1 | 2 {
    return this.#target.wide && vectors % 2 === 0 ? 2 : 1;
  }

  /** The tiles of a block, in the order of their numbers. */
  #walk(block: Local<"i32">, blockEnd: Local<"i32">, body: (walk: TileWalk) => void): void {
    const f = this.#f;
    const [, across] = this.#tiles;
    const row = f.let("row", i32.div_u(block, across));
    const column = f.let("column", i32.rem_u(block, across));
    f.for({ name: "t", from: block, to: blockEnd, step: 1 }, () => {
      body({ row, column });
      f.set(column, i32.add(column, 1));
      f.if(i32.eq(column, across), () => {
        f.set(column, 0);
        f.set(row, i32.add(row, 1));
      });
    });
  }

  #transformInputs(block: Local<"i32">, blockEnd: Local<"i32">): void {
    const f = this.#f;
    const { kernel, inputRowBytes, inputPixelBytes, inputVectors } = this.#spec;
    const joined = this.#joined(inputVectors);
    const to = f.let("to", this.#p.scratch);
    const from = f.local("from", "i32");
    this.#walk(block, blockEnd, ({ row, column }) => {
      const rowStep = outputsAlong(kernel[0]) * inputRowBytes;
      const columnStep = outputsAlong(kernel[1]) * inputPixelBytes;
      f.set(from, i32.add(i32.add(this.#p.input, i32.mul(row, rowStep)), i32.mul(column, columnStep)));
      const window = this.#windowOffsets({ row, column });
      f.repeat({ name: "vector", from: 0, to: inputVectors / joined, step: 1 }, () => {
        transformGrid(
          [positionsAlong(kernel[0]), positionsAlong(kernel[1])],
          (i, j) => vectorsOf(joined, (v) => f.let("d", window(from, i, j, v * LANES * FLOAT))),
          (d) => transformInputs(f, d),
          (i, values) => {
            values.forEach((pair, j) => {
              const position = i * positionsAlong(kernel[1]) + j;
              pair.forEach((value, v) => {
                f.do(v128.store(to, value, { offset: position * this.#positionBytes + v * LANES * FLOAT }));
              });
            });
          },
        );
        f.set(from, i32.add(from, joined * LANES * FLOAT));
        f.set(to, i32.add(to, joined * LANES * FLOAT));
      });
    });
  }

  /**
   * Loads from a tile's window. The last tile of an odd number of outputs reads a row or column that may lie beyond the memory that is
   * there, for an output that is not stored: the row or column before it is read instead.
   */
  #windowOffsets({ row, column }: TileWalk): (from: Local<"i32">, i: number, j: number, offset: number) => V128 {
    const { kernel, outHeight, outWidth, inputRowBytes, inputPixelBytes } = this.#spec;
    const [down, across] = this.#tiles;
    const last = (taps: number, length: number, at: Local<"i32">, tiles: number, bytes: number) =>
      taps === 3 && length % 2 === 1
        ? this.#f.let("last", select(i32.eq(at, tiles - 1), i32.const(2 * bytes), i32.const(3 * bytes)))
        : undefined;
    const lastRow = last(kernel[0], outHeight, row, down, inputRowBytes);
    const lastColumn = last(kernel[1], outWidth, column, across, inputPixelBytes);
    return (from, i, j, offset) => {
      let address: I32 = from;
      let at = offset;
      if (i === 3 && lastRow) address = i32.add(address, lastRow);
      else at += i * inputRowBytes;
      if (j === 3 && lastColumn) address = i32.add(address, lastColumn);
      else at += j * inputPixelBytes;
      return v128.load(address, { offset: at });
    };
  }

  /** For each position the matrix product of a block's tiles with the weights of a tile of channels; `weights` moves on. */
  #products(segment: Segment, { inputs, weights, sums, count }: Products): void {
    const f = this.#f;
    const { rows, vectors } = segment;
    const rowBytes = vectors * LANES * FLOAT;
    const tile = {
      sums: Array.from({ length: rows }, (_, r) => vectorsOf(vectors, (v) => f.local(`acc${r}_${v}`, "v128"))),
      weights: vectorsOf(vectors, (v) => f.local(`g${v}`, "v128")),
      value: f.local("value", "v128"),
    };
    const [x, w, end, at] = [f.local("x", "i32"), f.local("wk", "i32"), f.local("wEnd", "i32"), f.local("at", "i32")];
    const position = f.let("position", inputs);
    f.set(at, sums);
    f.repeat({ name: "p", from: 0, to: positionsOf(this.#spec.kernel), step: 1 }, () => {
      const first = f.let("first", position);
      const sum = f.let("sum", at);
      f.for({ name: "m", from: 0, to: count, step: rows }, () => {
        f.set(x, first);
        f.set(w, weights);
        for (const row of tile.sums) for (const acc of row) f.set(acc, f32x4.const(0, 0, 0, 0));
        this.#depthLoop(segment, tile, { x, w, end });
        tile.sums.forEach((row, r) => {
          row.forEach((acc, v) => f.do(v128.store(sum, acc, { offset: r * rowBytes + v * LANES * FLOAT })));
        });
        f.set(first, i32.add(first, rows * this.#tileBytes));
        f.set(sum, i32.add(sum, rows * rowBytes));
      });
      f.set(weights, i32.add(weights, this.#spec.depth * rowBytes));
      f.set(position, i32.add(position, this.#positionBytes));
      f.set(at, i32.add(at, this.#spec.block * rowBytes));
    });
  }

  #depthLoop(
    segment: Segment,
    tile: { readonly sums: readonly Vectors[]; readonly weights: Vectors; readonly value: Local<"v128"> },
    { x, w, end }: Readonly<Record<"x" | "w" | "end", Local<"i32">>>,
  ): void {
    const f = this.#f;
    const { depth, depthBytes } = this.#spec;
    const rowBytes = segment.vectors * LANES * FLOAT;
    const unroll = Math.min(depth, unrolledSteps(segment, this.#target));
    const chunk = (steps: number): void => {
      for (let k = 0; k < steps; k++) {
        tile.weights.forEach((local, v) => f.set(local, v128.load(w, { offset: k * rowBytes + v * LANES * FLOAT })));
        tile.sums.forEach((row, r) => {
          f.set(tile.value, v128.load32_splat(x, { offset: r * this.#tileBytes + k * depthBytes }));
          row.forEach((acc, v) => f.set(acc, madd(this.#target, tile.value, tile.weights[v] as V128, acc)));
        });
      }
      f.set(x, i32.add(x, steps * depthBytes));
      f.set(w, i32.add(w, steps * rowBytes));
    };
    const trips = Math.floor(depth / unroll);
    f.set(end, i32.add(w, trips * unroll * rowBytes));
    f.loop((again) => {
      chunk(unroll);
      f.brIf(again, i32.lt_u(w, end));
    });
    if (depth % unroll > 0) chunk(depth % unroll);
  }

  /** From a block's sums to the outputs of a tile of channels. */
  #transformBack(
    { vectors }: Segment,
    block: Local<"i32">,
    blockEnd: Local<"i32">,
    { bias, sums, column: channels }: Readonly<Record<"bias" | "sums" | "column", Local<"i32">>>,
  ): void {
    const f = this.#f;
    const { kernel, activation, outputRowBytes, outputPixelBytes, outHeight, outWidth } = this.#spec;
    const [down, across] = this.#tiles;
    const rowBytes = vectors * LANES * FLOAT;
    const joined = this.#joined(vectors);
    const biases = vectorsOf(vectors, (v) => f.let("bias", v128.load(bias, { offset: v * LANES * FLOAT })));
    const from = f.let("from", sums);
    const to = f.local("out", "i32");
    const onlyIf = (isOdd: boolean, condition: () => I32, body: () => void) =>
      isOdd ? f.if(condition(), body) : body();
    this.#walk(block, blockEnd, ({ row, column }) => {
      const rowStep = outputsAlong(kernel[0]) * outputRowBytes;
      const columnStep = outputsAlong(kernel[1]) * outputPixelBytes;
      f.set(to, i32.add(i32.add(channels, i32.mul(row, rowStep)), i32.mul(column, columnStep)));
      for (let first = 0; first < vectors; first += joined) {
        const vector = first * LANES * FLOAT;
        transformGrid(
          [positionsAlong(kernel[0]), positionsAlong(kernel[1])],
          (i, j) => {
            const offset = (i * positionsAlong(kernel[1]) + j) * this.#spec.block * rowBytes + vector;
            return vectorsOf(joined, (v) => f.let("m", v128.load(from, { offset: offset + v * LANES * FLOAT })));
          },
          (m) => transformSums(f, m),
          (i, values) => {
            const results = values.map((pair) =>
              pair.map((value, v) => {
                const sum = f32x4.add(value, biases[first + v] as V128);
                return f.let("out", activate(f, this.#target, activation, sum, this.#constants));
              }),
            );
            onlyIf(
              i === 1 && outHeight % 2 === 1,
              () => i32.lt_u(row, down - 1),
              () => {
                results.forEach((pair, j) => {
                  onlyIf(
                    j === 1 && outWidth % 2 === 1,
                    () => i32.lt_u(column, across - 1),
                    () => {
                      const offset = i * outputRowBytes + j * outputPixelBytes + vector;
                      pair.forEach((value, v) => f.do(v128.store(to, value, { offset: offset + v * LANES * FLOAT })));
                    },
                  );
                });
              },
            );
          },
        );
      }
      f.set(from, i32.add(from, rowBytes));
    });
  }
}

function vectorsOf<T>(count: number, vector: (v: number) => T): readonly T[] {
  return Array.from({ length: count }, (_, v) => vector(v));
}

/** Reads a grid of values, transforms its columns, then its rows, and passes on each row of the result. */
function transformGrid(
  [rows, columns]: Pair,
  read: (row: number, column: number) => Vectors,
  along: (values: readonly Vectors[]) => readonly Vectors[],
  write: (row: number, values: readonly Vectors[]) => void,
): void {
  const transformed = vectorsOf(columns, (column) => along(vectorsOf(rows, (row) => read(row, column))));
  const height = transformed[0]?.length ?? 0;
  for (let row = 0; row < height; row++) write(row, along(transformed.map((column) => column[row] as Vectors)));
}

type Combine = (a: V128, b: V128) => V128;

/** An operation on neighbouring vectors, one after the other: what engines join. */
function combined(f: FunctionBuilder, combine: Combine, a: Vectors, b: Vectors): Vectors {
  return a.map((value, v) => f.let("t", combine(value, b[v] as V128)));
}

/** The d of F(2, 3) above; along an axis without taps there is one value, and nothing to do. */
function transformInputs(f: FunctionBuilder, values: readonly Vectors[]): readonly Vectors[] {
  if (values.length === 1) return values;
  const [d0, d1, d2, d3] = values as readonly [Vectors, Vectors, Vectors, Vectors];
  return [
    combined(f, f32x4.sub, d0, d2),
    combined(f, f32x4.add, d1, d2),
    combined(f, f32x4.sub, d2, d1),
    combined(f, f32x4.sub, d1, d3),
  ];
}

/** The g. */
function transformTaps(f: FunctionBuilder, values: readonly Vectors[], half: Local<"v128">): readonly Vectors[] {
  if (values.length === 1) return values;
  const [g0, g1, g2] = values as readonly [Vectors, Vectors, Vectors];
  const outer = combined(f, (a, b) => f32x4.mul(f32x4.add(a, b), half), g0, g2);
  const middle = g1.map((value) => f.let("t", f32x4.mul(value, half)));
  return [g0, combined(f, f32x4.add, outer, middle), combined(f, f32x4.sub, outer, middle), g2];
}

/** The y. */
function transformSums(f: FunctionBuilder, values: readonly Vectors[]): readonly Vectors[] {
  if (values.length === 1) return values;
  const [m0, m1, m2, m3] = values as readonly [Vectors, Vectors, Vectors, Vectors];
  return [
    combined(f, f32x4.add, combined(f, f32x4.add, m0, m1), m2),
    combined(f, f32x4.sub, combined(f, f32x4.sub, m1, m2), m3),
  ];
}
