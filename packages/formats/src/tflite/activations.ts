import { type Activation, type Shape, UnsupportedError } from "@depthwise/core";
import type { TensorIndex, TfliteBuilder } from "./tflite_builder.ts";
import { fusedActivations, type TfliteOptions } from "./tflite_model.ts";

type Fused = "none" | "relu" | "relu6";

/** What of an activation an operator takes along, and what comes after it. */
export function split(activation: Activation): { readonly fused: Fused; readonly rest: Activation } {
  if (activation === "none" || activation === "relu" || activation === "relu6") {
    return { fused: activation, rest: "none" };
  }
  return { fused: "none", rest: activation };
}

/** The number of an activation that operators take along. */
export function fusedCode(fused: Fused): number {
  return { none: fusedActivations.NONE, relu: fusedActivations.RELU, relu6: fusedActivations.RELU6 }[fused];
}

/** An activation as operators of its own. */
export function emitActivation(to: TfliteBuilder, activation: Activation, x: TensorIndex, shape: Shape): TensorIndex {
  switch (activation) {
    case "none":
      return x;
    case "relu":
      return to.emit("RELU", [x], shape);
    case "relu6":
      return to.emit("RELU6", [x], shape);
    case "sigmoid":
      return to.emit("LOGISTIC", [x], shape);
    case "swish":
      return to.emit("MUL", [x, to.emit("LOGISTIC", [x], shape)], shape, mulOptions);
    case "hard_swish":
      return to.emit("HARD_SWISH", [x], shape);
    case "hard_sigmoid": {
      const three = to.constant("scalar/3", [1], () => Float32Array.of(3));
      const sixth = to.constant("scalar/sixth", [1], () => Float32Array.of(1 / 6));
      const clipped: TfliteOptions = {
        table: "AddOptions",
        values: { fused_activation_function: fusedActivations.RELU6 },
      };
      return to.emit("MUL", [to.emit("ADD", [x, three], shape, clipped), sixth], shape, mulOptions);
    }
    default:
      activation satisfies never;
      throw new UnsupportedError(`TFLite has no activation "${activation}".`);
  }
}

/** Options of a multiplication without an activation. */
export const mulOptions: TfliteOptions = { table: "MulOptions", values: { fused_activation_function: 0 } };
