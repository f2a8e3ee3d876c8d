import type { ValueId } from "../graph/graph.ts";
import { type InputNumbers, interpretNodes, type Precision } from "../graph/interpret_nodes.ts";
import { type ComputedOperation, interpretOperation } from "../graph/interpret_operation.ts";
import type { Tensor, Weights } from "../tensor.ts";
import { interpretGradient } from "./interpret_gradient.ts";
import type { StepGraph } from "./step_graph.ts";
import { isGradientOperation, verifyStepGraph } from "./step_operations.ts";

/** Options of `interpretStep`. */
export interface InterpretStepOptions<P extends Precision = "f32"> {
  /** Names of nodes whose values are returned too. */
  readonly keep?: readonly string[];
  /** Default `f32`, as compiled steps store their values. `f64` keeps double between nodes, for checks of gradients. */
  readonly precision?: P;
}

/** What `interpretStep` returns. */
export interface StepInterpretation<P extends Precision = "f32"> {
  /** Of each picture, `[N]`. */
  readonly loss: Tensor<P>;
  /** `[N, classes]` */
  readonly logits: Tensor<P>;
  /** By parameter's name: the gradient of the mean loss. */
  readonly gradients: ReadonlyMap<string, Tensor<P>>;
  /** `[2, C]` of each batch norm, in the order of the step's `moments`. */
  readonly moments: readonly Tensor<P>[];
  /** By node name, as asked for by `keep`. */
  readonly kept: Record<string, Tensor<P>>;
}

/**
 * Runs a training step by the plainest loops: the specification that compiled steps are tested against. See `interpret`.
 *
 * @param weights numbers of every parameter that the step reads, by name
 * @param inputs numbers of every input, by node name: the network's own, `targets`, and the masks of dropout
 * @throws {GraphError | ShapeError} if the step does not verify
 * @throws {WeightsError} listing every missing or mis-shaped parameter
 * @throws {ShapeError} listing every missing, unknown or mis-shaped input
 * @throws {OptionError} if `keep` names no node
 */
export function interpretStep<P extends Precision = "f32">(
  step: StepGraph,
  weights: Weights,
  inputs: Readonly<Record<string, InputNumbers>>,
  options: InterpretStepOptions<P> = {},
): StepInterpretation<P> {
  verifyStepGraph(step);
  const { keep = [], precision = "f32" as P } = options;
  const values: readonly ValueId[] = [
    step.loss,
    step.logits,
    ...step.moments.map(({ value }) => value),
    ...step.gradients.values(),
  ];
  const outputs = values.map((value, index) => ({ name: String(index), value }));
  const result = interpretNodes({ name: step.name, nodes: step.nodes, outputs }, weights, inputs, {
    precision,
    keep,
    compute(operation, operands, output) {
      if (isGradientOperation(operation)) interpretGradient(operation, operands, output);
      else interpretOperation(operation as ComputedOperation, operands, output);
    },
  });
  const [loss, logits, ...others] = outputs.map(({ name }) => result.outputs[name] as Tensor<P>) as [
    Tensor<P>,
    Tensor<P>,
    ...Tensor<P>[],
  ];
  const moments = others.slice(0, step.moments.length);
  const gradients = others.slice(step.moments.length);
  return {
    loss,
    logits,
    gradients: new Map([...step.gradients.keys()].map((name, index) => [name, gradients[index] as Tensor<P>])),
    moments,
    kept: result.kept,
  };
}
