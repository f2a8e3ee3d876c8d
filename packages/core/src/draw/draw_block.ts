import { type Graph, isNode, type Node, nodeOf } from "../graph/graph.ts";
import type { OperationOf } from "../graph/operations.ts";
import type { Permutation } from "../graph/permutation.ts";
import { type BlockBox, blockNodes, boxesOf, type Drawable, graphOf } from "./block_boxes.ts";
import { layoutWiring, type PlacedBox, type PlacedWire, type WiringBox } from "./layout_wiring.ts";
import { countWords, shapeWords } from "./operation_words.ts";
import { type PermutationLine, permutationLines } from "./permutation_lines.ts";
import { element, formatNumber, group, line, rectangle, type SvgElement, text, writeSvg } from "./svg.ts";
import { fitText, textWidth } from "./text_width.ts";
import { groupClass, styleSheet } from "./theme.ts";

const margin = 18;
const headerHeight = 50;
const nameSize = 13;
const lineHeight = 16;
const boxPadding = 12;
/** Strip of a grouped convolution's groups, at the box's foot. */
const stripHeight = 7;
/** More groups than these are a strip that nobody could count. */
const mostSegments = 64;
const permutationWidth = 220;
const permutationHeight = 92;

/**
 * One block's wiring, data flowing down, as the papers draw it: operations as boxes with the norm and activation that follow, branches side
 * by side, sums and concatenations; permutations as lines that cross between the channels before and after, in the colours of the
 * groups they come from.
 *
 * @param subject a network, or a graph
 * @param block path of its nodes: `stage3/unit2`, `fire4`, or deeper, `stage1/unit1/block2`
 * @returns the text of an SVG file; the same network gives the same text
 * @throws {OptionError} if the network has no such block, with the nearest name
 * @example
 * ```ts
 * const figure2 = drawBlock(build("shufflenet_v1_1.0_g3"), "stage2/unit2");
 * ```
 */
export function drawBlock(subject: Drawable, block: string): string {
  const graph = graphOf(subject);
  const boxes = boxesOf(graph, blockNodes(graph, block));
  const sizes = boxes.map((box) => sizeOf(graph, box));
  const layout = layoutWiring(sizes);
  const heading = `${graph.name}  ${block}`;
  const total = boxes.reduce((sum, { macs }) => sum + macs, 0);
  const subheading = total > 0 ? `${countWords(total)} multiply-accumulates` : "";
  const width = Math.max(layout.width, textWidth(heading, 18), 240) + 2 * margin;
  const left = (width - layout.width) / 2;
  const origin = `translate(${formatNumber(left)} ${formatNumber(headerHeight + margin)})`;
  return writeSvg({
    width,
    height: layout.height + headerHeight + 2 * margin,
    title: heading,
    description: boxes.map(({ title, details }) => [title, ...details].join(", ")).join("; "),
    style: styleSheet(),
    children: [
      text(margin, 28, heading, { class: "title" }),
      text(margin, 47, subheading, { class: "muted" }),
      group({ transform: origin }, [
        ...layout.wires.map((wire) => drawWire(wire)),
        ...boxes.flatMap((box, index) => drawBox(graph, boxes, box, layout.boxes[index] as PlacedBox)),
      ]),
    ],
  });
}

/** Lines of text below a box's heading. */
function linesOf(graph: Graph, box: BlockBox): readonly string[] {
  const isComputed = box.macs > 0 || box.kind === "pool" || box.title === "concatenate" || hasChangedShape(graph, box);
  const figures = [isComputed ? shapeWords(box.shape) : "", box.macs > 0 ? `${countWords(box.macs)} MACs` : ""].filter(
    (word) => word !== "",
  );
  return [box.details.join(" · "), figures.join(" · ")].filter((words) => words !== "");
}

function hasChangedShape(graph: Graph, box: BlockBox): boolean {
  const [input] = box.nodes[0]?.inputs ?? [];
  return input !== undefined && shapeWords(nodeOf(graph, input).shape) !== shapeWords(box.shape);
}

