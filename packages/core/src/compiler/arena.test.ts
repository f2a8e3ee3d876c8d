import { describe, expect, it } from "vitest";
import { build } from "../networks/build.ts";
import { loweredOf, planTarget } from "../testing/lowered.ts";
import { randomGraph } from "../testing/random_graph.ts";
import { planArena } from "./arena.ts";
import type { Buffer } from "./layout.ts";
import type { Lowered } from "./lower.ts";
import { bufferBytes } from "./lowering.ts";
import { planBands } from "./plan_bands.ts";

const SEEDS = 300;

/** For each step the buffers that hold something then: written before or in it, read in it or later; ports always. */
function aliveBySteps({ steps, inputs, outputs }: Lowered): readonly ReadonlySet<Buffer>[] {
  const touched = steps.map(({ reads, writes }) => new Set([...reads, ...writes]));
  const ports = [...inputs, ...outputs].map(({ buffer }) => buffer);
  return steps.map((_, now) => {
    const before = new Set(touched.slice(0, now + 1).flatMap((buffers) => [...buffers]));
    const after = new Set(touched.slice(now).flatMap((buffers) => [...buffers]));
    return new Set([...ports, ...[...before].filter((buffer) => after.has(buffer))]);
  });
}

describe("planArena", () => {
  it("never gives two buffers that are alive together the same bytes, on random graphs", () => {
    for (let seed = 0; seed < SEEDS; seed++) {
      const { graph, weights } = randomGraph(seed);
      const lowered = loweredOf(graph, weights);
      const { offsets, bytes, lowerBound } = planArena(lowered);
      let most = 0;
      for (const alive of aliveBySteps(lowered)) {
        const spans = [...alive].map((buffer) => {
          const start = offsets.get(buffer) ?? Number.NaN;
          return { start, end: start + bufferBytes(buffer) };
        });
        spans.sort((a, b) => a.start - b.start);
        spans.forEach(({ start, end }, i) => {
          expect(start % 64, `seed ${seed}`).toBe(0);
          expect(start, `seed ${seed}`).toBeGreaterThanOrEqual(spans[i - 1]?.end ?? 0);
          expect(end, `seed ${seed}`).toBeLessThanOrEqual(bytes);
        });
        most = Math.max(
          most,
          spans.reduce((sum, { start, end }) => sum + end - start, 0),
        );
      }
      // The bound counts whole cache lines.
      expect(lowerBound, `seed ${seed}`).toBeGreaterThanOrEqual(most);
      expect(bytes, `seed ${seed}`).toBeGreaterThanOrEqual(lowerBound);
    }
  });

  it.each([
    ["mobilenet_v1_1.0_224"],
    ["mobilenet_v1_0.25_128"],
    ["mobilenet_v2_1.0_224"],
    ["shufflenet_v1_1.0_g3"],
    ["shufflenet_v1_2.0_g8"],
    ["shufflenet_v2_1.0"],
    ["igcv1_l100m2_imagenet"],
    ["igcv2_1.0"],
    ["igcv2_0.5"],
    ["igcv2_0.25"],
    ["igcv3_d_1.0"],
    ["igcv3_d_0.7"],
    ["squeezenet_1.0"],
    ["squeezenet_1.1"],
    ["squeezenext_1.0_23"],
    ["xception"],
  ])("stays within a tenth of what must be alive at once for %s", (name) => {
    const lowered = loweredOf(build(name).graph);
    for (const threads of [1, 4]) {
      const banded = planArena(planBands(lowered, { ...planTarget, threads }));
      expect(banded.bytes / banded.lowerBound, `in bands, ${threads} threads`).toBeLessThanOrEqual(1.1);
    }
    const { bytes, lowerBound } = planArena(lowered);
    expect(bytes / lowerBound, "without bands").toBeLessThanOrEqual(1.1);
  });
});
