import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { spreadOf } from "./statistics.ts";

describe("spreadOf", () => {
  test("is between the two nearest where it falls between them", () => {
    expect(spreadOf([4, 1, 3, 2])).toEqual({ median: 2.5, min: 1, p90: expect.closeTo(3.7, 12) });
    expect(spreadOf([7])).toEqual({ median: 7, min: 7, p90: 7 });
    const eleven = [10, 0, 9, 1, 8, 2, 7, 3, 6, 4, 5];
    expect(spreadOf(eleven)).toEqual({ median: 5, min: 0, p90: 9 });
    expect(eleven[0]).toBe(10);
  });

  test("is ordered, and has half of the values on each side of the median", () => {
    fc.assert(
      fc.property(fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: 1 }), (values) => {
        const { min, median, p90 } = spreadOf(values);
        expect(min <= median && median <= p90).toBe(true);
        expect(2 * values.filter((value) => value < median).length).toBeLessThanOrEqual(values.length);
        expect(2 * values.filter((value) => value > median).length).toBeLessThanOrEqual(values.length);
      }),
    );
  });
});
