import type { Stride } from "../../compiler/kernels/elementwise.ts";
import { madd } from "../../compiler/kernels/simd.ts";
import { times } from "../../compiler/kernels/times.ts";
import { FLOAT, largestDivisor } from "../../compiler/layout.ts";
import type { Kernel } from "../../compiler/plan.ts";
import type { Target } from "../../compiler/target.ts";
import type { FunctionBuilder } from "../../wasm/function_builder.ts";
import { i32, select, v128 } from "../../wasm/instructions.ts";
import type { Local } from "../../wasm/value_types.ts";
import { type PictureSize, tilesOf, VECTOR } from "./picture_loop.ts";

/**
 * A kernel's gradient as a matrix product over pixels: result[i, o] += Σ x[pixel, i]·gradient[pixel, o], for a stretch of `inputs` floats
 * side by side in x (channels, or several taps of a row), and the `vectors` vectors of a group's output channels.
 *
 * The loop nest: groups · blocks of rows · tiles of outputs · tiles of inputs · pixels of the block. A tile's sums stay in registers;
 * an input float is copied to all lanes and multiplied with `columns` vectors of the gradient.
 */
export interface KernelGradientSpec extends PictureSize {
  /** Distances in x from one output pixel's window to the next. */
  readonly x: Stride;
  readonly gradient: Stride;
  readonly inputs: number;
  readonly vectors: number;
  readonly groups: number;
  readonly groupInputBytes: number;
  readonly groupOutputBytes: number;
  /** From a row of a group's result to the next, and from group to group. */
  readonly resultRowBytes: number;
  readonly groupResultBytes: number;
}

/**
 * Pixels of a block: a tile of outputs finds its part of the gradient in the first-level cache for all tiles of inputs, and each sum stays in
 * its register for as long. 64 and 256 were slower by up to a tenth, on products from 16x96 to 480x80.
 */
const BLOCK_PIXELS = 128;
/** What a block may take of x, which all tiles of outputs read: it stays in the second-level cache. */
const BLOCK_BYTES = 256_000;
/** Pixels per trip of the inner loop. */
const UNROLL = 4;

/** Parameters: `x`, `gradient`, `result`. Its one unit is the picture. */
export function kernelGradientKernel(name: string, spec: KernelGradientSpec, target: Target): Kernel {
  return {
    name,
    params: ["x", "gradient", "result"],
    emit(f, p) {
      const bases = {
        x: p["x"] as Local<"i32">,
        gradient: p["gradient"] as Local<"i32">,
        result: p["result"] as Local<"i32">,
      };
      const group = () => blocks(f, spec, target, bases);
      if (spec.groups === 1) {
        group();
        return;
      }
      f.repeat({ name: "group", from: 0, to: spec.groups, step: 1 }, () => {
        group();
        f.set(bases.x, i32.add(bases.x, spec.groupInputBytes));
        f.set(bases.gradient, i32.add(bases.gradient, spec.groupOutputBytes));
        f.set(bases.result, i32.add(bases.result, spec.groupResultBytes));
      });
    },
  };
}

interface Bases {
  readonly x: Local<"i32">;
  readonly gradient: Local<"i32">;
  readonly result: Local<"i32">;
}

/** Rows of a block: a number that divides the height, if one is near the most that should be. */
function blockRows({ height, width, inputs }: KernelGradientSpec): number {
  const pixels = Math.min(BLOCK_PIXELS, BLOCK_BYTES / (inputs * FLOAT));
  const most = Math.min(height, Math.max(1, Math.floor(pixels / width)));
  const divisor = largestDivisor(height, most);
  return 2 * divisor > most ? divisor : most;
}

function blocks(f: FunctionBuilder, spec: KernelGradientSpec, target: Target, bases: Bases): void {
  const { height } = spec;
  const rows = blockRows(spec);
  const from = f.local("blockX", "i32");
  const gradient = f.local("blockGradient", "i32");
  const count = f.local("rows", "i32");
  f.repeat({ name: "row", from: 0, to: height, step: rows }, (row) => {
    f.set(from, i32.add(bases.x, i32.mul(row, spec.x.rowBytes)));
    f.set(gradient, i32.add(bases.gradient, i32.mul(row, spec.gradient.rowBytes)));
    if (height % rows === 0) f.set(count, rows);
    else
      f.set(
        count,
        select(i32.lt_s(i32.sub(i32.const(height), row), rows), i32.sub(i32.const(height), row), i32.const(rows)),
      );
    const fixedRows = height % rows === 0 ? rows : undefined;
    tiles(f, spec, target, { x: from, gradient, result: bases.result }, count, fixedRows);
  });
}

