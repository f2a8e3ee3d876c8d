import { build, type Graph, isNode, type Node, nodeOf, type ValueId } from "@depthwise/core";
import type { PeerStep } from "./peer.ts";
import { startPeer } from "./peer_client.ts";
import type { PeerChoice } from "./peers/peers.ts";
import { alignColumns } from "./report.ts";

/** Times of one layer: a convolution, linear layer or pool with all that follows it up to the next. */
export interface LayerTimes {
  readonly layer: string;
  /** By peer, in the order that was asked for; undefined for a peer that does not profile itself. */
  readonly milliseconds: readonly (number | undefined)[];
}

const WARM_UP_TURNS = 5;
const TURNS = 10;
const RUNS_PER_TURN = 4;
/** What a peer inserts and we cannot tell to which layer it belongs. */
const OTHER = "(other)";

/** Lets peers that can profile themselves do so, in turns. */
export async function measureLayers(
  model: string,
  peers: readonly PeerChoice[],
  threads: number,
): Promise<readonly LayerTimes[]> {
  using stack = new DisposableStack();
  const clients = peers.map((choice) => stack.use(startPeer(choice)));
  for (const [i, client] of clients.entries())
    await client.ask({ ask: "load", model, threads: peers[i]?.threads ?? threads, profile: true });
  for (let turn = 0; turn < WARM_UP_TURNS + TURNS; turn++) {
    for (const client of clients) await client.ask({ ask: "turn", runs: RUNS_PER_TURN });
  }
  const { graph } = build(model);
  const layerOf = layerNames(graph);
  const sums: (ReadonlyMap<string, number> | undefined)[] = [];
  for (const client of clients) {
    const { steps } = await client.ask({ ask: "profile" });
    sums.push(steps === undefined ? undefined : sumByLayer(steps, layerOf));
  }
  const layers = [...new Set(layerOf.values()), OTHER];
  return layers
    .map((layer) => ({ layer, milliseconds: sums.map((sum) => sum && (sum.get(layer) ?? 0)) }))
    .filter(({ milliseconds }) => milliseconds.some((time) => time));
}

/** For each node's name, the layer that it belongs to: itself, or the layer of its first input. */
function layerNames(graph: Graph): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const node of graph.nodes) {
    if (isNode(node, "input") || isNode(node, "parameter")) continue;
    const input = nodeOf(graph, node.inputs[0] as ValueId);
    names.set(node.name, isLayer(node) ? node.name : (names.get(input.name) ?? node.name));
  }
  return names;
}

function isLayer(node: Node): boolean {
  const layers = ["convolution", "linear", "max_pool", "average_pool", "global_average_pool"] as const;
  return layers.some((op) => isNode(node, op));
}

/** Peers name their steps after our nodes, with more behind: `fire2/squeeze/Conv`, `pool1_nchwc`, and we `stem+norm+relu6`. */
function sumByLayer(steps: readonly PeerStep[], layerOf: ReadonlyMap<string, string>): ReadonlyMap<string, number> {
  const sums = new Map<string, number>();
  for (const { name, milliseconds } of steps) {
    let node = name.replace(/_nchwc$|\+.*$/, "");
    while (!layerOf.has(node) && node.includes("/")) node = node.slice(0, node.lastIndexOf("/"));
    const layer = layerOf.get(node) ?? OTHER;
    sums.set(layer, (sums.get(layer) ?? 0) + milliseconds);
  }
  return sums;
}

/** A table for people, the layers where the first peer does worst beside the second on top. */
export function reportLayers(layers: readonly LayerTimes[], peers: readonly PeerChoice[]): string {
  const ratio = ({ milliseconds: [first = 0, second] }: LayerTimes): number =>
    second === undefined ? first : first / second;
  const rows = [...layers]
    .sort((a, b) => ratio(b) - ratio(a))
    .map((layer) => [
      layer.layer,
      "",
      ...layer.milliseconds.map((time) => (time === undefined ? "-" : time.toFixed(3))),
      Number.isFinite(ratio(layer)) ? `${ratio(layer).toFixed(2)}x` : "-",
    ]);
  const head = ["layer, ms", "", ...peers.map(({ name }) => name), `${peers[0]?.name} / ${peers[1]?.name ?? ""}`];
  return alignColumns([head, ...rows])
    .map((line) => `  ${line}`)
    .join("\n");
}
