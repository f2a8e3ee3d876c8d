import { describe, expect, it } from "vitest";
import { seededRandom } from "../random.ts";
import { median, quantile } from "../statistics.ts";
import { correlation, estimateOf, meanEstimate, rankCorrelation, studentPoint } from "./statistics.ts";

describe("studentPoint", () => {
  /** Student's density without its constant. */
  const density = (t: number, degrees: number) => (1 + (t * t) / degrees) ** (-(degrees + 1) / 2);

  /** By Simpson's rule on t = tan(angle), which makes the tails finite. */
  function integral(degrees: number, to: number): number {
    const steps = 2000;
    const end = Math.atan(to);
    const at = (angle: number) => density(Math.tan(angle), degrees) / Math.cos(angle) ** 2;
    let sum = 0;
    for (let i = 0; i <= steps; i++) {
      const weight = i === 0 || i === steps ? 1 : i % 2 === 1 ? 4 : 2;
      sum += weight * at((end * i) / steps);
    }
    return (sum * end) / steps / 3;
  }

  it.each([1, 2, 3, 4, 5, 6, 9, 15, 30])("leaves a twentieth outside for %i degrees of freedom", (degrees) => {
    // tan reaches infinity at a right angle: the tail beyond 1e6 is less than 1e-6.
    const inside = integral(degrees, studentPoint(degrees)) / integral(degrees, 1e6);
    expect(inside).toBeCloseTo(0.95, 3);
  });
});

describe("median and quantiles", () => {
  it("lie between neighbours", () => {
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(quantile([0, 10], 0.9)).toBe(9);
    expect(median([])).toBeNaN();
  });
});

describe("estimateOf", () => {
  it("counts a session once, by its median, on logarithms", () => {
    const { value, low, high } = estimateOf([
      [1, 1, 1, 50],
      [4, 4, 4, 4],
    ]);
    expect(value).toBeCloseTo(2, 12);
    // Two sessions: deviation ln 4 / √2, t = 12.706, √(2/2), √(π/2).
    const reach = ((12.706 * Math.log(4)) / Math.SQRT2) * Math.sqrt(Math.PI / 2);
    expect(Math.log(high / value)).toBeCloseTo(reach, 9);
    expect(Math.log(value / low)).toBeCloseTo(reach, 9);
  });

  it.each([
    ["a quiet machine", 0],
    ["a machine on which one session in eight is spoilt", 1 / 8],
  ])("holds the estimate of another run 95 times in 100 on %s", (_, spoilt) => {
    const random = seededRandom(1, "estimates");
    // A session has its own speed, which its rounds share; rounds err too, and always upwards.
    const run = () =>
      Array.from({ length: 5 }, () => {
        const session = Math.exp(0.1 * random.normal()) * (random.uniform() < spoilt ? 3 : 1);
        return Array.from({ length: 4 }, () => session * (1 + 0.05 * Math.abs(random.normal())));
      });
    const trials = 4000;
    let inside = 0;
    for (let trial = 0; trial < trials; trial++) {
      const [one, other] = [estimateOf(run()), estimateOf(run())];
      if (other.value >= one.low && other.value <= one.high) inside++;
    }
    // Three standard errors of a share of 0.95 among 4000.
    expect(inside / trials).toBeGreaterThan(0.95 - 0.0104);
  });

  it("knows nothing from a single sample", () => {
    expect(estimateOf([[4]])).toEqual({ value: 4, low: 0, high: Number.POSITIVE_INFINITY });
  });

  it("takes the samples of a single session for sessions", () => {
    const { low, high } = estimateOf([[1, 2, 4]]);
    expect([low > 0, Number.isFinite(high)]).toEqual([true, true]);
  });
});

describe("meanEstimate", () => {
  it("is the mean with Student's interval for another mean", () => {
    const { value, low, high } = meanEstimate([0, 1, 2]);
    expect(value).toBe(1);
    expect(high - value).toBeCloseTo(4.303 * Math.sqrt(2 / 3), 9);
    expect(value - low).toBeCloseTo(high - value, 12);
  });
});

describe("correlations", () => {
  it("agree with values worked out by hand", () => {
    // Deviations (−1.5, −0.5, 0.5, 1.5) and (−1.5, 0.5, −0.5, 1.5): 4 of 5.
    expect(correlation([1, 2, 3, 4], [1, 3, 2, 4])).toBeCloseTo(0.8, 12);
    expect(rankCorrelation([10, 20, 30, 1000], [1, 9, 8, 10])).toBeCloseTo(0.8, 12);
    expect(rankCorrelation([1, 2, 3], [9, 8, 7])).toBeCloseTo(-1, 12);
  });

  it("give equal values their mean rank", () => {
    // Ranks 1.5, 1.5, 3 against 1, 2, 3: √3 / 2.
    expect(rankCorrelation([5, 5, 6], [1, 2, 3])).toBeCloseTo(Math.sqrt(3) / 2, 12);
  });
});
