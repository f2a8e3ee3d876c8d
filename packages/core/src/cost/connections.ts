import { type Graph, isNode, type Node, nodeOf, usersOf, type ValueId } from "../graph/graph.ts";
import type { OperationName } from "../graph/operations.ts";
import { countPaths } from "./paths.ts";

/** How the channels of one block are connected: a row of `describe MODEL --connections`. */
export interface BlockConnections {
  /** Path of the block's convolutions: `stage1/unit2/block1`. */
  readonly block: string;
  /** Names of the nodes between whose outputs paths were counted: what the first convolution reads, and what the last one became. */
  readonly from: string;
  readonly to: string;
  readonly inputs: number;
  readonly outputs: number;
  readonly minPaths: number;
  readonly maxPaths: number;
  /** IGCV2's strict condition: exactly one path between every input and every output channel. */
  readonly complementary: boolean;
  /**
   * IGCV3's loose condition (arXiv:1806.00178): where equally many paths, more than one, join every two channels, the number of
   * super-channels: sets of channels that share a branch in every group convolution, on which the strict condition holds. It is the
   * product of the numbers of branches, 4 for two and two; 1 says that the block is dense.
   */
  readonly superchannels?: number;
  /** A pair of channels that no path joins, where there is one. */
  readonly unconnected?: { readonly input: number; readonly output: number };
  /** Pairs that no path joins, among all pairs. */
  readonly unconnectedShare: number;
}

/**
 * The connections of every block of a graph: of every path under which at least two convolutions stand, from what the first of them reads
 * to what becomes of the last, sums with a shortcut left out. A graph without such paths is one block.
 */
export function describeConnections(graph: Graph): readonly BlockConnections[] {
  const scopes = new Map<string, Node[]>();
  const convolutions = graph.nodes.filter((node) => isNode(node, "convolution"));
  for (const node of convolutions) {
    const scope = node.name.includes("/") ? node.name.slice(0, node.name.lastIndexOf("/")) : "";
    if (scope !== "") scopes.set(scope, [...(scopes.get(scope) ?? []), node]);
  }
  const blocks = [...scopes].filter(([, nodes]) => nodes.length >= 2);
  if (blocks.length === 0 && convolutions.length > 0) blocks.push(["", [...convolutions]]);
  const users = usersOf(graph);
  return blocks.map(([scope, nodes]) => connectionsOf(graph, users, scope, nodes));
}

function connectionsOf(
  graph: Graph,
  users: readonly (readonly Node[])[],
  scope: string,
  convolutions: readonly Node[],
): BlockConnections {
  const { from, chain, to } = stretchOf(graph, users, scope, convolutions);
  const paths = countPaths(graph, from.name, to.name);
  const { inputs, outputs, minPaths, maxPaths, unconnectedShare } = paths;
  const isLoose = minPaths === maxPaths && minPaths > 1;
  return {
    block: scope === "" ? graph.name : scope,
    from: from.name,
    to: to.name,
    inputs,
    outputs,
    minPaths,
    maxPaths,
    complementary: minPaths === 1 && maxPaths === 1,
    ...(isLoose ? { superchannels: branchProduct(graph, chain) } : {}),
    ...(paths.unconnected === undefined ? {} : { unconnected: paths.unconnected }),
    unconnectedShare,
  };
}

interface Stretch {
  /**
   * What the first convolution of the chain reads. Where that is a depthwise one that makes several channels of each, its output: the
   * copies are no interleaving, and would count every path so many times.
   */
  readonly from: Node;
  /** The longest chain of convolutions in the block, first to last. */
  readonly chain: readonly Node[];
  /** The last convolution's output after its norm, activation, permutation or concatenation. */
  readonly to: Node;
}

function stretchOf(
  graph: Graph,
  users: readonly (readonly Node[])[],
  scope: string,
  convolutions: readonly Node[],
): Stretch {
  const isInside = (node: Node) => scope === "" || node.name.startsWith(`${scope}/`);
  // How many convolutions of the block stand on the longest way to a node, itself included; 0 outside.
  const steps = graph.nodes.map(() => 0);
  const isOwn = new Set(convolutions.map(({ id }) => id));
  for (const node of graph.nodes) {
    if (!isInside(node)) continue;
    steps[node.id] = Math.max(0, ...node.inputs.map((input) => steps[input] ?? 0)) + Number(isOwn.has(node.id));
  }
  const stepsOf = ({ id }: Node) => steps[id] ?? 0;
  const last = convolutions.reduce((best, node) => (stepsOf(node) >= stepsOf(best) ? node : best));
  const chain = [last];
  let from = nodeOf(graph, last.inputs[0] as ValueId);
  while (stepsOf(from) > 0) {
    if (isOwn.has(from.id)) chain.unshift(from);
    const deepest = from.inputs
      .map((input) => nodeOf(graph, input))
      .reduce((best, node) => (stepsOf(node) > stepsOf(best) ? node : best));
    from = deepest;
  }
  let to = last;
  for (;;) {
    const [next, ...others] = (users[to.id] ?? []).filter(isInside);
    const isShortcut = next?.inputs.some((input) => !isNode(nodeOf(graph, input), "parameter") && steps[input] === 0);
    if (next === undefined || others.length > 0 || isShortcut || !carriers.has(next.operation.op)) break;
    to = next;
  }
  const first = chain[0] ?? last;
  const multiplies = isDepthwise(graph, first) && first !== last && (first.shape[3] ?? 0) > (from.shape[3] ?? 0);
  return { from: multiplies ? first : from, chain, to };
}

/** Operations through which a block's last convolution may go and still be its output. */
const carriers: ReadonlySet<OperationName> = new Set<OperationName>([
  "batch_norm",
  "activation",
  "permute",
  "concatenate",
  "dropout",
]);

function isDepthwise(graph: Graph, node: Node): boolean {
  if (!isNode(node, "convolution")) return false;
  const channels = nodeOf(graph, node.inputs[0] as ValueId).shape[3];
  return node.operation.groups === channels && channels > 1;
}

function branchProduct(graph: Graph, chain: readonly Node[]): number {
  return chain.reduce(
    (product, node) =>
      isNode(node, "convolution") && !isDepthwise(graph, node) ? product * node.operation.groups : product,
    1,
  );
}
