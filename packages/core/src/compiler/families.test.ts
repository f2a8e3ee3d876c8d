import { describe, expect, it } from "vitest";
import { initializeWeights } from "../graph/initialize.ts";
import { interpret } from "../graph/interpret.ts";
import { build } from "../networks/build.ts";
import { load } from "../runtime/model.ts";
import { relativeError } from "../testing/differences.ts";
import { drawnInputs } from "../testing/rewritten.ts";
import { callsOf } from "./bands.ts";
import { compile, planNetwork } from "./compile.ts";
import type { Lowered } from "./lower.ts";
import { blockKey, plannedBlocks } from "./plan_bands.ts";
import type { Tuning } from "./tuning.ts";

/** Each family's headline network at a resolution that the interpreter takes in a moment. `families.data.test.ts` has full size. */
const networks = [
  ["mobilenet_v1_1.0_224", { resolution: 48 }],
  ["mobilenet_v2_1.0_224", { resolution: 48 }],
  ["shufflenet_v1_1.0_g3", { resolution: 48 }],
  ["shufflenet_v2_1.0", { resolution: 48 }],
  ["igcv1_l100m2_imagenet", { resolution: 48 }],
  ["igcv2_1.0", { resolution: 48 }],
  ["squeezenet_1.0_simple_bypass", { resolution: 63 }],
  ["squeezenet_1.1", { resolution: 63 }],
  ["squeezenext_1.0_23", { resolution: 63 }],
  ["xception", { resolution: 79, width: 0.25 }],
] as const;

/** Every pair of settings occurs. */
const configurations = [
  { bands: false, threads: 1, isTuned: false },
  { bands: true, threads: 1, isTuned: true },
  { bands: true, threads: 2, isTuned: false },
  { bands: false, threads: 2, isTuned: true },
  { bands: false, threads: 4, isTuned: false },
  { bands: true, threads: 4, isTuned: true },
];

/** A tuning that chooses everything differently: another tile for each product, other rows for each block that runs in bands. */
function otherwise(banded: Lowered, { lowered, target }: ReturnType<typeof planNetwork>): Tuning {
  const choices = [banded, lowered].flatMap(({ steps }) =>
    steps.flatMap((step) => callsOf(step).flatMap(({ choice }) => choice ?? [])),
  );
  return {
    tiles: Object.fromEntries(choices.flatMap(({ key, others: [other] }) => (other ? [[key, other]] : []))),
    bands: Object.fromEntries(
      plannedBlocks(lowered, target).map(({ block }) => [blockKey(block, target.threads), { rows: 1, saved: 1e9 }]),
    ),
  };
}

/** Of the largest absolute value: float32's own rounding, over the depth of these networks. */
const TOLERANCE = 1e-5;

describe("headline networks, small pictures", () => {
  it.each(networks)("%s, %j", { timeout: 120_000 }, async (name, options) => {
    const network = build(name, options);
    const weights = initializeWeights(network.graph, 0);
    const inputs = drawnInputs(network.graph);
    const expected = interpret(network.graph, weights, inputs).outputs["output"]!.data;
    for (const simd of ["relaxed", "plain"] as const) {
      using model = await load(compile(network, { weights, simd }));
      expect(relativeError(model.run(inputs)["output"]!, expected), simd).toBeLessThanOrEqual(TOLERANCE);
    }
  });

  it.each(networks)("%s, %j, in every configuration: the same bits", { timeout: 120_000 }, async (name, options) => {
    const network = build(name, options);
    const inputs = drawnInputs(network.graph);
    for (const simd of ["relaxed", "plain"] as const) {
      const tuning = otherwise(planNetwork(network, { simd }).lowered, planNetwork(network, { simd, bands: false }));
      using usual = await load(compile(network, { simd }));
      const expected = usual.run(inputs);
      for (const { bands, threads, isTuned } of configurations) {
        const compiled = compile(network, { simd, bands, threads, tuning: isTuned ? tuning : undefined });
        using model = await load(compiled, { threads });
        const what = `${simd}, ${threads} threads, bands ${bands}, tuned ${isTuned}`;
        expect(model.run(inputs), what).toEqual(expected);
      }
    }
  });

  // With weights that nobody trained, IGCV3's 32 linear bottlenecks amplify rounding by a quarter from block to block. What storing
  // float32 between layers costs shows in the interpreter; float32 sums within them may cost a few times as much.
  it("igcv3_d_1.0 differs from exact arithmetic by little more than float32 storage does", {
    timeout: 120_000,
  }, async () => {
    const network = build("igcv3_d_1.0", { resolution: 48 });
    const weights = initializeWeights(network.graph, 0);
    const inputs = drawnInputs(network.graph);
    const exact = interpret(network.graph, weights, inputs, { precision: "f64" }).outputs["output"]!.data;
    const stored = relativeError(interpret(network.graph, weights, inputs).outputs["output"]!.data, exact);
    expect(stored).toBeGreaterThan(TOLERANCE);
    for (const simd of ["relaxed", "plain"] as const) {
      using model = await load(compile(network, { weights, simd }));
      expect(relativeError(model.run(inputs)["output"]!, exact), simd).toBeLessThanOrEqual(6 * stored);
    }
  });
});
