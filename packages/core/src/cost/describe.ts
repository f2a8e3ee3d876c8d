import { type Graph, isNode, type Node, nodeOf, nodesOf } from "../graph/graph.ts";
import type { OperationName, Pair } from "../graph/operations.ts";
import { elementCount, type Shape } from "../tensor.ts";
import { peakActivationBytes } from "./activation_memory.ts";
import { blocksOf, fragmentation } from "./blocks.ts";
import { elementBytes, pointwiseLowerBound } from "./memory_access.ts";
import { operationCost } from "./operation_cost.ts";

/** Figures that layers, blocks and networks have alike. */
export interface Cost {
  /** Numbers that training changes: kernels, biases, gammas and betas. */
  readonly parameters: number;
  /** Multiply-accumulates of convolutions and linear layers; many papers call them FLOPs. */
  readonly macs: number;
  /** Operations on single elements: biases, norms, activations, sums, products, pools. */
  readonly elementwise: number;
  /**
   * Bytes read and written if every operation runs by itself: activations in, activations out, weights (ShuffleNet V2's memory access
   * cost, in float32).
   */
  readonly memoryAccessBytes: number;
  /** Multiply-accumulates for each byte read or written. */
  readonly arithmeticIntensity: number;
}

/** One operation of a network. */
export interface LayerDescription extends Cost {
  readonly name: string;
  readonly op: OperationName;
  /** Height and width of a convolution's or pool's window, else null. */
  readonly kernel: Pair | null;
  readonly stride: Pair | null;
  /** Of a convolution, else null. */
  readonly groups: number | null;
  /** `[N, H, W, C]` of the first input. */
  readonly input: Shape;
  readonly output: Shape;
  /** Of a 1x1 convolution: the least bytes with which as many multiply-accumulates can be done (guideline 1). */
  readonly lowerBoundBytes?: number;
}

/** One block of a network: a unit of a stage, a fire, the stem. */
export interface BlockDescription extends Cost {
  readonly name: string;
  /** Of the block's first node, and of its last. */
  readonly input: Shape;
  readonly output: Shape;
  /** Convolutions and pools in the block (guideline 3). */
  readonly fragments: number;
  /** The most of them side by side. */
  readonly branches: number;
}

/** What a network costs on paper: what `depthwise describe --json` prints. */
export interface Description extends Cost {
  readonly name: string;
  readonly family: string | undefined;
  /** `[H, W, C]`. */
  readonly input: Shape;
  readonly classes: number;
  /** The most bytes of activations alive at a time. */
  readonly peakActivationBytes: number;
  /** Convolutions and linear layers on the longest way from the input to an output. */
  readonly depth: number;
  /** Mean number of convolutions and pools in a block that has any (guideline 3). */
  readonly fragmentation: number;
  /** Elementwise operations among all operations, multiply-accumulates counted as one (guideline 4). */
  readonly elementwiseShare: number;
  /** Bytes accessed by operations without multiply-accumulates, among all bytes (guideline 4). */
  readonly elementwiseMemoryShare: number;
  readonly layers: readonly LayerDescription[];
  readonly blocks: readonly BlockDescription[];
}

/** A graph and what is known about it: a `Network`, for instance. */
export interface DescribedNetwork {
  readonly name: string;
  readonly family: string | undefined;
  readonly graph: Graph;
  readonly classes: number;
}

/** Options of `describe`. */
export interface DescribeOptions {
  /** Peak of the compiler's plan, where one was made. Default: the peak of values that each have memory of their own. */
  readonly peakActivationBytes?: number | undefined;
}

/**
 * What a network costs: parameters, multiply-accumulates, memory access; by layer, by block, in all.
 *
 * @example
 * ```ts
 * describe(build("mobilenet_v2_1.0_224")).macs; // 300774272
 * ```
 */
