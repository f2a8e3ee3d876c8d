import { type GraphBuilder, graphBuilder, type Value } from "../graph/builder.ts";
import { type Graph, isNode, type Node, nodeOf, type ValueId } from "../graph/graph.ts";

/** What a change sees of the new graph. */
export interface Rewritten {
  readonly builder: GraphBuilder;
  /** The new value that stands for an old one; parameters come along as they are. */
  value(old: ValueId): Value;
  /** The node as it was, on its new inputs. */
  keep(node: Node): Value;
}

/**
 * A graph with some of its nodes changed: what a twin without an idea is made with. Shapes are inferred anew; parameters that nobody reads any
 * more are gone.
 *
 * @param change returns what stands for the node in the new graph, or undefined to keep it
 */
export function rewriteGraph(
  graph: Graph,
  name: string,
  change: (node: Node, to: Rewritten) => Value | undefined,
): Graph {
  const builder = graphBuilder(name);
  const values = new Map<ValueId, Value>();
  const to: Rewritten = {
    builder,
    value(old) {
      const known = values.get(old);
      if (known !== undefined) return known;
      const node = nodeOf(graph, old);
      const made = builder.node(node.name, node.operation, node.inputs.map(to.value));
      values.set(old, made);
      return made;
    },
    keep: (node) => builder.node(node.name, node.operation, node.inputs.map(to.value)),
  };
  for (const node of graph.nodes) {
    if (isNode(node, "parameter")) continue;
    values.set(node.id, change(node, to) ?? to.keep(node));
  }
  return builder.build(Object.fromEntries(graph.outputs.map((output) => [output.name, to.value(output.value)])));
}