function sizeOf(graph: Graph, box: BlockBox): WiringBox {
  const { inputs } = box;
  if (box.role !== "operation") return { width: textWidth(box.title, 12) + 20, height: 24, inputs };
  if (box.kind === "permute") return { width: permutationWidth, height: permutationHeight, inputs };
  const lines = linesOf(graph, box);
  const widest = Math.max(textWidth(box.title, nameSize) * 1.05, ...lines.map((words) => textWidth(words, 12)));
  const width = Math.max(box.title === "concatenate" ? 180 : 96, widest + 2 * boxPadding);
  const strip = stripSegments(box) > 0 ? stripHeight : 0;
  const height = 2 * 7 + lineHeight * (1 + lines.length) + strip;
  if (box.title !== "concatenate") return { width, height, inputs };
  return {
    width,
    height: height + stripHeight,
    inputs,
    arrivals: partsOf(graph, box, width).map(({ middle }) => middle),
  };
}

/** Groups that a box's strip shows: those of a group or depthwise convolution. */
function stripSegments(box: BlockBox): number {
  const [node] = box.nodes;
  return node !== undefined && isNode(node, "convolution") && node.operation.groups > 1 ? node.operation.groups : 0;
}

/** The parts of a concatenation along its box, from the box's middle. */
function partsOf(
  graph: Graph,
  box: BlockBox,
  width: number,
): readonly { readonly start: number; readonly middle: number; readonly width: number }[] {
  const channels = (box.nodes[0]?.inputs ?? []).map((input) => nodeOf(graph, input).shape.at(-1) ?? 1);
  const total = channels.reduce((sum, count) => sum + count, 0);
  let before = 0;
  return channels.map((count) => {
    const start = (before / total - 0.5) * width;
    before += count;
    const own = (count / total) * width;
    return { start, middle: start + own / 2, width: own };
  });
}

function drawBox(graph: Graph, boxes: readonly BlockBox[], box: BlockBox, place: PlacedBox): readonly SvgElement[] {
  const left = place.x - place.width / 2;
  if (box.role !== "operation") {
    return [
      rectangle(left, place.top, place.width, place.height, { rx: 12, class: "plain" }),
      text(place.x, place.top + 16, box.title, { class: "middle" }),
    ];
  }
  const outline = rectangle(left, place.top, place.width, place.height, { rx: 4, class: box.kind });
  if (box.kind === "permute") return [outline, ...drawPermutation(boxes, box, place)];
  const lines = linesOf(graph, box);
  const topStrip = box.title === "concatenate" ? stripHeight : 0;
  const parts = topStrip === 0 ? [] : partsOf(graph, box, place.width);
  return [
    outline,
    ...parts.map((part, index) =>
      rectangle(place.x + part.start, place.top, part.width, stripHeight, { class: `f${groupClass(index)}` }),
    ),
    text(place.x, place.top + topStrip + 20, box.title, { class: "name middle" }),
    ...lines.map((words, index) =>
      text(place.x, place.top + topStrip + 20 + lineHeight * (index + 1), words, { class: "middle" }),
    ),
    ...drawStrip(box, place),
  ];
}

/** The groups of a convolution side by side: coloured, or plain where each channel is its own. */
function drawStrip(box: BlockBox, place: PlacedBox): readonly SvgElement[] {
  const segments = Math.min(stripSegments(box), mostSegments);
  const each = place.width / segments;
  const [left, top] = [place.x - place.width / 2, place.top + place.height - stripHeight];
  return Array.from({ length: segments }, (_, index) =>
    rectangle(left + index * each, top, Math.max(each - 1, each * 0.6), stripHeight, {
      class: box.kind === "depthwise" ? "comb" : `f${groupClass(index)}`,
    }),
  );
}

