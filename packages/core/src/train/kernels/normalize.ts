import type { Stride } from "../../compiler/kernels/elementwise.ts";
import { activate, activationConstants, madd } from "../../compiler/kernels/simd.ts";
import { times } from "../../compiler/kernels/times.ts";
import type { Kernel } from "../../compiler/plan.ts";
import type { Target } from "../../compiler/target.ts";
import type { Activation } from "../../graph/operations.ts";
import type { FunctionBuilder } from "../../wasm/function_builder.ts";
import { f32x4, i32, v128 } from "../../wasm/instructions.ts";
import type { I32, Local, V128 } from "../../wasm/value_types.ts";
import { activationGradient, gradientConstants } from "./activation_gradient.ts";
import { eachPixel, type PictureSize, tilesOf, VECTOR, type Walker, walker } from "./picture_loop.ts";

/** activation(scale·x + shift), channel by channel. Its one unit is the picture. */
export interface NormalizeSpec extends PictureSize {
  readonly vectors: number;
  readonly x: Stride;
  readonly output: Stride;
  readonly activation: Activation;
  /** Floats from a row of coefficients to the next. */
  readonly channels: number;
}

/** Parameters: `x`, `coefficients` (scales, then shifts), `output`. */
export function normalizeKernel(name: string, spec: NormalizeSpec, target: Target): Kernel {
  return {
    name,
    params: ["x", "coefficients", "output"],
    emit(f, p) {
      const constants = activationConstants(f, [spec.activation]);
      const walkers = [walker(f, "px", p["x"] as I32, spec.x), walker(f, "po", p["output"] as I32, spec.output)];
      eachVector(
        f,
        spec,
        mostVectors(target),
        walkers,
        p["coefficients"] as Local<"i32">,
        ([x, out], coefficients, offsets) => {
          const results = offsets.map((offset, i) => {
            const scale = v128.load(coefficients, { offset });
            const shift = v128.load(coefficients, { offset: offset + spec.channels * 4 });
            const value = madd(target, v128.load(x as I32, { offset }), scale, shift);
            const local = f.local(`y${i}`, "v128");
            f.set(local, activate(f, target, spec.activation, value, constants));
            return local;
          });
          results.forEach((result, i) => f.do(v128.store(out as I32, result, { offset: offsets[i] as number })));
        },
      );
    },
  };
}

/** gradient·activation'(x), or any function of two pictures' elements. Its one unit is the picture. */
export interface PairSpec extends PictureSize {
  readonly vectors: number;
  readonly gradient: Stride;
  readonly x: Stride;
  readonly output: Stride;
  readonly activation: Activation;
}

/** a·g + b·x + c with g = gradient·activation'(a·x + shift), channel by channel. Its one unit is the picture. */
export interface NormalizeGradientSpec extends PairSpec {
  /** Floats from a row of coefficients to the next. */
  readonly channels: number;
}

/** Parameters: `gradient`, `x`, `coefficients` (a and shift), `terms` (b, then c), `output`. */
export function normalizeGradientKernel(name: string, spec: NormalizeGradientSpec, target: Target): Kernel {
  return {
    name,
    params: ["gradient", "x", "coefficients", "terms", "output"],
    emit(f, p) {
      const { activation, channels } = spec;
      const constants = gradientConstants(f, activation);
      const terms = f.local("terms", "i32");
      const distance = f.let("distance", i32.sub(p["terms"] as I32, p["coefficients"] as I32));
      const walkers = [
        walker(f, "pg", p["gradient"] as I32, spec.gradient),
        walker(f, "px", p["x"] as I32, spec.x),
        walker(f, "po", p["output"] as I32, spec.output),
      ];
      eachVector(
        f,
        spec,
        mostVectors(target),
        walkers,
        p["coefficients"] as Local<"i32">,
        ([g, x, out], coefficients, offsets) => {
          f.set(terms, i32.add(coefficients, distance));
          const results = offsets.map((offset, i) => {
            const scale = f.local(`scale${i}`, "v128");
            const value = f.local(`x${i}`, "v128");
            const result = f.local(`y${i}`, "v128");
            f.set(value, v128.load(x as I32, { offset }));
            f.set(scale, v128.load(coefficients, { offset }));
            let gradient: V128 = v128.load(g as I32, { offset });
            if (activation !== "none") {
              f.set(result, madd(target, value, scale, v128.load(coefficients, { offset: offset + channels * 4 })));
              gradient = activationGradient(f, target, activation, gradient, result, constants);
            }
            const rest = madd(
              target,
              value,
              v128.load(terms, { offset }),
              v128.load(terms, { offset: offset + channels * 4 }),
            );
            f.set(result, madd(target, gradient, scale, rest));
            return result;
          });
          results.forEach((result, i) => f.do(v128.store(out as I32, result, { offset: offsets[i] as number })));
        },
      );
    },
  };
}

