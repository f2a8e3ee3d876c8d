import { isNode, nodeOf, type ValueId } from "../graph/graph.ts";
import type { Activation, Operation } from "../graph/operations.ts";
import { type Pass, rewrite } from "./program.ts";

/**
 * activation(convolution(x)) → convolution(x) with that activation; the same for linear and add
 *
 * Sound when nobody else reads the producer and it has no activation yet (after its residual, if it has one).
 */
export const fuseActivation: Pass = {
  name: "fuse activation",
  run: (program) =>
    rewrite(program, (node, to) => {
      if (!isNode(node, "activation")) return undefined;
      const producer = nodeOf(to.old, node.inputs[0] as ValueId);
      if (to.useCount(producer.id) !== 1) return undefined;
      const { activation } = node.operation;
      const operation = withActivation(producer.operation, activation);
      return operation && to.node(`${producer.name}+${activation}`, operation, producer.inputs.map(to.value));
    }),
};

/** The operation with an activation after it, or undefined if it has one or takes none. */
function withActivation(operation: Operation, activation: Activation): Operation | undefined {
  switch (operation.op) {
    case "convolution":
      if (operation.residual) {
        return operation.residualActivation === "none" ? { ...operation, residualActivation: activation } : undefined;
      }
      return operation.activation === "none" ? { ...operation, activation } : undefined;
    case "linear":
    case "add":
      return operation.activation === "none" ? { ...operation, activation } : undefined;
    default:
      return undefined;
  }
}
