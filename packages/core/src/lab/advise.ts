import { compile } from "../compiler/compile.ts";
import { type Cost, describe } from "../cost/describe.ts";
import { type Graph, isNode, type Node, usersOf, type ValueId } from "../graph/graph.ts";
import type { OperationOf } from "../graph/operations.ts";
import { build } from "../networks/build.ts";
import type { Network } from "../networks/network.ts";
import { atEqualMacs, builtOr, type Change, channelsIn, definedOf, kernelOf, nearlyAll } from "./change.ts";
import { fewerBranches } from "./fewer_branches.ts";
import { laterDownsampling } from "./later_downsampling.ts";
import { measureInTurns, type Samples } from "./measure_in_turns.ts";
import { rewriteGraph } from "./rewrite_graph.ts";
import { ceilingOf, type Guideline, layerName, type Roofline, type RooflineNode } from "./roofline.ts";
import { type Estimate, estimateOf } from "./statistics.ts";
import { timingWeights } from "./timing_weights.ts";

/** What a change costs and brings. */
export interface Advice {
  readonly guideline: Guideline | undefined;
  readonly what: string;
  readonly where: readonly string[];
  readonly before: Pick<Cost, "macs" | "parameters" | "memoryAccessBytes">;
  readonly after: Pick<Cost, "macs" | "parameters" | "memoryAccessBytes">;
  /** Of the time: 0.2 is a fifth less. Every new node at the share of its ceiling that nodes like it reach here. */
  readonly predictedGain: number;
  /** Of the best ones: both networks compiled as they ship and measured in turns. */
  readonly measured?: MeasuredGain;
}

/** Two networks that were measured in turns. */
export interface MeasuredGain {
  /** Milliseconds. */
  readonly before: Estimate;
  readonly after: Estimate;
  /** Of the time, from ratios of two turns of the same round. Below 0 it is slower. */
  readonly gain: Estimate;
  /** Whether another run would say so too. */
  readonly verdict: "faster" | "slower" | "cannot be told";
}

