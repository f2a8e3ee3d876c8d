import { describe, expect, it } from "vitest";
import { graphBuilder, type Value } from "../graph/builder.ts";
import type { Graph } from "../graph/graph.ts";
import { initializeWeights } from "../graph/initialize.ts";
import { build } from "../networks/build.ts";
import { seededRandom } from "../random.ts";
import { load } from "../runtime/model.ts";
import type { Weights } from "../tensor.ts";
import { loweredOf, planTarget } from "../testing/lowered.ts";
import { randomGraph } from "../testing/random_graph.ts";
import { between, chance, pick } from "../testing/random_graph_moves.ts";
import { drawnInputs } from "../testing/rewritten.ts";
import { type Block, bandedStep, blockOf, studySteps } from "./bands.ts";
import { emit } from "./emit.ts";
import type { Lowered } from "./lower.ts";
import { type Machine, planBands } from "./plan_bands.ts";

/** Every stretch of up to eight steps that can run band by band. */
function blocksOf(lowered: Lowered): readonly Block[] {
  const study = studySteps(lowered);
  return lowered.steps.flatMap((_, first) =>
    lowered.steps.slice(first + 1, first + 8).flatMap((_step, i) => blockOf(study, first, first + 1 + i) ?? []),
  );
}

function withBands(lowered: Lowered, block: Block, rows: number, threads: number): Lowered {
  const { first, steps } = block;
  const banded = bandedStep(block, Math.min(rows, block.height), threads);
  return { ...lowered, steps: lowered.steps.toSpliced(first, steps.length, banded) };
}

type Inputs = Readonly<Record<string, Float32Array>>;

/** The outputs' bits of a second run: the first one leaves its numbers in the arena. */
async function bitsOf(lowered: Lowered, inputs: Inputs, threads = 1): Promise<Record<string, Int32Array>> {
  const emitted = emit("bands", lowered, { ...planTarget, threads }, { names: false, storage: "f32", split: false });
  using model = await load(emitted);
  model.run(Object.fromEntries(Object.entries(inputs).map(([name, data]) => [name, data.map((x) => 1 - x)])));
  return Object.fromEntries(
    Object.entries(model.run(inputs)).map(([name, { buffer }]) => [name, new Int32Array(buffer)]),
  );
}

/** Inverted residuals, separable convolutions, Fire modules, pools and the like, wide enough for whole tiles, with any window. */
function chain(seed: number): Graph {
  const random = seededRandom(seed, "chain");
  const builder = graphBuilder(`chain_${seed}`);
  let x: Value = builder.input("input", [pick(random, [1, 1, 2]), between(random, 3, 30), between(random, 24, 30), 4]);
  let isWide = true;
  for (let i = 0; i < 6; i++) {
    const [name, kernel] = [`node${i}`, [pick(random, [1, 3, 5]), pick(random, [1, 3])] as const];
    const window = {
      kernel,
      stride: isWide && chance(random, 0.3) ? pick(random, [2, [1, 2], [2, 1]] as const) : 1,
      padding: pick(random, [
        { top: (kernel[0] - 1) / 2, bottom: (kernel[0] - 1) / 2, left: 1, right: 1 },
        { top: kernel[0] - 1, bottom: 0, left: 0, right: 2 },
        { top: 0, bottom: kernel[0] - 1, left: 1, right: 1 },
      ]),
    };
    const channels = pick(random, [4, 8, 16]);
    if (window.stride !== 1) isWide = false;
    const before = x;
    switch (pick(random, ["pointwise", "depthwise", "spatial", "fire", "pool", "residual"] as const)) {
      case "pointwise":
        x = builder.convolution(name, x, { channels, kernel: 1 });
        break;
      case "depthwise":
        x = builder.convolution(name, x, { ...window, channels: x.shape[3] as number, groups: x.shape[3] as number });
        break;
      case "spatial":
        x = builder.convolution(name, x, { ...window, channels });
        break;
      case "fire":
        x = builder.concatenate(name, [
          builder.convolution(`${name}/expand1x1`, x, { channels, kernel: 1 }),
          builder.convolution(`${name}/expand3x3`, x, { channels, kernel: 3 }),
        ]);
        break;
      case "pool":
        x = builder.maxPool(name, builder.activation(`${name}/relu`, x, "relu"), { kernel: 3, stride: 1, padding: 1 });
        break;
      case "residual":
        x = builder.add(
          name,
          builder.convolution(`${name}/convolution`, x, { channels: x.shape[3] as number, kernel: 3 }),
          x,
        );
        break;
    }
    // A picture that shrank to nothing is no use.
    if ((x.shape[1] as number) < 2) x = before;
  }
  return builder.build({ output: x });
}

