import { describe, expect, it } from "vitest";
import { build, listVariants } from "../networks/build.ts";
import { loweredOf } from "../testing/lowered.ts";

const families = ["squeezenet", "shufflenet_v1", "shufflenet_v2", "igcv1", "igcv2", "igcv3"] as const;

/** Large variants that repeat the wiring of smaller ones: left out to save time. */
const repeated = new Set([
  "shufflenet_v2_1.5_megvii",
  "shufflenet_v2_2.0_megvii",
  "shufflenet_v2_164_se",
  "shufflenet_v2_large_megvii",
]);

/** IGCV1's 3x3 groups of two channels want a lane for each group, and their first input comes from a dense convolution or a sum. */
const wanted = /^igcv1_\w+: stage[12]\/unit[1-3]\/(block1\/)?primary\/copy$/;

/** Concatenations, slices, shuffles and interleavings are views: nothing is copied for them, in any wiring. */
describe("no copies", () => {
  it.each(families)("in any published %s", { timeout: 120_000 }, (family) => {
    const names = listVariants(family).flatMap(({ name }) => (repeated.has(name) ? [] : [name]));
    const copies = names.flatMap((name) => {
      const { steps } = loweredOf(build(name).graph);
      expect(steps.length).toBeGreaterThan(10);
      return steps.filter(({ op }) => op === "copy").map((step) => `${name}: ${step.name}`);
    });
    expect(copies.filter((copy) => !wanted.test(copy))).toEqual([]);
  });
});
