import { type Graph, isNode, type Node, nodeOf, usersOf, type ValueId } from "../graph/graph.ts";
import type { Padding } from "../graph/operations.ts";
import type { Network } from "../networks/network.ts";
import { atEqualMacs, type Change, kernelOf } from "./change.ts";
import { rewriteGraph } from "./rewrite_graph.ts";

/** A node that halves rows and columns, and the next one that could do it for all that comes after. */
interface Move {
  readonly from: Node;
  /** A convolution over several pixels takes the stride over; after a join of branches, the pool stands there instead. */
  readonly to: Node;
}

/**
 * Each halving a step later, so that what lies between sees four times the pixels (SqueezeNet's third strategy, arXiv:1602.07360, section
 * 3.1), at equal multiply-accumulates: the network becomes narrower, and so has fewer weights. None for families without a width.
 */
export function laterDownsampling(network: Network): readonly Change[] {
  return movesOf(network.graph).flatMap(({ from }) => {
    const change = atEqualMacs(network, [0.25, 1], (graph) => {
      const move = movesOf(graph).find((each) => each.from.name === from.name);
      return move && moved(graph, move);
    });
    return change === undefined ? [] : [change];
  });
}

/** Every halving but the input's own that can be moved on. */
export function movesOf(graph: Graph): readonly Move[] {
  const users = usersOf(graph);
  return graph.nodes.flatMap((from): readonly Move[] => {
    if (!halves(from)) return [];
    const between = new Set<ValueId>([from.id]);
    for (const node of graph.nodes.slice(from.id + 1)) {
      if (!node.inputs.some((input) => between.has(input))) continue;
      // What comes from before the halving has other rows and columns: nothing can wait here.
      if (!node.inputs.every((input) => between.has(input) || isNode(nodeOf(graph, input), "parameter"))) return [];
      if (node.shape.length !== 4 || halves(node)) return [];
      const isLast = [...between].every((id) =>
        (users[id] ?? []).every((user) => between.has(user.id) || user === node),
      );
      if (isLast && takesOver(graph, from, node)) return [{ from, to: node }];
      between.add(node.id);
    }
    return [];
  });
}

function halves({ operation }: Node): boolean {
  return "stride" in operation && operation.stride[0] === 2 && operation.stride[1] === 2;
}

function takesOver(graph: Graph, from: Node, to: Node): boolean {
  if (!isNode(from, "convolution")) return to.operation.op === "concatenate" || to.operation.op === "add";
  return isNode(to, "convolution") && !to.operation.residual && kernelOf(graph, to).every((length) => length > 1);
}

/** Of an odd kernel: rows and columns stay as they are at stride 1, and halve, rounded up, at stride 2. */
function around([height, width]: readonly [number, number]): Padding {
  const [vertical, horizontal] = [(height - 1) / 2, (width - 1) / 2];
  return { top: vertical, bottom: vertical, left: horizontal, right: horizontal };
}

/** The graph with one halving moved. */
export function moved(graph: Graph, { from, to }: Move): Change {
  const what = `${from.name}'s stride moved on to ${to.name}`;
  const changed = rewriteGraph(graph, `${graph.name}, ${what}`, (node, { builder, value, keep }) => {
    const x = () => value(node.inputs[0] as ValueId);
    if (isNode(node, "convolution") && (node === from || node === to)) {
      const kernel = kernelOf(graph, node);
      const stride = node === to ? 2 : 1;
      const channels = node.shape[3] as number;
      return builder.convolution(node.name, x(), {
        ...node.operation,
        kernel,
        channels,
        stride,
        padding: around(kernel),
      });
    }
    if (node === from) return x();
    if (node !== to) return undefined;
    return builder.node(`${from.name}/later`, from.operation, [keep(node)]);
  });
  return { guideline: undefined, what, where: [from.name, to.name], graph: changed };
}
