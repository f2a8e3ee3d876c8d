import { describe, expect, it } from "vitest";
import { manifoldEstimates, spiral, travel } from "./manifold.ts";

const seeds = 40;

describe("the spiral", () => {
  it("has its outer end at distance 1, and steps of about equal length", () => {
    const points = spiral();
    expect(Math.hypot(...(points.at(-1) as [number, number]))).toBeCloseTo(1, 12);
    const steps = points.slice(1).map((point, i) => Math.hypot(point[0]! - points[i]![0]!, point[1]! - points[i]![1]!));
    // The innermost turn is short and bends: it is left out.
    const outer = steps.slice(40);
    expect(Math.max(...outer) / Math.min(...outer)).toBeLessThan(1.2);
  });
});

describe("Figure 1 of MobileNetV2", () => {
  it.each([2, 3])("n = %i: points of the manifold collapse into each other", (n) => {
    const { collapsed, neighbours } = manifoldEstimates(n, "relu", seeds).estimates;
    expect(collapsed.low).toBeGreaterThan(0.1);
    expect(neighbours.high).toBeLessThan(0.75);
  });

  it.each([15, 30])("n = %i: the manifold is kept", (n) => {
    const { collapsed, neighbours } = manifoldEstimates(n, "relu", seeds).estimates;
    expect(collapsed.high).toBeLessThan(0.02);
    expect(neighbours.low).toBeGreaterThan(0.8);
  });

  it("loses less with every n", () => {
    const errors = [2, 3, 5, 15, 30].map((n) => manifoldEstimates(n, "relu", seeds).estimates.fittedError.value);
    expect(errors).toEqual(errors.toSorted((a, b) => b - a));
  });

  it("a quarter of the plane has all coordinates negative for n = 2, and goes to the origin", () => {
    // Two half-planes with independent uniform directions share a wedge of 90 degrees in the mean: 1/4 of the directions.
    const shares = Array.from({ length: 400 }, (_, seed) => {
      const { points } = travel(2, "relu", seed);
      return points.filter(([x, y]) => x === 0 && y === 0).length / points.length;
    });
    const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
    // The wedge is uniform in [0, 1/2]: deviation 0.144, three standard errors of 400.
    expect(Math.abs(mean - 0.25)).toBeLessThan(0.022);
  });

  it("half of the coordinates are activated", () => {
    expect(Math.abs(manifoldEstimates(15, "relu", seeds).estimates.activated.value - 0.5)).toBeLessThan(0.02);
  });

  it.each([2, 3, 5, 15, 30])("a linear bottleneck brings it back whole for n = %i", (n) => {
    const { samples } = manifoldEstimates(n, "none", seeds);
    for (const { error, collapsed, neighbours } of samples) {
      // The inverse of a matrix that is nearly singular loses some digits.
      expect(error).toBeLessThan(1e-9);
      expect([collapsed, neighbours]).toEqual([0, 1]);
    }
  });
});
