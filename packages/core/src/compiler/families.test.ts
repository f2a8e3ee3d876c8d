import { describe, expect, it } from "vitest";
import { initializeWeights } from "../graph/initialize.ts";
import { interpret } from "../graph/interpret.ts";
import { build } from "../networks/build.ts";
import { load } from "../runtime/model.ts";
import { relativeError } from "../testing/differences.ts";
import { drawnInputs } from "../testing/rewritten.ts";
import { compile } from "./compile.ts";

/** Each family's headline network at a resolution that the interpreter takes in a moment. `families.data.test.ts` has full size. */
const networks = [
  ["mobilenet_v1_1.0_224", { resolution: 48 }],
  ["mobilenet_v2_1.0_224", { resolution: 48 }],
  ["shufflenet_v1_1.0_g3", { resolution: 48 }],
  ["shufflenet_v2_1.0", { resolution: 48 }],
  ["igcv1_l100m2_imagenet", { resolution: 48 }],
  ["igcv2_1.0", { resolution: 48 }],
  ["igcv3_d_1.0", { resolution: 48 }],
  ["squeezenet_1.0_simple_bypass", { resolution: 63 }],
  ["squeezenet_1.1", { resolution: 63 }],
  ["squeezenext_1.0_23", { resolution: 63 }],
  ["xception", { resolution: 79, width: 0.5 }],
] as const;

describe("headline networks, small pictures", () => {
  it.each(networks)("%s, %j", { timeout: 120_000 }, async (name, options) => {
    const network = build(name, options);
    const weights = initializeWeights(network.graph, 0);
    const inputs = drawnInputs(network.graph);
    const exact = interpret(network.graph, weights, inputs, { precision: "f64" }).outputs["output"]!.data;
    const rounded = interpret(network.graph, weights, inputs).outputs["output"]!.data;
    // With weights that nobody trained, some networks amplify rounding a thousandfold from layer to layer (IGCV3: 32 linear bottlenecks).
    // Storing float32 between layers costs what `rounded` shows; float32 sums within them may cost a few times as much.
    const allowed = Math.max(1e-5, 6 * relativeError(rounded, exact));
    expect(allowed).toBeLessThan(2e-3);
    for (const simd of ["relaxed", "plain"] as const) {
      using model = await load(compile(network, { weights, simd }));
      expect(relativeError(model.run(inputs)["output"]!, exact), simd).toBeLessThanOrEqual(allowed);
    }
  });
});
