import { isNode, type Node, nodeOf, type ValueId } from "../graph/graph.ts";
import { type Pass, type Rewriting, rewrite } from "./program.ts";

/**
 * add(convolution(x), y) → convolution(x) with residual y
 *
 * Sound when nobody else reads the convolution. Of two convolutions the later one takes the other's result. Depthwise convolutions
 * are left alone: no published network adds to one.
 */
export const fuseResidual: Pass = {
  name: "fuse residual",
  run: (program) =>
    rewrite(program, (node, to) => {
      if (!isNode(node, "add")) return undefined;
      const [a, b] = node.inputs as readonly [ValueId, ValueId];
      const candidates = a > b ? [a, b] : [b, a];
      const chosen = candidates.map((id) => nodeOf(to.old, id)).find((candidate) => canTakeResidual(candidate, to));
      if (chosen === undefined || !isNode(chosen, "convolution") || a === b) return undefined;
      const residual = chosen.id === a ? b : a;
      const operation = { ...chosen.operation, residual: true, residualActivation: node.operation.activation };
      return to.node(`${chosen.name}+add`, operation, [...chosen.inputs, residual].map(to.value));
    }),
};

function canTakeResidual(node: Node, to: Rewriting): boolean {
  if (!isNode(node, "convolution") || node.operation.residual || to.useCount(node.id) !== 1) return false;
  const isDepthwise =
    node.operation.groups > 1 && node.operation.groups === nodeOf(to.old, node.inputs[0] as ValueId).shape[3];
  return !isDepthwise;
}
