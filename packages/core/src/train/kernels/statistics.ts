import type { Stride } from "../../compiler/kernels/elementwise.ts";
import { madd } from "../../compiler/kernels/simd.ts";
import { times } from "../../compiler/kernels/times.ts";
import { largestDivisor } from "../../compiler/layout.ts";
import type { Kernel } from "../../compiler/plan.ts";
import type { Target } from "../../compiler/target.ts";
import type { Activation } from "../../graph/operations.ts";
import type { FunctionBuilder } from "../../wasm/function_builder.ts";
import { f32, f32x4, f64, f64x2, i32, v128 } from "../../wasm/instructions.ts";
import type { I32, Local } from "../../wasm/value_types.ts";
import { activationGradient, gradientConstants } from "./activation_gradient.ts";
import { eachPixel, type PictureSize, tilesOf, VECTOR, walker } from "./picture_loop.ts";

/**
 * Two sums for each channel, added to what is there: Σx and Σx², or Σg and Σg·x with g = gradient·activation'(scale·x + shift).
 *
 * Float32 within a chunk of rows, double beyond: the variance is a small difference of large numbers. For each vector of channels memory
 * holds four doubles of the first sum, then four of the second. Its one unit is the picture.
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
/** Bytes for a chunk's sums in float32: eight vectors of each. */
export const CHUNK_SUMS_BYTES: number = 2 * 8 * VECTOR;

/** A block's vectors of scales and shifts, in locals. */
function blockCoefficients(
  f: FunctionBuilder,
  coefficients: I32,
  { channels, skipped, size }: { readonly channels: number; readonly skipped: I32; readonly size: number },
): readonly { readonly scale: Local<"v128">; readonly shift: Local<"v128"> }[] {
  const at = f.let("pc", i32.add(coefficients, skipped));
  return Array.from({ length: size }, (_, v) => ({
    scale: f.let(`scale${v}`, v128.load(at, { offset: v * VECTOR })),
    shift: f.let(`shift${v}`, v128.load(at, { offset: v * VECTOR + channels * 4 })),
  }));
}

/**
 * Parameters: `x`, `sums`, `chunk` (room for a chunk's sums); with a gradient also `gradient`, and `coefficients` (scales, then shifts) where
 * there is an activation.
 */
export function sumsKernel(name: string, spec: SumsSpec, target: Target): Kernel {
  const { gradient, activation, channels } = spec;
  const hasActivation = activation !== "none";
  return {
    name,
    params: ["x", "sums", "chunk", ...(gradient ? ["gradient"] : []), ...(hasActivation ? ["coefficients"] : [])],
    emit(f, p) {
      const constants = gradientConstants(f, activation);
      const operands = [
        { name: "px", from: p["x"] as I32, stride: spec.x },
        ...(gradient ? [{ name: "pg", from: p["gradient"] as I32, stride: gradient }] : []),
      ];
      const most = (gradient ? 2 : 4) * (target.wide ? 2 : 1);
      eachBlock(f, spec, most, operands, (size, skipped) => {
        const coefficients = hasActivation
          ? blockCoefficients(f, p["coefficients"] as I32, { channels, skipped, size })
          : [];
        const each = Array.from({ length: size }, (_, v) => ({
          first: f.let(`first${v}`, f32x4.const(0, 0, 0, 0)),
          second: f.let(`second${v}`, f32x4.const(0, 0, 0, 0)),
          value: f.local(`x${v}`, "v128"),
          inner: f.local(`y${v}`, "v128"),
          masked: f.local(`g${v}`, "v128"),
        }));
        return {
          pixel: ([x, g]) =>
            each.forEach(({ first, second, value, inner, masked }, v) => {
              f.set(value, v128.load(x as I32, { offset: v * VECTOR }));
              const incoming = g ? v128.load(g, { offset: v * VECTOR }) : value;
              const own = coefficients[v];
              if (own) {
                f.set(inner, madd(target, value, own.scale, own.shift));
                f.set(masked, activationGradient(f, target, activation, incoming, inner, constants));
              } else f.set(masked, incoming);
              f.set(first, f32x4.add(first, masked));
              f.set(second, madd(target, masked, value, second));
            }),
          end: () => {
            const sums = i32.add(p["sums"] as I32, i32.mul(skipped, SUMS_BYTES / VECTOR));
            addChunk(f, f.let("at", sums), p["chunk"] as I32, each);
          },
        };
      });
    },
  };
}

/** A picture that a loop walks over, from its first pixel on. */
interface Operand {
  readonly name: string;
  readonly from: I32;
  readonly stride: Stride;
}

/** What is done with a block of channels: at each pixel, and after the last one of a chunk of rows. */
interface BlockBody {
  readonly pixel: (pointers: readonly Local<"i32">[]) => void;
  readonly end: () => void;
}

/** Pixels of a chunk of rows, and what they may take of an operand: all of its blocks find it in the first-level cache. */
const CHUNK_PIXELS = 256;
const CHUNK_BYTES = 12_000;

/**
 * Chunks of rows ⊃ blocks of up to `most` vectors of channels ⊃ the chunk's pixels: what a block needs for each channel stays in registers.
 * `begin` gets a block's size in vectors, and the bytes of the channels before it.
 */
function eachBlock(
  f: FunctionBuilder,
  { height, width, vectors }: PictureSize & { readonly vectors: number },
  most: number,
  operands: readonly Operand[],
  begin: (size: number, skipped: Local<"i32">) => BlockBody,
): void {
  const widest = Math.max(...operands.map(({ stride }) => stride.pixelBytes));
  const pixels = Math.min(CHUNK_PIXELS, CHUNK_BYTES / widest);
  const rows = largestDivisor(height, Math.max(1, Math.floor(pixels / width)));
  const skipped = f.local("skipped", "i32");
  f.repeat({ name: "row", from: 0, to: height, step: rows }, (row) => {
    f.set(skipped, 0);
    for (const { size, count } of tilesOf(vectors, most)) {
      times(f, count, "block", () => {
        const walkers = operands.map(({ name, from, stride }) =>
          walker(f, name, i32.add(i32.add(from, i32.mul(row, stride.rowBytes)), skipped), stride),
        );
        const { pixel, end } = begin(size, skipped);
        eachPixel(f, { height: rows, width }, walkers, () => pixel(walkers.map(({ pointer }) => pointer)));
        end();
        f.set(skipped, i32.add(skipped, size * VECTOR));
      });
    }
  });
}

/** Adds a chunk's sums to the doubles in memory. Through memory: engines join vectors that are stored side by side. */
function addChunk(
  f: FunctionBuilder,
  sums: I32,
  chunk: I32,
  each: readonly { readonly first: Local<"v128">; readonly second: Local<"v128"> }[],
): void {
  const place = (v: number, isSecond: boolean) => (isSecond ? CHUNK_SUMS_BYTES / 2 : 0) + v * VECTOR;
  each.forEach(({ first }, v) => f.do(v128.store(chunk, first, { offset: place(v, false) })));
  each.forEach(({ second }, v) => f.do(v128.store(chunk, second, { offset: place(v, true) })));
  each.forEach((_, v) => {
    for (const isSecond of [false, true]) {
      for (const half of [0, 1]) {
        const part = f64x2.promote_low_f32x4(v128.load64_zero(chunk, { offset: place(v, isSecond) + half * 8 }));
        const offset = v * SUMS_BYTES + (isSecond ? SUMS_BYTES / 2 : 0) + half * VECTOR;
        f.do(v128.store(sums, f64x2.add(v128.load(sums, { offset }), part), { offset }));
      }
    }
  });
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
