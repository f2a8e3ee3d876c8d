import { type Graph, isNode, type Node } from "../graph/graph.ts";

/** Nodes of a network that its paper counts as one block. */
export interface Block {
  /** Their common path: `stage3/unit2`, `fire4`, `stem`. */
  readonly name: string;
  readonly nodes: readonly Node[];
}

/**
 * The blocks of a graph, in order: nodes grouped by the first part of their path, or the first two inside a stage (`stage3/unit2`).
 * Parameters belong to no block.
 */
export function blocksOf(graph: Graph): readonly Block[] {
  const blocks = new Map<string, Node[]>();
  for (const node of graph.nodes) {
    if (isNode(node, "parameter") || isNode(node, "input")) continue;
    const name = blockName(node.name);
    const nodes = blocks.get(name) ?? [];
    nodes.push(node);
    blocks.set(name, nodes);
  }
  return [...blocks].map(([name, nodes]) => ({ name, nodes }));
}

function blockName(nodeName: string): string {
  const [first = "", ...rest] = nodeName.split("/");
  const [second] = rest;
  return /^stage\d+$/.test(first) && second !== undefined ? `${first}/${second}` : first;
}

/** Convolutions and pools: what guideline 3 of ShuffleNet V2 calls a fragment. */
function isFragment(node: Node): boolean {
  return isNode(node, "convolution") || isNode(node, "max_pool") || isNode(node, "average_pool");
}

/**
 * How far a block falls apart (guideline 3, arXiv:1807.11164, section 2).
 *
 * @returns `fragments`: convolutions and pools in it; `branches`: the most of them that stand side by side, as many steps from the start
 */
export function fragmentation(nodes: readonly Node[]): { readonly fragments: number; readonly branches: number } {
  const steps = new Map<number, number>();
  const atStep = new Map<number, number>();
  let fragments = 0;
  for (const node of nodes) {
    const before = Math.max(0, ...node.inputs.map((input) => steps.get(input) ?? 0));
    const step = before + Number(isFragment(node));
    steps.set(node.id, step);
    if (!isFragment(node)) continue;
    fragments++;
    atStep.set(step, (atStep.get(step) ?? 0) + 1);
  }
  return { fragments, branches: Math.max(0, ...atStep.values()) };
}
