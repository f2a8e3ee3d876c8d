import type { Activation } from "../../graph/operations.ts";
import type { FunctionBuilder } from "../../wasm/function_builder.ts";
import { f32x4, i32, select, v128 } from "../../wasm/instructions.ts";
import type { I32, Local, V128 } from "../../wasm/value_types.ts";
import { FLOAT, LANES } from "../layout.ts";
import type { Kernel } from "../plan.ts";
import type { Target } from "../target.ts";
import { type PixelMap, placeOf } from "./gemm.ts";
import { type RowRun, rowRuns, type Segment, unrolledSteps } from "./gemm_tiles.ts";
import { type ActivationConstants, activate, activationConstants, madd } from "./simd.ts";
import { times } from "./times.ts";

/**
 * A pointwise convolution as a matrix product with seven eighths of the multiplications: Strassen's algorithm in Winograd's form.
 * V. Strassen, Gaussian Elimination is not Optimal, Numerische Mathematik 13, 1969; S. Winograd, On Multiplication of 2x2 Matrices, Linear
 * Algebra and its Applications 4, 1971.
 *
 * Pixels, inputs and output channels are halved. With the pictures A and the weights B in quarters, seven products
 *
 * ```
 *   P1 = A11 B11              S1 = A21 + A22     T1 = B12 − B11
 *   P2 = A12 B21              S2 = S1 − A11      T2 = B22 − T1
 *   P3 = (A12 − S2) B22       S3 = A11 − A21     T3 = B22 − B12
 *   P4 = A22 (T2 − B21)
 *   P5 = S1 T1     P6 = S2 T2     P7 = S3 T3
 * ```
 *
 * give the four quarters of the outputs, where the definition takes eight:
 *
 * ```
 *   C11 = P1 + P2    C12 = U + P5 + P3    C21 = U + P7 − P4    C22 = U + P7 + P5     with U = P1 + P6
 * ```
 *
 * A kernel makes the left factors of all pairs of pixels (A11, A12, A12 − S2, A22, S1, S2, S3). Another one multiplies. Its loop nest: tiles of
 * channels · (right factors) · tiles of pairs of pixels · the seven products · K/2, then outputs. Right factors are made for one tile at a time:
 * from beyond the caches three more quarters of the weights would come slower than they are computed.
 */
export interface StrassenSpec {
  /** M, and the output's width that `wrapBytes` counts in. */
  readonly pixels: number;
  readonly width: number;
  /** K: eight or a multiple. */
  readonly depth: number;
  readonly inputPixelBytes: number;
  readonly output: PixelMap;
  readonly residual: PixelMap | undefined;
  /** Tiles of the left half of the channels, all of the same rows: pairs of pixels. */
  readonly segments: readonly Segment[];
  readonly activation: Activation;
  readonly residualActivation: Activation;
}

const PRODUCTS = 7;
/** Right factors that are sums; the other three stand among the weights. */
const RIGHT_SUMS = 4;

/** Pairs of pixels, each half the picture apart: of an odd number the one in the middle is in two. */
export function pairsOf(pixels: number): number {
  return Math.ceil(pixels / 2);
}

/** Bytes of a pair's left factors, and a line of the cache: so the rows of a tile do not fall on the same few lines where K is a power of two. */
export function leftFactorBytes(depth: number): number {
  return PRODUCTS * (depth / 2) * FLOAT + 64;
}

/** What a thread needs for itself: a tile's products, and the right factors of a tile of channels. */
export function strassenScratchBytes(spec: StrassenSpec): number {
  return productBytes(spec) + rightFactorBytes(spec);
}

function productBytes({ segments }: StrassenSpec): number {
  return PRODUCTS * Math.max(...segments.map(({ rows, vectors }) => rows * vectors)) * LANES * FLOAT;
}

function rightFactorBytes({ segments, depth }: StrassenSpec): number {
  return RIGHT_SUMS * (depth / 2) * Math.max(...segments.map(({ vectors }) => vectors)) * LANES * FLOAT;
}

