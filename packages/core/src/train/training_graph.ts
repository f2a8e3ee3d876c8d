import { GraphError, OptionError } from "../errors.ts";
import { type Graph, isNode, nodeOf, type ValueId } from "../graph/graph.ts";
import { removeDeadNodes } from "../passes/program.ts";
import { elementCount, formatShape } from "../tensor.ts";
import { differentiate } from "./differentiate.ts";
import { stepBuilder } from "./step_builder.ts";
import type { StepGraph } from "./step_graph.ts";
import { trainingForm } from "./training_form.ts";

/** Options of `trainingStep`. */
export interface TrainingStepOptions {
  /** How many pictures one micro-batch has. */
  readonly batch: number;
  /**
   * Which parameters, by name, stay as they are: no gradient of theirs is computed. A batch norm whose running mean is one of them
   * normalizes by its running statistics, as it does at inference. Default: none.
   */
  readonly frozen?: ((parameter: string) => boolean) | undefined;
}

/**
 * The forward and backward pass of a network's training, from its inference graph.
 *
 * Batch norm takes the micro-batch's moments, dropout multiplies by an input `mask:NAME` (0 or 1/(1 − rate); none where the rate is 0),
 * and a softmax at the end is left out: the loss takes logits. It is the cross-entropy with the soft targets of the input `targets`.
 *
 * @param graph with one output, `[N, classes]` or `[N, 1, 1, classes]`; the N of its inputs does not matter
 * @throws {OptionError} if the batch is no whole number of at least 1, or nothing is left to train
 * @throws {GraphError | ShapeError} if the graph has another number of outputs, or its output is not one number a class
 */
export function trainingStep(graph: Graph, options: TrainingStepOptions): StepGraph {
  const { batch, frozen = () => false } = options;
  if (!(Number.isInteger(batch) && batch >= 1)) {
    throw new OptionError(`The batch must be a whole number of at least 1, received ${batch}.`);
  }
  const inference = withLogits(graph);
  const builder = stepBuilder([...graph.nodes.map(({ name }) => name), "targets", "loss", "logits"]);
  const { output, moments } = trainingForm(inference, batch, frozen, builder);
  const logits = output.shape.length === 2 ? output : builder.node("logits", { op: "flatten" }, [output]);
  const targets = builder.node("targets", { op: "input", shape: logits.shape }, []);
  const loss = builder.node("loss", { op: "softmax_cross_entropy" }, [logits, targets]);
  const seed = builder.derived("loss/gradient", { op: "softmax_cross_entropy_gradient" }, [logits, targets]);
  const gradients = differentiate(
    builder,
    logits,
    seed,
    ({ name, operation }) => operation.op === "parameter" && operation.trainable && !frozen(name),
  );
  if (gradients.size === 0) {
    throw new OptionError(`Graph "${graph.name}" has no parameter to train: all of them are frozen.`);
  }
  return {
    name: graph.name,
    nodes: builder.nodes,
    loss: loss.id,
    logits: logits.id,
    gradients: new Map([...gradients].map(([name, { id }]) => [name, id])),
    moments,
  };
}

/** The graph up to its logits: without a last softmax, and without nodes that they do not need. */
function withLogits(graph: Graph): Graph {
  const [output, ...others] = graph.outputs;
  if (output === undefined || others.length > 0) {
    throw new GraphError(`Training needs a graph with one output, but "${graph.name}" has ${graph.outputs.length}.`);
  }
  const last = nodeOf(graph, output.value);
  const value = isNode(last, "softmax") ? (last.inputs[0] as ValueId) : last.id;
  const { shape } = nodeOf(graph, value);
  const isOneNumberAClass = shape.length >= 2 && elementCount(shape.slice(1)) === shape.at(-1);
  if (!isOneNumberAClass) {
    throw new GraphError(
      `Training needs an output [N, classes], but that of "${graph.name}" is ${formatShape(shape)}.`,
    );
  }
  const cut: Graph = { ...graph, outputs: [{ name: output.name, value }] };
  return removeDeadNodes({ graph: cut, weights: new Map() }).graph;
}
