import { exponential } from "../../compiler/kernels/simd.ts";
import type { Kernel } from "../../compiler/plan.ts";
import type { Target } from "../../compiler/target.ts";
import type { FunctionBuilder } from "../../wasm/function_builder.ts";
import { f32, f32x4, f64, i32, i64, v128 } from "../../wasm/instructions.ts";
import type { I32, Local } from "../../wasm/value_types.ts";
import { VECTOR } from "./picture_loop.ts";

/** Softmax cross-entropy of one picture and its gradient. */
export interface LossSpec {
  readonly classes: number;
  /** Pictures that the gradient is averaged over. */
  readonly batch: number;
}

/** Parameters: `logits`, `targets`, `loss` (one float). Its one unit is the picture. */
export function lossKernel(name: string, { classes }: LossSpec): Kernel {
  return {
    name,
    params: ["logits", "targets", "loss"],
    emit(f, p) {
      const most = f.local("most", "f32");
      const sum = f.local("sum", "f64");
      const dot = f.local("dot", "f64");
      const logit = (byte: Local<"i32">) => f32.load(i32.add(p["logits"] as I32, byte));
      const each = (body: (byte: Local<"i32">) => void) =>
        f.repeat({ name: "byte", from: 0, to: classes * 4, step: 4 }, body);
      f.set(most, Number.NEGATIVE_INFINITY);
      each((byte) => f.set(most, f32.max(most, logit(byte))));
      f.set(sum, 0);
      f.set(dot, 0);
      each((byte) => {
        const shifted = f.let("shifted", f32.sub(logit(byte), most));
        // The vector's other lanes are not needed: classes are few, and this is once a picture.
        f.set(sum, f64.add(sum, f64.promote_f32(f32x4.extract_lane(exponentialOf(f, shifted), 0))));
        const target = f64.promote_f32(f32.load(i32.add(p["targets"] as I32, byte)));
        f.set(dot, f64.add(dot, f64.mul(target, f64.promote_f32(shifted))));
      });
      f.do(f32.store(p["loss"] as I32, f32.demote_f64(f64.sub(logarithm(f, sum), dot))));
    },
  };
}

function exponentialOf(f: FunctionBuilder, x: Local<"f32">) {
  const plain: Target = { simd: "plain", wide: false, threads: 1, profile: false };
  return exponential(f, plain, f32x4.splat(x));
}

/**
 * log x for finite x ≥ 1, to about 1e-10: x = 2^k·m with m in [1, 2), and log m = 2·atanh((m − 1)/(m + 1)), by eleven terms of its
 * series. Not-a-number and infinity stay.
 */
function logarithm(f: FunctionBuilder, x: Local<"f64">) {
  const bits = f.let("bits", i64.reinterpret_f64(x));
  const exponent = f64.convert_i64_s(i64.sub(i64.shr_u(bits, i64.const(52)), i64.const(1023)));
  const mantissa = i64.or(i64.and(bits, i64.const(0xf_ffff_ffff_ffffn)), i64.const(0x3ff0_0000_0000_0000n));
  const m = f.let("m", f64.reinterpret_i64(mantissa));
  const t = f.let("t", f64.div(f64.sub(m, f64.const(1)), f64.add(m, f64.const(1))));
  const square = f.let("square", f64.mul(t, t));
  const series = f.local("series", "f64");
  f.set(series, 0);
  for (let term = 21; term >= 1; term -= 2) f.set(series, f64.add(f64.mul(series, square), f64.const(1 / term)));
  const value = f64.add(f64.mul(exponent, f64.const(Math.LN2)), f64.mul(f64.mul(t, f64.const(2)), series));
  const result = f.local("log", "f64");
  f.set(result, value);
  f.if(f64.ne(f64.sub(x, x), f64.const(0)), () => f.set(result, x));
  return result;
}

/** Parameters: `logits`, `targets`, `output`: (softmax(logits) − targets)/batch. Its one unit is the picture. */
export function lossGradientKernel(name: string, { classes, batch }: LossSpec, target: Target): Kernel {
  return {
    name,
    params: ["logits", "targets", "output"],
    emit(f, p) {
      const most = f.local("most", "f32");
      const sum = f.local("sum", "f32");
      const at = (param: string, byte: I32) => i32.add(p[param] as I32, byte);
      const each = (body: (byte: Local<"i32">) => void) =>
        f.repeat({ name: "byte", from: 0, to: classes * 4, step: 4 }, body);
      f.set(most, Number.NEGATIVE_INFINITY);
      each((byte) => f.set(most, f32.max(most, f32.load(at("logits", byte)))));
      f.repeat({ name: "vector", from: 0, to: Math.ceil(classes / 4) * VECTOR, step: VECTOR }, (byte) => {
        const shifted = f32x4.sub(v128.load(at("logits", byte)), f32x4.splat(most));
        f.do(v128.store(at("output", byte), exponential(f, target, shifted)));
      });
      f.set(sum, 0);
      each((byte) => f.set(sum, f32.add(sum, f32.load(at("output", byte)))));
      each((byte) => {
        const share = f32.div(f32.load(at("output", byte)), sum);
        const difference = f32.sub(share, f32.load(at("targets", byte)));
        f.do(f32.store(at("output", byte), f32.mul(difference, f32.const(1 / batch))));
      });
    },
  };
}
