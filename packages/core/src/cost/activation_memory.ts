import { type Graph, isNode } from "../graph/graph.ts";
import { elementCount } from "../tensor.ts";
import { elementBytes } from "./memory_access.ts";

/**
 * The most bytes of activations that are alive at a time when the nodes run in order, each into memory of its own: an input lives from the
 * start, a value from its node to its last reader, an output to the end. `flatten` and `dropout` are other names of their input.
 *
 * A compiler that works in place, reads through views or by bands of rows needs less; its plan knows how much.
 */
export function peakActivationBytes(graph: Graph): number {
  const owner = graph.nodes.map((node) => node.id as number);
  for (const node of graph.nodes) {
    if (isNode(node, "flatten") || isNode(node, "dropout")) owner[node.id] = owner[node.inputs[0] as number] as number;
  }
  const lastUse = graph.nodes.map((node) => node.id as number);
  for (const node of graph.nodes) for (const input of node.inputs) lastUse[owner[input] as number] = node.id;
  for (const { value } of graph.outputs) lastUse[owner[value] as number] = graph.nodes.length;

  const bytesOf = (id: number): number => {
    const node = graph.nodes[id];
    if (node === undefined || isNode(node, "parameter") || owner[id] !== id) return 0;
    return elementCount(node.shape) * elementBytes;
  };
  const freedAfter = new Map<number, number>();
  for (const [id, last] of lastUse.entries()) freedAfter.set(last, (freedAfter.get(last) ?? 0) + bytesOf(id));
  let live = 0;
  for (const node of graph.nodes) if (isNode(node, "input")) live += bytesOf(node.id);
  let peak = live;
  for (const node of graph.nodes) {
    if (!isNode(node, "input")) live += bytesOf(node.id);
    peak = Math.max(peak, live);
    live -= freedAfter.get(node.id) ?? 0;
  }
  return peak;
}
