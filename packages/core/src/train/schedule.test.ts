import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { averageDecayAt, rateAt, schedules } from "./schedule.ts";

describe("rateAt", () => {
  test("grows in equal parts to the peak, then falls along a cosine", () => {
    const schedule = { fall: "cosine", steps: 14, warmUp: 4 } as const;
    expect([0, 1, 2, 3, 4].map((step) => rateAt(schedule, step))).toEqual([0.25, 0.5, 0.75, 1, 1]);
    expect(rateAt(schedule, 9)).toBeCloseTo(0.5, 12); // half-way down
    expect(rateAt(schedule, 14)).toBeCloseTo(0, 12);
  });

  test("or evenly", () => {
    const schedule = { fall: "linear", steps: 14, warmUp: 4 } as const;
    expect([0, 3, 4, 5, 9, 13].map((step) => rateAt(schedule, step))).toEqual([
      0.25,
      1,
      1,
      0.9,
      0.5,
      expect.closeTo(0.1),
    ]);
  });

  test("is over 0 and at most 1 at every step of every run", () => {
    const falls = fc.constantFrom(...schedules);
    const shares = fc.double({ min: 0, max: 2, noNaN: true });
    fc.assert(
      fc.property(falls, fc.integer({ min: 1, max: 5000 }), shares, (fall, steps, share) => {
        const schedule = { fall, steps, warmUp: Math.round(steps * share) };
        for (let step = 0; step < steps; step += Math.max(1, Math.floor(steps / 50))) {
          const rate = rateAt(schedule, step);
          expect(rate).toBeGreaterThan(0);
          expect(rate).toBeLessThanOrEqual(1);
        }
      }),
    );
  });

  test.each(schedules)("never grows again after the warm-up: %s", (fall) => {
    const schedule = { fall, steps: 200, warmUp: 10 };
    const rates = Array.from({ length: 190 }, (_, i) => rateAt(schedule, 10 + i));
    expect(rates).toEqual(rates.toSorted((a, b) => b - a));
  });
});

test("averageDecayAt forgets the first weights, and ends at what was asked for", () => {
  expect(averageDecayAt(0.998, 0)).toBe(0.1);
  expect(averageDecayAt(0.998, 90)).toBeCloseTo(0.91, 12);
  expect(averageDecayAt(0.998, 100_000)).toBe(0.998);
  expect(averageDecayAt(0, 100)).toBe(0);
});
