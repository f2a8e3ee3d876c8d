import type { Stride } from "../../compiler/kernels/elementwise.ts";
import { madd } from "../../compiler/kernels/simd.ts";
import type { Kernel } from "../../compiler/plan.ts";
import type { Target } from "../../compiler/target.ts";
import type { Pair } from "../../graph/operations.ts";
import type { FunctionBuilder } from "../../wasm/function_builder.ts";
import { f32x4, i32, v128 } from "../../wasm/instructions.ts";
import type { I32, Local } from "../../wasm/value_types.ts";
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