/** Options of {@link advise}. */
export interface AdviceOptions {
  /** How many of the changes are built and measured, those with the best predictions first. Default 2. */
  readonly proofs?: number | undefined;
  /** Times that both are loaded anew. Default 7. */
  readonly sessions?: number | undefined;
  /** Turns in each. Default 15. */
  readonly rounds?: number | undefined;
  /** Milliseconds of runs before any is timed. Default 200. */
  readonly warmUp?: number | undefined;
  readonly onProgress?: ((share: number, what: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Changes that would make a network faster here, best prediction first, and the proof of the best ones: they are built, compiled and measured
 * in turns with the original.
 *
 * @param roofline of the same network, measured just before
 * @throws {OptionError} for no sessions or no rounds
 */
export async function advise(
  network: Network,
  roofline: Roofline,
  options: AdviceOptions = {},
): Promise<readonly Advice[]> {
  const { proofs = 2, sessions = 7, rounds = 15, warmUp = 200, onProgress, signal } = options;
  const predicted = (change: Change) => ({
    change,
    predictedGain: 1 - predict(change.graph, roofline) / roofline.milliseconds,
  });
  const changes = [
    ...changesOf(network, roofline).map(predicted),
    // Of these no node says that they are due: they are named where they should pay.
    ...possibleChanges(network)
      .map(predicted)
      .filter(({ predictedGain }) => predictedGain > 0),
  ].toSorted((a, b) => b.predictedGain - a.predictedGain);
  const proved = changes.filter(({ predictedGain }) => predictedGain > 0).slice(0, proofs);
  const contenders = [
    { name: "as it is", graph: () => network.graph },
    ...proved.map(({ change }) => ({ name: change.what, graph: () => change.graph })),
  ];
  const samples =
    proved.length === 0
      ? new Map<string, Samples>()
      : await measureInTurns([contenders], { sessions, rounds, warmUp, seed: 0, onProgress, signal });
  const before = samples.get("as it is");
  return changes.map(({ change, predictedGain }): Advice => {
    const after = samples.get(change.what);
    return {
      guideline: change.guideline,
      what: change.what,
      where: change.where,
      before: costOf(network.graph),
      after: costOf(change.graph),
      predictedGain,
      ...(before === undefined || after === undefined ? {} : { measured: gainOf(before, after) }),
    };
  });
}

function costOf(graph: Graph): Advice["before"] {
  const { macs, parameters, memoryAccessBytes } = describe(graph);
  return { macs, parameters, memoryAccessBytes };
}

/** What two contenders of the same rounds say. */
export function gainOf(before: Pick<Samples, "milliseconds">, after: Pick<Samples, "milliseconds">): MeasuredGain {
  const ratios = after.milliseconds.map((session, s) =>
    session.map((time, round) => time / (before.milliseconds[s]?.[round] ?? Number.NaN)),
  );
  const { value, low, high } = estimateOf(ratios);
  return {
    before: estimateOf(before.milliseconds),
    after: estimateOf(after.milliseconds),
    gain: { value: 1 - value, low: 1 - high, high: 1 - low },
    verdict: high < 1 ? "faster" : low > 1 ? "slower" : "cannot be told",
  };
}

/** Milliseconds of a graph, node by node: at its ceiling, by the share of it that nodes like it reach. */
function predict(graph: Graph, roofline: Roofline): number {
  const { steps } = compile(graph, { weights: timingWeights(graph), bands: false }).manifest;
  const shares = new Map<string, number>();
  return steps.reduce((sum, step) => {
    const kind = kindOf(step);
    const share = shares.get(kind) ?? usualShare(roofline, kind);
    shares.set(kind, share);
    return sum + ceilingOf(step, roofline.ceilings).leastMilliseconds / share;
  }, 0);
}

/** Time at the ceilings over measured time, of nodes of a kind; of all nodes where there is none. */
function usualShare({ nodes, milliseconds, leastMilliseconds }: Roofline, kind: string): number {
  const alike = nodes.filter((node) => kindOf(node) === kind && node.milliseconds > 0);
  const [least, time] = [sumOf(alike, "leastMilliseconds"), sumOf(alike, "milliseconds")];
  return least > 0 && time > 0 ? least / time : leastMilliseconds / milliseconds;
}

function sumOf(nodes: readonly RooflineNode[], what: "milliseconds" | "leastMilliseconds"): number {
  return nodes.reduce((sum, node) => sum + node[what], 0);
}

/** `f32_depthwise`: the generator of the kernel that does the work; the first ones may fill borders. */
function kindOf({ op, kernels }: Pick<RooflineNode, "op" | "kernels">): string {
  const [format, kernel] = kernels.at(-1)?.split("_") ?? [];
  return `${op} ${format}_${kernel}`;
}

/** Every change that we know for the guidelines that a network breaks. */
export function changesOf(network: Network, roofline: Roofline): readonly Change[] {
  const breaches = (guideline: Guideline): ReadonlySet<string> =>
    new Set(
      roofline.nodes
        .filter((node) => node.breaches.some((breach) => breach.guideline === guideline))
        .map((node) => layerName(node)),
    );
  const pairs = pairsOf(network.graph);
  return [
    equalWidths(network.graph, breaches(1)),
    widerOutside(network, breaches(1)),
    ...fewerGroups(network, pairs, breaches(2)),
  ].filter((change) => change !== undefined);
}

/** Changes that may pay where no guideline is broken beyond its limit. */
function possibleChanges(network: Network): readonly Change[] {
  const change = fewerBranches(network.graph);
  return [...(change === undefined ? [] : [change]), ...laterDownsampling(network)];
}

/** Group counts that are tried instead of more than four. */
const fewGroups = 4;

/** By the family's own option, which keeps the multiply-accumulates as its paper does; by the graph where there is none. */
function fewerGroups(network: Network, pairs: readonly Pair[], broken: ReadonlySet<string>): readonly Change[] {
  if (broken.size === 0) return [];
  const { family, name, options } = network;
  const rewritten = narrowed(network.graph, "fewer groups", 2, broken, pairs, (pair) => {
    const groups = Math.max(groupsOf(pair.first), groupsOf(pair.last));
    const few = Array.from({ length: fewGroups }, (_, i) => fewGroups - i).find(
      (count) => groups % count === 0 && [pair.inputs, pair.outputs].every((channels) => channels % count === 0),
    );
    // Half the groups and half the channels in between are as many multiply-accumulates.
    return few === undefined ? undefined : { groups: few, inside: (pair.inside * few) / groups };
  });
  const { groups } = options;
  if (family === undefined || typeof groups !== "number" || groups <= fewGroups)
    return rewritten === undefined ? [] : [rewritten];
  const graph = builtOr(undefined, () => build(name, { ...definedOf(options), groups: fewGroups }).graph);
  const what = `--groups ${fewGroups} instead of ${groups}`;
  return [graph && { guideline: 2 as const, what, where: [...broken], graph }, rewritten].filter(
    (change) => change !== undefined,
  );
}

/** Blocks that are more than twice as wide inside as outside are made twice as wide. */
function equalWidths(graph: Graph, broken: ReadonlySet<string>): Change | undefined {
  if (broken.size === 0) return undefined;
  const pairs = pairsOf(graph);
  return narrowed(graph, "blocks at most twice as wide inside as outside", 1, broken, pairs, (pair) => {
    const groups = Math.max(groupsOf(pair.first), groupsOf(pair.last));
    const inside = Math.floor((2 * Math.min(pair.inputs, pair.outputs)) / groups) * groups;
    return inside > 0 && inside < pair.inside ? { groups: undefined, inside } : undefined;
  });
}

/** Widest that a network is made, as a share of its own width. */
const widest = 4;

/** The same at equal multiply-accumulates: the whole network becomes wider. */
function widerOutside(network: Network, broken: ReadonlySet<string>): Change | undefined {
  const narrow = equalWidths(network.graph, broken);
  const wide = atEqualMacs(network, [1, widest], (graph) => equalWidths(graph, broken));
  // One that is hardly wider is no change.
  const isWider = narrow && wide && nearlyAll * describe(wide.graph).macs > describe(narrow.graph).macs;
  return isWider ? wide : undefined;
}

type Convolution = Node<OperationOf<"convolution">>;

/** Two 1x1 convolutions and what is between them, channel by channel: a bottleneck, whose channels nobody else sees. */
interface Pair {
  readonly first: Convolution;
  readonly between: readonly Node[];
  readonly last: Convolution;
  readonly inputs: number;
  readonly inside: number;
  readonly outputs: number;
}

/** Every such pair of a graph. */
function pairsOf(graph: Graph): readonly Pair[] {
  const users = usersOf(graph);
  const isOutput = (id: ValueId) => graph.outputs.some(({ value }) => value === id);
  return graph.nodes.flatMap((first): readonly Pair[] => {
    if (!isPointwise(graph, first)) return [];
    const between: Node[] = [];
    for (let node: Node = first; ; ) {
      const [next, ...others] = users[node.id] ?? [];
      if (next === undefined || others.length > 0 || isOutput(node.id)) return [];
      if (isPointwise(graph, next)) {
        const [inputs = 0, inside = 0, outputs = 0] = [channelsIn(graph, first), first.shape[3], next.shape[3]];
        return [{ first, between, last: next, inputs, inside, outputs }];
      }
      if (!worksByChannel(graph, next)) return [];
      between.push(next);
      node = next;
    }
  });
}

function isPointwise(graph: Graph, node: Node): node is Convolution {
  if (!isNode(node, "convolution") || node.operation.residual) return false;
  const [kh, kw] = kernelOf(graph, node);
  return kh === 1 && kw === 1;
}

function worksByChannel(graph: Graph, node: Node): boolean {
  if (isNode(node, "convolution")) {
    const { groups, residual } = node.operation;
    return groups === channelsIn(graph, node) && groups === node.shape[3] && !residual;
  }
  if (isNode(node, "permute")) return node.operation.permutation.kind === "shuffle";
  return isNode(node, "batch_norm") || isNode(node, "activation");
}

function groupsOf({ operation }: Convolution): number {
  return operation.groups;
}

/** What a pair becomes: its channels inside, and the most groups it may have where they change. */
interface Narrower {
  readonly groups: number | undefined;
  readonly inside: number;
}

/** The graph with the pairs that break a guideline made narrower; undefined where none can be. */
function narrowed(
  graph: Graph,
  what: string,
  guideline: Guideline,
  broken: ReadonlySet<string>,
  pairs: readonly Pair[],
  narrower: (pair: Pair) => Narrower | undefined,
): Change | undefined {
  const wanted = new Map<ValueId, Narrower & { readonly pair: Pair }>();
  const where: string[] = [];
  for (const pair of pairs) {
    const nodes = [pair.first, ...pair.between, pair.last];
    if (!nodes.some(({ name }) => broken.has(name)) || nodes.some(({ id }) => wanted.has(id))) continue;
    const to = narrower(pair);
    if (to === undefined || !fits(pair, to)) continue;
    for (const { id } of nodes) wanted.set(id, { ...to, pair });
    where.push(pair.first.name, pair.last.name);
  }
  if (where.length === 0) return undefined;
  const changed = rewriteGraph(graph, `${graph.name}, ${what}`, (node, { builder, value, keep }) => {
    const change = wanted.get(node.id);
    if (change === undefined) return undefined;
    const x = value(node.inputs[0] as ValueId);
    if (isNode(node, "batch_norm")) return builder.batchNorm(node.name, x, node.operation);
    if (!isNode(node, "convolution")) return keep(node);
    const { operation } = node;
    const isBetween = node !== change.pair.first && node !== change.pair.last;
    return builder.convolution(node.name, x, {
      ...operation,
      kernel: kernelOf(graph, node),
      channels: node === change.pair.last ? change.pair.outputs : change.inside,
      groups: isBetween ? change.inside : Math.min(operation.groups, change.groups ?? operation.groups),
    });
  });
  return { guideline, what, where, graph: changed };
}

/** Whether groups and shuffles divide the new channels. */
function fits({ between, first, last }: Pair, { inside, groups }: Narrower): boolean {
  const divisors = [first, last].map((node) => Math.min(groupsOf(node), groups ?? groupsOf(node)));
  for (const node of between) {
    if (isNode(node, "permute") && node.operation.permutation.kind === "shuffle")
      divisors.push(node.operation.permutation.groups);
  }
  return Number.isInteger(inside) && divisors.every((divisor) => inside % divisor === 0);
}