/** Parameters: `gradient`, `x`, `output`. */
export function activationGradientKernel(name: string, spec: PairSpec, target: Target): Kernel {
  return {
    name,
    params: ["gradient", "x", "output"],
    emit(f, p) {
      const constants = gradientConstants(f, spec.activation);
      const value = f.local("value", "v128");
      const walkers = [
        walker(f, "pg", p["gradient"] as I32, spec.gradient),
        walker(f, "px", p["x"] as I32, spec.x),
        walker(f, "po", p["output"] as I32, spec.output),
      ];
      eachVector(f, spec, mostVectors(target), walkers, undefined, ([g, x, out], _, offsets) => {
        for (const offset of offsets) {
          f.set(value, v128.load(x as I32, { offset }));
          const gradient = v128.load(g as I32, { offset });
          const result = activationGradient(f, target, spec.activation, gradient, value, constants);
          f.do(v128.store(out as I32, result, { offset }));
        }
      });
    },
  };
}

/** One value for each channel of all pixels: a pixel times a factor. Its one unit is the picture. */
export interface SpreadSpec extends PictureSize {
  readonly vectors: number;
  readonly output: Stride;
  readonly factor: number;
}

/** Parameters: `x` (one pixel), `output`. */
export function spreadKernel(name: string, spec: SpreadSpec): Kernel {
  return {
    name,
    params: ["x", "output"],
    emit(f, p) {
      const factor = f.let("factor", f32x4.splat(spec.factor));
      const walkers = [
        walker(f, "px", p["x"] as I32, { pixelBytes: 0, rowBytes: 0 }),
        walker(f, "po", p["output"] as I32, spec.output),
      ];
      eachVector(f, spec, 4, walkers, undefined, ([x, out], _, offsets) => {
        for (const offset of offsets)
          f.do(v128.store(out as I32, f32x4.mul(v128.load(x as I32, { offset }), factor), { offset }));
      });
    },
  };
}

/** How many vectors an engine's registers hold at once, beside constants. */
function mostVectors({ wide }: Target): number {
  return wide ? 8 : 4;
}

/**
 * Pixels ⊃ blocks of up to `most` vectors: in the order of memory, because what is read comes from beyond the second-level cache. The
 * body gets moving pointers, and the offsets of the block's vectors.
 */
function eachVector(
  f: FunctionBuilder,
  spec: PictureSize & { readonly vectors: number },
  most: number,
  walkers: readonly Walker[],
  perChannel: Local<"i32"> | undefined,
  body: (pointers: readonly Local<"i32">[], perChannel: Local<"i32">, offsets: readonly number[]) => void,
): void {
  const pointers = walkers.map((_, i) => f.local(`at${i}`, "i32"));
  const channel = f.local("channel", "i32");
  eachPixel(f, spec, walkers, () => {
    walkers.forEach(({ pointer }, i) => f.set(pointers[i] as Local<"i32">, pointer));
    if (perChannel) f.set(channel, perChannel);
    for (const { size, count } of tilesOf(spec.vectors, most)) {
      const offsets = Array.from({ length: size }, (_, v) => v * VECTOR);
      times(f, count, "block", () => {
        body(pointers, channel, offsets);
        for (const pointer of pointers) f.set(pointer, i32.add(pointer, size * VECTOR));
        if (perChannel) f.set(channel, i32.add(channel, size * VECTOR));
      });
    }
  });
}

/** Pixels copied from one grid to another. Its one unit is the picture. */
export interface CopyPixelsSpec extends PictureSize {
  readonly vectors: number;
  readonly x: Stride;
  readonly output: Stride;
}

/** Parameters: `x`, `output`. */
export function copyPixelsKernel(name: string, spec: CopyPixelsSpec): Kernel {
  return {
    name,
    params: ["x", "output"],
    emit(f, p) {
      const walkers = [walker(f, "px", p["x"] as I32, spec.x), walker(f, "po", p["output"] as I32, spec.output)];
      eachVector(f, spec, 4, walkers, undefined, ([x, out], _, offsets) => {
        for (const offset of offsets) f.do(v128.store(out as I32, v128.load(x as I32, { offset }), { offset }));
      });
    },
  };
}
