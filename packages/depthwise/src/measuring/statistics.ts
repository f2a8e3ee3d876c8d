/** Median, smallest and 90th percentile of some times. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  /** Nine of ten were no longer than this. */
  readonly p90: number;
}

/** @param values at least one */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  return { median: quantile(sorted, 0.5), min: sorted[0] as number, p90: quantile(sorted, 0.9) };
}

export function medianOf(values: readonly number[]): number {
  return spreadOf(values).median;
}

/** Between the two nearest values where it falls between them. */
function quantile(sorted: readonly number[], share: number): number {
  const position = share * (sorted.length - 1);
  const below = Math.floor(position);
  const above = Math.min(below + 1, sorted.length - 1);
  const [low, high] = [sorted[below] as number, sorted[above] as number];
  return low + (position - below) * (high - low);
}
