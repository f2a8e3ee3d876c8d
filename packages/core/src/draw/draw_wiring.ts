import { countPaths } from "../cost/paths.ts";
import { OptionError, UnsupportedError } from "../errors.ts";
import { type Graph, isNode, type Node, nodeOf } from "../graph/graph.ts";
import { permutationOrder } from "../graph/permutation.ts";
import { blockNodes, type Drawable, graphOf } from "./block_boxes.ts";
import { operationWords } from "./operation_words.ts";
import { element, formatNumber, type SvgElement, text, writeSvg } from "./svg.ts";
import { fitText } from "./text_width.ts";
import { groupClass, styleSheet } from "./theme.ts";

/** Options of `drawWiring`. */
export interface DrawWiringOptions {
  /** The input channel whose paths are drawn strong, counted from 0. Default 0. */
  readonly channel?: number;
  /** Width of the picture in CSS pixels, at least 320. Default 760. */
  readonly width?: number;
}

/** More channels than these are no longer told apart. */
const mostChannels = 64;
const margin = 18;
const labelWidth = 150;
const headerHeight = 62;
const convolutionHeight = 84;
const permutationHeight = 62;
const narrowest = 320;

/** How the channels of one value come from those of the one before. */
interface Layer {
  readonly node: Node;
  /** `W1`, `P1`: the papers' letters, numbered. */
  readonly letter: string;
  readonly inputs: number;
  readonly outputs: number;
  /** Pairs of channels that it connects. */
  readonly connections: readonly (readonly [input: number, output: number])[];
  /** Group of each input channel. */
  readonly groupOf: (input: number) => number;
}

/**
 * A block's connections channel by channel, as IGCV1 and IGCV2 draw them: each channel a dot, each weight a line, group convolutions as
 * bundles in the colour of their group, permutations as crossing lines. The paths of one input channel are strong, so that one sees where
 * it goes and by how many ways. Shortcuts and side branches are left out.
 *
 * @param subject a network, or a graph
 * @param block path of its nodes: `stage1/unit1/block1`
 * @returns the text of an SVG file
 * @throws {OptionError} if the network has no such block, or the block has no such channel
 * @throws {UnsupportedError} if a value has more than 64 channels
 * @example
 * ```ts
 * const network = build("igcv2", { smallStem: true, channels: 16, branches: [4, 4], depth: 8, resolution: 32 });
 * const figure = drawWiring(network, "stage1/unit1/block1");
 * ```
 */
export function drawWiring(subject: Drawable, block: string, options: DrawWiringOptions = {}): string {
  const graph = graphOf(subject);
  const layers = layersOf(graph, block);
  const [first, last] = [layers[0] as Layer, layers.at(-1) as Layer];
  const { channel = 0 } = options;
  if (!(Number.isInteger(channel) && channel >= 0 && channel < first.inputs)) {
    throw new OptionError(`Block "${block}" has input channels 0 to ${first.inputs - 1}, received ${channel}.`);
  }
  const width = Math.max(narrowest, options.width ?? 760);
  const from = nodeOf(graph, inputOf(first.node));
  const { minPaths, maxPaths } = countPaths(graph, from.name, last.node.name);
  const paths = minPaths === maxPaths ? `${minPaths}` : `${minPaths} to ${maxPaths}`;
  const subtitle = `${paths} path${paths === "1" ? "" : "s"} between any two channels; bold: channel ${channel}`;
  const { children, bottom } = drawLayers(graph, layers, channel, width);
  return writeSvg({
    width,
    height: bottom + margin,
    title: `${graph.name}  ${block}`,
    description: `${subtitle}. ${layers.map(({ node, letter }) => `${letter}: ${words(graph, node)}`).join("; ")}`,
    style: styleSheet(),
    children: [
      text(margin, 28, fitText(`${graph.name}  ${block}`, 18, width - 2 * margin), { class: "title" }),
      text(margin, 47, fitText(subtitle, 12.5, width - 2 * margin), { class: "muted" }),
      ...children,
    ],
  });
}

function inputOf(node: Node): Node["id"] {
  return node.inputs[0] as Node["id"];
}

/** The convolutions and permutations on the longest way through the block, in order. */
function layersOf(graph: Graph, block: string): readonly Layer[] {
  const nodes = blockNodes(graph, block);
  const chain = longestChain(graph, nodes);
  if (chain.length === 0) throw new OptionError(`Block "${block}" has neither convolutions nor permutations to draw.`);
  let convolutions = 0;
  let permutations = 0;
  return chain.map((node) => {
    const letter = isNode(node, "permute") ? `P${++permutations}` : `W${++convolutions}`;
    const layer = layerOf(graph, node, letter);
    const channels = Math.max(layer.inputs, layer.outputs);
    if (channels <= mostChannels) return layer;
    throw new UnsupportedError(
      `Wiring is drawn channel by channel up to ${mostChannels} channels; "${node.name}" has ${channels}.`,
      { hint: "Draw the block instead, or a narrower network of the same family." },
    );
  });
}

