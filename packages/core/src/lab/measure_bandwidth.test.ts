import { describe, expect, it } from "vitest";
import {
  type BandwidthPoint,
  bandwidthCurve,
  bandwidthModule,
  bytesPerTrip,
  createBandwidth,
  memoryLevels,
  workingSets,
} from "./measure_bandwidth.ts";

const kilobyte = 1024;
const curveOf = (speeds: readonly number[]): readonly BandwidthPoint[] =>
  speeds.map((gigabytesPerSecond, i) => ({ bytes: 16 * kilobyte * 2 ** i, gigabytesPerSecond }));

describe("createBandwidth", () => {
  it("reads sets of all sizes; that every byte was read, it checks itself", async () => {
    const most = 1024 * kilobyte;
    const bandwidth = await createBandwidth(most);
    for (const bytes of [bytesPerTrip, 16 * kilobyte, most]) {
      const speed = bandwidth.measure(bytes, 0.5);
      // The slowest memory of a machine that runs this does more than 0.05 GB/s, no core reads 10,000.
      expect(speed).toBeGreaterThan(0.05);
      expect(speed).toBeLessThan(10_000);
    }
    expect(() => bandwidth.measure(2 * most)).toThrow("multiple of 512");
    expect(() => bandwidth.measure(bytesPerTrip + 16)).toThrow("multiple of 512");
    expect(() => bandwidth.measure(0)).toThrow("multiple of 512");
  });

  it("has a module that adds up what it reads", async () => {
    const module = bandwidthModule(64 * kilobyte);
    expect(WebAssembly.validate(module)).toBe(true);
    const { exports } = await WebAssembly.instantiate(await WebAssembly.compile(module));
    const numbers = new Int32Array((exports.memory as WebAssembly.Memory).buffer);
    numbers.forEach((_, i) => {
      numbers[i] = i * i;
    });
    const read = exports.read as (bytes: number, passes: number) => number;
    const sum = numbers.slice(0, (4 * bytesPerTrip) / 4).reduce((total, number) => total + number, 0);
    expect(read(4 * bytesPerTrip, 3)).toBe((3 * sum) | 0);
    expect(read(4 * bytesPerTrip, 0)).toBe(0);
  });

  it("covers 16 KiB to 64 MiB", () => {
    expect(workingSets[0]).toBe(16 * kilobyte);
    expect(workingSets.at(-1)).toBe(64 * kilobyte * kilobyte);
    for (const bytes of workingSets) expect(bytes % bytesPerTrip).toBe(0);
  });
});

describe("bandwidthCurve", () => {
  it("takes the median of each size over the rounds", () => {
    const rounds = [
      [10, 4],
      [30, 6],
      [20, 1],
    ];
    expect(bandwidthCurve([16, 32], rounds)).toEqual([
      { bytes: 16, gigabytesPerSecond: 20 },
      { bytes: 32, gigabytesPerSecond: 4 },
    ]);
  });
});

describe("memoryLevels", () => {
  it("finds three plateaus, and leaves the passage between two to the further one", () => {
    expect(memoryLevels(curveOf([100, 98, 60, 50, 51, 49, 30, 20, 20]))).toEqual([
      { name: "level 1", bytes: 32 * kilobyte, gigabytesPerSecond: 99 },
      // 60 is the passage; of 51, 51 (a larger set is never faster) and 49 the median is 51.
      { name: "level 2", bytes: 512 * kilobyte, gigabytesPerSecond: 51 },
      { name: "memory", bytes: null, gigabytesPerSecond: 20 },
    ]);
  });

  it("takes a smallest set that alone is fast as a level", () => {
    const [first, second] = memoryLevels(curveOf([100, 50, 50]));
    expect(first).toEqual({ name: "level 1", bytes: 16 * kilobyte, gigabytesPerSecond: 100 });
    expect(second).toEqual({ name: "memory", bytes: null, gigabytesPerSecond: 50 });
  });

  it("is one level where nothing falls, and a disturbed size makes none", () => {
    expect(memoryLevels(curveOf([20, 20, 5, 20]))).toEqual([{ name: "memory", bytes: null, gigabytesPerSecond: 20 }]);
  });
});
