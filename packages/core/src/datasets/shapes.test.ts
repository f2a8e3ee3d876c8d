import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { OptionError } from "../errors.ts";
import { outlineReach, shapeOutlines } from "./shape_outlines.ts";
import { drawShape, drawShapes, type ShapeSplit, shapeLabels } from "./shapes.ts";

const keyOf = (data: Uint8Array): string => Buffer.from(data).toString("latin1");

describe("drawShapes", () => {
  test("picture i is of class i modulo 10, the same alone and among others", () => {
    const set = drawShapes({ count: 23, split: "train", seed: 4, resolution: 20 });
    expect([...set.classes]).toEqual(Array.from({ length: 23 }, (_, i) => i % 10));
    expect([set.length, set.size, set.data.length]).toEqual([23, [20, 20], 23 * 1200]);
    for (const index of [0, 7, 22]) {
      const alone = drawShape(index, { split: "train", seed: 4, resolution: 20 });
      expect(keyOf(alone.data)).toBe(keyOf(set.data.subarray(index * 1200, (index + 1) * 1200)));
    }
  });

  test("no picture comes twice, in any split or seed", () => {
    const seen = new Set<string>();
    for (const split of ["train", "validation", "test"] as ShapeSplit[]) {
      for (const seed of [0, 1]) {
        const { data } = drawShapes({ count: 200, split, seed });
        for (let i = 0; i < 200; i++) seen.add(keyOf(data.subarray(i * 3072, (i + 1) * 3072)));
      }
    }
    expect(seen.size).toBe(1200);
  });

  test("works at any resolution from 8 on", () => {
    for (const resolution of [8, 17, 96]) {
      const { width, height, data } = drawShape(3, { split: "test", resolution });
      expect([width, height, data.length]).toEqual([resolution, resolution, resolution * resolution * 3]);
      expect(new Set(data).size).toBeGreaterThan(5);
    }
    expect(() => drawShape(0, { split: "train", resolution: 7 })).toThrow(OptionError);
    expect(() => drawShapes({ count: 0, split: "train" })).toThrow(OptionError);
  });
});

/** Share of a 4x4 square around the origin that lies inside, from 400x400 points, times 16: the area. */
function areaOf(label: string): number {
  let inside = 0;
  for (let row = 0; row < 400; row++) {
    for (let column = 0; column < 400; column++) {
      if (shapeOutlines[label]!((column + 0.5) / 100 - 2, (row + 0.5) / 100 - 2) < 0) inside++;
    }
  }
  return inside / 1e4;
}

describe("the outline of", () => {
  // By hand: polygons by the shoelace formula, discs by pi r squared, the crescent by the lens of two discs.
  const lens = (r: number, s: number, d: number): number => {
    const a = r * r * Math.acos((d * d + r * r - s * s) / (2 * d * r));
    const b = s * s * Math.acos((d * d + s * s - r * r) / (2 * d * s));
    return a + b - 0.5 * Math.sqrt((-d + r + s) * (d + r - s) * (d - r + s) * (d + r + s));
  };
  test.each([
    ["arrow", 0.9 * 0.85 + 0.7 * 1.05],
    ["circle", Math.PI * 0.81],
    ["crescent", Math.PI * 0.9025 - lens(0.95, 0.75, 0.5)],
    ["cross", 1.9 * 0.64 * 2 - 0.64 ** 2],
    ["heart", 4 * 0.56 ** 2 + Math.PI * 0.56 ** 2],
    ["ring", Math.PI * (0.93 ** 2 - 0.47 ** 2)],
    ["semicircle", (Math.PI * 0.9025) / 2],
    ["square", 2.25],
    ["star", 5 * 0.42 * Math.sin(Math.PI / 5)],
    ["triangle", (3 * Math.sqrt(3)) / 4],
  ])("%s encloses its area", (label, area) => {
    expect(shapeLabels).toContain(label);
    expect(areaOf(label)).toBeGreaterThan(area * 0.99);
    expect(areaOf(label)).toBeLessThan(area * 1.01);
  });

  test("no shape changes sign beyond its reach, and none is steeper than distance", () => {
    const point = fc.tuple(fc.double({ min: -2, max: 2, noNaN: true }), fc.double({ min: -2, max: 2, noNaN: true }));
    fc.assert(
      fc.property(fc.constantFrom(...shapeLabels), point, point, (label, [ax, ay], [bx, by]) => {
        const outline = shapeOutlines[label]!;
        if (ax * ax + ay * ay > outlineReach ** 2) expect(outline(ax, ay)).toBeGreaterThan(0);
        const apart = Math.sqrt((ax - bx) ** 2 + (ay - by) ** 2);
        // The heart's box is measured along its axes, which is never more than the distance.
        expect(Math.abs(outline(ax, ay) - outline(bx, by))).toBeLessThanOrEqual(apart + 1e-9);
      }),
    );
  });
});
