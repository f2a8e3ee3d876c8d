import type { Graph } from "../graph/graph.ts";

/** The same network without kinks: of some hundred thousand activations, one is always about to cross its own. */
export function smoothNetwork(graph: Graph): Graph {
  const nodes = graph.nodes.map((node) =>
    node.operation.op === "activation" && node.operation.activation.startsWith("relu")
      ? { ...node, operation: { op: "activation", activation: "swish" } as const }
      : node,
  );
  return { ...graph, nodes };
}