function tiles(
  f: FunctionBuilder,
  spec: KernelGradientSpec,
  target: Target,
  bases: Bases,
  rows: Local<"i32">,
  fixedRows: number | undefined,
): void {
  const sums = target.simd === "relaxed" ? 12 : 10;
  // One input by up to eight vectors where there is only one; else six by two, and twelve by one for a vector that is left.
  const columns = target.wide ? 4 : 2;
  const most = spec.inputs < 3 ? Math.min(8, spec.vectors) : Math.min(columns, spec.vectors);
  for (const column of tilesOf(spec.vectors, most)) {
    const height = Math.max(1, Math.min(spec.inputs, Math.floor((target.wide ? 24 : sums) / column.size)));
    const result = f.local("resultColumn", "i32");
    const gradient = f.local("gradientColumn", "i32");
    f.set(gradient, i32.add(bases.gradient, column.first * VECTOR));
    f.set(result, i32.add(bases.result, column.first * VECTOR));
    times(f, column.count, "column", () => {
      const x = f.local("xTile", "i32");
      const out = f.local("resultTile", "i32");
      for (const row of tilesOf(spec.inputs, height)) {
        f.set(x, i32.add(bases.x, row.first * 4));
        f.set(out, i32.add(result, row.first * spec.resultRowBytes));
        times(f, row.count, "tile", () => {
          tile(
            f,
            spec,
            target,
            { x, gradient, result: out },
            { rows: row.size, columns: column.size },
            rows,
            fixedRows,
          );
          f.set(x, i32.add(x, row.size * 4));
          f.set(out, i32.add(out, row.size * spec.resultRowBytes));
        });
      }
      f.set(gradient, i32.add(gradient, column.size * VECTOR));
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
  rows: Local<"i32">,
  fixedRows: number | undefined,
): void {
  const sums = Array.from({ length: size.rows }, (_, i) =>
    Array.from({ length: size.columns }, (_, v) => f.local(`acc${i}_${v}`, "v128")),
  );
  const incoming = Array.from({ length: size.columns }, (_, v) => f.local(`b${v}`, "v128"));
  const value = f.local("a", "v128");
  const x = f.let("px", bases.x);
  const gradient = f.let("pg", bases.gradient);
  const place = (i: number, v: number) => ({ offset: i * spec.resultRowBytes + v * VECTOR });
  sums.forEach((row, i) => row.forEach((sum, v) => f.set(sum, v128.load(bases.result, place(i, v)))));
  const pixels = (count: number) => {
    for (let pixel = 0; pixel < count; pixel++) {
      incoming.forEach((b, v) =>
        f.set(b, v128.load(gradient, { offset: pixel * spec.gradient.pixelBytes + v * VECTOR })),
      );
      sums.forEach((row, i) => {
        f.set(value, v128.load32_splat(x, { offset: pixel * spec.x.pixelBytes + i * 4 }));
        row.forEach((sum, v) => f.set(sum, madd(target, value, incoming[v] as Local<"v128">, sum)));
      });
    }
    f.set(x, i32.add(x, count * spec.x.pixelBytes));
    f.set(gradient, i32.add(gradient, count * spec.gradient.pixelBytes));
  };
  /** A known number of pixels in a line. */
  const line = (count: number) => {
    const trips = Math.floor(count / UNROLL);
    if (trips > 0) times(f, trips, "pixels", () => pixels(UNROLL));
    if (count % UNROLL > 0) pixels(count % UNROLL);
  };
  const { width } = spec;
  const gapX = spec.x.rowBytes - width * spec.x.pixelBytes;
  const gapGradient = spec.gradient.rowBytes - width * spec.gradient.pixelBytes;
  if (gapX === 0 && gapGradient === 0 && fixedRows !== undefined) line(fixedRows * width);
  else {
    f.repeat({ name: "line", from: 0, to: fixedRows ?? rows, step: 1 }, () => {
      line(width);
      if (gapX !== 0) f.set(x, i32.add(x, gapX));
      if (gapGradient !== 0) f.set(gradient, i32.add(gradient, gapGradient));
    });
  }
  sums.forEach((row, i) => row.forEach((sum, v) => f.do(v128.store(bases.result, sum, place(i, v)))));
}
