import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OptionError } from "../errors.ts";
import { type Matrix, multiply, pseudoInverse, transpose } from "./pseudo_inverse.ts";

function largest(matrix: Matrix): number {
  return Math.max(...matrix.flat().map(Math.abs));
}

function difference(a: Matrix, b: Matrix): number {
  return largest(a.map((row, i) => row.map((value, j) => value - (b[i]?.[j] as number))));
}

describe("pseudoInverse", () => {
  it("is the inverse of a square matrix", () => {
    const inverse = pseudoInverse([
      [4, 7],
      [2, 6],
    ]);
    expect(
      difference(inverse, [
        [0.6, -0.7],
        [-0.2, 0.4],
      ]),
    ).toBeLessThan(1e-14);
  });

  it("solves least squares: a line through four points", () => {
    // Points (0, 1), (1, 3), (2, 4), (3, 4): by the normal equations 1.5 + x.
    const design = [0, 1, 2, 3].map((x) => [1, x]);
    const [offset, slope] = multiply(pseudoInverse(design), [[1], [3], [4], [4]]).flat();
    expect([offset, slope]).toEqual([expect.closeTo(1.5, 12), expect.closeTo(1, 12)]);
  });

  it("takes a matrix of rank one", () => {
    // vᵀ / |v|² for the column v = (3, 4); a second column that repeats it halves the result.
    const inverse = pseudoInverse([
      [3, 3],
      [4, 4],
    ]);
    expect(
      difference(inverse, [
        [0.06, 0.08],
        [0.06, 0.08],
      ]),
    ).toBeLessThan(1e-14);
  });

  it("meets Penrose's four conditions, for tall and wide matrices", () => {
    const matrices = fc
      .tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 6 }))
      .chain(([rows, columns]) =>
        fc.array(fc.array(fc.double({ min: -10, max: 10, noNaN: true }), { minLength: columns, maxLength: columns }), {
          minLength: rows,
          maxLength: rows,
        }),
      )
      // Whole hundredths: a matrix that is singular is exactly so.
      .map((matrix) => matrix.map((row) => row.map((value) => Math.round(value * 100) / 100)));
    fc.assert(
      fc.property(matrices, (a) => {
        const x = pseudoInverse(a);
        const [ax, xa] = [multiply(a, x), multiply(x, a)];
        // Relative to the condition: an error of the last bit times the inverse's size.
        const tolerance = 1e-9 * Math.max(1, largest(a)) * Math.max(1, largest(x)) ** 2;
        expect(difference(multiply(ax, a), a)).toBeLessThan(tolerance);
        expect(difference(multiply(xa, x), x)).toBeLessThan(tolerance * Math.max(1, largest(x)));
        expect(difference(transpose(ax), ax)).toBeLessThan(tolerance);
        expect(difference(transpose(xa), xa)).toBeLessThan(tolerance);
      }),
    );
  });

  it("refuses ragged and empty matrices", () => {
    expect(() => pseudoInverse([])).toThrow(OptionError);
    expect(() => pseudoInverse([[1, 2], [3]])).toThrow(/equal length/);
  });
});
