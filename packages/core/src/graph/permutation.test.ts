import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ShapeError } from "../errors.ts";
import { checkPermutation, invertOrder, permutationOrder } from "./permutation.ts";

/** A number of channels and a number of groups that divides it. */
const channelsAndGroups = fc
  .tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 12 }))
  .map(([perGroup, groups]) => ({ channels: perGroup * groups, groups }));

describe("permutationOrder", () => {
  it("gives the reference's examples of a shuffle", () => {
    expect(permutationOrder({ kind: "shuffle", groups: 2 }, 6)).toEqual([0, 3, 1, 4, 2, 5]);
    expect(permutationOrder({ kind: "shuffle", groups: 3 }, 6)).toEqual([0, 2, 4, 1, 3, 5]);
  });

  it("does nothing for one group, or as many groups as channels", () => {
    expect(permutationOrder({ kind: "shuffle", groups: 1 }, 4)).toEqual([0, 1, 2, 3]);
    expect(permutationOrder({ kind: "shuffle", groups: 4 }, 4)).toEqual([0, 1, 2, 3]);
  });

  it("shuffles as viewing (groups, channels / groups), transposing and flattening does", () => {
    fc.assert(
      fc.property(channelsAndGroups, ({ channels, groups }) => {
        const perGroup = channels / groups;
        const rows = Array.from({ length: groups }, (_, g) =>
          Array.from({ length: perGroup }, (_, i) => g * perGroup + i),
        );
        const transposed = Array.from({ length: perGroup }, (_, i) => rows.map((row) => row[i]));
        expect(permutationOrder({ kind: "shuffle", groups }, channels)).toEqual(transposed.flat());
      }),
    );
  });

  it("is undone by shuffling with channels / groups, and by invertOrder", () => {
    fc.assert(
      fc.property(channelsAndGroups, ({ channels, groups }) => {
        const order = permutationOrder({ kind: "shuffle", groups }, channels);
        expect(invertOrder(order)).toEqual(permutationOrder({ kind: "shuffle", groups: channels / groups }, channels));
        expect(invertOrder(order).map((c) => order[c])).toEqual(Array.from({ length: channels }, (_, c) => c));
      }),
    );
  });

  it("returns an explicit list as it is", () => {
    const order = [2, 0, 1];
    expect(permutationOrder({ kind: "explicit", order }, 3)).toBe(order);
  });
});

describe("checkPermutation", () => {
  it.each([0, 4, 1.5, -2, Number.NaN])("refuses to shuffle 6 channels in %d groups", (groups) => {
    expect(() => checkPermutation({ kind: "shuffle", groups }, 6)).toThrow(
      new ShapeError(`A channel shuffle needs groups that divide the channels: ${groups} does not divide 6.`),
    );
  });

  it.each([[[0, 1]], [[0, 1, 1]], [[0, 1, 3]], [[0, 1, -1]], [[0, 1, 1.5]], [[0, 1, 2, 3]]])(
    "refuses the list %j for 3 channels",
    (order) => {
      expect(() => checkPermutation({ kind: "explicit", order }, 3)).toThrow(/must list each of 0 to 2 once/);
    },
  );

  it("takes no time for a shuffle of very many channels", () => {
    checkPermutation({ kind: "shuffle", groups: 2 }, 2 ** 31);
    expect(() => checkPermutation({ kind: "shuffle", groups: 3 }, 2 ** 31)).toThrow(ShapeError);
  });
});
