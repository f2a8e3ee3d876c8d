import { describe, expect, it } from "vitest";
import { build } from "../networks/build.ts";
import { seededRandom } from "../random.ts";
import { load } from "../runtime/model.ts";
import { randomGraph } from "../testing/random_graph.ts";
import { pick } from "../testing/random_graph_moves.ts";
import { compile, planNetwork } from "./compile.ts";
import { blockKey, type PlannedBlock, plannedBlocks } from "./plan_bands.ts";
import { tune } from "./tune.ts";
import { mergeTunings, type Tile, type Tuning } from "./tuning.ts";

describe("tuning", () => {
  it("changes speed alone: any tile gives the same bits, on random graphs", { timeout: 120_000 }, async () => {
    let changed = 0;
    for (let seed = 0; seed < 120; seed++) {
      const { graph, weights, inputs } = randomGraph(seed);
      const random = seededRandom(seed, "tiles");
      for (const options of [{ simd: "relaxed" }, { simd: "plain" }, { simd: "relaxed", wide: true }] as const) {
        const { lowered } = planNetwork(graph, { weights, ...options });
        const choices = lowered.steps.flatMap(({ calls }) => calls.flatMap(({ choice }) => choice ?? []));
        const tiles = Object.fromEntries(
          choices.map(({ key, tile, others }): [string, Tile] => [key, pick(random, [tile, ...others])]),
        );
        const tuning: Tuning = { tiles, bands: {} };
        using modelled = await load(compile(graph, { weights, ...options }));
        using tuned = await load(compile(graph, { weights, ...options, tuning }));
        expect(tuned.run(inputs), `seed ${seed}, ${JSON.stringify({ ...options, tiles })}`).toEqual(
          modelled.run(inputs),
        );
        changed += choices.filter(({ key, tile }) => tiles[key] !== tile).length;
      }
    }
    expect(changed).toBeGreaterThan(100);
  });

  it("names the tile that the model would take, so that choosing it changes nothing", () => {
    const network = build("squeezenet_cifar");
    const { lowered } = planNetwork(network, {});
    const choices = lowered.steps.flatMap(({ calls }) => calls.flatMap(({ choice }) => choice ?? []));
    const tiles = Object.fromEntries(choices.map(({ key, tile }): [string, Tile] => [key, tile]));
    expect(choices.length).toBeGreaterThan(20);
    expect(compile(network, { tuning: { tiles, bands: {} } })).toEqual(compile(network));
  });

  it("takes measured bands for the block that they were measured of", () => {
    const network = build("mobilenet_v2_1.0_224");
    const { lowered, target } = planNetwork(network, { bands: false });
    const [{ block }] = plannedBlocks(lowered, target) as [PlannedBlock];
    const key = blockKey(block, 1);
    const rowsWith = (bands: Tuning["bands"]) => {
      const { steps } = planNetwork(network, { tuning: { tiles: {}, bands } }).lowered;
      return steps.find(
        ({ bands: own }) => own?.steps.length === block.steps.length && own.steps[0]?.name === block.steps[0]?.name,
      )?.bands?.rows;
    };
    expect(rowsWith({})).toBeGreaterThan(1);
    expect(rowsWith({ [key]: { rows: 1, saved: 1e9 } })).toBe(1);
    expect(rowsWith({ [key]: { rows: 0, saved: 0 } })).toBeUndefined();
  });
});

describe("tune", () => {
  it("measures every shape once, and what it chose gives the same bits", { timeout: 120_000 }, async () => {
    const network = build("mobilenet_v2", { width: 0.35, resolution: 96, classes: 10 });
    const heard: string[] = [];
    const tuning = await tune(network, {
      onProgress: (done, total, what) => heard.push(`${done} of ${total}: ${what}`),
    });
    const { lowered } = planNetwork(network, {});
    const steps = lowered.steps.flatMap(({ bands, ...step }) => bands?.steps ?? step);
    const keys = new Set(steps.flatMap(({ calls }) => calls.flatMap(({ choice }) => choice?.key ?? [])));
    expect(new Set(Object.keys(tuning.tiles))).toEqual(keys);
    expect(heard.length).toBe(keys.size + Object.keys(tuning.bands).length);
    using modelled = await load(compile(network));
    using tuned = await load(compile(network, { tuning }));
    const input = modelled.input("input").map((_, i) => Math.sin(i));
    expect(tuned.run({ input })).toEqual(modelled.run({ input }));
    // What is known is not measured again.
    const again: string[] = [];
    expect(await tune(network, { known: tuning, onProgress: (_, __, what) => again.push(what) })).toEqual(tuning);
    expect(again).toEqual([]);
  });

  it("merges what was measured earlier and later", () => {
    const older: Tuning = { tiles: { a: { rows: 6, vectors: 2 } }, bands: { b: { rows: 3, saved: 10 } } };
    const newer: Tuning = { tiles: { a: { rows: 5, vectors: 2 } }, bands: {} };
    expect(mergeTunings(older, newer)).toEqual({ tiles: newer.tiles, bands: older.bands });
  });
});
