/** Quantised values, read as floats: integers stand for numbers, which are computed with instead. */
import type { Activation } from "@depthwise/core";
import { activate, scalarOf } from "./arithmetic.ts";
import type { Constant, View } from "./foreign_value.ts";
import type { Importer } from "./importer.ts";

/** `scale·(integer − zeroPoint)` for integers of a range. */
export interface Quantization {
  readonly scale: number;
  readonly zeroPoint: number;
  readonly least: number;
  readonly greatest: number;
}

/** Six, but for the rounding of calibrated scales. */
const SIX = { least: 5.97, greatest: 6.03 } as const;

/**
 * The activation that a range does by itself: tools that quantise drop a ReLU where the integers have no numbers below zero, and a ReLU6
 * where they end at six.
 */
function impliedActivation({ scale, zeroPoint, least, greatest }: Quantization): Activation {
  if (zeroPoint !== least) return "none";
  const largest = (greatest - zeroPoint) * scale;
  return largest >= SIX.least && largest <= SIX.greatest ? "relu6" : "relu";
}

/** A computed value as integers: the value itself, and what their range does to it. */
export function quantized(to: Importer, view: View, quantization: Quantization): View {
  return { ...rangeActivated(to, view, quantization), isQuantized: true };
}

/** The value with the activation that its integers' range does, where it can make a difference. */
export function rangeActivated(to: Importer, view: View, quantization: Quantization): View {
  const implied = impliedActivation(quantization);
  const { operation } = to.operationOf(view.value);
  // Activations, and what keeps their range, are in range already.
  const isActivated = operation.op === "activation" || operation.op === "softmax" || operation.op.endsWith("pool");
  const isKept = ["concatenate", "slice", "permute", "flatten", "input"].includes(operation.op);
  if (implied === "none" || isActivated || isKept) return view;
  return activate(to, view, implied, "range");
}

/** The numbers that integers stand for: the value that they were made of, or, for integers given to the network, what they are scaled to. */
export function dequantized(to: Importer, view: View, scale: Constant, zeroPoint: Constant | undefined): View {
  if (view.isQuantized) return { ...view, isQuantized: false };
  const factor = scalarOf(to, scale);
  const zero = zeroPoint === undefined ? 0 : scalarOf(to, zeroPoint);
  return to.withAffine(view, factor, -zero * factor);
}
