import { madd } from "../../compiler/kernels/simd.ts";
import type { Kernel } from "../../compiler/plan.ts";
import type { Target } from "../../compiler/target.ts";
import type { FunctionBuilder, FunctionHandle } from "../../wasm/function_builder.ts";
import { f32, f32x4, f64, i32, memory, v128 } from "../../wasm/instructions.ts";
import type { I32, Local } from "../../wasm/value_types.ts";
import { VECTOR } from "./picture_loop.ts";

/**
 * A matrix within a kernel, the part of one group of channels: at least as many rows as columns, so it may be the transpose of what
 * stands in memory.
 */
export interface MatrixBlock {
  /** Floats from the parameters' start to its first number, from row to row, and from column to column. */
  readonly offset: number;
  readonly rows: number;
  readonly columns: number;
  readonly rowStep: number;
  readonly columnStep: number;
}

/** Words of a block in memory, in this order: counts, and distances in bytes. `size`: what an orthogonal step is multiplied with. */
const blockWords = ["offset", "rows", "columns", "rowStep", "columnStep", "size"] as const;
export const BLOCK_BYTES: number = blockWords.length * 4;

/** Writes a block for the kernel. The size makes a step's numbers as large as AdamW's usually are (arXiv:2502.16982, section 2.2). */
export function writeBlock(words: { i32: Int32Array; f32: Float32Array }, at: number, block: MatrixBlock): void {
  const { offset, rows, columns, rowStep, columnStep } = block;
  words.i32.set([offset * 4, rows, columns, rowStep * 4, columnStep * 4], at);
  words.f32[at + blockWords.indexOf("size")] = 0.2 * Math.sqrt(rows);
}

const padded = (length: number) => Math.ceil(length / 4) * 4;

/** Room that one block's step needs: the matrix twice, and two squares. */
export function orthogonalScratchBytes({ rows, columns }: MatrixBlock): number {
  return 4 * (2 * padded(rows) * padded(columns) + 2 * padded(columns) ** 2);
}

/** Multiply-accumulates of one block's step, about. */
export function orthogonalMacs({ rows, columns }: MatrixBlock): number {
  return (iterations * (3 * rows + columns) * columns ** 2) / 2;
}

/** Jordan's quintic, whose slope at 0 is steep: five rounds bring singular values from 0.001 to about 1 (kellerjordan.github.io/posts/muon). */
const quintic = { a: 3.4445, b: -4.775, c: 2.0315 } as const;
const iterations = 5;

/**
 * out = a·b of float32 matrices. Rows and columns are multiples of 4; b and out are dense, a's element (i, k) is at i·`aRow` +
 * k·`aColumn` bytes. Of a symmetric product only the vectors that hold elements on or above the diagonal are written. Its units are
 * rows by four.
 */
export function multiplyKernel(target: Target): Kernel {
  return {
    name: `multiply__${target.simd}`,
    params: ["a", "aRow", "aColumn", "b", "out", "depth", "columns", "isSymmetric"],
    emit(f, p) {
      const [aRow, columns, depth] = [p["aRow"], p["columns"], p["depth"]] as [I32, I32, Local<"i32">];
      const rowBytes = f.let("rowBytes", i32.mul(columns, 4));
      const steps = [0, 1, 2, 3].map((row) => f.let(`row${row}`, i32.mul(aRow, row)));
      const sums = [0, 1, 2, 3].flatMap((row) => [0, 1].map((v) => f.local(`sum${row}${v}`, "v128")));
      const [from, weights, factor] = [f.local("from", "i32"), f.local("weights", "i32"), f.local("factor", "v128")];
      const column = f.local("column", "i32");
      const tile = (quad: Local<"i32">, vectors: number) => {
        for (const sum of sums) f.set(sum, f32x4.const(0, 0, 0, 0));
        f.set(from, i32.add(p["a"] as I32, i32.mul(quad, i32.mul(aRow, 4))));
        f.set(weights, i32.add(p["b"] as I32, column));
        f.for({ name: "k", from: 0, to: depth, step: 1 }, () => {
          const b = Array.from({ length: vectors }, (_, v) =>
            f.let(`b${v}`, v128.load(weights, { offset: v * VECTOR })),
          );
          steps.forEach((step, row) => {
            f.set(factor, v128.load32_splat(i32.add(from, step)));
            b.forEach((vector, v) => {
              const sum = sums[row * 2 + v] as Local<"v128">;
              f.set(sum, madd(target, factor, vector, sum));
            });
          });
          f.set(from, i32.add(from, p["aColumn"] as I32));
          f.set(weights, i32.add(weights, rowBytes));
        });
        const out = f.let("to", i32.add(i32.add(p["out"] as I32, column), i32.mul(i32.mul(quad, 4), rowBytes)));
        for (let row = 0; row < 4; row++) {
          for (let v = 0; v < vectors; v++) {
            f.do(v128.store(out, sums[row * 2 + v] as Local<"v128">, { offset: v * VECTOR }));
          }
          f.set(out, i32.add(out, rowBytes));
        }
        f.set(column, i32.add(column, vectors * VECTOR));
      };
      f.for({ name: "quad", from: p["start"] as I32, to: p["end"] as I32, step: 1 }, (quad) => {
        f.set(column, i32.mul(i32.mul(quad, VECTOR), p["isSymmetric"] as I32));
        f.while(
          () => i32.le_s(i32.add(column, 2 * VECTOR), rowBytes),
          () => tile(quad, 2),
        );
        f.if(i32.lt_s(column, rowBytes), () => tile(quad, 1));
      });
    },
  };
}

