import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { OptionError } from "../errors.ts";
import { drawEpoch, drawInOrder, type PictureHistory, trainingBatches } from "./epoch_draws.ts";
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

  describe("with easy pictures", () => {
    const set: LabeledSet = { length: 100, labels: ["a"], classes: new Uint16Array(100) };
    /** 60 easy pictures with a loss of 0, 20 hard ones with 1, 20 that have not come by. */
    const history: PictureHistory = {
      losses: Float32Array.from({ length: 100 }, (_, i) => (i < 60 ? 0 : i < 80 ? 1 : Number.NaN)),
      seen: Uint32Array.from({ length: 100 }, (_, i) => i % 7),
    };
    const draw = (epoch: number, { share = 0.5, batch = 10, seed = 1 } = {}) =>
      drawEpoch(set, { seed, epoch, batch, balance: "none", easy: { share, epochs: 20, history } });
    const timesOf = (indices: Uint32Array) => {
      const times = new Uint32Array(set.length);
      for (const index of indices) times[index]!++;
      return times;
    };

    test("passes over their share, and takes the others equally often, up to one", () => {
      for (const share of [0.25, 0.5, 0.9]) {
        const { indices } = draw(3, { share });
        expect(indices).toHaveLength(100);
        const times = timesOf(indices);
        const easy = times.subarray(0, 60);
        expect(Math.max(...easy)).toBe(1);
        const taken = easy.reduce((a, b) => a + b, 0);
        expect(Math.abs(taken - 60 * (1 - share))).toBeLessThan(12);
        const hard = times.subarray(60);
        expect(Math.min(...hard)).toBe(Math.floor((100 - taken) / 40));
        expect(Math.max(...hard)).toBe(Math.ceil((100 - taken) / 40));
      }
    });

    test("takes all in the first epoch and in the last 15 %", () => {
      const usual = (epoch: number) => drawEpoch(set, { seed: 1, epoch, batch: 10, balance: "none" }).indices;
      for (const epoch of [0, 17, 18, 19]) expect(draw(epoch).indices).toEqual(usual(epoch));
      for (const epoch of [1, 2, 16]) expect(draw(epoch).indices).not.toEqual(usual(epoch));
    });

    test("gives a picture another variation whenever it comes by, as many as there are epochs", () => {
      const { indices, epochs, repeats } = draw(3);
      const times = history.seen.slice();
      expect([...epochs]).toEqual(Array.from(indices, (index) => times[index]!++ % 20));
      expect(repeats.every((value) => value === 0)).toBe(true);
      const late = { ...history, seen: history.seen.map(() => 39) };
      const easy = { share: 0.5, epochs: 20, history: late };
      expect(drawEpoch(set, { seed: 1, epoch: 3, batch: 10, balance: "none", easy }).epochs[0]).toBe(19);
    });

    test("fills batches of any size, is the same for the same seed, and leaves the history as it was", () => {
      const before = structuredClone(history);
      fc.assert(
        fc.property(fc.integer({ min: 1, max: 250 }), fc.double({ min: 0, max: 0.99, noNaN: true }), (batch, share) => {
          const drawn = draw(5, { batch, share });
          expect(drawn.indices).toHaveLength(trainingBatches(100, batch) * batch);
          expect(draw(5, { batch, share })).toEqual(drawn);
        }),
      );
      expect(history).toEqual(before);
      expect(draw(5, { seed: 2 }).indices).not.toEqual(draw(5).indices);
    });

    test("knows no easy ones where all are equal, or nothing is known", () => {
      for (const loss of [0.5, Number.NaN]) {
        const same = { losses: new Float32Array(100).fill(loss), seen: new Uint32Array(100) };
        const easy = { share: 0.5, epochs: 20, history: same };
        const { indices } = drawEpoch(set, { seed: 1, epoch: 3, batch: 10, balance: "none", easy });
        expect(new Set(indices).size).toBe(100);
      }
    });
  });

  test("in order is every picture once", () => {
    const { indices, epochs, repeats } = drawInOrder({ length: 4, labels: ["a"], classes: new Uint16Array(4) });
    expect([...indices]).toEqual([0, 1, 2, 3]);
    expect([...epochs, ...repeats]).toEqual(Array(8).fill(0));
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
