import type { Stride } from "../../compiler/kernels/elementwise.ts";
import { madd } from "../../compiler/kernels/simd.ts";
import { largestDivisor } from "../../compiler/layout.ts";
import type { Kernel } from "../../compiler/plan.ts";
import type { Target } from "../../compiler/target.ts";
import type { Pair } from "../../graph/operations.ts";
import type { FunctionBuilder } from "../../wasm/function_builder.ts";
import { f32x4, i32, v128 } from "../../wasm/instructions.ts";
import type { I32, Local } from "../../wasm/value_types.ts";
import { eachPixel, type PictureSize, VECTOR, walker } from "./picture_loop.ts";

/**
 * The gradient of a convolution's kernel with a lane for each group: result[tap] += Σ x[pixel under the tap]·gradient[pixel], for one
 * input and one output channel of each group. Units are vectors of groups.
 *
 * The loop nest: blocks of rows that stay in the first-level cache · vectors · taps, as many as registers hold · pixels of the block.
 */
export interface DepthwiseGradientSpec extends PictureSize {
  readonly kernel: Pair;
  /** Distances in x from one tap to the next. */
  readonly tap: Stride;
  /** Distances in x from one output pixel's window to the next. */
  readonly x: Stride;
  readonly gradient: Stride;
  /** From the sums of a tap to those of the next. */
  readonly resultTapBytes: number;
}

/** Sums that registers hold beside an input and a gradient. */
const MOST_SUMS = 12;
/** What a block of rows may take of x. */
const BLOCK_BYTES = 16_000;

/** Parameters: `x`, `gradient`, `result`. */
export function depthwiseGradientKernel(name: string, spec: DepthwiseGradientSpec, target: Target): Kernel {
  return {
    name,
    params: ["x", "gradient", "result"],
    emit(f, p) {
      const [start, end] = [p["start"] as Local<"i32">, p["end"] as Local<"i32">];
      const height = largestDivisor(spec.height, Math.max(1, Math.floor(BLOCK_BYTES / spec.x.rowBytes)));
      const bases = {
        x: f.local("blockX", "i32"),
        gradient: f.local("blockGradient", "i32"),
        result: p["result"] as I32,
      };
      const add = (vector: Local<"i32">, count: number) =>
        addVectors(f, { ...spec, height }, target, bases, { vector, count });
      f.repeat({ name: "row", from: 0, to: spec.height, step: height }, (row) => {
        f.set(bases.x, i32.add(p["x"] as I32, i32.mul(row, spec.x.rowBytes)));
        f.set(bases.gradient, i32.add(p["gradient"] as I32, i32.mul(row, spec.gradient.rowBytes)));
        const single = f.let("single", start);
        if (target.wide) {
          // Two vectors written side by side, so that the engine joins them.
          const pairs = f.let("pairs", i32.add(start, i32.and(i32.sub(end, start), -2)));
          f.for({ name: "pair", from: start, to: pairs, step: 2 }, (vector) => add(vector, 2));
          f.set(single, pairs);
        }
        f.for({ name: "vector", from: single, to: end, step: 1 }, (vector) => add(vector, 1));
      });
    },
  };
}

/** All taps of `count` vectors over a block of rows. */
function addVectors(
  f: FunctionBuilder,
  spec: DepthwiseGradientSpec,
  target: Target,
  bases: Readonly<Record<"x" | "gradient" | "result", I32>>,
  { vector, count }: { readonly vector: Local<"i32">; readonly count: number },
): void {
  const taps = spec.kernel[0] * spec.kernel[1];
  const each = <T>(length: number, make: (i: number) => T): readonly T[] => Array.from({ length }, (_, i) => make(i));
  const skipped = f.let(`skipped${count}`, i32.mul(vector, VECTOR));
  const result = f.let(`at${count}`, i32.add(bases.result, skipped));
  const incoming = each(count, (v) => f.local(`incoming${count}_${v}`, "v128"));
  const sums = each(Math.min(taps, MOST_SUMS), (i) => each(count, (v) => f.local(`acc${count}_${i}_${v}`, "v128")));
  for (let first = 0; first < taps; first += MOST_SUMS) {
    const part = sums.slice(0, taps - first);
    for (const sum of part.flat()) f.set(sum, f32x4.const(0, 0, 0, 0));
    const x = walker(f, `px${count}`, i32.add(bases.x, skipped), spec.x);
    const gradient = walker(f, `pg${count}`, i32.add(bases.gradient, skipped), spec.gradient);
    eachPixel(f, spec, [x, gradient], () => {
      incoming.forEach((local, v) => f.set(local, v128.load(gradient.pointer, { offset: v * VECTOR })));
      part.forEach((own, i) => {
        const offset = tapOffset(spec, first + i);
        own.forEach((sum, v) => {
          const value = v128.load(x.pointer, { offset: offset + v * VECTOR });
          f.set(sum, madd(target, value, incoming[v] as Local<"v128">, sum));
        });
      });
    });
    part.forEach((own, i) => {
      const at = (v: number) => ({ offset: (first + i) * spec.resultTapBytes + v * VECTOR });
      own.forEach((sum, v) => f.set(sum, f32x4.add(v128.load(result, at(v)), sum)));
      own.forEach((sum, v) => f.do(v128.store(result, sum, at(v))));
    });
  }
}

/** Bytes from a window's first cell to a tap's. */
function tapOffset({ kernel, tap }: DepthwiseGradientSpec, index: number): number {
  return Math.floor(index / kernel[1]) * tap.rowBytes + (index % kernel[1]) * tap.pixelBytes;
}
