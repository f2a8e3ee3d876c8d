import { type ActivationConstants, activate, activationConstants } from "../../compiler/kernels/simd.ts";
import type { Target } from "../../compiler/target.ts";
import type { Activation } from "../../graph/operations.ts";
import type { FunctionBuilder } from "../../wasm/function_builder.ts";
import { f32x4, v128 } from "../../wasm/instructions.ts";
import type { Local, V128 } from "../../wasm/value_types.ts";

/** The constants that an activation and its derivative need. */
export function gradientConstants(f: FunctionBuilder, activation: Activation): ActivationConstants {
  return activationConstants(f, [activation === "swish" || activation === "sigmoid" ? "none" : activation]);
}

/** gradient · activation'(x). At the kinks of rectifiers the derivative is 0. */
export function activationGradient(
  f: FunctionBuilder,
  target: Target,
  activation: Activation,
  gradient: V128,
  x: Local<"v128">,
  constants: ActivationConstants,
): V128 {
  const splat = (value: number) => f32x4.const(value, value, value, value);
  const inside = (low: number, high: number) => v128.and(f32x4.gt(x, splat(low)), f32x4.lt(x, splat(high)));
  switch (activation) {
    case "none":
      return gradient;
    case "relu":
      return v128.and(gradient, f32x4.gt(x, constants.zero as V128));
    case "relu6":
      return v128.and(gradient, v128.and(f32x4.gt(x, constants.zero as V128), f32x4.lt(x, constants.six as V128)));
    case "hard_sigmoid":
      return v128.and(f32x4.mul(gradient, splat(1 / 6)), inside(-3, 3));
    case "hard_swish": {
      // Between the kinks x·(x + 3)/6, above them x.
      const between = v128.and(
        f32x4.mul(gradient, f32x4.mul(f32x4.add(f32x4.add(x, x), splat(3)), splat(1 / 6))),
        inside(-3, 3),
      );
      return v128.or(between, v128.and(gradient, f32x4.ge(x, splat(3))));
    }
    case "sigmoid": {
      const s = f.let("sigmoid", activate(f, target, "sigmoid", x, constants));
      return f32x4.mul(gradient, f32x4.mul(s, f32x4.sub(splat(1), s)));
    }
    case "swish": {
      const s = f.let("sigmoid", activate(f, target, "sigmoid", x, constants));
      const slope = f32x4.mul(s, f32x4.add(splat(1), f32x4.mul(x, f32x4.sub(splat(1), s))));
      return f32x4.mul(gradient, slope);
    }
    default:
      return activation satisfies never;
  }
}
