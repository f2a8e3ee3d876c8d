import { median, quantile } from "@depthwise/core";

/** Median, smallest and 90th percentile of some times. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  /** Nine of ten were no longer than this. */
  readonly p90: number;
}

/** @param values at least one */
export function spreadOf(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), p90: quantile(values, 0.9) };
}
