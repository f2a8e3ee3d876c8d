import { describe, expect, it } from "vitest";
import { graphBuilder } from "../graph/builder.ts";
import { build } from "../networks/build.ts";
import { compile } from "./compile.ts";
import { describePlan } from "./describe_plan.ts";

describe("describePlan", () => {
  it("counts what a step reads, what it writes, and its weights", () => {
    const builder = graphBuilder("one");
    const x = builder.input("input", [1, 10, 20, 8]);
    const halves = builder.slice("half", x, 4, 4);
    const plan = describePlan(
      builder.build({ output: builder.convolution("conv", halves, { channels: 12, kernel: 1 }) }),
    );
    // Half of the input's channels, 12 outputs, and a row of weights for each of 4 inputs and the bias.
    expect(plan.movedBytes).toBe(4 * (200 * 4 + 200 * 12 + 5 * 12));
    expect(plan.movedBytesWithoutBands).toBe(plan.movedBytes);
    expect(plan.steps.map(({ name, bands }) => [name, bands])).toEqual([["conv", null]]);
    expect(plan.buffers.map(({ name, shape, bytes }) => [name, shape, bytes])).toEqual([
      ["input", [10, 20, 8], 6400],
      ["conv", [10, 20, 12], 9600],
    ]);
  });

  it("is what compile writes", () => {
    const network = build("mobilenet_v2", { width: 0.5, resolution: 160 });
    for (const options of [{}, { threads: 3 }, { bands: false }]) {
      const plan = describePlan(network, options);
      const { manifest } = compile(network, options);
      expect([plan.arenaBytes, plan.arenaLowerBound]).toEqual([manifest.arenaBytes, manifest.arenaLowerBound]);
      expect(plan.steps).toMatchObject(manifest.steps);
      expect(plan.steps.some(({ bands }) => bands)).toBe(options.bands ?? true);
    }
  });

  it("says what bands save, and what they need instead", () => {
    const network = build("mobilenet_v2_1.0_224");
    const [plan, whole] = [describePlan(network), describePlan(network, { bands: false })];
    expect(plan.movedBytesWithoutBands).toBe(whole.movedBytes);
    expect(plan.movedBytes).toBeLessThan(whole.movedBytes / 2);
    expect(plan.arenaBytes).toBeLessThan(whole.arenaBytes / 2);
    const block = plan.steps.find(({ name }) => name.startsWith("stage2/unit1/"));
    expect(block?.bands).toMatchObject({ of: 56, nodes: { length: 3 } });
    // A band of the expanded picture: two rows for each row of the output, and one more; a border column on the left.
    const rows = 2 * (block?.bands?.rows ?? 0) + 1;
    const expanded = plan.buffers.find(({ name }) => name.startsWith("stage2/unit1/expand"));
    expect(expanded).toMatchObject({ shape: [rows, 112, 96], bytes: rows * 113 * 96 * 4 });
  });
});
