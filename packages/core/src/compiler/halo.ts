import { type Graph, isNode, type Node, type ValueId } from "../graph/graph.ts";
import { type Activation, dilatedSize, type Padding, type Pair, type Window } from "../graph/operations.ts";
import { pictureOf } from "./layout.ts";

/** The border a value must have, and what it holds. */
export interface Halo {
  readonly padding: Padding;
  readonly fill: number;
}

export const noPadding: Padding = { top: 0, bottom: 0, left: 0, right: 0 };

/** What consumers read around a value: zeros for convolutions and averages, minus infinity for maximum pools. */
interface Needs {
  zero: Padding;
  lowest: Padding;
}

/** The borders of a graph's values. */
export interface Halos {
  of(value: ValueId): Halo;
  /** Maximum pools whose input must be copied first, because a convolution needs zeros where they need minus infinity. */
  readonly copiedPools: ReadonlySet<ValueId>;
}

/** What slides over a node's first input, and the picture that it gives. */
export interface Sliding extends Window {
  readonly kernel: Pair;
  readonly dilation: Pair;
  readonly output: { readonly height: number; readonly width: number };
}

/**
 * Decides each value's border, so that every window can read its padding from memory. Slices, concatenations and permutations hand
 * their needs on to the values they are views of.
 *
 * @param windowOf what slides over a node's input, if anything does
 */
export function planHalos(
  graph: Graph,
  windowOf: (graph: Graph, node: Node) => Sliding | undefined = slidingWindow,
): Halos {
  const nonNegative = findNonNegative(graph);
  const copiedPools = new Set<ValueId>();
  const borders = graph.nodes.map((node) => borderOf(graph, node, windowOf(graph, node)));
  let needs = collectNeeds(graph, borders, copiedPools, nonNegative);
  for (const node of graph.nodes) {
    if (!isNode(node, "max_pool") || isEmpty(borders[node.id] as Padding)) continue;
    const hasConflict = rootsOf(graph, node.inputs[0] as ValueId).some((root) => {
      const need = needs[root] as Needs;
      return !nonNegative[root] && !isEmpty(need.zero) && !isEmpty(need.lowest);
    });
    if (hasConflict) copiedPools.add(node.id);
  }
  if (copiedPools.size > 0) needs = collectNeeds(graph, borders, copiedPools, nonNegative);
  return {
    copiedPools,
    of(value) {
      const { zero, lowest } = needs[value] as Needs;
      return isEmpty(lowest) ? { padding: zero, fill: 0 } : { padding: lowest, fill: Number.NEGATIVE_INFINITY };
    },
  };
}

function collectNeeds(
  graph: Graph,
  borders: readonly Padding[],
  copied: ReadonlySet<ValueId>,
  nonNegative: readonly boolean[],
): readonly Needs[] {
  const needs: Needs[] = graph.nodes.map(() => ({ zero: noPadding, lowest: noPadding }));
  for (const node of [...graph.nodes].reverse()) {
    const input = node.inputs[0];
    if (input === undefined) continue;
    if (isView(node)) {
      for (const source of node.inputs) {
        const need = needs[source] as Needs;
        need.zero = larger(need.zero, needs[node.id]?.zero as Padding);
        need.lowest = larger(need.lowest, needs[node.id]?.lowest as Padding);
      }
    } else if (!copied.has(node.id)) {
      const need = needs[input] as Needs;
      const border = borders[node.id] as Padding;
      // Where no value is below zero, a zero never wins against one: the convolution's border serves the maximum too.
      if (isNode(node, "max_pool") && !nonNegative[input]) need.lowest = larger(need.lowest, border);
      else need.zero = larger(need.zero, border);
    }
  }
  return needs;
}

/** Whether the node only renames channels. */
export function isView(node: Node): boolean {
  return isNode(node, "permute") || isNode(node, "slice") || isNode(node, "concatenate");
}

/** The values that a value is a view of. */
function rootsOf(graph: Graph, value: ValueId): readonly ValueId[] {
  const node = graph.nodes[value] as Node;
  return isView(node) ? node.inputs.flatMap((input) => rootsOf(graph, input)) : [value];
}

/** Convolutions and pools slide over their input. */
export function slidingWindow(graph: Graph, { operation, inputs, shape }: Node): Sliding | undefined {
  if (operation.op !== "convolution" && operation.op !== "max_pool" && operation.op !== "average_pool")
    return undefined;
  const { stride, padding } = operation;
  const [kh, kw] =
    operation.op === "convolution" ? (graph.nodes[inputs[1] as ValueId] as Node).shape : operation.kernel;
  const dilation: Pair = operation.op === "convolution" ? operation.dilation : [1, 1];
  return { kernel: [kh as number, kw as number], dilation, stride, padding, output: pictureOf(shape) };
}

/** Rows and columns beyond the picture that a window reads: its padding, less what stride leaves over, plus a ceil-mode overhang. */
function borderOf(graph: Graph, { inputs }: Node, window: Sliding | undefined): Padding {
  if (window === undefined) return noPadding;
  return windowBorder(window, pictureOf((graph.nodes[inputs[0] as ValueId] as Node).shape), window.output);
}

/** What windows read around a picture: their padding before it, and after it as far as the last window reaches. */
export function windowBorder(
  { kernel, dilation, stride, padding }: Omit<Sliding, "output">,
  input: { readonly height: number; readonly width: number },
  output: { readonly height: number; readonly width: number },
): Padding {
  const after = (axis: 0 | 1, before: number, size: number, count: number) =>
    Math.max(0, (count - 1) * stride[axis] - before + dilatedSize(kernel[axis], dilation[axis]) - size);
  const { top, left } = padding;
  return {
    top,
    left,
    bottom: after(0, top, input.height, output.height),
    right: after(1, left, input.width, output.width),
  };
}

export function isEmpty({ top, bottom, left, right }: Padding): boolean {
  return top + bottom + left + right === 0;
}

/** The border that serves two needs. */
export function larger(a: Padding, b: Padding): Padding {
  return {
    top: Math.max(a.top, b.top),
    bottom: Math.max(a.bottom, b.bottom),
    left: Math.max(a.left, b.left),
    right: Math.max(a.right, b.right),
  };
}

/** For each value, whether it is certain that none of its elements is negative. */
function findNonNegative(graph: Graph): readonly boolean[] {
  const known: boolean[] = [];
  const isRectifier = (activation: Activation) =>
    activation === "relu" || activation === "relu6" || activation === "sigmoid" || activation === "hard_sigmoid";
  for (const { operation, inputs } of graph.nodes) {
    const allInputs = () => inputs.every((input) => known[input]);
    switch (operation.op) {
      case "convolution":
        known.push(isRectifier(operation.residual ? operation.residualActivation : operation.activation));
        break;
      case "activation":
      case "linear":
        known.push(isRectifier(operation.activation));
        break;
      case "add":
        known.push(isRectifier(operation.activation) || (operation.activation === "none" && allInputs()));
        break;
      case "softmax":
        known.push(true);
        break;
      case "permute":
      case "slice":
      case "concatenate":
      case "max_pool":
      case "average_pool":
      case "global_average_pool":
      case "multiply":
      case "flatten":
      case "dropout":
        known.push(allInputs());
        break;
      default:
        known.push(false);
    }
  }
  return known;
}
