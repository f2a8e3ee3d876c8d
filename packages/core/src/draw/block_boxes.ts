import { blocksOf } from "../cost/blocks.ts";
import { operationCost } from "../cost/operation_cost.ts";
import { OptionError } from "../errors.ts";
import { type Graph, isNode, type Node, nodeOf, usersOf } from "../graph/graph.ts";
import { suggestion } from "../networks/nearest_name.ts";
import type { Shape } from "../tensor.ts";
import { operationWords, shapeWords } from "./operation_words.ts";
import type { BoxKind } from "./theme.ts";

/** What pictures are made of: a graph, or anything that has one. */
export type Drawable = Graph | { readonly graph: Graph };

/** One box of a block's picture: an operation with the norm and the activation that follow it, or an end of the block. */
export interface BlockBox {
  /** `source`: a value from outside. `sink`: a value that leaves. */
  readonly role: "source" | "operation" | "sink";
  /** In order; the first names the box. Empty for a sink. */
  readonly nodes: readonly Node[];
  readonly kind: BoxKind;
  readonly title: string;
  /** For rows of small boxes; empty where it would say nothing. */
  readonly chip: string;
  readonly details: readonly string[];
  /** Positions of the boxes whose values it reads, in the operation's order. */
  readonly inputs: readonly number[];
  readonly shape: Shape;
  /** Multiply-accumulates. */
  readonly macs: number;
}

/** The graph of a drawable. */
export function graphOf(subject: Drawable): Graph {
  return "graph" in subject ? subject.graph : subject;
}

/**
 * The nodes of a block: those under the path `name` (`stage3/unit2`, `fire4`, `stage1/unit1/block2`), in order.
 *
 * @throws {OptionError} if there are none, with the nearest block's name
 */
export function blockNodes(graph: Graph, name: string): readonly Node[] {
  const nodes = graph.nodes.filter(
    (node) =>
      (node.name === name || node.name.startsWith(`${name}/`)) && !isNode(node, "parameter") && !isNode(node, "input"),
  );
  if (nodes.length > 0) return nodes;
  const names = blocksOf(graph).map((block) => block.name);
  throw new OptionError(`Network "${graph.name}" has no block "${name}".`, {
    hint: suggestion(name, names) ?? `Blocks: ${names.join(", ")}.`,
  });
}

/**
 * The boxes of a block, each after those that it reads: what comes from outside, the operations, what leaves. A norm or an activation
 * joins the box of the operation before it where nothing else reads that.
 */
export function boxesOf(graph: Graph, nodes: readonly Node[]): readonly BlockBox[] {
  const users = usersOf(graph);
  const inside = new Set<number>(nodes.map(({ id }) => id));
  const isOutput = new Set<number>(graph.outputs.map(({ value }) => value));
  const boxes: BlockBox[] = [];
  const boxOf = new Map<number, number>();
  const add = (box: BlockBox, id?: number): number => {
    if (id !== undefined) boxOf.set(id, boxes.length);
    return boxes.push(box) - 1;
  };
  for (const node of nodes) {
    const inputs = node.inputs.map((input) => nodeOf(graph, input)).filter((input) => !isNode(input, "parameter"));
    const [first] = inputs;
    const joined = first === undefined || !inside.has(first.id) ? undefined : boxOf.get(first.id);
    if (
      joined !== undefined &&
      first !== undefined &&
      isFollower(node) &&
      users[first.id]?.length === 1 &&
      !isOutput.has(first.id) &&
      boxes[joined]?.kind !== "permute"
    ) {
      const box = boxes[joined] as BlockBox;
      boxes[joined] = { ...box, nodes: [...box.nodes, node], details: [...box.details, followerWords(graph, node)] };
      boxOf.set(node.id, joined);
      continue;
    }
    const sources = inputs.map((input) => boxOf.get(input.id) ?? add(sourceBox(input), input.id));
    const words = operationWords(graph, node);
    const { macs } = operationCost(graph, node);
    add({ role: "operation", nodes: [node], ...words, inputs: sources, shape: node.shape, macs }, node.id);
  }
  for (const node of nodes) {
    if (!isOutput.has(node.id) && (users[node.id] ?? []).every((user) => inside.has(user.id))) continue;
    add(sinkBox(node, boxOf.get(node.id) as number));
  }
  return boxes;
}

function isFollower(node: Node): boolean {
  return isNode(node, "batch_norm") || isNode(node, "activation");
}

function followerWords(graph: Graph, node: Node): string {
  return isNode(node, "batch_norm") ? "BN" : operationWords(graph, node).title;
}

function sourceBox(node: Node): BlockBox {
  const title = shapeWords(node.shape);
  return end("source", [node], title, [], node.shape);
}

function sinkBox(node: Node, input: number): BlockBox {
  return end("sink", [], shapeWords(node.shape), [input], node.shape);
}

function end(
  role: "source" | "sink",
  nodes: readonly Node[],
  title: string,
  inputs: readonly number[],
  shape: Shape,
): BlockBox {
  return { role, nodes, kind: "plain", title, chip: "", details: [], inputs, shape, macs: 0 };
}
