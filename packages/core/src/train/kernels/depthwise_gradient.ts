import type { Stride } from "../../compiler/kernels/elementwise.ts";
import { madd } from "../../compiler/kernels/simd.ts";
import type { Kernel } from "../../compiler/plan.ts";
import type { Target } from "../../compiler/target.ts";
import type { Pair } from "../../graph/operations.ts";
import { f32x4, i32, v128 } from "../../wasm/instructions.ts";
import type { I32, Local } from "../../wasm/value_types.ts";
import { eachPixel, type PictureSize, VECTOR, walker } from "./picture_loop.ts";

/**
 * The gradient of a convolution's kernel with a lane for each group: result[tap] += Σ x[pixel under the tap]·gradient[pixel], for one
 * input and one output channel of each group. Units are vectors of groups.
 *
 * For each vector memory holds one vector a tap.
 */
export interface DepthwiseGradientSpec extends PictureSize {
  readonly kernel: Pair;
  /** Distances in x from one tap to the next. */
  readonly tap: Stride;
  /** Distances in x from one output pixel's window to the next. */
  readonly x: Stride;
  readonly gradient: Stride;
}

/** Sums that registers hold beside an input and a gradient. */
const MOST_SUMS = 12;

/** Parameters: `x`, `gradient`, `result`. */
export function depthwiseGradientKernel(name: string, spec: DepthwiseGradientSpec, target: Target): Kernel {
  return {
    name,
    params: ["x", "gradient", "result"],
    emit(f, p) {
      const [kh, kw] = spec.kernel;
      const taps = Array.from({ length: kh * kw }, (_, i) => i);
      const sums = taps.slice(0, MOST_SUMS).map((i) => f.local(`acc${i}`, "v128"));
      const incoming = f.local("incoming", "v128");
      f.for({ name: "vector", from: p["start"] as I32, to: p["end"] as I32, step: 1 }, (vector) => {
        const skipped = f.let("skipped", i32.mul(vector, VECTOR));
        const result = f.let("at", i32.add(p["result"] as I32, i32.mul(skipped, taps.length)));
        for (let first = 0; first < taps.length; first += MOST_SUMS) {
          const part = taps.slice(first, first + MOST_SUMS);
          part.forEach((_, i) => f.set(sums[i] as Local<"v128">, f32x4.const(0, 0, 0, 0)));
          const walkers = [
            walker(f, "px", i32.add(p["x"] as I32, skipped), spec.x),
            walker(f, "pg", i32.add(p["gradient"] as I32, skipped), spec.gradient),
          ];
          eachPixel(f, spec, walkers, () => {
            f.set(incoming, v128.load(walkers[1]?.pointer as I32));
            part.forEach((tap, i) => {
              const offset = Math.floor(tap / kw) * spec.tap.rowBytes + (tap % kw) * spec.tap.pixelBytes;
              const sum = sums[i] as Local<"v128">;
              f.set(sum, madd(target, v128.load(walkers[0]?.pointer as I32, { offset }), incoming, sum));
            });
          });
          part.forEach((tap, i) => {
            const at = { offset: tap * VECTOR };
            f.do(v128.store(result, f32x4.add(v128.load(result, at), sums[i] as Local<"v128">), at));
          });
        }
      });
    },
  };
}
