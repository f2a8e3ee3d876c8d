import { OptionError } from "../errors.ts";
import type { Graph, Node } from "../graph/graph.ts";
import { findNode, isNode } from "../graph/graph.ts";
import type { Naming } from "./network.ts";

/**
 * How a tensor of ours lies in a checkpoint of PyTorch: a convolution's `[kh, kw, in/groups, out]` as `oihw` (`[out, in/groups, kh, kw]`),
 * a linear layer's `[in, out]` as `out_in`, a vector as it is. A convolution's `[1, 1, in, out]` lies as `out_in` too where the
 * checkpoint has a linear layer in its place (squeeze-and-excitation; `naming.linear`), and a linear layer's as `oihw` where it has a 1x1
 * convolution (`naming.pointwise`): the same numbers.
 */
export type ExchangeLayout = "oihw" | "out_in" | "same";

/** One parameter under both names. */
export interface ExchangeName {
  /** Name of the parameter's node in the graph: `stage3/unit2/depthwise/kernel`. */
  readonly ourParameter: string;
  /** Key in the checkpoint: `features.5.conv.1.0.weight`. */
  readonly theirName: string;
  /** How theirs lies. */
  readonly layout: ExchangeLayout;
}

/** Inputs of the operations that own parameters, in order, under PyTorch's names. The first input is the activation. */
const batchNormParts: readonly string[] = ["weight", "bias", "running_mean", "running_var"];

/**
 * Every parameter of a graph under a naming's names, in the graph's order. PyTorch's `num_batches_tracked` has no counterpart here.
 *
 * @throws {OptionError} if the naming lacks a node that owns parameters: it is then the naming of another network
 */
export function exchangeNames(graph: Graph, naming: Naming): readonly ExchangeName[] {
  return graph.nodes.flatMap((node) => {
    const parts = partsOf(node, naming);
    if (parts.length === 0) return [];
    const module = naming.modules.get(node.name);
    if (module === undefined) {
      throw new OptionError(`Naming "${naming.name}" has no name for "${node.name}" of graph "${graph.name}".`, {
        hint: "It belongs to a network with other options.",
      });
    }
    return parts.map(({ part, layout }, index) => ({
      ourParameter: graph.nodes[node.inputs[index + 1] as number]?.name ?? "",
      theirName: `${module}.${part}`,
      layout,
    }));
  });
}

/** The parameters of a node after its first input. */
function partsOf(
  node: Node,
  { linear, pointwise }: Naming,
): readonly { readonly part: string; readonly layout: ExchangeLayout }[] {
  if (isNode(node, "batch_norm")) return batchNormParts.map((part) => ({ part, layout: "same" }));
  if (!isNode(node, "convolution") && !isNode(node, "linear")) return [];
  const isLinearThere = isNode(node, "linear") ? !pointwise?.has(node.name) : linear?.has(node.name);
  const kernel = { part: "weight", layout: isLinearThere ? "out_in" : "oihw" } as const;
  return node.operation.bias ? [kernel, { part: "bias", layout: "same" }] : [kernel];
}

/**
 * The node whose output a module of a naming has: the node of that name, or the last one under that path (a unit).
 *
 * @param path a key of `naming.modules`
 */
export function findModule(graph: Graph, path: string): Node | undefined {
  return findNode(graph, path) ?? graph.nodes.findLast((node) => node.name.startsWith(`${path}/`));
}