/** Lines from the channels before to the channels after, in the colour of the group that made them. */
function drawPermutation(boxes: readonly BlockBox[], box: BlockBox, place: PlacedBox): readonly SvgElement[] {
  const node = box.nodes[0] as Node<OperationOf<"permute">>;
  const { permutation } = node.operation;
  const channels = box.shape.at(-1) ?? 1;
  const lines = permutationLines(permutation, channels);
  const colourOf = coloursOf(permutation, channels, groupsBefore(boxes, box));
  const colour = ({ channel }: PermutationLine) => groupClass(colourOf(channel));
  const left = place.x - place.width / 2;
  const each = place.width / lines.length;
  const cell = Math.max(each - 1, each * 0.7);
  const at = (position: number) => left + (position + 0.5) * each;
  const [top, bottom] = [place.top, place.top + place.height - 20];
  const shown = lines.length < channels ? ` (${lines.length} of ${channels} drawn)` : "";
  return [
    ...lines.flatMap((each) => [
      line(at(each.from), top + stripHeight, at(each.to), bottom - stripHeight, { class: `lines s${colour(each)}` }),
      rectangle(at(each.from) - cell / 2, top, cell, stripHeight, { class: `f${colour(each)}` }),
      rectangle(at(each.to) - cell / 2, bottom - stripHeight, cell, stripHeight, { class: `f${colour(each)}` }),
    ]),
    text(place.x, bottom + 14, fitText(`${box.title}${shown}`, 12, place.width), { class: "middle" }),
  ];
}

/**
 * Which colour a channel's line has: that of the group it comes from, by the convolution before or else by the shuffle. A shuffle by more
 * groups than a group has channels sorts them, even from odd where there are two: the colour then says where a line goes.
 */
function coloursOf(
  permutation: Permutation,
  channels: number,
  groupsBefore: number | undefined,
): (channel: number) => number {
  const groups = groupsBefore ?? (permutation.kind === "shuffle" ? permutation.groups : channels);
  const perGroup = channels / groups;
  if (groupsBefore === undefined && perGroup < groups) return (channel) => channel % perGroup;
  return (channel) => Math.floor(channel / perGroup);
}

/** Groups of the last group convolution before a box, along its first inputs. Depthwise convolutions keep what they get. */
function groupsBefore(boxes: readonly BlockBox[], box: BlockBox): number | undefined {
  for (let at: BlockBox | undefined = box; at !== undefined; at = boxes[at.inputs[0] ?? -1]) {
    const [node] = at.nodes;
    if (at.kind === "grouped" && node !== undefined && isNode(node, "convolution")) return node.operation.groups;
    if (at.kind === "dense" || (at !== box && at.kind === "permute")) return undefined;
  }
  return undefined;
}

/** A wire with rounded corners and an arrowhead. */
function drawWire({ points }: PlacedWire): SvgElement {
  const radius = 6;
  const last = points.at(-1) as readonly [number, number];
  const steps = points.map(([x, y], index) => {
    const before = points[index - 1];
    const after = points[index + 1];
    if (before === undefined) return `M${formatNumber(x)} ${formatNumber(y)}`;
    if (after === undefined) return `L${formatNumber(x)} ${formatNumber(y - 5)}`;
    const towards = ([px, py]: readonly [number, number]) => {
      const distance = Math.hypot(px - x, py - y) || 1;
      const share = Math.min(radius, distance / 2) / distance;
      return `${formatNumber(x + (px - x) * share)} ${formatNumber(y + (py - y) * share)}`;
    };
    return `L${towards(before)} Q${formatNumber(x)} ${formatNumber(y)} ${towards(after)}`;
  });
  const [x, y] = last;
  const head = `M${formatNumber(x)} ${formatNumber(y)} l-4.5 -8 h9 z`;
  return group({}, [
    element("path", { d: steps.join(" "), class: "wire" }),
    element("path", { d: head, class: "arrow" }),
  ]);
}
