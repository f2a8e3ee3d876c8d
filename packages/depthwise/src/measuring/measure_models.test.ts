import { build, OptionError } from "@depthwise/core";
import { describe, expect, test } from "vitest";
import { measureModels } from "./measure_models.ts";

const subjects = ["mobilenet_v2_cifar", "squeezenet_cifar"].map((name) => ({ network: build(name) }));

describe("measureModels", () => {
  test("measures each model and tells how far it is", async () => {
    const heard: [number, number][] = [];
    const measurements = await measureModels(subjects, {
      runs: 3,
      layers: true,
      onProgress: (done, total) => void heard.push([done, total]),
    });
    expect(measurements.map(({ name }) => name)).toEqual(["mobilenet_v2_cifar", "squeezenet_cifar"]);
    expect(heard.map(([done]) => done)).toEqual([0, 1, 3, 4, 5, 6, 7, 8]);
    expect(heard.every(([, total]) => total === 8)).toBe(true);
    for (const {
      gigamacsPerSecond,
      milliseconds,
      peakGigamacsPerSecond,
      shareOfPeak,
      layers = [],
      ...bytes
    } of measurements) {
      expect(shareOfPeak).toBeCloseTo(gigamacsPerSecond / peakGigamacsPerSecond, 12);
      expect(milliseconds.min).toBeGreaterThan(0);
      expect(layers.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 9);
      // Float32 weights of the network, packed: nothing of them counts as module.
      expect(bytes.weightBytes).toBeGreaterThan(bytes.moduleBytes);
    }
    // 10,340,000 or so multiply-accumulates: what describe says of it.
    const squeezenet = measurements[1] as (typeof measurements)[number];
    expect(squeezenet.gigamacsPerSecond * squeezenet.milliseconds.median * 1e6).toBeCloseTo(10_342_912, -4);
  });

  test("runs on as many threads as asked", async () => {
    const [measurement] = await measureModels(subjects.slice(0, 1), { runs: 1, threads: 2 });
    expect(measurement?.threads).toBe(2);
  });

  test.each([
    [[], {}],
    [subjects, { runs: 0 }],
    [subjects, { threads: 1.5 }],
  ] as const)("refuses what it cannot measure", async (given, options) => {
    await expect(measureModels(given, options)).rejects.toThrow(OptionError);
  });
});
