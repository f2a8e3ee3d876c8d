import { describe, expect, it } from "vitest";
import { isNode, type Node, usersOf, verifyGraph } from "../graph/graph.ts";
import { interpret } from "../graph/interpret.ts";
import { operationNames } from "../graph/operations.ts";
import { randomGraph } from "./random_graph.ts";

const graphs = Array.from({ length: 500 }, (_, seed) => randomGraph(seed));

describe("random graphs", () => {
  it("verify, and are interpreted to finite numbers", () => {
    for (const { graph, weights, inputs } of graphs) {
      verifyGraph(graph);
      const { outputs } = interpret(graph, weights, inputs);
      for (const { name } of graph.outputs) {
        const data = outputs[name]?.data ?? [];
        expect(data.length, `${graph.name} ${name}`).toBeGreaterThan(0);
        expect(data.every(Number.isFinite), `${graph.name} ${name} is finite`).toBe(true);
      }
    }
  });
});
