import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { OptionError } from "../errors.ts";
import { drawEpoch, drawInOrder, trainingBatches } from "./epoch_draws.ts";
import { countClasses, type LabeledSet } from "./pictures_in_memory.ts";
import { splitClasses } from "./split_classes.ts";

const sets = fc
  .record({ classes: fc.integer({ min: 1, max: 6 }), length: fc.integer({ min: 1, max: 120 }), seed: fc.nat() })
  .map(({ classes, length, seed }): LabeledSet => {
    // Unequal classes: the square of an even draw.
    let state = seed;
    const next = (): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state / 2 ** 32;
    };
    return {
      length,
      labels: Array.from({ length: classes }, (_, i) => `class ${i}`),
      classes: Uint16Array.from({ length }, () => Math.floor(classes * next() ** 2)),
    };
  });

describe("drawEpoch", () => {
  const settings = fc.record({
    seed: fc.nat(),
    epoch: fc.nat({ max: 1000 }),
    batch: fc.integer({ min: 1, max: 50 }),
  });

  test("draws full batches, no picture a second time before all had their turn", () => {
    fc.assert(
      fc.property(sets, settings, (set, { seed, epoch, batch }) => {
        const { indices, repeats } = drawEpoch(set, { seed, epoch, batch, balance: "none" });
        expect(indices.length).toBe(trainingBatches(set.length, batch) * batch);
        expect(indices.length).toBeGreaterThanOrEqual(Math.min(set.length, batch));
        for (let start = 0; start < indices.length; start += set.length) {
          const turn = indices.subarray(start, start + set.length);
          expect(new Set(turn).size).toBe(turn.length);
          expect(repeats.subarray(start, start + set.length).every((value) => value === start / set.length)).toBe(true);
        }
      }),
    );
  });

  test("is the same for the same seed and epoch, and another for others", () => {
    const set = { length: 1000, labels: ["a"], classes: new Uint16Array(1000) };
    const draw = (seed: number, epoch: number): string =>
      drawEpoch(set, { seed, epoch, batch: 100, balance: "none" }).indices.join();
    expect(draw(1, 2)).toBe(draw(1, 2));
    expect(new Set([draw(1, 2), draw(1, 3), draw(2, 2), draw(0, 0)]).size).toBe(4);
  });

  test("balanced, draws each class equally often up to one, and each of its pictures up to one", () => {
    fc.assert(
      fc.property(sets, fc.nat(), (set, seed) => {
        const { indices, repeats } = drawEpoch(set, { seed, epoch: 3, batch: set.length, balance: "sample" });
        const present = countClasses(set).filter((count) => count > 0).length;
        const drawn = countClasses({ ...set, classes: Uint16Array.from(indices, (index) => set.classes[index]!) });
        for (const count of drawn.filter((_, i) => countClasses(set)[i]! > 0)) {
          expect(Math.abs(count - set.length / present)).toBeLessThan(1);
        }
        const times = new Map<number, number>();
        for (const [i, index] of indices.entries()) {
          expect(repeats[i]).toBe(times.get(index) ?? 0);
          times.set(index, (times.get(index) ?? 0) + 1);
        }
        for (const [i, count] of countClasses(set).entries()) {
          const members = [...times].filter(([index]) => set.classes[index] === i).map(([, often]) => often);
          if (members.length === count && count > 0) {
            expect(Math.max(...members) - Math.min(...members)).toBeLessThanOrEqual(1);
          } else expect(members.every((often) => often === 1)).toBe(true);
        }
      }),
    );
  });

  test("in order is every picture once", () => {
    const { indices, repeats } = drawInOrder({ length: 4, labels: ["a"], classes: new Uint16Array(4) });
    expect([...indices]).toEqual([0, 1, 2, 3]);
    expect([...repeats]).toEqual([0, 0, 0, 0]);
  });
});

describe("splitClasses", () => {
  test("parts are disjoint, complete and hold each class's share", () => {
    fc.assert(
      fc.property(sets, fc.double({ min: 0.01, max: 0.9, noNaN: true }), fc.nat(), (set, share, seed) => {
        const { kept, apart } = splitClasses(set, share, seed);
        expect([...kept, ...apart].sort((a, b) => a - b)).toEqual([...Array(set.length).keys()]);
        const counts = countClasses(set);
        const partOf = (indices: Uint32Array): number[] =>
          countClasses({ ...set, classes: Uint16Array.from(indices, (index) => set.classes[index]!) });
        for (const [i, count] of partOf(apart).entries()) {
          if (counts[i]! < 2) expect(count).toBe(0);
          else expect(Math.abs(count - counts[i]! * share)).toBeLessThan(1);
          if (counts[i]! >= 2) expect(Math.min(count, counts[i]! - count)).toBeGreaterThanOrEqual(1);
        }
      }),
    );
  });

  test("depends on the seed, and not on other classes", () => {
    const classes = Uint16Array.from({ length: 40 }, (_, i) => i % 2);
    const both = { length: 40, labels: ["cat", "dog"], classes };
    const one = { length: 20, labels: ["dog"], classes: new Uint16Array(20) };
    const dogs = [...splitClasses(both, 0.3, 5).apart].filter((i) => i % 2 === 1).map((i) => (i - 1) / 2);
    expect([...splitClasses(one, 0.3, 5).apart]).toEqual(dogs);
    expect([...splitClasses(one, 0.3, 6).apart]).not.toEqual(dogs);
  });

  test("a share of 0 keeps all; shares out of range are refused", () => {
    const set = { length: 20, labels: ["dog"], classes: new Uint16Array(20) };
    expect(splitClasses(set, 0, 1).apart.length).toBe(0);
    for (const share of [-0.1, 0.95, Number.NaN]) expect(() => splitClasses(set, share, 1)).toThrow(OptionError);
  });
});