/** Compares blocks in bands with the same steps one after another; counts what it compared. */
async function compareBlocks(
  graph: Graph,
  weights: Weights,
  inputs: Inputs,
  seed: number,
  most: number,
): Promise<number> {
  const lowered = loweredOf(graph, weights, 3);
  const random = seededRandom(seed, "blocks");
  const all = blocksOf(lowered);
  const blocks = all.filter(() => chance(random, most / all.length));
  if (blocks.length === 0) return 0;
  const expected = await bitsOf(lowered, inputs);
  for (const block of blocks) {
    const rows = between(random, 1, 7);
    const threads = pick(random, [1, 1, 2, 3]);
    const what = `seed ${seed}, ${block.steps.map(({ name }) => name)}, ${rows} rows, ${threads} threads`;
    expect(await bitsOf(withBands(lowered, block, rows, threads), inputs, threads), what).toEqual(expected);
  }
  return blocks.length;
}

describe("bands", () => {
  it("give the same bits as whole pictures, on chains of windows", { timeout: 120_000 }, async () => {
    let compared = 0;
    for (let seed = 0; seed < 40; seed++) {
      const graph = chain(seed);
      compared += await compareBlocks(graph, initializeWeights(graph, seed), drawnInputs(graph), seed, 5);
    }
    expect(compared).toBeGreaterThan(130);
  });

  it("give the same bits as whole pictures, on random graphs", { timeout: 120_000 }, async () => {
    let compared = 0;
    for (let seed = 0; seed < 300; seed++) {
      const { graph, weights, inputs } = randomGraph(seed);
      compared += await compareBlocks(graph, weights, inputs, seed, 4);
    }
    expect(compared).toBeGreaterThan(50);
  });
});

/** A machine with so small a cache that small pictures leave it. */
const tiny: Machine = { cacheBytes: 40_000, beyondCache: 1, move: 0.04, mac: 0.04, call: 200 };

describe("planBands", () => {
  it.each([
    ["mobilenet_v1", { width: 0.25, resolution: 96 }],
    ["mobilenet_v2", { width: 0.35, resolution: 96 }],
    ["shufflenet_v2", { width: 0.5, resolution: 96 }],
    ["squeezenet_1.1", { resolution: 95 }],
    ["squeezenext_1.0_23", { resolution: 95 }],
    ["xception", { width: 0.125, resolution: 95 }],
  ])("gives the same bits for %s, in less memory", { timeout: 60_000 }, async (name, options) => {
    const { graph } = build(name, options);
    const lowered = loweredOf(graph, initializeWeights(graph, 0), 4);
    const inputs = drawnInputs(graph);
    const expected = await bitsOf(lowered, inputs);
    for (const threads of [1, 2, 4]) {
      const planned = planBands(lowered, { ...planTarget, threads }, tiny);
      expect(planned.steps.some(({ bands }) => bands)).toBe(true);
      expect(await bitsOf(planned, inputs, threads), `${threads} threads`).toEqual(expected);
    }
  });

  it("leaves alone what stays in cache", () => {
    const lowered = loweredOf(build("mobilenet_v2", { width: 0.35, resolution: 64 }).graph);
    expect(planBands(lowered, planTarget).steps).toEqual(lowered.steps);
  });

  it("runs MobileNet V2's widest blocks in bands", () => {
    const { steps } = planBands(loweredOf(build("mobilenet_v2_1.0_224").graph), planTarget);
    const block = steps.find(({ name }) => name.startsWith("stage2/unit1/"));
    expect(block?.name).toBe("stage2/unit1/expand+norm+relu6 … project+norm");
    expect(block?.bands?.steps).toHaveLength(3);
    // 112·112·16·96 + 56·56·9·96 + 56·56·96·24
    expect(block?.macs).toBe(19_267_584 + 2_709_504 + 7_225_344);
  });
});
