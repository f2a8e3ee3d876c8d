import type { Stride } from "../../compiler/kernels/elementwise.ts";
import { madd } from "../../compiler/kernels/simd.ts";
import type { Kernel } from "../../compiler/plan.ts";
import type { Target } from "../../compiler/target.ts";
import type { Activation } from "../../graph/operations.ts";
import type { FunctionBuilder } from "../../wasm/function_builder.ts";
import { f32, f32x4, f64, f64x2, i8x16, i32, v128 } from "../../wasm/instructions.ts";
import type { I32, Local, V128 } from "../../wasm/value_types.ts";
import { activationGradient, gradientConstants } from "./activation_gradient.ts";
import { eachPixel, largestDivisor, type PictureSize, VECTOR, walker } from "./picture_loop.ts";

/**
 * Two sums for each channel, added to what is there: Σx and Σx², or Σg and Σg·x with g = gradient·activation'(scale·x + shift).
 *
 * The loop nest: chunks of rows that stay in the first-level cache · blocks of vectors · pixels of the chunk. Float32 within a chunk, double
 * beyond: the variance is a small difference of large numbers. For each vector of channels memory holds four doubles of the first sum,
 * then four of the second. Units are blocks of `block` vectors.
 */
export interface SumsSpec extends PictureSize {
  readonly vectors: number;
  readonly x: Stride;
  readonly gradient: Stride | undefined;
  readonly activation: Activation;
  /** Floats from the scales to the shifts. */
  readonly channels: number;
}

/** Bytes of the sums of a vector of channels. */
export const SUMS_BYTES = 64;
/** Pixels that are summed in float32, and what they may take of an operand. */
const MOST_PIXELS = 256;
const CHUNK_BYTES = 12_000;

/** Vectors that are summed together: as many sums as registers hold. */
export function sumsBlock({ vectors, gradient }: SumsSpec): number {
  return largestDivisor(vectors, gradient ? 2 : 4);
}

/** Parameters: `x`, `sums`; with a gradient also `gradient`, and `coefficients` (scales, then shifts) where there is an activation. */
export function sumsKernel(name: string, spec: SumsSpec, target: Target): Kernel {
  const { gradient, activation, width, height, x } = spec;
  const params = ["x", "sums", ...(gradient ? ["gradient"] : []), ...(activation === "none" ? [] : ["coefficients"])];
  return {
    name,
    params,
    emit(f, p) {
      const pixels = Math.min(MOST_PIXELS, CHUNK_BYTES / Math.max(x.pixelBytes, gradient?.pixelBytes ?? 0));
      const rows = largestDivisor(height, Math.max(1, Math.floor(pixels / width)));
      const addChunk = chunkSums(f, p, { ...spec, height: rows }, target);
      f.repeat({ name: "row", from: 0, to: height, step: rows }, (row) => {
        f.for({ name: "block", from: p["start"] as I32, to: p["end"] as I32, step: 1 }, (block) =>
          addChunk(row, block),
        );
      });
    },
  };
}

