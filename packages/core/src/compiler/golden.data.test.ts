import { describe, expect, it } from "vitest";
import { load } from "../runtime/model.ts";
import { relativeError } from "../testing/differences.ts";
import { goldenCase } from "../testing/golden_case.ts";
import { goldenNetworks } from "../testing/golden_networks.ts";
import { compile } from "./compile.ts";

/** Of the largest absolute value: float32's own rounding over the depth of these networks stays far below. */
const TOLERANCE = 1e-4;

describe.each(["relaxed", "plain"] as const)("golden networks, compiled (%s SIMD)", (simd) => {
  it.each(goldenNetworks)("$file gives what the reference did, at every tap", async (network) => {
    const { graph, weights, input, expected } = goldenCase(network);
    const keep = Object.keys(expected).filter((name) => name !== "output");
    using model = await load(compile(graph, { weights, simd, keep }));
    const actual = model.run({ input });
    const differences = Object.entries(expected).map(
      ([name, numbers]) => [name, relativeError(actual[name] ?? [], numbers)] as const,
    );
    expect(differences.length).toBeGreaterThan(1);
    expect(differences.filter(([, difference]) => !(difference <= TOLERANCE))).toEqual([]);
    // Taps keep passes from fusing across them: what is shipped is the network without.
    using shipped = await load(compile(graph, { weights, simd }));
    expect(relativeError(shipped.run({ input })["output"] ?? [], expected["output"] ?? [])).toBeLessThanOrEqual(
      TOLERANCE,
    );
    using whole = await load(compile(graph, { weights, simd, bands: false }));
    expect(whole.run({ input })).toEqual(shipped.run({ input }));
  });
});
