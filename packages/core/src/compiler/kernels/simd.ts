import type { Activation } from "../../graph/operations.ts";
import type { FunctionBuilder } from "../../wasm/function_builder.ts";
import { f32x4, i32x4 } from "../../wasm/instructions.ts";
import type { Local, V128 } from "../../wasm/value_types.ts";
import type { Target } from "../target.ts";

/** a·b + c: one rounding with relaxed SIMD on hardware that fuses, two otherwise. */
export function madd(target: Target, a: V128, b: V128, c: V128): V128 {
  return target.simd === "relaxed" ? f32x4.relaxed_madd(a, b, c) : f32x4.add(f32x4.mul(a, b), c);
}

/** Vectors that activations need, kept in locals: engines build a constant anew wherever it stands. */
export interface ActivationConstants {
  zero: Local<"v128"> | undefined;
  six: Local<"v128"> | undefined;
}

/** Declares the constants that the given activations need. */
export function activationConstants(f: FunctionBuilder, used: readonly Activation[]): ActivationConstants {
  const needsZero = used.some(
    (activation) => activation !== "none" && activation !== "sigmoid" && activation !== "swish",
  );
  const needsSix = used.some((activation) => activation === "relu6" || activation.startsWith("hard_"));
  return {
    zero: needsZero ? f.let("zero", f32x4.const(0, 0, 0, 0)) : undefined,
    six: needsSix ? f.let("six", f32x4.const(6, 6, 6, 6)) : undefined,
  };
}

/** The activation of a vector. Not-a-number stays what it is: `pmax` and `pmin` return their first operand then. */
export function activate(
  f: FunctionBuilder,
  target: Target,
  activation: Activation,
  x: V128,
  { zero, six }: ActivationConstants,
): V128 {
  switch (activation) {
    case "none":
      return x;
    case "relu":
      return f32x4.pmax(x, zero as V128);
    case "relu6":
      return f32x4.pmin(f32x4.pmax(x, zero as V128), six as V128);
    case "hard_sigmoid":
      return hardSigmoid(x, zero as V128, six as V128);
    case "hard_swish": {
      const value = f.let("hard", x);
      return f32x4.mul(value, hardSigmoid(value, zero as V128, six as V128));
    }
    case "sigmoid":
      return sigmoid(f, target, x);
    case "swish": {
      const value = f.let("swish", x);
      return f32x4.mul(value, sigmoid(f, target, value));
    }
    default:
      return activation satisfies never;
  }
}

function hardSigmoid(x: V128, zero: V128, six: V128): V128 {
  const shifted = f32x4.add(x, f32x4.const(3, 3, 3, 3));
  return f32x4.mul(f32x4.pmin(f32x4.pmax(shifted, zero), six), splat(1 / 6));
}

function splat(value: number): V128 {
  return f32x4.const(value, value, value, value);
}

/** 1 / (1 + exp(−x)). */
function sigmoid(f: FunctionBuilder, target: Target, x: V128): V128 {
  return f32x4.div(splat(1), f32x4.add(splat(1), exponential(f, target, f32x4.neg(x))));
}

/**
 * exp(x) within two units in the last place: x = k·ln 2 + r with |r| ≤ ln 2 / 2, a polynomial of degree 6 for exp(r) (Taylor's
 * coefficients; the first one left out is below 1.2e-7 of the result), and 2^k put into the exponent bits. Clamped to the finite
 * range, where 1 / (1 + exp) is 0 or 1 in float32; not-a-number stays.
 */
export function exponential(f: FunctionBuilder, target: Target, x: V128): V128 {
  const clamped = f.let("x", f32x4.pmin(f32x4.pmax(x, splat(-87)), splat(88)));
  const k = f.let("k", f32x4.nearest(f32x4.mul(clamped, splat(Math.LOG2E))));
  // ln 2 in two parts, so that k·(first part) is exact.
  const high = 0.693359375;
  const r = f.let("r", madd(target, k, splat(-(Math.LN2 - high)), madd(target, k, splat(-high), clamped)));
  const coefficients = [1 / 720, 1 / 120, 1 / 24, 1 / 6, 1 / 2, 1, 1];
  const polynomial = f.local("polynomial", "v128");
  f.set(polynomial, splat(coefficients[0] as number));
  for (const coefficient of coefficients.slice(1)) f.set(polynomial, madd(target, polynomial, r, splat(coefficient)));
  const power = i32x4.shl(i32x4.add(i32x4.trunc_sat_f32x4_s(k), i32x4.const(127, 127, 127, 127)), 23);
  return f32x4.mul(polynomial, power);
}