/**
 * Muon's step on matrices (K. Jordan et al., kellerjordan.github.io/posts/muon): Nesterov's momentum, brought near the closest matrix with
 * orthonormal columns by Newton and Schulz' iteration, with decay as in AdamW. The moving average follows. Units are blocks.
 *
 * Parameters: `blocks`; the arrays `parameters`, `gradients`, `first`, `average`; `scratch`; `settings` of the group, `scale` and
 * `averageShare`, by address.
 */
export function orthogonalKernel(multiply: FunctionHandle): Kernel {
  return {
    name: "update_muon",
    params: ["blocks", "parameters", "gradients", "first", "average", "scratch", "settings", "scale", "averageShare"],
    emit(f, p) {
      f.for({ name: "block", from: p["start"] as I32, to: p["end"] as I32, step: 1 }, (block) => {
        const at = f.let("at", i32.add(p["blocks"] as I32, i32.mul(block, BLOCK_BYTES)));
        const word = (name: (typeof blockWords)[number]) =>
          f.let(name, i32.load(at, { offset: blockWords.indexOf(name) * 4 }));
        const matrix: MatrixLocals = {
          offset: word("offset"),
          rows: word("rows"),
          columns: word("columns"),
          rowStep: word("rowStep"),
          columnStep: word("columnStep"),
          rowBytes: f.local("rowBytes", "i32"),
        };
        f.set(matrix.rowBytes, i32.and(i32.add(i32.mul(matrix.columns, 4), VECTOR - 1), -VECTOR));
        const x = f.let("x", p["scratch"] as I32);
        const size = f.let("size", f32.load(at, { offset: blockWords.indexOf("size") * 4 }));
        takeMomentum(f, p as Record<string, I32>, matrix, x);
        iterate(f, multiply, matrix, x);
        apply(f, p as Record<string, I32>, matrix, x, size);
      });
    },
  };
}

interface MatrixLocals {
  readonly offset: Local<"i32">;
  readonly rows: Local<"i32">;
  readonly columns: Local<"i32">;
  readonly rowStep: Local<"i32">;
  readonly columnStep: Local<"i32">;
  /** Of the dense copy, whose rows are whole vectors. */
  readonly rowBytes: Local<"i32">;
}

/** Every element: where it stands in the arrays, from their start, and in the dense copy. */
function eachElement(
  f: FunctionBuilder,
  { offset, rows, columns, rowStep, columnStep, rowBytes }: MatrixLocals,
  dense: Local<"i32">,
  body: (element: Local<"i32">, copy: Local<"i32">) => void,
): void {
  f.for({ name: "row", from: 0, to: rows, step: 1 }, (row) => {
    const element = f.let("element", i32.add(offset, i32.mul(row, rowStep)));
    const copy = f.let("copy", i32.add(dense, i32.mul(row, rowBytes)));
    f.for({ name: "column", from: 0, to: columns, step: 1 }, () => {
      body(element, copy);
      f.set(element, i32.add(element, columnStep));
      f.set(copy, i32.add(copy, 4));
    });
  });
}

const setting = (p: Record<string, I32>, index: number) => f32.load(p["settings"] as I32, { offset: index * 4 });
const settingIndex = { rate: 0, decay: 1, beta1: 2 } as const;

/** first = β·first + g; the dense copy is g + β·first, divided by its norm, with zeros up to whole vectors. */
function takeMomentum(f: FunctionBuilder, p: Record<string, I32>, matrix: MatrixLocals, x: Local<"i32">): void {
  const [scale, beta] = [
    f.let("scaleOfGradient", f32.load(p["scale"] as I32)),
    f.let("beta", setting(p, settingIndex.beta1)),
  ];
  const [gradient, moment, squares] = [f.local("g", "f32"), f.local("m", "f32"), f.local("squares", "f64")];
  const bytes = f.let("bytes", i32.mul(i32.and(i32.add(matrix.rows, 3), -4), matrix.rowBytes));
  f.do(memory.fill(x, 0, bytes));
  f.set(squares, 0);
  eachElement(f, matrix, x, (element, copy) => {
    const first = i32.add(p["first"] as I32, element);
    f.set(gradient, f32.mul(f32.load(i32.add(p["gradients"] as I32, element)), scale));
    f.set(moment, f32.add(f32.mul(f32.load(first), beta), gradient));
    f.do(f32.store(i32.add(p["first"] as I32, element), moment));
    f.set(gradient, f32.add(gradient, f32.mul(moment, beta)));
    f.do(f32.store(copy, gradient));
    const exact = f.let("exact", f64.promote_f32(gradient));
    f.set(squares, f64.add(squares, f64.mul(exact, exact)));
  });
  const inverse = f64.div(f64.const(1), f64.add(f64.sqrt(squares), f64.const(1e-30)));
  const all = f.let("inverse", f32x4.splat(f32.demote_f64(inverse)));
  f.for({ name: "byte", from: 0, to: bytes, step: VECTOR }, (byte) => {
    const at = f.let("vectorAt", i32.add(x, byte));
    f.do(v128.store(at, f32x4.mul(v128.load(at), all)));
  });
}