/** Makes the left factors. Its units are pairs of pixels. Parameters: `input`, `factors`. */
export function strassenFactorsKernel(
  name: string,
  spec: Pick<StrassenSpec, "pixels" | "depth" | "inputPixelBytes">,
): Kernel {
  const { pixels, depth, inputPixelBytes } = spec;
  const half = (depth / 2) * FLOAT;
  return {
    name,
    params: ["input", "factors"],
    emit(f, p) {
      const { start, end } = p as { readonly start: Local<"i32">; readonly end: Local<"i32"> };
      const upper = f.let("upper", i32.add(p["input"] as I32, i32.mul(start, inputPixelBytes)));
      const lower = f.let("lower", i32.add(upper, (pixels - pairsOf(pixels)) * inputPixelBytes));
      const out = f.let("out", i32.add(p["factors"] as I32, i32.mul(start, leftFactorBytes(depth))));
      const load = (from: I32, offset: number) => f.let("a", v128.load(from, { offset }));
      f.for({ name: "pair", from: start, to: end, step: 1 }, () => {
        times(f, depth / 2 / LANES, "vector", () => {
          const [a11, a12] = [load(upper, 0), load(upper, half)];
          const [a21, a22] = [load(lower, 0), load(lower, half)];
          const s1 = f.let("s1", f32x4.add(a21, a22));
          const s2 = f.let("s2", f32x4.sub(s1, a11));
          const factors = [a11, a12, f32x4.sub(a12, s2), a22, s1, s2, f32x4.sub(a11, a21)];
          factors.forEach((factor, i) => f.do(v128.store(out, factor, { offset: i * half })));
          for (const pointer of [upper, lower, out]) f.set(pointer, i32.add(pointer, LANES * FLOAT));
        });
        for (const pointer of [upper, lower]) f.set(pointer, i32.add(pointer, inputPixelBytes - half));
        f.set(out, i32.add(out, leftFactorBytes(depth) - half));
      });
    },
  };
}

/**
 * Multiplies. Its units are tiles of channels. Parameters: `factors` (the left ones), `weights` (for each tile its bias and K rows of the left
 * half of the channels, then those of the right half), `scratch`, `output`, `residual` where there is one.
 */
export function strassenKernel(name: string, spec: StrassenSpec, target: Target): Kernel {
  const params = ["factors", "weights", "scratch", "output", ...(spec.residual ? ["residual"] : [])];
  return { name, params, emit: (f, p) => new StrassenEmitter(f, p as Params, spec, target).emit() };
}

type Params = Readonly<Record<"factors" | "weights" | "scratch" | "output" | "start" | "end", Local<"i32">>> & {
  readonly residual?: Local<"i32">;
};

/** A tile of channels: where its weights are, and its left half in a pixel. */
interface ColumnTile {
  readonly segment: Segment;
  readonly weights: Local<"i32">;
  readonly column: Local<"i32">;
}

/** Writes one kernel. A class because the loops share a dozen locals. */
class StrassenEmitter {
  readonly #f: FunctionBuilder;
  readonly #p: Params;
  readonly #spec: StrassenSpec;
  readonly #target: Target;
  readonly #constants: ActivationConstants;
  readonly #pairs: number;
  /** What stands in the scratch. */
  readonly #products: Local<"i32">;
  readonly #rights: Local<"i32">;
  #depthLoops = 0;

  constructor(f: FunctionBuilder, p: Params, spec: StrassenSpec, target: Target) {
    this.#f = f;
    this.#p = p;
    this.#spec = spec;
    this.#target = target;
    this.#constants = activationConstants(f, [spec.activation, spec.residualActivation]);
    this.#pairs = pairsOf(spec.pixels);
    this.#products = p.scratch;
    this.#rights = f.let("rights", i32.add(p.scratch, productBytes(spec)));
  }

