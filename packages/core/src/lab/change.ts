import { describe } from "../cost/describe.ts";
import { OptionError } from "../errors.ts";
import { type Graph, type Node, nodeOf, type ValueId } from "../graph/graph.ts";
import { build } from "../networks/build.ts";
import type { Network } from "../networks/network.ts";
import type { Guideline } from "./roofline.ts";

/** A network that should be faster than the one it was made from. It has to be trained anew. */
export interface Change {
  /** What it follows better; `undefined` for later downsampling, SqueezeNet's third strategy. */
  readonly guideline: Guideline | undefined;
  /** `--groups 4 instead of 8`. */
  readonly what: string;
  /** Nodes that are changed; all of them where it is an option of the network. */
  readonly where: readonly string[];
  readonly graph: Graph;
}

/** Rows and columns of a convolution's kernel. */
export function kernelOf(graph: Graph, convolution: Node): readonly [height: number, width: number] {
  return nodeOf(graph, convolution.inputs[1] as ValueId).shape.slice(0, 2) as [number, number];
}

/** Channels that a node reads. */
export function channelsIn(graph: Graph, node: Node): number {
  return nodeOf(graph, node.inputs[0] as ValueId).shape[3] ?? 0;
}

/** Options that the network was built with, without those that were left to the family. */
export function definedOf(options: Network["options"]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

/** Options that make no network make no advice either. */
export function builtOr<T>(otherwise: T, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (error instanceof OptionError) return otherwise;
    throw error;
  }
}

/** How widths are searched: halvings of an interval. */
const widthSteps = 8;
/** Of the multiply-accumulates that a comparison at equal ones has at least. */
export const nearlyAll = 0.9;

/**
 * A change at the multiply-accumulates of the network as it is: the whole network becomes wider or narrower, where its family has an option
 * for it. `undefined` where no width gives nearly as many.
 *
 * @param range widths to look at, as shares of the network's own
 */
export function atEqualMacs(
  network: Network,
  range: readonly [least: number, most: number],
  change: (graph: Graph) => Change | undefined,
): Change | undefined {
  const { family, name, options } = network;
  const { width } = options;
  if (family === undefined || typeof width !== "number") return undefined;
  const wanted = describe(network.graph).macs;
  let [low, high] = range.map((share) => share * width) as [number, number];
  let best: (Change & { readonly macs: number }) | undefined;
  for (let step = 0; step < widthSteps; step++) {
    const middle = (low + high) / 2;
    const made = builtOr(undefined, () => change(build(name, { ...definedOf(options), width: middle }).graph));
    if (made === undefined) return undefined;
    const { macs } = describe(made.graph);
    if (macs > wanted) high = middle;
    else {
      low = middle;
      best = { ...made, macs, what: `${made.what}, and --width ${middle.toFixed(2)} instead of ${width}` };
    }
  }
  // Channels come in steps of 8: a network that is much smaller is no comparison.
  return best !== undefined && best.macs > nearlyAll * wanted ? best : undefined;
}
