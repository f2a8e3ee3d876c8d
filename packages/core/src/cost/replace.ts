import { OptionError } from "../errors.ts";
import { type GraphBuilder, graphBuilder, heFanOut, type Value } from "../graph/builder.ts";
import { type Graph, isNode, type Node, nodeOf, usersOf, type ValueId } from "../graph/graph.ts";
import type { OperationOf, Pair } from "../graph/operations.ts";
import { elementCount, type Shape } from "../tensor.ts";
import { type DescribedNetwork, type Description, describe } from "./describe.ts";

/**
 * What would it cost if...
 *
 * - `depthwise=standard`: a depthwise convolution and the pointwise one after it become one standard convolution (MobileNet's table 4,
 *   arXiv:1704.04861); a depthwise convolution without a dense pointwise one after it becomes dense.
 * - `grouped=dense`: group convolutions get one group.
 * - `standard=separable`: dense convolutions larger than 1x1 become a depthwise and a pointwise one.
 */
export type Replacement = "depthwise=standard" | "grouped=dense" | "standard=separable";

/** Every replacement, for help and validation. */
export const replacements: readonly Replacement[] = ["depthwise=standard", "grouped=dense", "standard=separable"];

/** One convolution, or pair of them, that was replaced. */
export interface ReplacedConvolution {
  /** Of the node that took its place. */
  readonly name: string;
  readonly replacement: Replacement;
  readonly before: ConvolutionCost;
  readonly after: ConvolutionCost;
  /** Multiply-accumulates of the cheaper form over those of the dearer one, counted. */
  readonly ratio: number;
  /** What theory says of it: `1/g` for g groups, `1/N + 1/k²` for a separable convolution to N channels with a k x k window. */
  readonly formula: "1/g" | "1/N + 1/k^2";
  /** The formula's value for this layer. */
  readonly predicted: number;
}

/** Multiply-accumulates and kernel weights. */
export interface ConvolutionCost {
  readonly macs: number;
  readonly weights: number;
}

/** A network before and after. */
export interface WhatIf {
  readonly before: Description;
  readonly after: Description;
  readonly replaced: readonly ReplacedConvolution[];
  /** The graph after. */
  readonly graph: Graph;
}

/**
 * Prices a network with its convolutions replaced by others.
 *
 * @throws {OptionError} for a replacement that is not known
 */
export function describeReplaced(subject: DescribedNetwork, wanted: readonly Replacement[]): WhatIf {
  const { graph, replaced } = replaceConvolutions(subject.graph, wanted);
  return { before: describe(subject), after: describe({ ...subject, graph }), replaced, graph };
}

/** The same function with other convolutions; what is replaced needs new weights. */
export function replaceConvolutions(
  graph: Graph,
  wanted: readonly Replacement[],
): { readonly graph: Graph; readonly replaced: readonly ReplacedConvolution[] } {
  for (const each of wanted) {
    if (!replacements.includes(each)) {
      throw new OptionError(`Unknown replacement "${each}".`, { hint: `Known are ${replacements.join(", ")}.` });
    }
  }
  const plan = planReplacements(graph, new Set(wanted));
  const builder = graphBuilder(graph.name);
  const values = new Map<ValueId, Value>();
  const replaced: ReplacedConvolution[] = [];
  for (const node of graph.nodes) {
    if (plan.dropped.has(node.id)) continue;
    const change = plan.changes.get(node.id);
    if (change === undefined) {
      values.set(
        node.id,
        builder.node(
          node.name,
          node.operation,
          node.inputs.map((input) => values.get(input) as Value),
        ),
      );
      continue;
    }
    const read = (input: ValueId) => values.get(input) as Value;
    values.set(node.id, buildChange(builder, graph, change, read));
    replaced.push(report(graph, change));
  }
  const outputs = graph.outputs.map(({ name, value }) => [name, values.get(value) as Value] as const);
  return { graph: builder.build(Object.fromEntries(outputs)), replaced };
}

type Convolution = Node<OperationOf<"convolution">>;

/** What takes the place of `node`. */
interface Change {
  readonly replacement: Replacement;
  readonly node: Convolution;
  /** The depthwise convolution before it that the same new convolution replaces. */
  readonly depthwise?: Convolution;
}

interface Plan {
  readonly changes: ReadonlyMap<ValueId, Change>;
  /** Nodes with no place in the new graph: kernels that get another shape, norms and activations inside a separable convolution. */
  readonly dropped: ReadonlySet<ValueId>;
}

function planReplacements(graph: Graph, wanted: ReadonlySet<Replacement>): Plan {
  const users = usersOf(graph);
  const changes = new Map<ValueId, Change>();
  const dropped = new Set<ValueId>();
  for (const node of graph.nodes) {
    if (!isNode(node, "convolution") || changes.has(node.id)) continue;
    const { groups } = node.operation;
    const isDepthwise = groups > 1 && groups === inputOf(graph, node).shape[3];
    if (isDepthwise && wanted.has("depthwise=standard")) {
      const inside = wayToPointwise(graph, users, node);
      const pointwise = inside.at(-1);
      if (pointwise !== undefined && isNode(pointwise, "convolution")) {
        changes.set(pointwise.id, { replacement: "depthwise=standard", node: pointwise, depthwise: node });
        for (const { id } of [node, ...inside.slice(0, -1)]) drop(id);
      } else {
        changes.set(node.id, { replacement: "depthwise=standard", node });
      }
    } else if (!isDepthwise && groups > 1 && wanted.has("grouped=dense")) {
      changes.set(node.id, { replacement: "grouped=dense", node });
    } else if (groups === 1 && windowArea(graph, node) > 1 && wanted.has("standard=separable")) {
      changes.set(node.id, { replacement: "standard=separable", node });
    }
  }
  for (const { node } of changes.values()) dropped.add(node.inputs[1] as ValueId);
  return { changes, dropped };

  function drop(id: ValueId): void {
    dropped.add(id);
    for (const input of nodeOf(graph, id).inputs) if (isNode(nodeOf(graph, input), "parameter")) dropped.add(input);
  }
}

