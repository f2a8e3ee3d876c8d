import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OptionError } from "../errors.ts";
import { permutationOrder } from "../graph/permutation.ts";
import {
  balancedBranchSizes,
  bestBranchSizes,
  branchPermutation,
  interleavedCost,
  interleavedCostBound,
  interleavedGroupWeights,
  interleavedLayers,
  isBalanced,
  isComplementary,
  isWiderThanDense,
  optimalLayers,
  superChannelPaths,
  widestInterleavedGroup,
} from "./interleaving.ts";

/** Paths from every input (column) to every output (row) of group convolutions, each followed by a permutation. */
function countPaths(channels: number, layers: readonly { groups: number; order: readonly number[] }[]): number[][] {
  let paths = Array.from({ length: channels }, (_, row) =>
    Array.from({ length: channels }, (_, column) => Number(row === column)),
  );
  for (const { groups, order } of layers) {
    const size = channels / groups;
    const mixed = paths.map((_, row) => {
      const first = Math.floor(row / size) * size;
      return Array.from({ length: channels }, (_, column) => {
        let sum = 0;
        for (let member = first; member < first + size; member++) sum += paths[member]?.[column] ?? 0;
        return sum;
      });
    });
    paths = order.map((from) => mixed[from] as number[]);
  }
  return paths;
}

function strictLayers(channels: number, sizes: readonly number[]) {
  return interleavedLayers(channels, sizes).map(({ groups, permutation }) => ({
    groups,
    order: permutationOrder(permutation, channels),
  }));
}

const branchSizes = fc
  .array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 5 })
  .filter((sizes) => sizes.reduce((all, size) => all * size, 1) <= 256);

