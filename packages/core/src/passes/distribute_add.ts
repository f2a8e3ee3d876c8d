import type { Value } from "../graph/builder.ts";
import { isNode, type Node, nodeOf, type ValueId } from "../graph/graph.ts";
import { type Pass, type Rewriting, rewrite } from "./program.ts";

/**
 * add(concatenate(a, b), y) → concatenate(add(a, slice(y)), add(b, slice(y)))    for a, b convolutions
 *
 * SqueezeNet's bypass around Fire: each expand convolution can then take its share of the residual. Sound because addition works
 * channel by channel; done only where nobody else reads the concatenation or its parts.
 */
export const distributeAdd: Pass = {
  name: "distribute add",
  run: (program) =>
    rewrite(program, (node, to) => {
      if (!isNode(node, "add")) return undefined;
      const [a, b] = node.inputs.map((input) => nodeOf(to.old, input)) as [Node, Node];
      if (isConcatenationOfConvolutions(a, to)) return distribute(node, a, b, to);
      if (isConcatenationOfConvolutions(b, to)) return distribute(node, b, a, to);
      return undefined;
    }),
};

function isConcatenationOfConvolutions(node: Node, to: Rewriting): boolean {
  return (
    isNode(node, "concatenate") &&
    to.useCount(node.id) === 1 &&
    node.inputs.every((part) => isNode(nodeOf(to.old, part), "convolution") && to.useCount(part) === 1)
  );
}

function distribute(add: Node, concatenation: Node, other: Node, to: Rewriting): Value {
  let start = 0;
  const sums = concatenation.inputs.map((part: ValueId, i) => {
    const count = nodeOf(to.old, part).shape.at(-1) as number;
    const slice = to.node(`${add.name}/slice${i}`, { op: "slice", start, count }, [to.value(other.id)]);
    start += count;
    return to.node(`${add.name}/${i}`, add.operation, [to.value(part), slice]);
  });
  return to.node(add.name, concatenation.operation, sums);
}
