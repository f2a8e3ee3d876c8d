import { describe, expect, it } from "vitest";
import { compareOutputs } from "./compare.ts";

describe("compareOutputs", () => {
  const expected = Float32Array.of(1, -4, 2);

  it("is the largest difference over the largest value", () => {
    expect(compareOutputs(expected, expected)).toBe(0);
    expect(compareOutputs(expected, Float32Array.of(1, -3, 2.5))).toBe(0.25);
  });

  it("never passes other lengths or not-a-number", () => {
    expect(compareOutputs(expected, Float32Array.of(1, -4))).toBe(Number.POSITIVE_INFINITY);
    expect(compareOutputs(expected, Float32Array.of(1, -4, Number.NaN))).toBe(Number.POSITIVE_INFINITY);
  });
});