/** Adds a block's sums over `height` rows from `row` on to those in memory. */
function chunkSums(
  f: FunctionBuilder,
  p: Readonly<Record<string, Local<"i32">>>,
  spec: SumsSpec,
  target: Target,
): (row: Local<"i32">, index: Local<"i32">) => void {
  const { gradient, activation, x } = spec;
  const block = sumsBlock(spec);
  const constants = gradientConstants(f, activation);
  const operands = [{ name: "x", stride: x }, ...(gradient ? [{ name: "gradient", stride: gradient }] : [])];
  const each = Array.from({ length: block }, (_, v) => ({
    first: f.local(`first${v}`, "v128"),
    second: f.local(`second${v}`, "v128"),
    scale: f.local(`scale${v}`, "v128"),
    shift: f.local(`shift${v}`, "v128"),
    value: f.local(`x${v}`, "v128"),
    inner: f.local(`y${v}`, "v128"),
    masked: f.local(`g${v}`, "v128"),
  }));
  return (row, index) => {
    const skipped = f.let("skipped", i32.mul(index, block * VECTOR));
    const sums = f.let("at", i32.add(p["sums"] as I32, i32.mul(index, block * SUMS_BYTES)));
    const walkers = operands.map(({ name, stride }) => {
      const first = i32.add(p[name] as I32, i32.mul(row, stride.rowBytes));
      return walker(f, `p_${name}`, i32.add(first, skipped), stride);
    });
    if (activation !== "none") {
      const coefficients = f.let("pc", i32.add(p["coefficients"] as I32, skipped));
      each.forEach(({ scale, shift }, v) => {
        f.set(scale, v128.load(coefficients, { offset: v * VECTOR }));
        f.set(shift, v128.load(coefficients, { offset: v * VECTOR + spec.channels * 4 }));
      });
    }
    for (const { first, second } of each) {
      f.set(first, f32x4.const(0, 0, 0, 0));
      f.set(second, f32x4.const(0, 0, 0, 0));
    }
    eachPixel(f, spec, walkers, () => {
      each.forEach(({ first, second, scale, shift, value, inner, masked }, v) => {
        f.set(value, v128.load(walkers[0]?.pointer as I32, { offset: v * VECTOR }));
        if (gradient) {
          const incoming = v128.load(walkers[1]?.pointer as I32, { offset: v * VECTOR });
          if (activation === "none") f.set(masked, incoming);
          else {
            f.set(inner, madd(target, value, scale, shift));
            f.set(masked, activationGradient(f, target, activation, incoming, inner, constants));
          }
        } else f.set(masked, value);
        f.set(first, f32x4.add(first, masked));
        f.set(second, madd(target, masked, value, second));
      });
    });
    each.forEach(({ first, second }, v) => {
      addToDoubles(f, sums, v * SUMS_BYTES, first);
      addToDoubles(f, sums, v * SUMS_BYTES + SUMS_BYTES / 2, second);
    });
  };
}

/** Adds four floats to four doubles in memory. */
function addToDoubles(f: FunctionBuilder, at: I32, offset: number, value: Local<"v128">): void {
  const high = i8x16.shuffle(value, value, [8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15]);
  const add = (bytes: number, part: V128) =>
    f.do(
      v128.store(at, f64x2.add(v128.load(at, { offset: offset + bytes }), f64x2.promote_low_f32x4(part)), {
        offset: offset + bytes,
      }),
    );
  add(0, value);
  add(16, high);
}

/** What the sums become once all pictures have been added. Units are channels. */
export interface FinishSpec {
  readonly channels: number;
  /** Numbers that were summed: N·H·W. */
  readonly count: number;
}

/** The address of a channel's double: vectors of four, two sums each. */
function doubleAt(f: FunctionBuilder, sums: I32, channel: Local<"i32">): Local<"i32"> {
  const vector = i32.mul(i32.shr_u(channel, 2), SUMS_BYTES);
  return f.let("double", i32.add(sums, i32.add(vector, i32.mul(i32.and(channel, 3), 8))));
}

/** Parameters: `sums`, `moments`: the means, then the variances. */
export function momentsKernel(name: string, { channels, count }: FinishSpec): Kernel {
  return {
    name,
    params: ["sums", "moments"],
    emit(f, p) {
      f.for({ name: "channel", from: p["start"] as I32, to: p["end"] as I32, step: 1 }, (channel) => {
        const at = doubleAt(f, p["sums"] as I32, channel);
        const out = f.let("out", i32.add(p["moments"] as I32, i32.mul(channel, 4)));
        const mean = f.let("mean", f64.mul(f64.load(at), f64.const(1 / count)));
        const square = f64.mul(f64.load(at, { offset: SUMS_BYTES / 2 }), f64.const(1 / count));
        f.do(f32.store(out, f32.demote_f64(mean)));
        // Rounding may leave a little less than nothing.
        const variance = f64.max(f64.sub(square, f64.mul(mean, mean)), f64.const(0));
        f.do(f32.store(out, f32.demote_f64(variance), { offset: channels * 4 }));
      });
    },
  };
}

