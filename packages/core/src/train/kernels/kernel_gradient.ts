import type { Stride } from "../../compiler/kernels/elementwise.ts";
import { tileSums } from "../../compiler/kernels/gemm_tiles.ts";
import { madd } from "../../compiler/kernels/simd.ts";
import { times } from "../../compiler/kernels/times.ts";
import { FLOAT, largestDivisor } from "../../compiler/layout.ts";
import type { Kernel } from "../../compiler/plan.ts";
import type { Target } from "../../compiler/target.ts";
import type { FunctionBuilder } from "../../wasm/function_builder.ts";
import { i32, select, v128 } from "../../wasm/instructions.ts";
import type { Local } from "../../wasm/value_types.ts";
import { type PictureSize, type Tiles, tilesOf, VECTOR } from "./picture_loop.ts";

/**
 * A kernel's gradient as a matrix product over pixels: result[r, c] += Σ single[pixel, r]·vector[pixel, c], for `rows` floats side by side in
 * a group on one side, and `vectors` vectors on the other. One side is a stretch of x (channels, or several taps of a row), the other a
 * group's channels of the output's gradient.
 *
 * The loop nest: blocks of lines · groups · tiles of columns · tiles of rows · pixels of the block. A tile's sums stay in registers;
 * a single float is copied to all lanes and multiplied with a few vectors.
 */
export interface KernelGradientSpec extends PictureSize {
  /** From one output pixel to the next; in x from window to window. */
  readonly single: Stride;
  readonly vector: Stride;
  readonly rows: number;
  readonly vectors: number;
  readonly groups: number;
  readonly groupSingleBytes: number;
  readonly groupVectorBytes: number;
  /** From a row of a group's result to the next, and from group to group. */
  readonly resultRowBytes: number;
  readonly groupResultBytes: number;
}

/**
 * Pixels of a block: a tile of columns finds its vectors in the first-level cache for all tiles of rows, and each sum stays in
 * its register for as long. 64 and 256 were slower by up to a tenth, on products from 16x96 to 480x80.
 */
const BLOCK_PIXELS = 128;
/** What a block may take of the single floats, which all tiles of columns read: it stays in the second-level cache. */
const BLOCK_BYTES = 256_000;
/** Pixels per trip of the inner loop. */
const UNROLL = 4;

/** What a product's tiles depend on. */
type ProductShape = Pick<KernelGradientSpec, "rows" | "vectors">;

/** Parameters: `single`, `vector`, `result`. Its one unit is the picture. */
export function kernelGradientKernel(name: string, spec: KernelGradientSpec, target: Target): Kernel {
  return {
    name,
    params: ["single", "vector", "result"],
    emit(f, p) {
      const bases = {
        single: p["single"] as Local<"i32">,
        vector: p["vector"] as Local<"i32">,
        result: p["result"] as Local<"i32">,
      };
      blocks(f, spec, target, bases);
    },
  };
}

interface Bases {
  readonly single: Local<"i32">;
  readonly vector: Local<"i32">;
  readonly result: Local<"i32">;
}

/** Lines of a block: a number that divides the height, if one is near the most that should be. */
function blockLines({ height, width, rows }: KernelGradientSpec): number {
  const pixels = Math.min(BLOCK_PIXELS, BLOCK_BYTES / (rows * FLOAT));
  const most = Math.min(height, Math.max(1, Math.floor(pixels / width)));
  const divisor = largestDivisor(height, most);
  return 2 * divisor > most ? divisor : most;
}

function blocks(f: FunctionBuilder, spec: KernelGradientSpec, target: Target, bases: Bases): void {
  const { height } = spec;
  const lines = blockLines(spec);
  const single = f.local("blockSingle", "i32");
  const vector = f.local("blockVector", "i32");
  const result = f.local("groupResult", "i32");
  const count = f.local("lines", "i32");
  f.repeat({ name: "line", from: 0, to: height, step: lines }, (line) => {
    f.set(single, i32.add(bases.single, i32.mul(line, spec.single.rowBytes)));
    f.set(vector, i32.add(bases.vector, i32.mul(line, spec.vector.rowBytes)));
    const left = i32.sub(i32.const(height), line);
    if (height % lines === 0) f.set(count, lines);
    else f.set(count, select(i32.lt_s(left, lines), left, i32.const(lines)));
    const fixedLines = height % lines === 0 ? lines : undefined;
    f.set(result, bases.result);
    times(f, spec.groups, "group", () => {
      tiles(f, spec, target, { single, vector, result }, count, fixedLines);
      if (spec.groups === 1) return;
      f.set(single, i32.add(single, spec.groupSingleBytes));
      f.set(vector, i32.add(vector, spec.groupVectorBytes));
      f.set(result, i32.add(result, spec.groupResultBytes));
    });
  });
}

/**
 * Tiles of columns, of a few vectors each, and how many rows a tile has: what registers hold of its sums, twice as many where the engine
 * joins pairs of them.
 */