function longestChain(graph: Graph, nodes: readonly Node[]): readonly Node[] {
  const inside = new Set<number>(nodes.map(({ id }) => id));
  const steps = new Map<number, number>();
  const before = new Map<number, Node>();
  let deepest: Node | undefined;
  for (const node of nodes) {
    let most = 0;
    for (const input of node.inputs) {
      const count = steps.get(input) ?? 0;
      if (!inside.has(input) || (before.has(node.id) && count <= most)) continue;
      most = count;
      before.set(node.id, nodeOf(graph, input));
    }
    steps.set(node.id, most + Number(isLayer(node)));
    if (isLayer(node) && (deepest === undefined || (steps.get(node.id) ?? 0) > (steps.get(deepest.id) ?? 0))) {
      deepest = node;
    }
  }
  const chain: Node[] = [];
  for (let node = deepest; node !== undefined; node = before.get(node.id)) if (isLayer(node)) chain.unshift(node);
  return chain;
}

function isLayer(node: Node): boolean {
  return isNode(node, "convolution") || isNode(node, "permute");
}

function layerOf(graph: Graph, node: Node, letter: string): Layer {
  const inputs = nodeOf(graph, inputOf(node)).shape.at(-1) ?? 1;
  const outputs = node.shape.at(-1) ?? 1;
  if (isNode(node, "permute")) {
    const order = permutationOrder(node.operation.permutation, inputs);
    const connections = order.map((input, output) => [input, output] as const);
    return { node, letter, inputs, outputs, connections, groupOf: (input) => input };
  }
  const groups = isNode(node, "convolution") ? node.operation.groups : 1;
  const [perInput, perOutput] = [inputs / groups, outputs / groups];
  const connections = Array.from({ length: inputs }, (_, input) =>
    Array.from({ length: perOutput }, (__, output) => {
      return [input, Math.floor(input / perInput) * perOutput + output] as const;
    }),
  ).flat();
  return { node, letter, inputs, outputs, connections, groupOf: (input) => Math.floor(input / perInput) };
}

function words(graph: Graph, node: Node): string {
  const { title, details } = operationWords(graph, node);
  return [title, ...details].join(", ");
}

function drawLayers(
  graph: Graph,
  layers: readonly Layer[],
  channel: number,
  width: number,
): { readonly children: readonly SvgElement[]; readonly bottom: number } {
  const isNarrow = width < 560;
  const left = margin + (isNarrow ? 30 : labelWidth);
  const at = (index: number, count: number) => left + ((index + 0.5) / count) * (width - margin - left);
  const children: SvgElement[] = [];
  let reached = new Set([channel]);
  let y = headerHeight + 10;
  for (const layer of layers) {
    const height = isNode(layer.node, "permute") ? permutationHeight : convolutionHeight;
    const isStrong = ([input]: readonly [number, number]) => reached.has(input);
    const draw = (strong: boolean) =>
      bundles(
        layer,
        layer.connections.filter((pair) => isStrong(pair) === strong),
        ([input, output]) =>
          `M${formatNumber(at(input, layer.inputs))} ${formatNumber(y)} L${formatNumber(at(output, layer.outputs))} ${formatNumber(y + height)}`,
        strong,
      );
    children.push(...draw(false), ...draw(true), ...drawDots(layer.inputs, reached, at, y));
    const label = isNarrow
      ? layer.letter
      : `${layer.letter}  ${words(graph, layer.node).replace(/ (group )?convolution/, "")}`;
    children.push(text(margin, y + height / 2 + 4, fitText(label, 12, left - margin - 6), { class: "small" }));
    reached = new Set(layer.connections.filter(isStrong).map(([, output]) => output));
    y += height;
  }
  children.push(...drawDots((layers.at(-1) as Layer).outputs, reached, at, y));
  return { children, bottom: y + 6 };
}

/** Connections as one path for each colour: fewer elements, same picture. */
function bundles(
  layer: Layer,
  connections: readonly (readonly [number, number])[],
  segment: (pair: readonly [number, number]) => string,
  strong: boolean,
): readonly SvgElement[] {
  const byColour = new Map<string, string[]>();
  for (const pair of connections) {
    const colour = strong ? `s${groupClass(layer.groupOf(pair[0]))}` : "faint";
    byColour.set(colour, [...(byColour.get(colour) ?? []), segment(pair)]);
  }
  return [...byColour].map(([colour, segments]) =>
    element("path", { d: segments.join(" "), class: `lines ${colour}${strong ? " strong" : ""}` }),
  );
}

function drawDots(
  count: number,
  reached: ReadonlySet<number>,
  at: (index: number, count: number) => number,
  y: number,
): readonly SvgElement[] {
  const radius = Math.min(4, (at(1, count) - at(0, count)) * 0.36);
  return Array.from({ length: count }, (_, index) =>
    element("circle", { cx: at(index, count), cy: y, r: radius, class: reached.has(index) ? "dot" : "plain" }),
  );
}
