import { isNode } from "../graph/graph.ts";
import { permutationOrder } from "../graph/permutation.ts";
import { type Pass, rewrite } from "./program.ts";

/**
 * dropout(x) → x;  activation none, whole slice, identity permutation, concatenation of one, padding of nothing → x
 *
 * Sound at inference only: dropout is the identity there.
 */
export const dropInferenceNoops: Pass = {
  name: "drop inference no-ops",
  run: (program) =>
    rewrite(program, (node, to) => {
      const input = node.inputs[0];
      if (input === undefined) return undefined;
      const channels = node.shape.at(-1) as number;
      const isNoop =
        isNode(node, "dropout") ||
        (isNode(node, "activation") && node.operation.activation === "none") ||
        (isNode(node, "slice") && node.operation.start === 0 && to.value(input).shape.at(-1) === channels) ||
        (isNode(node, "permute") &&
          permutationOrder(node.operation.permutation, channels).every((from, at) => from === at)) ||
        (isNode(node, "concatenate") && node.inputs.length === 1) ||
        (isNode(node, "pad") && Object.values(node.operation.padding).every((size) => size === 0));
      return isNoop ? to.value(input) : undefined;
    }),
};
