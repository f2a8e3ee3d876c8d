import { type Graph, isNode, type Node, nodeOf, type ValueId } from "../graph/graph.ts";

/** Names of the parameters of the last layer that has any: what a network of other classes cannot take over. */
export function headParameters(graph: Graph): ReadonlySet<string> {
  let node: Node | undefined = nodeOf(graph, (graph.outputs[0] as { value: ValueId }).value);
  while (node) {
    const names = parameterNames(graph, node);
    if (names.length > 0) return new Set(names);
    const input: ValueId | undefined = node.inputs[0];
    node = input === undefined ? undefined : nodeOf(graph, input);
  }
  return new Set();
}

function parameterNames(graph: Graph, node: Node): readonly string[] {
  return node.inputs.flatMap((input) => {
    const source = nodeOf(graph, input);
    return isNode(source, "parameter") ? [source.name] : [];
  });
}
