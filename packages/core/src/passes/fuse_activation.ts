import { isNode, nodeOf, type ValueId } from "../graph/graph.ts";
import type { Operation } from "../graph/operations.ts";
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
      const operation = withActivation(producer.operation, node.operation.activation);
      return (
        operation &&
        to.builder.node(`${producer.name}+${node.operation.activation}`, operation, producer.inputs.map(to.value))
      );
    }),
};

function withActivation(operation: Operation, activation: "none" | string): Operation | undefined {
  const added = activation as Extract<Operation, { op: "activation" }>["activation"];
  switch (operation.op) {
    case "convolution":
      if (operation.residual) {
        return operation.residualActivation === "none" ? { ...operation, residualActivation: added } : undefined;
      }
      return operation.activation === "none" ? { ...operation, activation: added } : undefined;
    case "linear":
    case "add":
      return operation.activation === "none" ? { ...operation, activation: added } : undefined;
    default:
      return undefined;
  }
}
