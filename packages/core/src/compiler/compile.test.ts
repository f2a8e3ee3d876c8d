import { describe, expect, it } from "vitest";
import { interpret } from "../graph/interpret.ts";
import { load } from "../runtime/model.ts";
import { randomGraph } from "../testing/random_graph.ts";
import { compile } from "./compile.ts";

/**
 * Largest difference relative to the largest absolute value. Sums of a few thousand float32 products in another order differ by a few
 * units in the sixth digit.
 */
const TOLERANCE = 2e-5;

async function worstDifference(seed: number, simd: "relaxed" | "plain"): Promise<number> {
  const { graph, weights, inputs } = randomGraph(seed);
  const expected = interpret(graph, weights, inputs).outputs;
  const model = await load(compile(graph, { weights, simd }));
  let worst = 0;
  // Twice: a second run finds the arena as the first one left it.
  for (let run = 0; run < 2; run++) {
    const actual = model.run(inputs);
    for (const [name, { data }] of Object.entries(expected))
      worst = Math.max(worst, relativeDifference(data, actual[name] as Float32Array));
  }
  model.dispose();
  return worst;
}

function relativeDifference(expected: Float32Array, actual: Float32Array): number {
  let scale = 1e-6;
  let worst = 0;
  for (const [i, value] of expected.entries()) {
    scale = Math.max(scale, Math.abs(value));
    const difference = Math.abs(value - (actual[i] as number));
    if (!(difference <= worst)) worst = difference;
  }
  return worst / scale;
}

describe("compile", () => {
  for (const simd of ["relaxed", "plain"] as const) {
    it(`gives what the interpreter gives on 500 random graphs (${simd} SIMD)`, { timeout: 120_000 }, async () => {
      const failures: string[] = [];
      for (let seed = 0; seed < 500; seed++) {
        const worst = await worstDifference(seed, simd).catch((error: unknown) => String(error));
        if (!(typeof worst === "number" && worst <= TOLERANCE)) failures.push(`seed ${seed}: ${worst}`);
      }
      expect(failures).toEqual([]);
    });
  }
});
