/** The largest relative difference at which two outputs are the same network's: sums of thousands of floats in another order. */
export const TOLERANCE = 1e-3;

/** The largest difference of two outputs over the first one's largest absolute value; infinite for other lengths or not-a-number. */
export function compareOutputs(expected: Float32Array, actual: Float32Array): number {
  if (expected.length !== actual.length) return Number.POSITIVE_INFINITY;
  let largest = 0;
  let difference = 0;
  for (const [i, value] of expected.entries()) {
    const apart = Math.abs(value - (actual[i] as number));
    if (Number.isNaN(apart)) return Number.POSITIVE_INFINITY;
    largest = Math.max(largest, Math.abs(value));
    difference = Math.max(difference, apart);
  }
  return largest === 0 ? difference : difference / largest;
}
