import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Axes, axesOf, mergeAtoms, positionsOf, regroup, shapeOf } from "./axes.ts";

/** For each element of the foreign tensor, in order, the position of the value's element that it is. */
function elementsOf(axes: Axes, shape: readonly number[]): readonly number[] {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, length) => product * length, 1));
  let elements = [0];
  for (const { axis, stride, length } of axes.flat()) {
    const step = stride * (strides[axis] as number);
    elements = elements.flatMap((start) => Array.from({ length }, (_, i) => start + i * step));
  }
  return elements;
}

/** The same by moving elements about. */
function transposed(
  elements: readonly number[],
  shape: readonly number[],
  order: readonly number[],
): readonly number[] {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, length) => product * length, 1));
  let from = [0];
  for (const axis of order) {
    from = from.flatMap((start) =>
      Array.from({ length: shape[axis] as number }, (_, i) => start + i * (strides[axis] as number)),
    );
  }
  return from.map((position) => elements[position] as number);
}

describe("axes", () => {
  it("follows random reshapes and transposes as moving the elements does", () => {
    const factors = fc.array(fc.constantFrom(1, 2, 3, 4, 6), { minLength: 1, maxLength: 4 });
    const moves = fc.array(fc.tuple(fc.boolean(), fc.array(fc.nat(), { minLength: 6, maxLength: 6 })), {
      maxLength: 5,
    });
    let followed = 0;
    fc.assert(
      fc.property(factors, moves, (shape, steps) => {
        let axes = axesOf(shape);
        let elements: readonly number[] = elementsOf(axes, shape);
        for (const [isReshape, choices] of steps) {
          const before = shapeOf(axes);
          if (isReshape) {
            const wanted = regrouped(before, choices);
            const next = regroup(axes, wanted);
            if (next === undefined) continue; // cuts across factors
            axes = next;
            expect(shapeOf(axes)).toEqual(wanted);
            followed++;
          } else {
            const order = before
              .map((_, axis) => axis)
              .toSorted((a, b) => (choices[a % 6] ?? 0) - (choices[b % 6] ?? 0));
            axes = order.map((axis) => axes[axis] ?? []);
            elements = transposed(elements, before, order);
          }
          expect(elementsOf(axes, shape)).toEqual(elements);
        }
      }),
      { numRuns: 300 },
    );
    expect(followed).toBeGreaterThan(100);
  });

  it("merges what lies one inside the other, and lists positions", () => {
    const outer = { axis: 3, stride: 4, length: 3 };
    const inner = { axis: 3, stride: 1, length: 4 };
    expect(mergeAtoms([outer, inner])).toEqual([{ axis: 3, stride: 1, length: 12 }]);
    expect(mergeAtoms([inner, outer])).toEqual([inner, outer]);
    expect(positionsOf([inner, outer])).toEqual([0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]);
  });
});

/** Another shape of as many elements: neighbours joined or one length divided, as the choices say. */
function regrouped(shape: readonly number[], choices: readonly number[]): number[] {
  const lengths = [...shape];
  for (const choice of choices) {
    const at = choice % lengths.length;
    const length = lengths[at] as number;
    const divisor = [2, 3].find((each) => length % each === 0);
    if (choice % 2 === 0 && divisor !== undefined) lengths.splice(at, 1, divisor, length / divisor);
    else if (at + 1 < lengths.length) lengths.splice(at, 2, length * (lengths[at + 1] as number));
    else lengths.splice(at, 0, 1);
  }
  return lengths;
}