/** X ← X·(a + b·G + c·G²) with G = Xᵀ·X, some times; x is then where the last one stands. */
function iterate(f: FunctionBuilder, multiply: FunctionHandle, matrix: MatrixLocals, x: Local<"i32">): void {
  const { rows, rowBytes } = matrix;
  const columns = f.let("paddedColumns", i32.shr_u(rowBytes, 2));
  const quads = { rows: f.let("rowQuads", i32.shr_u(i32.add(rows, 3), 2)), columns: i32.shr_u(columns, 2) };
  const xBytes = i32.mul(i32.mul(quads.rows, 4), rowBytes);
  const squareBytes = f.let("squareBytes", i32.mul(columns, rowBytes));
  const other = f.let("other", i32.add(x, xBytes));
  const gram = f.let("gram", i32.add(other, i32.mul(i32.mul(quads.rows, 4), rowBytes)));
  const square = f.let("square", i32.add(gram, squareBytes));
  const swapped = f.local("swapped", "i32");
  const [b, c] = [quintic.b, quintic.c].map((value) => f.let("coefficient", f32x4.splat(f32.const(value)))) as [
    Local<"v128">,
    Local<"v128">,
  ];
  f.repeat({ name: "round", from: 0, to: iterations, step: 1 }, () => {
    const [zero, one, four] = [i32.const(0), i32.const(1), i32.const(4)];
    f.invoke(multiply, [x, four, rowBytes, x, gram, rows, columns, one, zero, quads.columns]);
    mirror(f, gram, columns, rowBytes);
    f.invoke(multiply, [gram, rowBytes, four, gram, square, columns, columns, one, zero, quads.columns]);
    f.for({ name: "byte", from: 0, to: squareBytes, step: VECTOR }, (byte) => {
      const [g, s] = [i32.add(gram, byte), f.let("squareAt", i32.add(square, byte))];
      f.do(v128.store(s, f32x4.add(f32x4.mul(v128.load(g), b), f32x4.mul(v128.load(s), c))));
    });
    const diagonal = f.let("diagonal", square);
    f.for({ name: "column", from: 0, to: columns, step: 1 }, () => {
      f.do(f32.store(diagonal, f32.add(f32.load(diagonal), f32.const(quintic.a))));
      f.set(diagonal, i32.add(diagonal, i32.add(rowBytes, 4)));
    });
    mirror(f, square, columns, rowBytes);
    f.invoke(multiply, [x, rowBytes, four, square, other, columns, columns, zero, zero, quads.rows]);
    f.set(swapped, x);
    f.set(x, other);
    f.set(other, swapped);
  });
}

/** Copies what is above the diagonal of a square matrix below it. */
function mirror(f: FunctionBuilder, square: Local<"i32">, columns: Local<"i32">, rowBytes: Local<"i32">): void {
  f.for({ name: "row", from: 0, to: columns, step: 1 }, (row) => {
    const to = f.let("below", i32.add(square, i32.mul(row, rowBytes)));
    const from = f.let("above", i32.add(square, i32.mul(row, 4)));
    f.for({ name: "column", from: 0, to: row, step: 1 }, () => {
      f.do(f32.store(to, f32.load(from)));
      f.set(to, i32.add(to, 4));
      f.set(from, i32.add(from, rowBytes));
    });
  });
}

function apply(
  f: FunctionBuilder,
  p: Record<string, I32>,
  matrix: MatrixLocals,
  x: Local<"i32">,
  size: Local<"f32">,
): void {
  const rate = f.let("rate", setting(p, settingIndex.rate));
  const kept = f.let("kept", f32.sub(f32.const(1), f32.mul(rate, setting(p, settingIndex.decay))));
  const step = f.let("step", f32.mul(rate, size));
  const share = f.let("share", f32.load(p["averageShare"] as I32));
  const value = f.local("w", "f32");
  eachElement(f, matrix, x, (element, copy) => {
    const at = f.let("parameter", i32.add(p["parameters"] as I32, element));
    const average = f.let("averageAt", i32.add(p["average"] as I32, element));
    f.set(value, f32.sub(f32.mul(f32.load(at), kept), f32.mul(f32.load(copy), step)));
    f.do(f32.store(at, value));
    const old = f32.load(average);
    f.do(f32.store(average, f32.add(old, f32.mul(f32.sub(value, f32.load(average)), share))));
  });
}