describe("interleaved permutations", () => {
  it("gives the groups and orders of the worked example of 12 channels", () => {
    const layers = strictLayers(12, [3, 2, 2]);
    expect(layers.map(({ groups }) => groups)).toEqual([4, 6, 6]);
    expect(layers[0]?.order).toEqual([0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]);
    expect(layers[1]?.order).toEqual([0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11]);
    expect(layers[2]?.order).toEqual(layers[1]?.order);
    expect(interleavedCost(12, [3, 2, 2], 1)).toBe(84);
  });

  it("joins every input to every output by exactly one path, for any factorisation", () => {
    fc.assert(
      fc.property(branchSizes, (sizes) => {
        const channels = sizes.reduce((all, size) => all * size, 1);
        const paths = countPaths(channels, strictLayers(channels, sizes));
        expect(new Set(paths.flat())).toEqual(new Set([1]));
      }),
    );
  });

  it("brings the channels back into their order after the last layer", () => {
    fc.assert(
      fc.property(branchSizes, (sizes) => {
        const channels = sizes.reduce((all, size) => all * size, 1);
        const start = Array.from({ length: channels }, (_, channel) => channel);
        const end = strictLayers(channels, sizes).reduce(
          (channelsSoFar, { order }) => order.map((from) => channelsSoFar[from] as number),
          start,
        );
        expect(end).toEqual(start);
      }),
    );
  });

  it("leaves pairs without a path where a permutation is wrong", () => {
    const [first, ...others] = strictLayers(12, [3, 2, 2]);
    const wrong = { groups: first?.groups ?? 0, order: Array.from({ length: 12 }, (_, channel) => channel) };
    expect(countPaths(12, [wrong, ...others]).flat()).toContain(0);
  });

  it("gives one or two paths in the loose block of 416 channels and 8 in a branch", () => {
    const order = permutationOrder(branchPermutation(416, 8), 416);
    const paths = countPaths(
      416,
      Array.from({ length: 3 }, () => ({ groups: 416 / 8, order })),
    );
    expect(new Set(paths.flat())).toEqual(new Set([1, 2]));
  });

  it("leaves a depthwise layer's channels where they are", () => {
    expect(permutationOrder(branchPermutation(8, 1), 8)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  it("refuses branches that do not multiply to the width, with the product", () => {
    expect(isComplementary(64, [1, 8, 8])).toBe(true);
    expect(isComplementary(64, [1, 8, 4])).toBe(false);
    expect(() => interleavedLayers(64, [1, 8, 4])).toThrow(OptionError);
    expect(() => interleavedLayers(64, [1, 8, 4])).toThrow("1 * 8 * 4 = 32, and it must be 64");
    expect(() => branchPermutation(12, 5)).toThrow("12 / 5 = 2.4");
  });
});

describe("cost of interleaving", () => {
  it("gives the bounds of the reference for 64 channels", () => {
    const bounds = [2, 3, 4, 5, 6, 7].map((layers) => Math.round(interleavedCostBound(64, layers)));
    expect(bounds).toEqual([3072, 1598, 1254, 1141, 1108, 1111]);
    expect(optimalLayers(64).real).toBeCloseTo(Math.log(576), 12);
    expect(optimalLayers(64).integer).toBe(6);
  });

  it("never costs less than the bound, and equals it when balanced", () => {
    fc.assert(
      fc.property(branchSizes, fc.constantFrom(1, 9, 25), (sizes, taps) => {
        const channels = sizes.reduce((all, size) => all * size, 1);
        const bound = interleavedCostBound(channels, sizes.length, taps);
        const cost = interleavedCost(channels, sizes, taps);
        expect(cost).toBeGreaterThanOrEqual(bound * (1 - 1e-12));
        if (isBalanced(sizes, taps)) expect(cost).toBeCloseTo(bound, 6);
      }),
    );
    expect(isBalanced([1, 9, 9])).toBe(true);
    expect(interleavedCost(81, [1, 9, 9])).toBeCloseTo(interleavedCostBound(81, 3), 9);
  });

  it("balances to sizes that multiply to the width", () => {
    const sizes = balancedBranchSizes(64, 3);
    expect(sizes.reduce((all, size) => all * size, 1)).toBeCloseTo(64, 9);
    expect(sizes[1]).toBeCloseTo(9 * (sizes[0] ?? 0), 9);
  });

  it("finds the cheapest whole branch sizes", () => {
    expect(bestBranchSizes(64)).toEqual([1, 4, 4, 4]);
    expect(bestBranchSizes(64, { layers: 3 })).toEqual([1, 8, 8]);
    expect(bestBranchSizes(64, { layers: 1 })).toEqual([64]);
    expect(() => bestBranchSizes(12, { layers: 6 })).toThrow("2, 2, 3");
    fc.assert(
      fc.property(branchSizes, (sizes) => {
        const channels = sizes.reduce((all, size) => all * size, 1);
        const best = bestBranchSizes(channels);
        expect(isComplementary(channels, best)).toBe(true);
        expect(interleavedCost(channels, best)).toBeLessThanOrEqual(interleavedCost(channels, sizes));
      }),
    );
  });

  it("has the optimal integer next to the optimal real number of layers", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4096 }), (channels) => {
        const { real, integer } = optimalLayers(channels);
        const bound = interleavedCostBound(channels, integer);
        expect(Math.abs(real - integer)).toBeLessThan(1);
        expect(bound).toBeLessThanOrEqual(interleavedCostBound(channels, integer + 1));
        if (integer > 1) expect(bound).toBeLessThanOrEqual(interleavedCostBound(channels, integer - 1));
      }),
    );
  });
});

describe("IGCV1 and IGCV3", () => {
  it("is wider than dense exactly when it has fewer weights at the same width", () => {
    for (let primaryGroups = 1; primaryGroups <= 40; primaryGroups++) {
      for (let groupWidth = 1; groupWidth <= 12; groupWidth++) {
        const channels = primaryGroups * groupWidth;
        const isCheaper = interleavedGroupWeights(primaryGroups, groupWidth) < 9 * channels * channels;
        expect(isWiderThanDense(primaryGroups, groupWidth)).toBe(isCheaper);
      }
    }
  });

  it("reaches the greatest width at L = M * S", () => {
    const weights = interleavedGroupWeights(18, 2);
    expect(widestInterleavedGroup(weights)).toBeCloseTo(36, 9);
    expect(interleavedGroupWeights(4, 8)).toBe(32 * 32 * (9 / 4 + 1 / 8));
  });

  it("counts the paths between super-channels", () => {
    expect(superChannelPaths(144, 2, 2)).toBe(36);
    expect(superChannelPaths(144, 2, 4)).toBe(18);
    expect(() => superChannelPaths(30, 4, 4)).toThrow("30 / (4 * 4) = 1.875");
  });
});
