import { type Lowered, lower } from "../compiler/lower.ts";
import type { Target } from "../compiler/target.ts";
import { type Graph, nodesOf } from "../graph/graph.ts";
import { runPasses } from "../passes/pipeline.ts";
import { toProgram } from "../passes/program.ts";
import { elementCount, tensor, type Weights } from "../tensor.ts";

/** What plans are made for in tests that only look at them. */
export const planTarget: Target = { simd: "relaxed", wide: false, threads: 1, profile: false };

/** A graph's steps and buffers. Its numbers do not matter to the plan: zeros where none are given. */
export function loweredOf(graph: Graph, weights: Weights = zeros(graph), threads = 1): Lowered {
  return lower(runPasses(toProgram(graph, weights)), { ...planTarget, threads });
}

function zeros(graph: Graph): Weights {
  return new Map(
    nodesOf(graph, "parameter").map(({ name, shape }) => [name, tensor(shape, new Float32Array(elementCount(shape)))]),
  );
}
