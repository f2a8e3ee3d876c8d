import { expect, it, describe as suite } from "vitest";
import { compile } from "../compiler/compile.ts";
import { describe } from "../cost/describe.ts";
import { type Graph, nodeOf, verifyGraph } from "../graph/graph.ts";
import { build } from "../networks/build.ts";
import type { Network } from "../networks/network.ts";
import { advise, changesOf, gainOf } from "./advise.ts";
import { type Roofline, rooflineOf } from "./roofline.ts";
import { timingWeights } from "./timing_weights.ts";

/** A network under a made-up roof, every node at half of its ceiling. */
function underRoof({ graph }: Network): Roofline {
  const { steps } = compile(graph, { weights: timingWeights(graph), bands: false }).manifest;
  const ceilings = {
    gigamacsPerSecond: 10,
    bandwidth: [],
    levels: [{ name: "memory", bytes: null, gigabytesPerSecond: 20 }],
  };
  const { nodes } = rooflineOf(
    describe(graph),
    steps.map((step) => ({ ...step, milliseconds: 1 })),
    ceilings,
  );
  const times = nodes.map(({ leastMilliseconds }) => 2 * leastMilliseconds);
  return rooflineOf(
    describe(graph),
    steps.map((step, i) => ({ ...step, milliseconds: times[i] ?? 0 })),
    ceilings,
  );
}

function outputShape(graph: Graph) {
  return nodeOf(graph, graph.outputs[0]?.value ?? (0 as never)).shape;
}

/** Wider over narrower channels of every 1x1 convolution inside a unit. */
function unequal(graph: Graph): readonly number[] {
  return describe(graph)
    .layers.filter(({ name, kernel }) => /unit\d+\/(expand|project)$/.test(name) && kernel?.join() === "1,1")
    .map(({ input, output }) => Math.max(input[3] ?? 0, output[3] ?? 0) / Math.min(input[3] ?? 1, output[3] ?? 1));
}

suite("changesOf", () => {
  it("makes MobileNet V2's blocks at most twice as wide inside, also at equal multiply-accumulates", () => {
    const network = build("mobilenet_v2_1.0_224");
    const [narrow, wide, ...others] = changesOf(network, underRoof(network));
    expect(others).toEqual([]);
    for (const change of [narrow, wide]) {
      const graph = change?.graph as Graph;
      verifyGraph(graph);
      expect(change?.guideline).toBe(1);
      expect(outputShape(graph)).toEqual([1, 1000]);
      // Where a unit changes its width, the wider end decides: at most twice the narrower one.
      expect(Math.max(...unequal(graph))).toBeLessThan(4);
    }
    const before = describe(network).macs;
    expect(describe(narrow?.graph as Graph).macs).toBeLessThan(0.5 * before);
    expect(describe(wide?.graph as Graph).macs / before).toBeGreaterThan(0.9);
    expect(describe(wide?.graph as Graph).macs / before).toBeLessThanOrEqual(1);
  });

  it("gives ShuffleNet V1 with 8 groups fewer, by its option and by its graph, at about equal multiply-accumulates", () => {
    const network = build("shufflenet_v1_1.0_g8");
    const changes = changesOf(network, underRoof(network)).filter(({ guideline }) => guideline === 2);
    expect(changes.map(({ what }) => what)).toEqual(["--groups 4 instead of 8", "fewer groups"]);
    for (const { graph } of changes) {
      verifyGraph(graph);
      expect(outputShape(graph)).toEqual([1, 1000]);
      const ratio = describe(graph).macs / describe(network).macs;
      expect(ratio).toBeGreaterThan(0.9);
      expect(ratio).toBeLessThan(1.1);
    }
    // Convolutions inside units have 4 groups now.
    const groups = describe(changes[1]?.graph as Graph).layers.flatMap(({ groups: each, input }) =>
      each === null || each === input[3] ? [] : [each],
    );
    expect(Math.max(...groups)).toBe(4);
  });

  it("has none for a network that breaks nothing", () => {
    const network = build("mobilenet_v1_0.25_128");
    expect(changesOf(network, underRoof(network))).toEqual([]);
  });
});

suite("advise", () => {
  it("predicts, measures the best change and says what it found", { timeout: 120_000 }, async () => {
    const network = build("mobilenet_v2_1.0_224", { resolution: 96 });
    const advice = await advise(network, underRoof(network), { proofs: 1, sessions: 2, rounds: 2, warmUp: 20 });
    const [best, ...others] = advice;
    expect(best?.predictedGain).toBeGreaterThan(0.3);
    expect(best?.after.macs).toBeLessThan(best?.before.macs ?? 0);
    expect(best?.measured?.before.value).toBeGreaterThan(0);
    expect(best?.measured?.after.value).toBeGreaterThan(0);
    for (const { measured } of others) expect(measured).toBeUndefined();
  });
});

suite("gainOf", () => {
  it("compares turns of the same round", () => {
    // The machine is twice as slow in every other round, for both alike.
    const before = {
      milliseconds: [
        [10, 20],
        [10, 20],
        [10, 20],
      ],
    };
    const after = {
      milliseconds: [
        [8, 16],
        [8, 16],
        [8, 16],
      ],
    };
    expect(gainOf(before, after).gain.value).toBeCloseTo(0.2, 12);
    expect(gainOf(before, after).verdict).toBe("faster");
    expect(gainOf(after, before).verdict).toBe("slower");
  });

  it("does not decide what lies within its interval", () => {
    const before = { milliseconds: [[10], [10], [10]] };
    const after = { milliseconds: [[8], [10], [13]] };
    expect(gainOf(before, after).verdict).toBe("cannot be told");
  });
});
