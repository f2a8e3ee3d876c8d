import type { Tensor } from "../tensor.ts";

/** Numbers by output name, as the interpreter or a model gives them. */
export type Outputs = Readonly<Record<string, Tensor<"f32" | "f64"> | Float32Array>>;

/**
 * The largest difference between outputs of the same names, each as a share of the largest absolute value expected in it. Infinite
 * where only one is NaN, or they are different infinities.
 */
export function greatestDifference(actual: Outputs, expected: Outputs): number {
  const names = Object.keys(expected);
  if (Object.keys(actual).toSorted().join() !== names.toSorted().join()) return Number.POSITIVE_INFINITY;
  return Math.max(...names.map((name) => relativeError(dataOf(actual[name]), dataOf(expected[name]))));
}

function dataOf(output: Outputs[string] | undefined): ArrayLike<number> {
  if (output === undefined) return [];
  return "data" in output ? output.data : output;
}

/** The largest difference of two lists of numbers as a share of the largest absolute value expected; of 1e-6 if that is smaller. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  let difference = 0;
  let largest = 1e-6;
  for (let i = 0; i < expected.length; i++) {
    const [a, e] = [actual[i] as number, expected[i] as number];
    if (Object.is(a, e) || a === e) {
      if (Number.isFinite(e)) largest = Math.max(largest, Math.abs(e));
      continue;
    }
    if (!(Number.isFinite(a) && Number.isFinite(e))) return Number.POSITIVE_INFINITY;
    largest = Math.max(largest, Math.abs(e));
    difference = Math.max(difference, Math.abs(a - e));
  }
  return difference / largest;
}
