import type { Stride } from "../../compiler/kernels/elementwise.ts";
import { resizeCorners } from "../../compiler/kernels/resize.ts";
import { madd } from "../../compiler/kernels/simd.ts";
import { FLOAT } from "../../compiler/layout.ts";
import type { Kernel } from "../../compiler/plan.ts";
import type { Target } from "../../compiler/target.ts";
import type { Pair } from "../../graph/operations.ts";
import type { FunctionBuilder } from "../../wasm/function_builder.ts";
import { f32, f32x4, i32, v128 } from "../../wasm/instructions.ts";
import type { F32, I32, Local, V128 } from "../../wasm/value_types.ts";
import { eachPixel, type PictureSize, VECTOR, walker } from "./picture_loop.ts";

/** The gradient of a pool: each output's gradient is added to the cells of its window. The result must be zero before. */
export interface PoolGradientSpec extends PictureSize {
  readonly kernel: Pair;
  /** Distances in the result, and in x, from one cell of a window to the next. */
  readonly resultCell: Stride;
  readonly xCell: Stride;
  /** Distances from one window to the next. */
  readonly result: Stride;
  readonly x: Stride;
  readonly gradient: Stride;
  readonly vectors: number;
}

/** Parameters: `gradient`, `x`, `result`. The first of a window's largest cells gets all. Its one unit is the picture. */
export function maxPoolGradientKernel(name: string, spec: PoolGradientSpec): Kernel {
  return {
    name,
    params: ["gradient", "x", "result"],
    emit(f, p) {
      const most = f.local("most", "v128");
      const rest = f.local("rest", "v128");
      const isFirst = f.local("isFirst", "v128");
      eachWindow(
        f,
        spec,
        { gradient: p["gradient"], result: p["result"], x: p["x"] } as Bases,
        ({ gradient, x, result }) => {
          const cells = windowCells(spec);
          f.set(most, f32x4.const(-Infinity, -Infinity, -Infinity, -Infinity));
          for (const { xOffset } of cells) f.set(most, f32x4.pmax(most, v128.load(x, { offset: xOffset })));
          f.set(rest, v128.load(gradient));
          for (const { xOffset, resultOffset } of cells) {
            f.set(isFirst, f32x4.eq(v128.load(x, { offset: xOffset }), most));
            const at = { offset: resultOffset };
            f.do(v128.store(result, f32x4.add(v128.load(result, at), v128.and(rest, isFirst)), at));
            f.set(rest, v128.andnot(rest, isFirst));
          }
        },
      );
    },
  };
}

/** Parameters: `gradient`, `result`, `factors`: one a window, or a single one. Its one unit is the picture. */
export function averagePoolGradientKernel(name: string, spec: PoolGradientSpec, isUniform: boolean): Kernel {
  return {
    name,
    params: ["gradient", "result", "factors"],
    emit(f, p) {
      const share = f.local("share", "v128");
      const factor = f.let("factor", p["factors"] as I32);
      const next = () => (isUniform ? undefined : f.set(factor, i32.add(factor, 4)));
      const bases = { gradient: p["gradient"], result: p["result"] } as Bases;
      eachWindow(
        f,
        spec,
        bases,
        ({ gradient, result }) => {
          f.set(share, f32x4.mul(v128.load(gradient), v128.load32_splat(factor)));
          for (const { resultOffset } of windowCells(spec)) {
            const at = { offset: resultOffset };
            f.do(v128.store(result, f32x4.add(v128.load(result, at), share), at));
          }
        },
        next,
      );
    },
  };
}

function windowCells({ kernel, xCell, resultCell }: PoolGradientSpec) {
  return Array.from({ length: kernel[0] * kernel[1] }, (_, i) => {
    const [row, column] = [Math.floor(i / kernel[1]), i % kernel[1]];
    return {
      xOffset: row * xCell.rowBytes + column * xCell.pixelBytes,
      resultOffset: row * resultCell.rowBytes + column * resultCell.pixelBytes,
    };
  });
}

interface Bases {
  readonly gradient: Local<"i32">;
  readonly result: Local<"i32">;
  readonly x?: Local<"i32">;
}

/** Windows ⊃ vectors of channels: `body` sees pointers to the window's gradient and first cells, `next` comes after each window. */
function eachWindow(
  f: FunctionBuilder,
  spec: PoolGradientSpec,
  bases: Bases,
  body: (pointers: Required<Bases>) => void,
  next: () => void = () => {},
): void {
  const walkers = [walker(f, "pg", bases.gradient, spec.gradient), walker(f, "pr", bases.result, spec.result)];
  if (bases.x) walkers.push(walker(f, "px", bases.x, spec.x));
  const pointers = walkers.map((_, i) => f.local(`at${i}`, "i32"));
  const [gradient, result, x] = pointers as [Local<"i32">, Local<"i32">, Local<"i32">];
  eachPixel(f, spec, walkers, () => {
    walkers.forEach(({ pointer }, i) => f.set(pointers[i] as Local<"i32">, pointer));
    f.repeat({ name: "vector", from: 0, to: spec.vectors, step: 1 }, () => {
      body({ gradient, x, result });
      for (const pointer of pointers) f.set(pointer, i32.add(pointer, VECTOR));
    });
    next();
  });
}

