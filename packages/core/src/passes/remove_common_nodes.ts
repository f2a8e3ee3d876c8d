import { isNode, type ValueId } from "../graph/graph.ts";
import type { Operation } from "../graph/operations.ts";
import { type Pass, rewrite } from "./program.ts";

/**
 * y = f(x); z = f(x) → y = z = f(x)
 *
 * Sound because operations are pure: the same operation on the same values gives the same result.
 */
export const removeCommonNodes: Pass = {
  name: "remove common nodes",
  run(program) {
    const seen = new Map<string, ValueId>();
    return rewrite(program, (node, to) => {
      if (isNode(node, "input") || isNode(node, "parameter")) return undefined;
      const key = keyOf(
        node.operation,
        node.inputs.map((input) => to.value(input).id),
      );
      const found = seen.get(key);
      if (found !== undefined) return to.value(found);
      seen.set(key, node.id);
      return undefined;
    });
  },
};

/** Equal for equal operations on the same values. JSON alone has one text for all numbers that are not finite, and for both zeros. */
function keyOf(operation: Operation, inputs: readonly ValueId[]): string {
  return JSON.stringify([operation, inputs], (_, value: unknown) => {
    const isPlain = typeof value !== "number" || (Number.isFinite(value) && !Object.is(value, -0));
    return isPlain ? value : Object.is(value, -0) ? "-0" : String(value);
  });
}
