import type { Value } from "../graph/builder.ts";
import { isNode, type Node, nodeOf, type ValueId } from "../graph/graph.ts";
import type { OperationOf } from "../graph/operations.ts";
import { invertOrder, permutationOrder } from "../graph/permutation.ts";
import { type Pass, type Rewriting, rewriteFully } from "./program.ts";

/**
 * f(permute(x)) → permute(f′(x));  f(concatenate(a, b)) → concatenate(f(a), f(b))    for f an activation or a batch norm
 *
 * Moves what works channel by channel up to the convolution that it can be fused into. f′ is f with its vectors in x's order. Sound
 * because f treats each channel alone; done only where nobody else reads the permutation, the concatenation or its parts.
 */
export const hoistChannelwise: Pass = {
  name: "hoist channelwise",
  // Each round moves an operation past one permutation or concatenation; stacks of them need several.
  run: (program) =>
    rewriteFully(program, (node, to) => {
      if (!isNode(node, "activation") && !isNode(node, "batch_norm")) return undefined;
      const source = nodeOf(to.old, node.inputs[0] as ValueId);
      if (to.useCount(source.id) !== 1) return undefined;
      if (isNode(source, "permute")) return pastPermutation(node, source, to);
      const isMovable = isNode(source, "concatenate") && source.inputs.every((part) => to.useCount(part) === 1);
      return isMovable ? pastConcatenation(node, source, to) : undefined;
    }),
};

function pastPermutation(node: Node, permute: Node<OperationOf<"permute">>, to: Rewriting): Value {
  const order = permutationOrder(permute.operation.permutation, permute.shape.at(-1) as number);
  const inner = channelwise(node, to, to.value(permute.inputs[0] as ValueId), node.name, invertOrder(order));
  return to.node(`${permute.name}/after`, permute.operation, [inner]);
}

function pastConcatenation(node: Node, concatenation: Node, to: Rewriting): Value {
  let start = 0;
  const parts = concatenation.inputs.map((part, i) => {
    const count = nodeOf(to.old, part).shape.at(-1) as number;
    const channels = Array.from({ length: count }, (_, c) => start + c);
    start += count;
    return channelwise(node, to, to.value(part), `${node.name}/${i}`, channels);
  });
  return to.node(`${concatenation.name}/after`, concatenation.operation, parts);
}

/** `node` applied to `x`, whose channel c is treated as `node` treats its own channel `channels[c]`. */
function channelwise(node: Node, to: Rewriting, x: Value, name: string, channels: readonly number[]): Value {
  const vectors = node.inputs.slice(1).map((input) => {
    const numbers = to.numbers(input);
    const picked = Float32Array.from(channels, (c) => numbers[c] as number);
    return to.parameter(`${nodeOf(to.old, input).name}/hoisted`, [channels.length], picked);
  });
  return to.node(name, node.operation, [x, ...vectors]);
}
