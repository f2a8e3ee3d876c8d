import { describe, expect, test } from "vitest";
import { createCeiling } from "./measure_ceiling.ts";

describe("createCeiling", () => {
  // How much it is depends on the machine; that all of the work was done, createCeiling checks itself.
  test.each(["relaxed", "plain"] as const)("measures multiply-adds a second with %s SIMD", async (simd) => {
    const ceiling = await createCeiling(simd);
    expect(ceiling).toMatchObject({ simd, wide: false });
    const measured = ceiling.measure(1);
    // The slowest core that has SIMD does more than 0.1, none does 1000 on 128 bits.
    expect(measured).toBeGreaterThan(0.1);
    expect(measured).toBeLessThan(1000);
  });

  test("is not above its best stretch over a longer time", async () => {
    const ceiling = await createCeiling("plain");
    const turns = Array.from({ length: 10 }, () => ({ sustained: ceiling.sustain(4), best: ceiling.measure(4) }));
    const least = Math.min(...turns.map(({ sustained }) => sustained));
    expect(least).toBeGreaterThan(0.1);
    expect(least).toBeLessThanOrEqual(Math.max(...turns.map(({ best }) => best)));
  });

  test("measures pairs for the engine to join", async () => {
    const ceiling = await createCeiling("relaxed", true);
    expect(ceiling).toMatchObject({ simd: "relaxed", wide: true });
    expect(ceiling.measure(1)).toBeGreaterThan(0.1);
  });
});
