import { formatShape, type Shape } from "../tensor.ts";
import { type Graph, isNode, type Node, nodeOf, usersOf } from "./graph.ts";
import type { Activation, Initializer, OperationName, OperationOf, Padding, Pair } from "./operations.ts";

/** Options of `printGraph`. */
export interface PrintOptions {
  /** Whether parameters are printed, indented, before the node that reads them first. Default false. */
  readonly parameters?: boolean;
}

/** The attributes of an operation that differ from the usual, in words. `inputs` are the shapes of the node's inputs. */
type Words<K extends OperationName> = (operation: OperationOf<K>, inputs: readonly Shape[]) => readonly string[];

const words = {
  input: () => [],
  parameter: ({ initializer, trainable }) => [initializerWords(initializer), unless(trainable, "fixed")],
  convolution: ({ stride, padding, dilation, groups, bias, activation, residual, residualActivation }, [x, kernel]) => [
    pairWords([kernel?.[0] ?? 0, kernel?.[1] ?? 0]),
    ...windowWords(stride, padding),
    unless(isOnes(dilation), `dilation ${pairWords(dilation)}`),
    unless(groups === 1, groups === x?.[3] ? "depthwise" : `groups ${groups}`),
    unless(!bias, "bias"),
    activationWords(activation),
    unless(!residual, "residual"),
    activationWords(residualActivation),
  ],
  batch_norm: ({ epsilon }) => [unless(epsilon === 1e-5, `epsilon ${epsilon}`)],
  activation: ({ activation }) => [activation],
  add: ({ activation }) => [activationWords(activation)],
  multiply: (_, [a, b]) => [unless(a?.length !== 4 || b?.[1] !== 1 || a[1] === 1, "per channel")],
  concatenate: () => [],
  slice: ({ start, count }) => [`channels ${start} to ${start + count - 1}`],
  permute: ({ permutation }) => [permutation.kind === "shuffle" ? `shuffle ${permutation.groups}` : "explicit"],
  max_pool: (operation) => poolWords(operation),
  average_pool: (operation) => [...poolWords(operation), unless(operation.countIncludePad, "padding not counted")],
  global_average_pool: () => [],
  linear: ({ bias, activation }) => [unless(!bias, "bias"), activationWords(activation)],
  softmax: () => [],
  flatten: () => [],
  dropout: ({ rate }) => [`${rate}`],
  pad: ({ padding, value }) => [paddingWords(padding), unless(value === 0, `value ${value}`)],
  resize: ({ mode }) => [mode],
} satisfies { readonly [K in OperationName]: Words<K> };

/** The word, unless what is usual holds. */
function unless(isUsual: boolean, word: string): string {
  return isUsual ? "" : word;
}

function isOnes([vertical, horizontal]: Pair): boolean {
  return vertical === 1 && horizontal === 1;
}

function pairWords([vertical, horizontal]: Pair): string {
  return `${vertical}x${horizontal}`;
}

/** `1` on every side, `1,2` above and below and at both sides, or `top,right,bottom,left` as in style sheets. */
function paddingWords({ top, right, bottom, left }: Padding): string {
  if (top === bottom && left === right) return `padding ${top === left ? top : `${top},${left}`}`;
  return `padding ${top},${right},${bottom},${left}`;
}

function windowWords(stride: Pair, padding: Padding): readonly string[] {
  const isPadded = padding.top + padding.right + padding.bottom + padding.left > 0;
  const [vertical, horizontal] = stride;
  return [
    unless(isOnes(stride), `stride ${vertical === horizontal ? vertical : pairWords(stride)}`),
    unless(!isPadded, paddingWords(padding)),
  ];
}

function poolWords({ kernel, stride, padding, ceil }: OperationOf<"max_pool" | "average_pool">): readonly string[] {
  return [pairWords(kernel), ...windowWords(stride, padding), unless(!ceil, "ceil")];
}

function activationWords(activation: Activation): string {
  return unless(activation === "none", activation);
}

function initializerWords(initializer: Initializer): string {
  switch (initializer.kind) {
    case "constant":
      return `constant ${initializer.value}`;
    case "uniform":
      return `uniform ${Number(initializer.bound.toPrecision(4))}`;
    default:
      return `${initializer.kind} ${Number(initializer.deviation.toPrecision(4))}`;
  }
}

/** One node's operation and attributes as one text: `convolution 3x3 stride 2 padding 1 depthwise`. */
export function printOperation(graph: Graph, node: Node): string {
  const describe = words[node.operation.op] as Words<OperationName>;
  const inputs = node.inputs.map((input) => nodeOf(graph, input).shape);
  return [node.operation.op, ...describe(node.operation, inputs)].filter((word) => word !== "").join(" ");
}

/**
 * The graph as a table, a node a line: name, operation with the attributes that differ from the usual, shape, and the names of its
 * inputs. Shapes are `NxHxWxC`. Outputs stand at the end.
 */
export function printGraph(graph: Graph, options: PrintOptions = {}): string {
  const order = options.parameters
    ? withParametersBeside(graph)
    : graph.nodes.filter((node) => !isNode(node, "parameter"));
  const rows = order.map((node) => {
    const inputs = node.inputs.map((input) => nodeOf(graph, input));
    const shown = inputs.filter((input) => !isNode(input, "parameter")).map(({ name }) => name);
    const indent = isNode(node, "parameter") ? "  " : "";
    return [indent + node.name, printOperation(graph, node), formatShape(node.shape), shown.join(", ")];
  });
  const outputs = graph.outputs.map(({ name, value }) => `output ${name} = ${nodeOf(graph, value).name}`);
  return [`graph ${graph.name}`, ...alignColumns(rows), ...outputs].join("\n");
}

/** All nodes, each parameter right before its first reader; those that none reads come last. */
function withParametersBeside(graph: Graph): readonly Node[] {
  const users = usersOf(graph);
  const beside = new Map<Node | undefined, Node[]>(graph.nodes.map((node) => [node, []]));
  const unread: Node[] = [];
  for (const node of graph.nodes) {
    if (isNode(node, "parameter")) (beside.get(users[node.id]?.[0]) ?? unread).push(node);
  }
  const readers = graph.nodes.filter((node) => !isNode(node, "parameter"));
  return [...readers.flatMap((node) => [...(beside.get(node) ?? []), node]), ...unread];
}

/** Pads every column but the last to its widest cell. */
function alignColumns(rows: readonly (readonly string[])[]): readonly string[] {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) =>
    rows.reduce((most, row) => Math.max(most, row[column]?.length ?? 0), 0),
  );
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] as number))
      .join("  ")
      .trimEnd(),
  );
}