/** Norms and activations after a depthwise convolution, then the dense pointwise one that they lead to; empty where there is none. */
function wayToPointwise(graph: Graph, users: readonly (readonly Node[])[], depthwise: Node): readonly Node[] {
  const way: Node[] = [];
  for (let node = depthwise; ; ) {
    const [next, ...others] = users[node.id] ?? [];
    if (next === undefined || others.length > 0 || graph.outputs.some(({ value }) => value === node.id)) return [];
    way.push(next);
    if (isNode(next, "convolution")) return next.operation.groups === 1 && isPointwise(graph, next) ? way : [];
    if (!isNode(next, "batch_norm") && !isNode(next, "activation")) return [];
    node = next;
  }
}

function isPointwise(graph: Graph, { operation, inputs }: Convolution): boolean {
  const { stride, padding, residual } = operation;
  const isPadded = padding.top + padding.bottom + padding.left + padding.right > 0;
  const [kh, kw] = nodeOf(graph, inputs[1] as ValueId).shape;
  return kh === 1 && kw === 1 && stride[0] === 1 && stride[1] === 1 && !isPadded && !residual;
}

function inputOf(graph: Graph, node: Node): Node {
  return nodeOf(graph, node.inputs[0] as ValueId);
}

function kernelOf(graph: Graph, node: Convolution): Shape {
  return nodeOf(graph, node.inputs[1] as ValueId).shape;
}

function windowArea(graph: Graph, node: Convolution): number {
  const [kh = 1, kw = 1] = kernelOf(graph, node);
  return kh * kw;
}

function buildChange(builder: GraphBuilder, graph: Graph, change: Change, read: (input: ValueId) => Value): Value {
  const { node, depthwise, replacement } = change;
  const window = depthwise ?? node;
  const [kh = 1, kw = 1] = kernelOf(graph, window);
  const inputs = inputOf(graph, window).shape[3] ?? 1;
  const outputs = node.shape[3] ?? 1;
  const { stride, padding, dilation } = window.operation;
  const rest = node.inputs.slice(2).map(read);
  const kernelName = nodeOf(graph, node.inputs[1] as ValueId).name;
  const kernel = (name: string, size: Pair, perGroup: number, channels: number, groups: number) =>
    builder.node(
      name,
      {
        op: "parameter",
        shape: [...size, perGroup, channels],
        initializer: heFanOut(size, channels, groups),
        trainable: true,
      },
      [],
    );
  const x = read(window.inputs[0] as ValueId);
  if (replacement !== "standard=separable") {
    const dense = { ...node.operation, stride, padding, dilation, groups: 1 };
    return builder.node(node.name, dense, [x, kernel(kernelName, [kh, kw], inputs, outputs, 1), ...rest]);
  }
  const filtered = builder.node(
    `${node.name}/depthwise`,
    {
      ...node.operation,
      groups: inputs,
      bias: false,
      activation: "none",
      residual: false,
      residualActivation: "none",
    },
    [x, kernel(`${node.name}/depthwise/kernel`, [kh, kw], 1, inputs, inputs)],
  );
  const none = { top: 0, bottom: 0, left: 0, right: 0 };
  const pointwise = { ...node.operation, stride: [1, 1], padding: none, dilation: [1, 1] } as const;
  return builder.node(node.name, pointwise, [filtered, kernel(kernelName, [1, 1], inputs, outputs, 1), ...rest]);
}

function report(graph: Graph, { node, depthwise, replacement }: Change): ReplacedConvolution {
  const costOf = (convolution: Convolution): ConvolutionCost => {
    const kernel = kernelOf(graph, convolution);
    const perOutput = elementCount(kernel.slice(0, 3));
    return { macs: elementCount(convolution.shape) * perOutput, weights: elementCount(kernel) };
  };
  const own = costOf(node);
  const outputs = node.shape[3] ?? 1;
  const positions = elementCount(node.shape) / outputs;
  const window = depthwise ?? node;
  const inputs = inputOf(graph, window).shape[3] ?? 1;
  const area = windowArea(graph, window);
  const result = (
    before: ConvolutionCost,
    weightsAfter: number,
    formula: ReplacedConvolution["formula"],
    predicted: number,
  ) => {
    const after = { macs: positions * weightsAfter, weights: weightsAfter };
    const ratio = Math.min(before.macs, after.macs) / Math.max(before.macs, after.macs);
    return { name: node.name, replacement, before, after, ratio, formula, predicted };
  };
  const separable = 1 / outputs + 1 / area;
  if (replacement === "standard=separable") {
    return result(own, area * inputs + inputs * outputs, "1/N + 1/k^2", separable);
  }
  const dense = area * inputs * outputs;
  if (depthwise === undefined) return result(own, dense, "1/g", 1 / node.operation.groups);
  const first = costOf(depthwise);
  const both = { macs: first.macs + own.macs, weights: first.weights + own.weights };
  const multiplier = (depthwise.shape[3] ?? 1) / inputs;
  return result(both, dense, "1/N + 1/k^2", multiplier * separable);
}
