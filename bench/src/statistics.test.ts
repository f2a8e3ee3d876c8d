import { describe, expect, it } from "vitest";
import { median, quantile } from "../../packages/core/src/statistics.ts";
import { ratioOfMedians } from "./statistics.ts";

describe("quantile", () => {
  it("interpolates between the sorted values", () => {
    expect(quantile([4, 1, 3, 2, 5], 0)).toBe(1);
    expect(quantile([4, 1, 3, 2, 5], 1)).toBe(5);
    expect(quantile([4, 1, 3, 2, 5], 0.25)).toBe(2);
    expect(quantile([1, 2], 0.25)).toBe(1.25);
    expect(quantile([], 0.5)).toBeNaN();
  });
});

describe("median", () => {
  it("is the middle, or between the two in the middle", () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([9, 1, 5, 7])).toBe(6);
  });
});

describe("ratioOfMedians", () => {
  it("is exact, with no interval, where every round agrees", () => {
    expect(ratioOfMedians([4, 4, 4, 4], [2, 2, 2, 2])).toEqual({ value: 2, low: 2, high: 2 });
  });

  it("draws rounds, not samples: what slows both in a round leaves the ratio alone", () => {
    const base = [1, 2, 3, 4, 5, 6, 7];
    expect(
      ratioOfMedians(
        base.map((time) => 3 * time),
        base,
      ),
    ).toEqual({ value: 3, low: 3, high: 3 });
  });

  it("gives an interval around the value, wider for fewer rounds", () => {
    const noisy = (count: number): number[] => Array.from({ length: count }, (_, i) => 10 + Math.sin(7 * i));
    const steady = (count: number): number[] => Array.from({ length: count }, () => 5);
    const few = ratioOfMedians(noisy(7), steady(7));
    const many = ratioOfMedians(noisy(201), steady(201));
    for (const { value, low, high } of [few, many]) {
      expect(low).toBeLessThanOrEqual(value);
      expect(high).toBeGreaterThanOrEqual(value);
    }
    expect(many.high - many.low).toBeLessThan(few.high - few.low);
  });
});
