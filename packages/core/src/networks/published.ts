/** Accuracy in percent from an error in percent, as most papers print it; two digits after the point, so that 100 − 33.6 is 66.4. */
export function accuracyFromError(error: number): number {
  return Math.round((100 - error) * 100) / 100;
}

/** A width as variant names have it: `1.0`, `0.25`. */
export function widthInName(width: number): string {
  return Number.isInteger(width) ? width.toFixed(1) : String(width);
}
