import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bestClasses } from "./best_classes.ts";

describe("bestClasses", () => {
  test("is the softmax, best first, equal ones in index order", () => {
    // e^0, e^1, e^1, e^2 over their sum.
    const sum = 1 + 2 * Math.E + Math.E ** 2;
    const best = bestClasses(Float32Array.of(0, 1, 1, 2), 3, ["a", "b", "c", "d"]);
    expect(best.map(({ index, label }) => [index, label])).toEqual([
      [3, "d"],
      [1, "b"],
      [2, "c"],
    ]);
    for (const [i, value] of [Math.E ** 2, Math.E, Math.E].entries())
      expect(best[i]?.probability).toBeCloseTo(value / sum, 12);
  });

  test("names classes by number without labels, and gives no more than there are", () => {
    expect(bestClasses(Float32Array.of(5), 3, undefined)).toEqual([{ index: 0, label: "class 0", probability: 1 }]);
  });

  test("sums up to 1 and stays finite, however large the logits are", () => {
    fc.assert(
      fc.property(fc.float32Array({ minLength: 1, maxLength: 40, noNaN: true, noDefaultInfinity: true }), (logits) => {
        const all = bestClasses(logits, logits.length, undefined);
        expect(all.reduce((sum, { probability }) => sum + probability, 0)).toBeCloseTo(1, 9);
        expect(all.map(({ index }) => logits[index])).toEqual([...logits].sort((a, b) => b - a));
      }),
    );
  });
});
