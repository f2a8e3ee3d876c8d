import { describe, expect, it } from "vitest";
import { nodesOf } from "../graph/graph.ts";
import { build, listVariants } from "../networks/build.ts";
import { runPasses } from "../passes/pipeline.ts";
import { toProgram } from "../passes/program.ts";
import { elementCount, tensor } from "../tensor.ts";
import { lower } from "./lower.ts";
import type { Step } from "./plan.ts";

/** The steps of a network. The numbers do not matter to the plan. */
function stepsOf(name: string): readonly Step[] {
  const { graph } = build(name);
  const weights = nodesOf(graph, "parameter").map(
    ({ name: parameter, shape }) => [parameter, tensor(shape, new Float32Array(elementCount(shape)))] as const,
  );
  const program = runPasses(toProgram(graph, new Map(weights)));
  return lower(program, { simd: "relaxed", wide: false, threads: 1, profile: false }).steps;
}

const families = ["squeezenet", "shufflenet_v1", "shufflenet_v2", "igcv1", "igcv2", "igcv3"] as const;

/** Concatenations, slices, shuffles and interleavings are views: nothing is copied for them, in any variant. */
describe("no copies", () => {
  it.each(families)("in any published %s", { timeout: 120_000 }, (family) => {
    const copies = listVariants(family).flatMap(({ name }) => {
      const steps = stepsOf(name);
      expect(steps.length).toBeGreaterThan(10);
      return steps.filter(({ op }) => op === "copy").map((step) => `${name}: ${step.name}`);
    });
    expect(copies).toEqual([]);
  });
});