  /** The tiles of channels that this call does. */
  emit(): void {
    const f = this.#f;
    const { segments, depth } = this.#spec;
    const { start, end } = this.#p;
    let [tiles, vectorsBefore] = [0, 0];
    for (const segment of segments) {
      const columnBytes = segment.vectors * LANES * FLOAT;
      const tileBytes = 2 * (1 + depth) * columnBytes;
      const skippedBytes = vectorsBefore * LANES * FLOAT;
      const [first, last] = [tiles, tiles + segment.count];
      const from = f.let("from", select(i32.gt_s(start, first), start, i32.const(first)));
      const to = f.let("to", select(i32.lt_s(end, last), end, i32.const(last)));
      const skipped = i32.sub(from, first);
      const weights = f.let("w", i32.add(this.#p.weights, skippedBytes * 2 * (1 + depth)));
      f.set(weights, i32.add(weights, i32.mul(skipped, tileBytes)));
      const column = f.let("column", i32.add(i32.mul(skipped, columnBytes), skippedBytes));
      f.for({ name: "tile", from, to, step: 1 }, () => {
        this.#rightFactors(segment, weights);
        this.#pairTiles({ segment, weights, column });
        f.set(weights, i32.add(weights, tileBytes));
        f.set(column, i32.add(column, columnBytes));
      });
      tiles = last;
      vectorsBefore += segment.vectors * segment.count;
    }
  }

  /** Tiles of all pairs: of `rows` rows, then of one row less, or the last one moved back to end with the last pair. */
  #pairTiles(tile: ColumnTile): void {
    const f = this.#f;
    const { rows } = tile.segment;
    const [tall, short] = rowRuns(this.#pairs, rows) as readonly [RowRun, RowRun?];
    const first = f.let("first", i32.const(0));
    const height = f.let("height", i32.const(rows));
    const lastFirst = this.#pairs - (short ?? tall).rows;
    f.repeat({ name: "pairs", from: 0, to: tall.tiles + (short?.tiles ?? 0), step: 1 }, (number) => {
      if (short) {
        f.if(
          i32.lt_u(number, tall.tiles),
          () => this.#sevenProducts(tile, tall.rows, first),
          () => {
            f.set(height, short.rows);
            this.#sevenProducts(tile, short.rows, first);
          },
        );
      } else this.#sevenProducts(tile, rows, first);
      this.#outputs(tile, first, height);
      f.set(first, i32.add(first, height));
      if (!short) f.if(i32.gt_s(first, lastFirst), () => f.set(first, lastFirst));
    });
  }

  /** T2 − B21, T1, T2, T3 of a tile of channels. */
  #rightFactors({ vectors }: Segment, weights: Local<"i32">): void {
    const f = this.#f;
    const row = vectors * LANES * FLOAT;
    const quarter = (this.#spec.depth / 2) * row;
    const rightHalf = 2 * quarter + row;
    const from = f.let("from", i32.add(weights, row));
    const out = f.let("right", this.#rights);
    f.repeat({ name: "k", from: 0, to: this.#spec.depth / 2, step: 1 }, () => {
      for (let offset = 0; offset < row; offset += LANES * FLOAT) {
        const [b11, b21] = [this.#load(from, offset), this.#load(from, quarter + offset)];
        const [b12, b22] = [this.#load(from, rightHalf + offset), this.#load(from, rightHalf + quarter + offset)];
        const t1 = this.#let(f32x4.sub(b12, b11));
        const t2 = this.#let(f32x4.sub(b22, t1));
        const t3 = f32x4.sub(b22, b12);
        const t4 = f32x4.sub(t2, b21);
        [t4, t1, t2, t3].forEach((factor, i) => this.#store(out, i * quarter + offset, factor));
      }
      for (const pointer of [from, out]) f.set(pointer, i32.add(pointer, row));
    });
  }

  /** P1 to P7 of a tile of `rows` pairs. */
  #sevenProducts({ segment, weights }: ColumnTile, rows: number, first: I32): void {
    const f = this.#f;
    const { depth } = this.#spec;
    const { vectors } = segment;
    const rowBytes = vectors * LANES * FLOAT;
    const sums = each(rows, (r) => each(vectors, (v) => f.local(`acc${r}_${v}`, "v128")));
    const factors = each(vectors, (v) => f.local(`b${v}`, "v128"));
    const value = f.local("a", "v128");
    // Offsets that no other loop has: V8 would keep what loops share, more than it has registers for.
    const apart = 256 * this.#depthLoops++;
    const x = f.let("x", i32.add(i32.sub(this.#p.factors, apart), i32.mul(first, leftFactorBytes(depth))));
    const w = f.let("wk", i32.add(weights, rowBytes));
    const out = f.let("product", this.#products);
    const end = f.local("wEnd", "i32");
    const steps = depth / 2;
    const unroll = Math.min(steps, unrolledSteps({ rows, vectors, count: 1 }, this.#target));
    const chunk = (count: number): void => {
      for (let k = 0; k < count; k++) {
        factors.forEach((local, v) => f.set(local, v128.load(w, { offset: k * rowBytes + v * LANES * FLOAT })));
        sums.forEach((row, r) => {
          f.set(value, v128.load32_splat(x, { offset: apart + r * leftFactorBytes(depth) + k * FLOAT }));
          row.forEach((sum, v) => f.set(sum, madd(this.#target, value, factors[v] as V128, sum)));
        });
      }
      f.set(x, i32.add(x, count * FLOAT));
      f.set(w, i32.add(w, count * rowBytes));
    };
    f.repeat({ name: "product", from: 0, to: PRODUCTS, step: 1 }, (product) => {
      // B11 and B21 lie one after the other, then B12, a bias and B22, and elsewhere the sums.
      f.if(i32.eq(product, 2), () => f.set(w, i32.add(w, (1 + steps) * rowBytes)));
      f.if(i32.eq(product, 3), () => f.set(w, this.#rights));
      for (const row of sums) for (const sum of row) f.set(sum, f32x4.const(0, 0, 0, 0));
      f.set(end, i32.add(w, Math.floor(steps / unroll) * unroll * rowBytes));
      f.loop((again) => {
        chunk(unroll);
        f.brIf(again, i32.lt_u(w, end));
      });
      if (steps % unroll > 0) chunk(steps % unroll);
      sums.forEach((row, r) => {
        for (const [v, sum] of row.entries()) this.#store(out, r * rowBytes + v * LANES * FLOAT, sum);
      });
      f.set(out, i32.add(out, segment.rows * rowBytes));
    });
  }

  /** From the products of a tile to its outputs. */
  #outputs(
    { segment: { rows, vectors }, weights, column }: ColumnTile,
    first: Local<"i32">,
    height: Local<"i32">,
  ): void {
    const f = this.#f;
    const { depth, pixels, width, segments, output, residual } = this.#spec;
    const rowBytes = vectors * LANES * FLOAT;
    const rightHalf = segments.reduce((sum, segment) => sum + segment.vectors * segment.count, 0) * LANES * FLOAT;
    const place = (map: PixelMap, base: I32, m: I32) => f.let("place", placeOf(map, width, i32.add(base, column), m));
    const from = f.let("from", this.#products);
    const pixel = f.let("pixel", first);
    f.repeat({ name: "row", from: 0, to: height, step: 1 }, () => {
      const otherPixel = f.let("otherPixel", i32.add(pixel, pixels - this.#pairs));
      const places = [pixel, otherPixel].map((m) => ({
        output: place(output, this.#p.output, m),
        residual: residual && place(residual, this.#p.residual as I32, m),
      }));
      for (let offset = 0; offset < rowBytes; offset += LANES * FLOAT) {
        const quarters = this.#quarters(each(PRODUCTS, (i) => this.#load(from, i * rows * rowBytes + offset)));
        const biases = [0, (1 + depth) * rowBytes].map((side) => this.#load(weights, side + offset));
        quarters.forEach((quarter, i) => {
          const at = places[i >> 1] as (typeof places)[number];
          const channel = (i & 1) * rightHalf + offset;
          const other = at.residual && this.#load(at.residual, channel);
          this.#store(at.output, channel, this.#finish(quarter, biases[i & 1] as V128, other));
        });
      }
      f.set(from, i32.add(from, rowBytes));
      f.set(pixel, i32.add(pixel, 1));
    });
  }

  /** C11, C12, C21, C22. */
  #quarters(products: readonly V128[]): readonly V128[] {
    const [p1, p2, p3, p4, p5, p6, p7] = products as readonly [V128, V128, V128, V128, V128, V128, V128];
    const u = this.#let(f32x4.add(p1, p6));
    const u7 = this.#let(f32x4.add(u, p7));
    return [f32x4.add(p1, p2), f32x4.add(f32x4.add(u, p5), p3), f32x4.sub(u7, p4), f32x4.add(u7, p5)];
  }

  /** What belongs to an output beside the product. */
  #finish(sum: V128, bias: V128, residual: V128 | undefined): V128 {
    const { activation, residualActivation } = this.#spec;
    const own = activate(this.#f, this.#target, activation, this.#let(f32x4.add(sum, bias)), this.#constants);
    if (residual === undefined) return own;
    return activate(this.#f, this.#target, residualActivation, this.#let(f32x4.add(own, residual)), this.#constants);
  }

  #load(from: I32, offset: number): Local<"v128"> {
    return this.#let(v128.load(from, { offset }));
  }

  #let(value: V128): Local<"v128"> {
    return this.#f.let("v", value);
  }

  #store(to: I32, offset: number, value: V128): void {
    this.#f.do(v128.store(to, value, { offset }));
  }
}

function each<T>(count: number, make: (index: number) => T): readonly T[] {
  return Array.from({ length: count }, (_, i) => make(i));
}
