import { graphBuilder, type Value } from "../graph/builder.ts";
import { type Graph, isNode, type ValueId } from "../graph/graph.ts";
import { initializeWeights } from "../graph/initialize.ts";
import type { Tensor, Weights } from "../tensor.ts";
import type { StepGraph } from "../train/step_graph.ts";
import { trainingStep } from "../train/training_graph.ts";
import { drawnStepInputs } from "./gradients.ts";
import { randomGraph } from "./random_graph.ts";

/** Pictures of a random step's micro-batch. */
const batch = 2;
const classes = 4;

/** A random training step with its numbers. */
export interface RandomStep {
  readonly step: StepGraph;
  readonly weights: Weights;
  readonly inputs: Readonly<Record<string, Tensor<"f64">>>;
}

/**
 * The training step number `seed` on two pictures: that of random graph `seed`, its first output made logits by a linear layer.
 *
 * @param inputs whether the network's inputs stay inputs, or are made parameters so that there are gradients by them too
 */
export function randomStep(seed: number, inputs: "inputs" | "parameters"): RandomStep {
  const random = randomGraph(seed);
  const graph = classifier(random.graph, inputs);
  const weights = new Map<string, Tensor>(initializeWeights(graph, seed));
  for (const [name, numbers] of random.weights) weights.set(name, numbers);
  const step = trainingStep(graph, { batch });
  return { step, weights, inputs: drawnStepInputs(step, seed) };
}

function classifier(graph: Graph, inputs: "inputs" | "parameters"): Graph {
  const build = graphBuilder(graph.name);
  const values: Value[] = [];
  for (const node of graph.nodes) {
    if (isNode(node, "input")) {
      const shape = [batch, ...node.shape.slice(1)];
      const name = node.name;
      const initializer = { kind: "uniform", bound: 1 } as const;
      values.push(inputs === "inputs" ? build.input(name, shape) : build.parameter(name, shape, initializer));
    } else
      values.push(
        build.node(
          node.name,
          node.operation,
          node.inputs.map((input) => values[input] as Value),
        ),
      );
  }
  const output = values[graph.outputs[0]?.value as ValueId] as Value;
  const flat = output.shape.length === 2 ? output : build.flatten("classifier/flat", output);
  const deviation = 1 / Math.sqrt(flat.shape[1] as number);
  const logits = build.linear("classifier", flat, { channels: classes, initializer: { kind: "normal", deviation } });
  return build.build({ logits });
}