export function describe(subject: DescribedNetwork | Graph, options: DescribeOptions = {}): Description {
  const graph = "graph" in subject ? subject.graph : subject;
  const layers = layersOf(graph);
  const byName = new Map(layers.map((layer) => [layer.name, layer]));
  const blocks = blocksOf(graph).map(({ name, nodes }): BlockDescription => {
    const own = nodes.map((node) => byName.get(node.name) as LayerDescription);
    return {
      name,
      input: own[0]?.input ?? [],
      output: own.at(-1)?.output ?? [],
      ...sumOf(own),
      ...fragmentation(nodes),
    };
  });
  const total = sumOf(layers);
  const fragmented = blocks.filter(({ fragments }) => fragments > 0);
  const elementwiseBytes = layers.reduce((sum, layer) => sum + (layer.macs === 0 ? layer.memoryAccessBytes : 0), 0);
  return {
    name: subject.name,
    family: "family" in subject ? subject.family : undefined,
    input: nodesOf(graph, "input")[0]?.shape.slice(1) ?? [],
    classes: "classes" in subject ? subject.classes : classesOf(graph),
    ...total,
    peakActivationBytes: options.peakActivationBytes ?? peakActivationBytes(graph),
    depth: depthOf(graph),
    fragmentation: ratio(
      fragmented.reduce((sum, { fragments }) => sum + fragments, 0),
      fragmented.length,
    ),
    elementwiseShare: ratio(total.elementwise, total.elementwise + total.macs),
    elementwiseMemoryShare: ratio(elementwiseBytes, total.memoryAccessBytes),
    layers,
    blocks,
  };
}

function layersOf(graph: Graph): readonly LayerDescription[] {
  // A parameter that several nodes read is counted with the first.
  const counted = new Set<number>();
  return graph.nodes
    .filter((node) => !isNode(node, "parameter") && !isNode(node, "input"))
    .map((node) => {
      const inputs = node.inputs.map((input) => nodeOf(graph, input));
      const own = inputs.filter((input) => isNode(input, "parameter") && !counted.has(input.id));
      for (const { id } of own) counted.add(id);
      return layerOf(graph, node, inputs, own);
    });
}

function layerOf(graph: Graph, node: Node, inputs: readonly Node[], own: readonly Node[]): LayerDescription {
  const { macs, elementwise, accessesMemory, kernel, stride, groups } = operationCost(graph, node);
  const trainable = own.filter((parameter) => isNode(parameter, "parameter") && parameter.operation.trainable);
  const memoryAccessBytes = accessesMemory ? elementBytes * (elementsOf(inputs) + elementCount(node.shape)) : 0;
  const lowerBound = lowerBoundOf(node, inputs);
  return {
    name: node.name,
    op: node.operation.op,
    kernel,
    stride,
    groups,
    input: inputs[0]?.shape ?? [],
    output: node.shape,
    parameters: elementsOf(trainable),
    macs,
    elementwise,
    memoryAccessBytes,
    arithmeticIntensity: ratio(macs, memoryAccessBytes),
    ...(lowerBound === undefined ? {} : { lowerBoundBytes: lowerBound * elementBytes }),
  };
}

function elementsOf(nodes: readonly Node[]): number {
  return nodes.reduce((sum, { shape }) => sum + elementCount(shape), 0);
}

/** Guideline 1's bound for a 1x1 convolution; a slower one, of stride 2, reads more of its input than the bound assumes. */
function lowerBoundOf(node: Node, [x, kernel]: readonly Node[]): number | undefined {
  if (!isNode(node, "convolution") || x === undefined || kernel === undefined) return undefined;
  const [kh, kw] = kernel.shape;
  if (kh !== 1 || kw !== 1) return undefined;
  const [n = 1, h = 1, w = 1, outputs = 1] = node.shape;
  return pointwiseLowerBound({ positions: n * h * w, inputs: x.shape[3] ?? 1, outputs, groups: node.operation.groups });
}

function sumOf(layers: readonly Cost[]): Cost {
  const sum = (figure: keyof Cost) => layers.reduce((total, layer) => total + layer[figure], 0);
  const macs = sum("macs");
  const memoryAccessBytes = sum("memoryAccessBytes");
  return {
    parameters: sum("parameters"),
    macs,
    elementwise: sum("elementwise"),
    memoryAccessBytes,
    arithmeticIntensity: ratio(macs, memoryAccessBytes),
  };
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

function classesOf(graph: Graph): number {
  const [output] = graph.outputs;
  return output === undefined ? 0 : (nodeOf(graph, output.value).shape.at(-1) ?? 0);
}

/** Convolutions and linear layers on the longest way through the graph. */
function depthOf(graph: Graph): number {
  const depths: number[] = [];
  for (const node of graph.nodes) {
    const before = Math.max(0, ...node.inputs.map((input) => depths[input] ?? 0));
    depths.push(before + Number(isNode(node, "convolution") || isNode(node, "linear")));
  }
  return Math.max(0, ...graph.outputs.map(({ value }) => depths[value] ?? 0));
}