/** The gradient of a picture in another size: each pixel's gradient is added to those that it was mixed from. The result must be zero before. */
export interface ResizeGradientSpec extends PictureSize {
  readonly mode: "nearest" | "bilinear";
  readonly gradient: Stride;
  readonly vectors: number;
}

/** Parameters: `gradient`, `result`, `rows` and `columns` (tables of taps, as `resizeKernel` has them). Its one unit is the picture. */
export function resizeGradientKernel(name: string, spec: ResizeGradientSpec): Kernel {
  return {
    name,
    params: ["gradient", "result", "rows", "columns"],
    emit(f, p) {
      const corners = resizeCorners(f, p["result"] as I32, { rows: p["rows"] as I32, columns: p["columns"] as I32 });
      const give = (corner: number, byte: Local<"i32">, value: V128) => {
        const at = f.let("at", i32.add(corners.pixels[corner] as I32, byte));
        f.do(v128.store(at, f32x4.add(v128.load(at), value)));
      };
      const from = f.let("from", p["gradient"] as I32);
      f.repeat({ name: "row", from: 0, to: spec.height, step: 1 }, (row) => {
        corners.setRow(row);
        f.repeat({ name: "column", from: 0, to: spec.width, step: 1 }, (column) => {
          corners.setColumn(column);
          f.repeat({ name: "byte", from: 0, to: spec.vectors * VECTOR, step: VECTOR }, (byte) => {
            const gradient = f.let("value", v128.load(i32.add(from, byte)));
            if (spec.mode === "nearest") {
              give(0, byte, gradient);
              return;
            }
            const bottom = f.let("bottom", f32x4.mul(gradient, corners.down));
            const top = f.let("top", f32x4.sub(gradient, bottom));
            for (const [corner, half] of [
              [0, top],
              [2, bottom],
            ] as const) {
              const share = f.let("share", f32x4.mul(half, corners.right));
              give(corner, byte, f32x4.sub(half, share));
              give(corner + 1, byte, share);
            }
          });
          f.set(from, i32.add(from, spec.gradient.pixelBytes));
        });
        f.set(from, i32.add(from, spec.gradient.rowBytes - spec.width * spec.gradient.pixelBytes));
      });
    },
  };
}

/** Sums over a picture's pixels, of products with another picture or alone. Units are vectors. */
export interface PixelSumSpec extends PictureSize {
  readonly a: Stride;
  readonly b: Stride | undefined;
}

/** Parameters: `a`, `b` where there is one, `result`: what is there is added to, or replaced if there is a second picture. */
export function pixelSumKernel(name: string, spec: PixelSumSpec, target: Target): Kernel {
  return {
    name,
    params: ["a", ...(spec.b ? ["b"] : []), "result"],
    emit(f, p) {
      const sum = f.local("sum", "v128");
      f.for({ name: "vector", from: p["start"] as I32, to: p["end"] as I32, step: 1 }, (vector) => {
        const skipped = f.let("skipped", i32.mul(vector, VECTOR));
        const result = f.let("at", i32.add(p["result"] as I32, skipped));
        const walkers = [walker(f, "pa", i32.add(p["a"] as I32, skipped), spec.a)];
        if (spec.b) walkers.push(walker(f, "pb", i32.add(p["b"] as I32, skipped), spec.b));
        f.set(sum, spec.b ? f32x4.const(0, 0, 0, 0) : v128.load(result));
        eachPixel(f, spec, walkers, () => {
          const a = v128.load(walkers[0]?.pointer as I32);
          f.set(sum, spec.b ? madd(target, a, v128.load(walkers[1]?.pointer as I32), sum) : f32x4.add(sum, a));
        });
        f.do(v128.store(result, sum));
      });
    },
  };
}

/** Parameters: `a`, `b`, `result`, `table`: for each number where it is in a and in b, in bytes. Its one unit is all of them. */
export function sumOfNumbersKernel(name: string, count: number): Kernel {
  return {
    name,
    params: ["a", "b", "result", "table"],
    emit(f, p) {
      const entry = f.let("entry", p["table"] as I32);
      const at = f.let("at", p["result"] as I32);
      f.repeat({ name: "number", from: 0, to: count, step: 1 }, () => {
        const [a, b] = ["a", "b"].map((of, i) => f32.load(i32.add(p[of] as I32, i32.load(entry, { offset: i * 4 }))));
        f.do(f32.store(at, f32.add(a as F32, b as F32)));
        f.set(entry, i32.add(entry, 8));
        f.set(at, i32.add(at, FLOAT));
      });
    },
  };
}
