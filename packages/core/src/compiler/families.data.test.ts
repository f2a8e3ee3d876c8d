import { describe, expect, it } from "vitest";
import { initializeWeights } from "../graph/initialize.ts";
import { interpret } from "../graph/interpret.ts";
import { build } from "../networks/build.ts";
import { load } from "../runtime/model.ts";
import { relativeError } from "../testing/differences.ts";
import { drawnInputs } from "../testing/rewritten.ts";
import { compile } from "./compile.ts";

/** Each family's headline network. Needs no reference data, but minutes of interpretation: hence here and not in `npm test`. */
const networks = [
  "mobilenet_v1_1.0_224",
  "mobilenet_v2_1.0_224",
  "shufflenet_v1_1.0_g3",
  "shufflenet_v2_1.0",
  "igcv1_l100m2_imagenet",
  "igcv2_1.0",
  "igcv3_d_1.0",
  "squeezenet_1.1",
  "squeezenext_1.0_23",
  "xception",
] as const;

/**
 * Of the largest absolute value; trained networks stay below 1e-5. With weights that nobody trained, IGCV3's 32 linear bottlenecks
 * amplify rounding by a quarter from block to block, up to 5e-4: `families.test.ts` measures that against double precision.
 */
const TOLERANCE = 1e-4;
const AMPLIFIED = new Map([["igcv3_d_1.0", 2e-3]]);

describe("headline networks, full size", () => {
  it.each(networks)("%s", async (name) => {
    const network = build(name);
    const weights = initializeWeights(network.graph, 0);
    const inputs = drawnInputs(network.graph);
    const expected = interpret(network.graph, weights, inputs).outputs["output"]!.data;
    for (const simd of ["relaxed", "plain"] as const) {
      using model = await load(compile(network, { weights, simd }));
      expect(relativeError(model.run(inputs)["output"]!, expected), simd).toBeLessThanOrEqual(
        AMPLIFIED.get(name) ?? TOLERANCE,
      );
    }
  });
});
