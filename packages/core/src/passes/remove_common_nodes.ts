import type { Value } from "../graph/builder.ts";
import { isNode } from "../graph/graph.ts";
import { type Pass, rewrite } from "./program.ts";

/**
 * y = f(x); z = f(x) → y = z = f(x)
 *
 * Sound because operations are pure: the same operation on the same values gives the same result.
 */
export const removeCommonNodes: Pass = {
  name: "remove common nodes",
  run(program) {
    const seen = new Map<string, Value>();
    return rewrite(program, (node, to) => {
      if (isNode(node, "input") || isNode(node, "parameter")) return undefined;
      const inputs = node.inputs.map(to.value);
      const key = JSON.stringify([node.operation, inputs.map((value) => value.id)]);
      const found = seen.get(key);
      if (found) return found;
      const value = to.builder.node(node.name, node.operation, inputs);
      seen.set(key, value);
      return value;
    });
  },
};
