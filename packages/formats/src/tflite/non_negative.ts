import { type Activation, type Graph, type Node, nodeOf } from "@depthwise/core";

const nonNegativeActivations: ReadonlySet<Activation> = new Set<Activation>([
  "relu",
  "relu6",
  "sigmoid",
  "hard_sigmoid",
]);

/** Whether a node's values are known to be 0 or more: a maximum over them and zeros is a maximum over them. */
export function isNonNegative(graph: Graph, node: Node): boolean {
  const { operation } = node;
  switch (operation.op) {
    case "activation":
    case "add":
    case "linear":
      return nonNegativeActivations.has(operation.activation);
    case "convolution":
      return nonNegativeActivations.has(operation.residual ? operation.residualActivation : operation.activation);
    case "softmax":
      return true;
    case "max_pool":
    case "average_pool":
    case "global_average_pool":
    case "concatenate":
    case "slice":
    case "permute":
    case "dropout":
      return node.inputs.every((input) => isNonNegative(graph, nodeOf(graph, input)));
    default:
      return false; // not known
  }
}
