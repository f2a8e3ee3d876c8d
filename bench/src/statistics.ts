import { seededRandom } from "../../packages/core/src/random.ts";

/** The middle value; of an even number of values, the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The value that a share of the values lies below, interpolated. NaN for no values. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const position = (sorted.length - 1) * share;
  const below = sorted[Math.floor(position)] ?? Number.NaN;
  const above = sorted[Math.ceil(position)] ?? Number.NaN;
  return below + (above - below) * (position - Math.floor(position));
}

/** A number and the interval that holds it with a probability of 95 %. */
export interface Interval {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** Resamplings of the bootstrap; the ends of its interval then move by about 1 % of its width from seed to seed. */
const RESAMPLINGS = 2000;

/**
 * The ratio of the medians of two things that were measured in the same rounds, with a bootstrap interval. Rounds are drawn, not
 * samples: what disturbs the machine disturbs both numbers of a round.
 */
export function ratioOfMedians(numerator: readonly number[], denominator: readonly number[]): Interval {
  const rounds = Math.min(numerator.length, denominator.length);
  const random = seededRandom(0, "bootstrap");
  const ratios = Array.from({ length: RESAMPLINGS }, () => {
    const drawn = Array.from({ length: rounds }, () => random.below(rounds));
    return median(drawn.map((i) => numerator[i] as number)) / median(drawn.map((i) => denominator[i] as number));
  });
  return {
    value: median(numerator) / median(denominator),
    low: quantile(ratios, 0.025),
    high: quantile(ratios, 0.975),
  };
}