function columnTiles({ vectors, rows }: ProductShape, target: Target): readonly (Tiles & { height: number })[] {
  const sums = tileSums(target);
  const withHeight = (tiles: Tiles) => {
    const most = Math.floor((target.wide && tiles.size % 2 === 0 ? 2 * sums : sums) / tiles.size);
    return { ...tiles, height: Math.max(1, Math.min(rows, most)) };
  };
  // A row or two by up to eight vectors where there are no more; else six by two, and twelve by one for a vector that is left.
  if (rows < 3) return tilesOf(vectors, Math.min(8, vectors)).map(withHeight);
  const sizes = target.wide ? [4, 2, 1] : [2, 1];
  let first = 0;
  return sizes.flatMap((size) => {
    const tiles = { first, size, count: Math.floor((vectors - first) / size) };
    first += size * tiles.count;
    return tiles.count > 0 ? [withHeight(tiles)] : [];
  });
}

/** Multiply-adds for each pixel and group, with the lanes that stay empty. */
export function multiplyAdds(shape: ProductShape, target: Target): number {
  const joined = ({ size }: Tiles) => (target.wide && size % 2 === 0 ? size / 2 : size);
  return shape.rows * columnTiles(shape, target).reduce((sum, tiles) => sum + tiles.count * joined(tiles), 0);
}

function tiles(
  f: FunctionBuilder,
  spec: KernelGradientSpec,
  target: Target,
  bases: Bases,
  lines: Local<"i32">,
  fixedLines: number | undefined,
): void {
  for (const column of columnTiles(spec, target)) {
    const result = f.local("resultColumn", "i32");
    const vector = f.local("vectorColumn", "i32");
    f.set(vector, i32.add(bases.vector, column.first * VECTOR));
    f.set(result, i32.add(bases.result, column.first * VECTOR));
    times(f, column.count, "column", () => {
      const single = f.local("singleTile", "i32");
      const out = f.local("resultTile", "i32");
      for (const row of tilesOf(spec.rows, column.height)) {
        const size = { rows: row.size, columns: column.size };
        f.set(single, i32.add(bases.single, row.first * FLOAT));
        f.set(out, i32.add(result, row.first * spec.resultRowBytes));
        times(f, row.count, "tile", () => {
          tile(f, spec, target, { single, vector, result: out }, size, lines, fixedLines);
          f.set(single, i32.add(single, row.size * FLOAT));
          f.set(out, i32.add(out, row.size * spec.resultRowBytes));
        });
      }
      f.set(vector, i32.add(vector, column.size * VECTOR));
      f.set(result, i32.add(result, column.size * VECTOR));
    });
  }
}

function tile(
  f: FunctionBuilder,
  spec: KernelGradientSpec,
  target: Target,
  bases: Bases,
  size: { readonly rows: number; readonly columns: number },
  lines: Local<"i32">,
  fixedLines: number | undefined,
): void {
  const sums = Array.from({ length: size.rows }, (_, i) =>
    Array.from({ length: size.columns }, (_, v) => f.local(`acc${i}_${v}`, "v128")),
  );
  const vectors = Array.from({ length: size.columns }, (_, v) => f.local(`b${v}`, "v128"));
  const value = f.local("a", "v128");
  const single = f.let("ps", bases.single);
  const vector = f.let("pv", bases.vector);
  const place = (i: number, v: number) => ({ offset: i * spec.resultRowBytes + v * VECTOR });
  sums.forEach((row, i) => row.forEach((sum, v) => f.set(sum, v128.load(bases.result, place(i, v)))));
  const pixels = (count: number) => {
    for (let pixel = 0; pixel < count; pixel++) {
      vectors.forEach((b, v) => f.set(b, v128.load(vector, { offset: pixel * spec.vector.pixelBytes + v * VECTOR })));
      sums.forEach((row, i) => {
        f.set(value, v128.load32_splat(single, { offset: pixel * spec.single.pixelBytes + i * FLOAT }));
        row.forEach((sum, v) => f.set(sum, madd(target, value, vectors[v] as Local<"v128">, sum)));
      });
    }
    f.set(single, i32.add(single, count * spec.single.pixelBytes));
    f.set(vector, i32.add(vector, count * spec.vector.pixelBytes));
  };
  /** A known number of pixels side by side. */
  const stretch = (count: number) => {
    const trips = Math.floor(count / UNROLL);
    if (trips > 0) times(f, trips, "pixels", () => pixels(UNROLL));
    if (count % UNROLL > 0) pixels(count % UNROLL);
  };
  const { width } = spec;
  const gapOf = (stride: Stride) => stride.rowBytes - width * stride.pixelBytes;
  const [gapSingle, gapVector] = [gapOf(spec.single), gapOf(spec.vector)];
  if (gapSingle === 0 && gapVector === 0 && fixedLines !== undefined) stretch(fixedLines * width);
  else {
    f.repeat({ name: "line", from: 0, to: fixedLines ?? lines, step: 1 }, () => {
      stretch(width);
      if (gapSingle !== 0) f.set(single, i32.add(single, gapSingle));
      if (gapVector !== 0) f.set(vector, i32.add(vector, gapVector));
    });
  }
  sums.forEach((row, i) => row.forEach((sum, v) => f.do(v128.store(bases.result, sum, place(i, v)))));
}
