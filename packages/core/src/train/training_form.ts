import type { Value } from "../graph/builder.ts";
import { type Graph, isNode, type Node, nodeOf, usersOf, type ValueId } from "../graph/graph.ts";
import type { Activation, OperationOf } from "../graph/operations.ts";
import { useCounts } from "../passes/program.ts";
import { elementCount } from "../tensor.ts";
import { derivativeFromOutput } from "./activation_derivatives.ts";
import type { StepBuilder } from "./step_builder.ts";
import type { StepGraph, StepOperation } from "./step_graph.ts";

type Moments = StepGraph["moments"][number];

/** A network's training form while it is built. */
interface Form {
  readonly graph: Graph;
  readonly builder: StepBuilder;
  readonly batch: number;
  readonly frozen: (parameter: string) => boolean;
  readonly moments: Moments[];
  /** The new value of an old one. Parameters are made when they are first read, so that those that training does not read are left out. */
  value(old: ValueId): Value;
  /** The activation after the node if it is the only reader and may be taken into the node, which then stands for both; else `none`. */
  takeActivation(node: Node, mayTake: (activation: Activation) => boolean): Activation;
}

/**
 * Adds a network to a training step, as it is in training:
 *
 * batch_norm → moments, normalize;  dropout → multiply by an input `mask:NAME`;  N pictures → `batch` pictures
 *
 * An activation is fused into the batch norm before it. It is fused into a convolution, linear or add only where its derivative can be
 * told from its output, so that what it was applied to need not be kept; where it cannot, what is fused is split.
 *
 * @param graph with one output
 */
export function trainingForm(
  graph: Graph,
  batch: number,
  frozen: (parameter: string) => boolean,
  builder: StepBuilder,
): { readonly output: Value; readonly moments: readonly Moments[] } {
  const values = new Map<ValueId, Value>();
  const counts = useCounts(graph);
  const users = usersOf(graph);
  const form: Form = {
    graph,
    builder,
    batch,
    frozen,
    moments: [],
    value(old) {
      const known = values.get(old);
      if (known !== undefined) return known;
      const { name, operation } = nodeOf(graph, old);
      const parameter = builder.node(name, operation, []);
      values.set(old, parameter);
      return parameter;
    },
    takeActivation(node, mayTake) {
      const user = users[node.id]?.[0];
      if (counts[node.id] !== 1 || user === undefined || !isNode(user, "activation")) return "none";
      const { activation } = user.operation;
      if (activation === "none" || !mayTake(activation)) return "none";
      takenBy.set(user.id, node.id);
      return activation;
    },
  };
  const takenBy = new Map<ValueId, ValueId>();
  for (const node of graph.nodes) {
    if (isNode(node, "parameter")) continue;
    const producer = takenBy.get(node.id);
    values.set(node.id, producer === undefined ? trainingNode(node, form) : form.value(producer));
  }
  return { output: form.value((graph.outputs[0] as Graph["outputs"][number]).value), moments: form.moments };
}

function trainingNode(node: Node, form: Form): Value {
  const { builder } = form;
  if (isNode(node, "batch_norm")) return normalized(node, form);
  if (isNode(node, "convolution")) return convolved(node, form);
  if (isNode(node, "dropout")) return dropped(node, form);
  const { name, operation } = node;
  const inputs = node.inputs.map(form.value);
  switch (operation.op) {
    case "input":
      return builder.node(name, { op: "input", shape: [form.batch, ...node.shape.slice(1)] }, []);
    case "linear":
    case "add":
      return activated(node, form, operation.activation, (activation) => ({ ...operation, activation }), inputs);
    case "activation":
      return operation.activation === "none" ? (inputs[0] as Value) : builder.node(name, operation, inputs);
    default:
      return builder.node(name, operation, inputs);
  }
}

/** The node with its activation, and the one after it where it has none. */
function activated(
  node: Node,
  form: Form,
  own: Activation,
  operation: (activation: Activation) => StepOperation,
  inputs: readonly Value[],
): Value {
  const activation = own === "none" ? form.takeActivation(node, derivativeFromOutput) : own;
  return split(node.name, activation, operation, inputs, form.builder, form.builder.node);
}

/** An operation and its activation: one node where the derivative can be told from the output, else two. */
function split(
  name: string,
  activation: Activation,
  operation: (activation: Activation) => StepOperation,
  inputs: readonly Value[],
  builder: StepBuilder,
  make: StepBuilder["node"],
): Value {
  if (derivativeFromOutput(activation)) return make(name, operation(activation), inputs);
  const before = builder.derived(`${name}/before_${activation}`, operation("none"), inputs);
  return make(name, { op: "activation", activation }, [before]);
}

function convolved(node: Node<OperationOf<"convolution">>, form: Form): Value {
  const { activation: inner, residual, residualActivation } = node.operation;
  const inputs = node.inputs.map(form.value);
  const plain = (activation: Activation): StepOperation => ({
    ...node.operation,
    activation,
    residual: false,
    residualActivation: "none",
  });
  if (!residual) return activated(node, form, inner, plain, inputs);
  const { builder } = form;
  const [other, ...read] = inputs.toReversed() as [Value, ...Value[]];
  const sum = split(`${node.name}/before_residual`, inner, plain, read.toReversed(), builder, builder.derived);
  return activated(node, form, residualActivation, (activation) => ({ op: "add", activation }), [sum, other]);
}

function dropped(node: Node<OperationOf<"dropout">>, { builder, value }: Form): Value {
  const x = value(node.inputs[0] as ValueId);
  if (node.operation.rate === 0) return x;
  const mask = builder.node(`mask:${node.name}`, { op: "input", shape: x.shape }, []);
  return builder.node(node.name, { op: "multiply" }, [x, mask]);
}

function normalized(node: Node<OperationOf<"batch_norm">>, form: Form): Value {
  const { builder, graph } = form;
  const { name } = node;
  const [x, gamma, beta] = node.inputs.slice(0, 3).map(form.value) as [Value, Value, Value];
  const [mean, variance] = node.inputs.slice(3) as [ValueId, ValueId];
  const activation = form.takeActivation(node, () => true);
  const meanName = nodeOf(graph, mean).name;
  let moments: Value;
  if (form.frozen(meanName)) moments = runningMoments(name, form.value(mean), form.value(variance), builder);
  else {
    moments = builder.derived(`${name}/moments`, { op: "moments" }, [x]);
    const count = elementCount(x.shape.slice(0, -1));
    form.moments.push({ value: moments.id, count, mean: meanName, variance: nodeOf(graph, variance).name });
  }
  return builder.node(name, { op: "normalize", epsilon: node.operation.epsilon, activation }, [
    x,
    moments,
    gamma,
    beta,
  ]);
}

/** Running statistics in the layout of moments: `[C]` and `[C]` as `[2, C]`. */
function runningMoments(name: string, mean: Value, variance: Value, builder: StepBuilder): Value {
  const channels = mean.shape[0] as number;
  const rows = [mean, variance].map((row, index) => {
    const rowName = `${name}/running_${index === 0 ? "mean" : "variance"}`;
    return builder.derived(rowName, { op: "reshape", shape: [1, channels] }, [row]);
  });
  const joined = builder.derived(`${name}/running_moments/row`, { op: "concatenate" }, rows);
  return builder.derived(`${name}/running_moments`, { op: "reshape", shape: [2, channels] }, [joined]);
}
