import { describe, expect, it } from "vitest";
import { initializeWeights } from "../graph/initialize.ts";
import { build } from "../networks/build.ts";
import { families } from "../networks/families.ts";
import { directionError, drawnStepInputs, toDoubles } from "../testing/gradients.ts";
import { smoothNetwork } from "../testing/smooth_network.ts";
import { verifyStepGraph } from "./step_operations.ts";
import { trainingStep } from "./training_graph.ts";

/**
 * Of the deviation of such a derivative. Central differences of a loss of many layers: their third derivatives are large, and so are the
 * sums that round.
 */
const tolerance = 1e-6;

describe("the gradient of a whole network along a random direction", () => {
  it.each(Object.keys(families).map((family) => `${family}_cifar`))("equals finite differences for %s", (name) => {
    const { graph } = build(name);
    const step = trainingStep(smoothNetwork(graph), { batch: 2 });
    verifyStepGraph(step);
    const weights = toDoubles(initializeWeights(graph, 1));
    const trainable = graph.nodes.filter(({ operation }) => operation.op === "parameter" && operation.trainable);
    expect([...step.gradients.keys()].toSorted()).toEqual(trainable.map((node) => node.name).toSorted());
    expect(directionError(step, weights, drawnStepInputs(step, 1), 1)).toBeLessThan(tolerance);
  });
});
