import { isNode, nodeOf } from "../graph/graph.ts";
import { type Pass, rewriteFully } from "./program.ts";

/**
 * convolution(pad(x, p, 0)) → convolution(x) with p added to its padding
 *
 * Sound when the padding's value is zero, which is what a convolution pads with.
 */
export const foldPadding: Pass = {
  name: "fold padding",
  // Once more for each padding of a padding.
  run: (program) =>
    rewriteFully(program, (node, to) => {
      if (!isNode(node, "convolution")) return undefined;
      const [input, ...others] = node.inputs;
      const pad = nodeOf(to.old, input as (typeof node.inputs)[number]);
      if (!isNode(pad, "pad") || pad.operation.value !== 0) return undefined;
      const [own, added] = [node.operation.padding, pad.operation.padding];
      const padding = {
        top: own.top + added.top,
        bottom: own.bottom + added.bottom,
        left: own.left + added.left,
        right: own.right + added.right,
      };
      const inputs = [...pad.inputs, ...others].map(to.value);
      return to.node(node.name, { ...node.operation, padding }, inputs);
    }),
};
