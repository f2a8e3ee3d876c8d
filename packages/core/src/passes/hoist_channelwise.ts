import type { Value } from "../graph/builder.ts";
import { isNode, type Node, nodeOf, type ValueId } from "../graph/graph.ts";
import { invertOrder, permutationOrder } from "../graph/permutation.ts";
import { type Pass, type Rewriting, rewrite } from "./program.ts";

/**
 * f(permute(x)) → permute(f′(x));  f(concatenate(a, b)) → concatenate(f(a), f(b))    for f an activation or a batch norm
 *
 * Moves what works channel by channel up to the convolution that it can be fused into. f′ is f with its vectors in x's order. Sound
 * because f treats each channel alone; done only where nobody else reads the permutation, the concatenation or its parts.
 */
export const hoistChannelwise: Pass = {
  name: "hoist channelwise",
  run(program) {
    // Each round moves an operation past one permutation or concatenation; stacks of them need several.
    for (let next = hoistOnce(program); next !== program; next = hoistOnce(program)) program = next;
    return program;
  },
};

function hoistOnce(program: Parameters<Pass["run"]>[0]): ReturnType<Pass["run"]> {
  return rewrite(program, (node, to) => {
    if (!isNode(node, "activation") && !isNode(node, "batch_norm")) return undefined;
    const source = nodeOf(to.old, node.inputs[0] as ValueId);
    if (to.useCount(source.id) !== 1) return undefined;
    if (isNode(source, "permute")) {
      const order = permutationOrder(source.operation.permutation, source.shape.at(-1) as number);
      const inner = channelwise(node, to, to.value(source.inputs[0] as ValueId), node.name, invertOrder(order));
      return to.builder.node(source.name + "/after", source.operation, [inner]);
    }
    if (isNode(source, "concatenate") && source.inputs.every((part) => to.useCount(part) === 1)) {
      let start = 0;
      const parts = source.inputs.map((part, i) => {
        const count = nodeOf(to.old, part).shape.at(-1) as number;
        const channels = Array.from({ length: count }, (_, c) => start + c);
        start += count;
        return channelwise(node, to, to.value(part), `${node.name}/${i}`, channels);
      });
      return to.builder.node(source.name + "/after", source.operation, parts);
    }
    return undefined;
  });
}

/** `node` applied to `x`, whose channel c is treated as `node` treats its own channel `channels[c]`. */
function channelwise(node: Node, to: Rewriting, x: Value, name: string, channels: readonly number[]): Value {
  const vectors = node.inputs.slice(1).map((input) => {
    const numbers = to.numbers(input);
    const picked = Float32Array.from(channels, (c) => numbers[c] as number);
    return to.parameter(`${nodeOf(to.old, input).name}/hoisted`, [channels.length], picked);
  });
  return to.builder.node(name, node.operation, [x, ...vectors]);
}
