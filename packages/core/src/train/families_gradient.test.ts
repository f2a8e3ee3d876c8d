import { describe, expect, it } from "vitest";
import type { Graph } from "../graph/graph.ts";
import { initializeWeights } from "../graph/initialize.ts";
import { build } from "../networks/build.ts";
import { directionError, drawnStepInputs, toDoubles } from "../testing/gradients.ts";
import { verifyStepGraph } from "./step_operations.ts";
import { trainingStep } from "./training_graph.ts";

/**
 * Of the deviation of such a derivative. Central differences of a loss of many layers: their third derivatives are large, and so are the
 * sums that round.
 */
const tolerance = 1e-6;

const networks = [
  "shufflenet_v1_cifar",
  "igcv1_cifar",
  "igcv2_cifar",
  "igcv3_cifar",
  "shufflenet_v2_cifar",
  "mobilenet_v1_cifar",
  "mobilenet_v2_cifar",
  "squeezenet_cifar",
  "squeezenext_cifar",
  "xception_cifar",
];

/** The same network without kinks: of some hundred thousand activations, one is always about to cross its own. */
function smooth(graph: Graph): Graph {
  const nodes = graph.nodes.map((node) =>
    node.operation.op === "activation" && node.operation.activation.startsWith("relu")
      ? { ...node, operation: { op: "activation", activation: "swish" } as const }
      : node,
  );
  return { ...graph, nodes };
}

describe("the gradient of a whole network along a random direction", () => {
  it.each(networks)("equals finite differences for %s", (name) => {
    const { graph } = build(name);
    const step = trainingStep(smooth(graph), { batch: 2 });
    verifyStepGraph(step);
    const weights = toDoubles(initializeWeights(graph, 1));
    const trainable = graph.nodes.filter(({ operation }) => operation.op === "parameter" && operation.trainable);
    expect([...step.gradients.keys()].toSorted()).toEqual(trainable.map((node) => node.name).toSorted());
    expect(directionError(step, weights, drawnStepInputs(step, 1), 1)).toBeLessThan(tolerance);
  });
});
