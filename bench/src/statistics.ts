import { seededRandom } from "../../packages/core/src/random.ts";
import { median, quantile } from "../../packages/core/src/statistics.ts";

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
