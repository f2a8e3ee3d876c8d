import type { Pair } from "../../graph/operations.ts";
import { f32x4, i32, v128 } from "../../wasm/instructions.ts";
import type { Local } from "../../wasm/value_types.ts";
import { FLOAT, LANES } from "../layout.ts";
import type { Kernel } from "../plan.ts";
import { type SlidingSpec, slidingTiles } from "./sliding_tiles.ts";

/** A window over each channel: its maximum, or its sum times a factor that may differ from pixel to pixel. */
export interface PoolSpec extends SlidingSpec {
  readonly kind: "max" | "average";
  readonly kernel: Pair;
  /** Whether the factor is the same for every pixel. */
  readonly isUniform: boolean;
  /** Vectors of four channels at each pixel. */
  readonly vectors: number;
}

/**
 * The kernel of a spec. Its units are output rows. Parameters: `input`, `output`, and for averages `factors`, one float for each output
 * pixel (or just one where they are uniform).
 *
 * The input's border must hold the neutral element: zero, or minus infinity for maxima. A maximum forgets not-a-number.
 */
export function poolKernel(name: string, spec: PoolSpec): Kernel {
  return {
    name,
    params: ["input", "output", ...(spec.kind === "average" ? ["factors"] : [])],
    emit(f, p) {
      const { input, output, start, end } = p as Record<"input" | "output" | "start" | "end", Local<"i32">>;
      const factors = p["factors"];
      const sum = f.local("acc", "v128");
      const combine = spec.kind === "max" ? f32x4.pmax : f32x4.add;
      slidingTiles(
        f,
        { ...spec, tile: 1 },
        1,
        spec.vectors,
        { input, output, start, end },
        () => {},
        (tile) => {
          for (let kh = 0; kh < spec.kernel[0]; kh++) {
            for (let kw = 0; kw < spec.kernel[1]; kw++) {
              const x = v128.load(tile.input, { offset: kh * spec.inputRowBytes + kw * spec.inputPixelBytes });
              f.set(sum, kh + kw === 0 ? x : combine(x, sum));
            }
          }
          if (factors) {
            const pixel = i32.add(i32.mul(tile.row, spec.outWidth), tile.column);
            const at = spec.isUniform ? factors : i32.add(factors, i32.mul(pixel, FLOAT));
            f.set(sum, f32x4.mul(sum, v128.load32_splat(at)));
          }
          f.do(v128.store(tile.output, sum));
        },
      );
    },
  };
}

/** Where a global average finds its pixels. */
export interface GlobalPoolSpec {
  readonly height: number;
  readonly width: number;
  readonly pixelBytes: number;
  readonly rowBytes: number;
  readonly vectors: number;
}

/** Vectors of channels that a global average sums at once: a cache line. */
const GLOBAL_POOL_VECTORS = 4;

/** The mean over all pixels of each channel. Its units are vectors of channels. Parameters: `input`, `output`. */
export function globalPoolKernel(name: string, spec: GlobalPoolSpec): Kernel {
  return {
    name,
    params: ["input", "output"],
    emit(f, p) {
      const { input, output, start, end } = p as Record<"input" | "output" | "start" | "end", Local<"i32">>;
      const factor = f.let("factor", f32x4.splat(1 / (spec.height * spec.width)));
      const pixel = f.local("pixel", "i32");
      const sums = Array.from({ length: GLOBAL_POOL_VECTORS }, (_, i) => f.local(`acc${i}`, "v128"));
      const average = (first: Local<"i32">, count: number) => {
        const used = sums.slice(0, count);
        for (const sum of used) f.set(sum, f32x4.const(0, 0, 0, 0));
        const base = f.let("base", i32.add(input, i32.mul(first, LANES * FLOAT)));
        f.repeat({ name: "row", from: 0, to: spec.height, step: 1 }, () => {
          f.set(pixel, base);
          f.repeat({ name: "column", from: 0, to: spec.width, step: 1 }, () => {
            used.forEach((sum, i) => f.set(sum, f32x4.add(sum, v128.load(pixel, { offset: i * LANES * FLOAT }))));
            f.set(pixel, i32.add(pixel, spec.pixelBytes));
          });
          f.set(base, i32.add(base, spec.rowBytes));
        });
        const at = f.let("at", i32.add(output, i32.mul(first, LANES * FLOAT)));
        used.forEach((sum, i) => f.do(v128.store(at, f32x4.mul(sum, factor), { offset: i * LANES * FLOAT })));
      };
      const next = f.let("next", start);
      f.while(
        () => i32.le_s(i32.add(next, GLOBAL_POOL_VECTORS), end),
        () => {
          average(next, GLOBAL_POOL_VECTORS);
          f.set(next, i32.add(next, GLOBAL_POOL_VECTORS));
        },
      );
      f.while(
        () => i32.lt_s(next, end),
        () => {
          average(next, 1);
          f.set(next, i32.add(next, 1));
        },
      );
    },
  };
}