/** Parameters: `moments`, `gamma`, `beta`, `coefficients`: the scales gamma/sqrt(variance + epsilon), then the shifts beta − mean·scale. */
export function coefficientsKernel(name: string, channels: number, epsilon: number): Kernel {
  return {
    name,
    params: ["moments", "gamma", "beta", "coefficients"],
    emit(f, p) {
      f.for({ name: "channel", from: p["start"] as I32, to: p["end"] as I32, step: 1 }, (channel) => {
        const bytes = f.let("bytes", i32.mul(channel, 4));
        const load = (param: string, offset = 0) =>
          f64.promote_f32(f32.load(i32.add(p[param] as I32, bytes), { offset }));
        const deviation = f64.sqrt(f64.add(load("moments", channels * 4), f64.const(epsilon)));
        const scale = f.let("scale", f64.div(load("gamma"), deviation));
        const out = f.let("out", i32.add(p["coefficients"] as I32, bytes));
        f.do(f32.store(out, f32.demote_f64(scale)));
        const shift = f64.sub(load("beta"), f64.mul(load("moments"), scale));
        f.do(f32.store(out, f32.demote_f64(shift), { offset: channels * 4 }));
      });
    },
  };
}

/**
 * Parameters: `sums` (Σg, Σg·x), `moments`, `result`: beta's gradient Σg, then gamma's Σg·n = (Σg·x − mean·Σg)/sqrt(variance + epsilon).
 */
export function gradientSumsKernel(name: string, channels: number, epsilon: number): Kernel {
  return {
    name,
    params: ["sums", "moments", "result"],
    emit(f, p) {
      f.for({ name: "channel", from: p["start"] as I32, to: p["end"] as I32, step: 1 }, (channel) => {
        const at = doubleAt(f, p["sums"] as I32, channel);
        const bytes = f.let("bytes", i32.mul(channel, 4));
        const moments = f.let("m", i32.add(p["moments"] as I32, bytes));
        const out = f.let("out", i32.add(p["result"] as I32, bytes));
        const first = f.let("first", f64.load(at));
        const mean = f64.promote_f32(f32.load(moments));
        const variance = f64.promote_f32(f32.load(moments, { offset: channels * 4 }));
        const centred = f64.sub(f64.load(at, { offset: SUMS_BYTES / 2 }), f64.mul(mean, first));
        f.do(f32.store(out, f32.demote_f64(first)));
        const second = f64.div(centred, f64.sqrt(f64.add(variance, f64.const(epsilon))));
        f.do(f32.store(out, f32.demote_f64(second), { offset: channels * 4 }));
      });
    },
  };
}

/**
 * The gradient through a batch norm is a·g + b·x + c with, for each channel, a = scale, b = −scale·Σg·n/(count·deviation) and
 * c = −scale·Σg/count − b·mean. Parameters: `moments`, `coefficients` (scales, shifts; b and c are written after them), `sums`.
 */
export function gradientCoefficientsKernel(name: string, { channels, count }: FinishSpec, epsilon: number): Kernel {
  return {
    name,
    params: ["moments", "coefficients", "sums", "result"],
    emit(f, p) {
      f.for({ name: "channel", from: p["start"] as I32, to: p["end"] as I32, step: 1 }, (channel) => {
        const bytes = f.let("bytes", i32.mul(channel, 4));
        const load = (param: string, row: number) =>
          f64.promote_f32(f32.load(i32.add(p[param] as I32, bytes), { offset: row * channels * 4 }));
        const scale = f.let("scale", load("coefficients", 0));
        const deviation = f64.sqrt(f64.add(load("moments", 1), f64.const(epsilon)));
        const share = f64.div(load("sums", 1), f64.mul(deviation, f64.const(count)));
        const b = f.let("b", f64.neg(f64.mul(scale, share)));
        const fromSum = f64.mul(scale, f64.mul(load("sums", 0), f64.const(1 / count)));
        const c = f64.sub(f64.neg(fromSum), f64.mul(b, load("moments", 0)));
        const out = f.let("out", i32.add(p["result"] as I32, bytes));
        f.do(f32.store(out, f32.demote_f64(b)));
        f.do(f32.store(out, f32.demote_f64(c), { offset: channels * 4 }));
      });
    },
  };
}
