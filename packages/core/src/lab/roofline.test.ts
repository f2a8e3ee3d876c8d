import { expect, it, describe as suite } from "vitest";
import { compile } from "../compiler/compile.ts";
import { describe } from "../cost/describe.ts";
import { graphBuilder } from "../graph/builder.ts";
import { build } from "../networks/build.ts";
import type { StepManifest } from "../runtime/manifest.ts";
import { measureRoofline } from "./measure_roofline.ts";
import { ceilingOf, type DeviceCeilings, rooflineOf } from "./roofline.ts";

const ceilings: DeviceCeilings = {
  gigamacsPerSecond: 10,
  bandwidth: [],
  levels: [
    { name: "level 1", bytes: 1e6, gigabytesPerSecond: 100 },
    { name: "memory", bytes: null, gigabytesPerSecond: 5 },
  ],
};

/** Every step takes a millisecond. */
function timed(steps: readonly StepManifest[]) {
  return steps.map((step) => ({ ...step, milliseconds: 1 }));
}

suite("ceilingOf", () => {
  it("takes the slower of multiply-adds and the level that holds the bytes", () => {
    // 1e7 / 10e9 s = 1 ms; 1e6 / 100e9 s = 0.01 ms.
    expect(ceilingOf({ macs: 1e7, movedBytes: 1e6 }, ceilings)).toEqual({
      bound: "compute",
      level: "level 1",
      leastMilliseconds: 1,
    });
    // 1e7 / 5e9 s = 2 ms.
    expect(ceilingOf({ macs: 1e7, movedBytes: 1e7 }, ceilings)).toEqual({
      bound: "memory",
      level: "memory",
      leastMilliseconds: 2,
    });
  });

  it("refuses ceilings without levels", () => {
    expect(() => ceilingOf({ macs: 1, movedBytes: 1 }, { ...ceilings, levels: [] })).toThrow("no level");
  });
});

suite("rooflineOf", () => {
  const builder = graphBuilder("breaks them");
  const x = builder.input("input", [1, 8, 8, 16]);
  const wide = builder.convolution("wide", x, { channels: 48 });
  const even = builder.convolution("even", wide, { channels: 24 });
  const depthwise = builder.convolution("depthwise", even, { channels: 24, kernel: 3, groups: 24 });
  const grouped = builder.convolution("grouped", depthwise, { channels: 24, groups: 8 });
  const pooled = builder.maxPool("pool", grouped, { kernel: 3, stride: 2 });
  const graph = builder.build({ output: pooled });
  const { steps } = compile(graph, { bands: false }).manifest;
  const roofline = rooflineOf(describe(graph), timed(steps), ceilings);
  const node = (name: string) => roofline.nodes.find((each) => each.name === name);

  it("names the guidelines that are broken, and no others", () => {
    expect(node("wide")?.breaches).toEqual([{ guideline: 1, reason: "16 to 48 channels, 1:3" }]);
    // 2:1 is the limit itself.
    expect(node("even")?.breaches).toEqual([]);
    expect(node("depthwise")?.breaches).toEqual([]);
    expect(node("grouped")?.breaches).toEqual([{ guideline: 2, reason: "8 groups" }]);
    expect(node("pool")?.breaches).toMatchObject([{ guideline: 4 }]);
  });

  it("counts more than two branches side by side", () => {
    const forked = graphBuilder("forked");
    const y = forked.input("input", [1, 8, 8, 16]);
    const [a, b, c] = ["a", "b", "c"].map((name) => forked.convolution(`block/${name}`, y, { channels: 16 }));
    const sum = forked.add("block/sum", forked.add("block/add", a as never, b as never), c as never);
    const three = forked.build({ output: sum });
    const { nodes } = rooflineOf(describe(three), timed(compile(three, { bands: false }).manifest.steps), ceilings);
    const broken = nodes.filter(({ breaches }) => breaches.some(({ guideline }) => guideline === 3));
    expect(broken.map(({ macs }) => macs)).toEqual([16384, 16384, 16384]);
  });

  it("gives guideline 1's figures", () => {
    // hw (c1 + c2) + c1 c2 and 2 sqrt(hw B) + B / hw of 16 to 48 channels at 8x8, four bytes each.
    expect(node("wide")?.memoryAccessBytes).toBe(4 * (64 * 64 + 768));
    expect(node("wide")?.lowerBoundBytes).toBeCloseTo(4 * (2 * Math.sqrt(64 * 64 * 768) + 768), 6);
  });

  it("adds up", () => {
    expect(roofline.milliseconds).toBe(steps.length);
    expect(roofline.nodes.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 12);
    expect(roofline.nodes.map(({ macs }) => macs)).toEqual(steps.map(({ macs }) => macs));
  });
});

suite("measureRoofline", () => {
  it("measures every node of a network, and ceilings above them", { timeout: 60_000 }, async () => {
    const network = build("shufflenet_v2_0.5", { resolution: 64 });
    const { nodes, ceilings: measured, leastMilliseconds } = await measureRoofline(network, { rounds: 2, warmUp: 20 });
    expect(nodes.reduce((sum, { macs }) => sum + macs, 0)).toBe(describe(network).macs);
    expect(leastMilliseconds).toBeGreaterThan(0);
    expect(measured.gigamacsPerSecond).toBeGreaterThan(0);
    expect(measured.levels.at(-1)?.bytes).toBeNull();
    for (const { gigabytesPerSecond } of measured.bandwidth) expect(gigabytesPerSecond).toBeGreaterThan(0);
    for (const node of nodes) expect(node.milliseconds, node.name).toBeGreaterThanOrEqual(0);
  });

  it("refuses no rounds", async () => {
    await expect(measureRoofline(build("igcv1_cifar"), { rounds: 0 })).rejects.toThrow("from 1 up");
  });
});
