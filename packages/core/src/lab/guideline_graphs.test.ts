import { describe, expect, it } from "vitest";
import { describe as cost } from "../cost/describe.ts";
import { guidelineExperiments, type Multiple, multiples, paperSize } from "./guideline_graphs.ts";
import type { PaperPlatform } from "./guideline_tables.ts";

/** Layers of a version's graph, and the bytes of an element. */
function layersOf(experiment: string, version: string, platform: PaperPlatform, multiple: Multiple = 1) {
  const found = guidelineExperiments.find(({ id }) => id === experiment)?.versions.find(({ name }) => name === version);
  return cost(found!.graph(platform, multiple, paperSize)).layers;
}
const float = 4;

/** Computed independently for one 1x1 convolution at 56x56: B in millions, and memory access in elements. */
describe("guideline 1's convolutions", () => {
  it.each([
    ["1:1", 51.38, 819_200, 819_200],
    ["1:2", 50.8, 862_920, 814_495],
    ["1:6", 50.88, 1_157_728, undefined],
    ["1:12", 48.77, 1_483_200, undefined],
  ])("%s: %d million multiply-accumulates, %d elements accessed", (version, millions, elements, bound) => {
    const layers = layersOf("widths", version, "gpu");
    expect(layers).toHaveLength(20);
    for (const layer of layers) {
      expect(layer.macs / 1e6).toBeCloseTo(millions, 2);
      expect(layer.memoryAccessBytes).toBe(elements * float);
      if (bound !== undefined) expect(Math.round(layer.lowerBoundBytes! / float)).toBe(bound);
      expect(layer.memoryAccessBytes).toBeGreaterThanOrEqual(layer.lowerBoundBytes! - 1e-3);
    }
  });
});

describe("guideline 2's convolutions", () => {
  it.each([
    ["1 group", 819_200],
    ["2 groups", 1_145_160],
    ["4 groups", 1_622_016],
    ["8 groups", 2_274_120],
  ])("%s: %d elements accessed", (version, elements) => {
    for (const layer of layersOf("groups", version, "gpu")) {
      expect(layer.memoryAccessBytes).toBe(elements * float);
      // At about the same work: 56² · 128², within the two percent that whole channels allow.
      expect(Math.abs(layer.macs / (56 * 56 * 128 * 128) - 1)).toBeLessThan(0.02);
    }
  });
});

describe("guideline 3's blocks", () => {
  it("do the work of the block with one fragment, whatever their number", () => {
    for (const platform of ["gpu", "arm"] as const) {
      for (const multiple of multiples) {
        const total = (version: string) =>
          layersOf("fragments", version, platform, multiple).reduce((sum, { macs }) => sum + macs, 0);
        const one = total("1 fragment");
        for (const version of ["2 in series", "4 in series", "2 in parallel", "4 in parallel"])
          expect(Math.abs(total(version) / one - 1)).toBeLessThan(0.02);
      }
    }
  });

  it("stand in series or side by side", () => {
    const depth = (version: string) => {
      const found = guidelineExperiments[2]?.versions.find(({ name }) => name === version);
      return cost(found!.graph("arm", 1, paperSize)).depth;
    };
    expect([depth("4 in series"), depth("4 in parallel")]).toEqual([40, 10]);
  });
});

describe("guideline 4's bottlenecks", () => {
  it("differ in nothing but elementwise work", () => {
    const versions = guidelineExperiments[3]!.versions.map((version) => cost(version.graph("arm", 4, paperSize)));
    const [plain, relu, shortcut, both] = versions;
    expect(new Set(versions.map(({ macs }) => macs)).size).toBe(1);
    // Ten units of 128 channels, 32 inside, at 56x56.
    const pixels = 56 * 56 * 10;
    expect(plain?.macs).toBe(pixels * (2 * 128 * 32 + 9 * 32 * 32));
    expect(plain?.elementwise).toBe(0);
    expect(relu?.elementwise).toBe(pixels * (32 + 32 + 128));
    expect(shortcut?.elementwise).toBe(pixels * 128);
    expect(both?.elementwise).toBe(pixels * (32 + 32 + 128 + 128));
  });
});
