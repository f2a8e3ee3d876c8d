import { median } from "../statistics.ts";

/** An estimate and where another run of the same measurement would come out, nine or nineteen times in twenty. */
export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/**
 * Two-sided 95 % points of Student's t distribution for 1 to 30 degrees of freedom (any table of statistics; checked in the test by
 * integration). Beyond, the normal distribution's 1.96 is close enough.
 */
const student: readonly number[] = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11,
  2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/** The 95 % point of Student's t distribution. */
export function studentPoint(degrees: number): number {
  return student[degrees - 1] ?? 1.96;
}

/**
 * Positive figures of several sessions, a list of samples each, as one estimate with its interval.
 *
 * Samples within a session are not independent: the machine was as busy, the memory lay where it lay. So a session counts once, by its
 * median, and the spread between the sessions says how far another run would come out: the interval holds the estimate of another run
 * of as many sessions 95 times in 100. The estimate is the median of the sessions, because on a busy machine some of them are spoilt
 * altogether; the interval is Student's prediction interval, on logarithms (times and ratios err by factors), wider by what a median wavers
 * more than a mean. With a single session its samples stand for sessions.
 */
export function estimateOf(sessions: readonly (readonly number[])[]): Estimate {
  const filled = sessions.filter((samples) => samples.length > 0);
  const parts = filled.length === 1 ? (filled[0] as readonly number[]) : filled.map(median);
  const logs = parts.map(Math.log);
  const centre = median(logs);
  if (logs.length < 2) return { value: Math.exp(centre), low: 0, high: Number.POSITIVE_INFINITY };
  const reach = studentPoint(logs.length - 1) * deviationOf(logs) * Math.sqrt(2 / logs.length) * medianWavers;
  return { value: Math.exp(centre), low: Math.exp(centre - reach), high: Math.exp(centre + reach) };
}

/** Deviation of the median over that of the mean, of many normally distributed values. */
const medianWavers = Math.sqrt(Math.PI / 2);

function deviationOf(values: readonly number[]): number {
  const centre = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1));
}

/** The same for figures that may be 0 or negative, one a seed: mean and the interval of another run's mean. */
export function meanEstimate(values: readonly number[]): Estimate {
  const centre = mean(values);
  if (values.length < 2) return { value: centre, low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY };
  const reach = studentPoint(values.length - 1) * deviationOf(values) * Math.sqrt(2 / values.length);
  return { value: centre, low: centre - reach, high: centre + reach };
}

/** Pearson's correlation of two equally long lists. NaN where one of them is constant. */
export function correlation(a: readonly number[], b: readonly number[]): number {
  const [meanA, meanB] = [mean(a), mean(b)];
  let [ab, aa, bb] = [0, 0, 0];
  for (const [i, value] of a.entries()) {
    const [da, db] = [value - meanA, (b[i] ?? Number.NaN) - meanB];
    ab += da * db;
    aa += da * da;
    bb += db * db;
  }
  return ab / Math.sqrt(aa * bb);
}

/** Spearman's rank correlation: 1 for the same order, −1 for the opposite one. Equal values share their mean rank. */
export function rankCorrelation(a: readonly number[], b: readonly number[]): number {
  return correlation(ranks(a), ranks(b));
}

function ranks(values: readonly number[]): readonly number[] {
  return values.map((value) => {
    const below = values.filter((other) => other < value).length;
    const equal = values.filter((other) => other === value).length;
    return below + (equal + 1) / 2;
  });
}
