import { blocksOf } from "../cost/blocks.ts";
import { describe } from "../cost/describe.ts";
import { type Graph, isNode, type Node, nodeOf } from "../graph/graph.ts";
import type { Shape } from "../tensor.ts";
import { type BlockBox, boxesOf } from "./block_boxes.ts";
import type { BoxKind } from "./theme.ts";

/** A small box of a row. */
export interface Chip {
  readonly label: string;
  readonly kind: BoxKind;
  /** Whether it reads the chip before it; otherwise it stands beside it. */
  readonly follows: boolean;
}

/** A block, equal blocks that follow each other, or equal pairs of blocks. */
export interface BlockRow {
  /** `stage2/unit2–4`. */
  readonly name: string;
  /** How often the row's operations stand one after the other. */
  readonly repeats: number;
  readonly chips: readonly Chip[];
  readonly output: Shape;
  /** Of all repeats together. */
  readonly macs: number;
  readonly parameters: number;
}

/** The blocks of a network in order, what repeats as one row; blocks that compute nothing are left out. */
export function blockRows(graph: Graph): readonly BlockRow[] {
  const costs = new Map(describe(graph).blocks.map((block) => [block.name, block]));
  const blocks = blocksOf(graph)
    .map(({ name, nodes }) => ({ name, nodes, chips: chipsOf(boxesOf(graph, nodes)) }))
    .filter(({ chips }) => chips.length > 0);
  const signatures = blocks.map(({ nodes }) => signatureOf(graph, nodes));
  const rows: BlockRow[] = [];
  for (let first = 0; first < blocks.length; ) {
    const { period, repeats } = repetition(signatures, first);
    const own = blocks.slice(first, first + period * repeats);
    const sum = (figure: "macs" | "parameters") =>
      own.reduce((total, { name }) => total + (costs.get(name)?.[figure] ?? 0), 0);
    rows.push({
      name: rangeOf(own.map(({ name }) => name)),
      repeats,
      chips: own.slice(0, period).flatMap(({ chips }) => chips),
      output: own.at(-1)?.nodes.at(-1)?.shape ?? [],
      macs: sum("macs"),
      parameters: sum("parameters"),
    });
    first += own.length;
  }
  return rows;
}

/** How often a block, or else a pair of blocks (SqueezeNext's 1x3 and 3x1 swap places), stands in a row from `first` on. */
function repetition(
  signatures: readonly string[],
  first: number,
): { readonly period: number; readonly repeats: number } {
  for (const period of [1, 2]) {
    let end = first + period;
    while (end < signatures.length && signatures[end] === signatures[end - period]) end++;
    const repeats = Math.floor((end - first) / period);
    if (repeats > 1) return { period, repeats };
  }
  return { period: 1, repeats: 1 };
}

/** What makes two blocks equal: operations, shapes and wiring, whatever the names. */
function signatureOf(graph: Graph, nodes: readonly Node[]): string {
  const position = new Map(nodes.map((node, index) => [node.id, index]));
  return JSON.stringify(
    nodes.map((node) => [
      node.operation,
      node.shape,
      ...node.inputs.map((input) => position.get(input) ?? nodeOf(graph, input).shape),
    ]),
  );
}

function chipsOf(boxes: readonly BlockBox[]): readonly Chip[] {
  const chips: Chip[] = [];
  let before: number | undefined;
  for (const [index, box] of boxes.entries()) {
    if (box.role !== "operation" || box.chip === "") continue;
    const [node] = box.nodes;
    // The slices of one value are one split.
    const isSplit = node !== undefined && isNode(node, "slice");
    if (isSplit && chips.at(-1)?.label === box.chip && sameInput(boxes, before, index)) {
      before = index;
      continue;
    }
    chips.push({ label: box.chip, kind: box.kind, follows: reads(boxes, index, before) });
    before = index;
  }
  return chips;
}

function sameInput(boxes: readonly BlockBox[], a: number | undefined, b: number): boolean {
  return a !== undefined && boxes[a]?.inputs[0] === boxes[b]?.inputs[0];
}

/** Whether a box reads another, boxes without a chip in between looked through. */
function reads(boxes: readonly BlockBox[], box: number, other: number | undefined): boolean {
  if (other === undefined) return false;
  const inputs = boxes[box]?.inputs ?? [];
  return inputs.some((input) => input === other || (boxes[input]?.chip === "" && reads(boxes, input, other)));
}

/** `stage2/unit2` to `stage2/unit4` as `stage2/unit2–4`. */
function rangeOf(names: readonly string[]): string {
  const [first = "", last = ""] = [names[0], names.at(-1)];
  if (first === last) return first;
  const [, prefix = "", start = ""] = /^(.*?)(\d+)$/.exec(first) ?? [];
  const end = last.slice(prefix.length);
  return start !== "" && last.startsWith(prefix) && /^\d+$/.test(end)
    ? `${prefix}${start}–${end}`
    : `${first} – ${last}`;
}
