import type { ExchangeLayout } from "../networks/exchange_names.ts";
import type { Shape } from "../tensor.ts";

/** The shape that a parameter of ours has in a checkpoint. */
export function theirShape(ours: Shape, layout: ExchangeLayout): Shape {
  if (layout === "oihw" && ours.length === 2) return [...ours.toReversed(), 1, 1]; // A linear layer, there a 1x1 convolution.
  if (layout === "oihw") return [3, 2, 0, 1].map((axis) => ours[axis] ?? 0);
  if (layout === "out_in") return ours.slice(-2).toReversed(); // A 1x1 convolution's window is not there.
  return ours;
}

/**
 * A checkpoint's numbers in our order.
 *
 * @param ours the parameter's shape in the graph: `[kh, kw, in/groups, out]` or `[in, out]`
 * @returns `data` itself where both layouts are the same
 */
export function toOurs(data: Float32Array, ours: Shape, layout: ExchangeLayout): Float32Array {
  if (layout === "same") return data;
  const { out, inputs, area } = matrixOf(ours);
  const result = new Float32Array(data.length);
  for (let oc = 0; oc < out; oc++) {
    for (let ic = 0; ic < inputs; ic++) {
      const theirs = (oc * inputs + ic) * area;
      for (let tap = 0; tap < area; tap++) result[(tap * inputs + ic) * out + oc] = data[theirs + tap] as number;
    }
  }
  return result;
}

/** Our numbers in a checkpoint's order: the inverse of {@link toOurs}. */
export function toTheirs(data: Float32Array, ours: Shape, layout: ExchangeLayout): Float32Array {
  if (layout === "same") return data;
  const { out, inputs, area } = matrixOf(ours);
  const result = new Float32Array(data.length);
  for (let oc = 0; oc < out; oc++) {
    for (let ic = 0; ic < inputs; ic++) {
      const theirs = (oc * inputs + ic) * area;
      for (let tap = 0; tap < area; tap++) result[theirs + tap] = data[(tap * inputs + ic) * out + oc] as number;
    }
  }
  return result;
}

/** `[kh, kw, in/groups, out]` or `[in, out]` as taps x inputs x outputs. */
function matrixOf(ours: Shape): { readonly out: number; readonly inputs: number; readonly area: number } {
  const [out = 1, inputs = 1, ...window] = ours.toReversed();
  return { out, inputs, area: window.reduce((product, length) => product * length, 1) };
}
