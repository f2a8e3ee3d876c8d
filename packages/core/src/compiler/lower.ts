import { UnsupportedError } from "../errors.ts";
import { type Graph, isNode, type Node, type Output, type ValueId } from "../graph/graph.ts";
import type { OperationName, OperationOf } from "../graph/operations.ts";
import { permutationOrder } from "../graph/permutation.ts";
import type { Program } from "../passes/program.ts";
import { formatShape } from "../tensor.ts";
import { type Buffer, hasHalo, isContiguous, type Place, pictureOf, soleBuffer, type View } from "./layout.ts";
import { lowerConvolution, lowerLinear } from "./lower_convolution.ts";
import {
  copyCalls,
  lowerActivation,
  lowerBatchNorm,
  lowerBinary,
  lowerFlatten,
  lowerPad,
} from "./lower_elementwise.ts";
import { lowerGlobalAveragePool, lowerPool, lowerResize, lowerSoftmax } from "./lower_pool.ts";
import { atPixel, inOrder, Lowering, viewOf } from "./lowering.ts";
import type { Address, Step } from "./plan.ts";
import type { Target } from "./target.ts";

/** A buffer that the caller fills or reads: `images` pictures, one after another, channels side by side. */
export interface Port {
  readonly name: string;
  readonly buffer: Buffer;
  readonly shape: readonly number[];
}

/** A graph as steps over buffers. */
export interface Lowered {
  readonly steps: readonly Step[];
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly images: number;
}

type Rule<K extends OperationName> = (node: Node<OperationOf<K>>, to: Lowering) => void;

/** How each operation is lowered. Inputs and parameters are there before the walk begins. */
const rules = {
  input: () => {},
  parameter: () => {},
  convolution: lowerConvolution,
  linear: lowerLinear,
  batch_norm: lowerBatchNorm,
  activation: lowerActivation,
  add: lowerBinary,
  multiply: lowerBinary,
  concatenate: (node, to) =>
    setView(
      node,
      to,
      node.inputs.flatMap((input) => to.view(input).places),
    ),
  slice: (node, to) => {
    const { start, count } = node.operation;
    setView(node, to, to.view(node.inputs[0] as ValueId).places.slice(start, start + count));
  },
  permute: (node, to) => {
    const { places } = to.view(node.inputs[0] as ValueId);
    setView(
      node,
      to,
      permutationOrder(node.operation.permutation, places.length).map((from) => places[from] as Place),
    );
  },
  max_pool: lowerPool,
  average_pool: lowerPool,
  global_average_pool: lowerGlobalAveragePool,
  softmax: lowerSoftmax,
  flatten: lowerFlatten,
  dropout: (node, to) => setView(node, to, to.view(node.inputs[0] as ValueId).places),
  pad: lowerPad,
  resize: lowerResize,
} satisfies { readonly [K in OperationName]: Rule<K> };

/** Lowers one node whose inputs are lowered. */
export function lowerNode(node: Node, to: Lowering): void {
  (rules[node.operation.op] as Rule<OperationName>)(node as never, to);
}

function setView(node: Node, to: Lowering, places: readonly Place[]): void {
  const { height, width } = pictureOf(node.shape);
  to.views.set(node.id, { height, width, places });
}

/**
 * Turns a graph into steps over buffers. Concatenations, slices and permutations become views.
 *
 * @throws {UnsupportedError} for parameters where the compiler wants activations, or the other way round, and for mixed batch sizes
 */
export function lower({ graph, weights }: Program, target: Target): Lowered {
  const images = batchOf(graph);
  checkParameters(graph);
  const to = new Lowering(graph, weights, target, images);
  const inputs = graph.nodes.filter((node) => isNode(node, "input")).map((node) => lowerInput(node, to));
  for (const node of graph.nodes) lowerNode(node, to);
  const outputs = graph.outputs.map((output) => lowerOutput(output, to, new Set(inputs.map((port) => port.buffer))));
  return { steps: to.steps, inputs, outputs, images };
}

/** The batch that all values share. */
function batchOf(graph: Graph): number {
  const batches = new Set(graph.nodes.filter((node) => !isNode(node, "parameter")).map((node) => node.shape[0] ?? 1));
  if (batches.size !== 1) {
    throw new UnsupportedError(
      `Graph "${graph.name}" mixes batch sizes ${[...batches].join(", ")}; the compiler needs a single one.`,
    );
  }
  return [...batches][0] as number;
}

/** Parameters may only be kernels, biases and statistics, and those may be nothing else. */
function checkParameters(graph: Graph): void {
  for (const node of graph.nodes) {
    const { op } = node.operation;
    const takesParameters = op === "convolution" || op === "linear" || op === "batch_norm";
    const last =
      op === "convolution" || op === "linear"
        ? 1 + Number((node.operation as { bias: boolean }).bias)
        : node.inputs.length - 1;
    node.inputs.forEach((input, i) => {
      const source = graph.nodes[input] as Node;
      const isWanted = takesParameters && i >= 1 && i <= last;
      if (isNode(source, "parameter") === isWanted) return;
      throw new UnsupportedError(
        isWanted
          ? `${op} "${node.name}" reads "${source.name}" (${formatShape(source.shape)}) as weights, but it is computed; the compiler needs a parameter.`
          : `${op} "${node.name}" reads parameter "${source.name}" as an activation, which the compiler does not do.`,
      );
    });
  }
}

/** The caller's picture: read where it is, or copied into a buffer with the border that the first layers need. */
function lowerInput(node: Node, to: Lowering): Port {
  const { height, width, channels } = pictureOf(node.shape);
  const halo = to.halos.of(node.id);
  const buffer = to.buffer({ name: node.name, height, width, stride: channels, images: to.images });
  const direct = viewOf({ buffer, channel: 0, preparation: [] }, inOrder(channels));
  const padded = to.buffer({ name: `${node.name}/padded`, height, width, stride: channels, halo });
  if (to.images === 1 && !hasHalo(padded)) to.views.set(node.id, direct);
  else {
    const view = viewOf({ buffer: padded, channel: 0, preparation: [] }, inOrder(channels));
    const address = (target: Buffer): Address =>
      target === buffer ? { kind: "batch", buffer } : atPixel(target, 0, 0, 0);
    to.step(node, [...to.fillHalo(padded), ...copyCalls(to, direct, view, address)], [buffer], [padded]);
    to.views.set(node.id, view);
  }
  return { name: node.name, buffer, shape: node.shape };
}

/** The caller's result: left where it is if its channels lie side by side there, or copied. */
function lowerOutput({ name, value }: Output, to: Lowering, inputs: ReadonlySet<Buffer>): Port {
  const node = to.graph.nodes[value] as Node;
  const view = to.view(value);
  const { height, width, channels } = pictureOf(node.shape);
  if (to.images === 1 && isDirect(view) && !inputs.has(soleBuffer(view)))
    return { name, buffer: soleBuffer(view), shape: node.shape };
  const buffer = to.buffer({ name, height, width, stride: channels, images: to.images });
  const packed = viewOf({ buffer, channel: 0, preparation: [] }, inOrder(channels));
  const address = (target: Buffer): Address =>
    target === buffer ? { kind: "batch", buffer } : atPixel(target, 0, 0, 0);
  to.step(
    { name: `${name}/copy`, op: "output" },
    copyCalls(to, view, packed, address),
    view.places.map((place) => place.buffer),
    [buffer],
  );
  return { name, buffer, shape: node.shape };
}

/** Whether the view's floats lie in memory as the caller wants them. */
function isDirect(view: View): boolean {
  if (!isContiguous(view) || (view.places[0] as Place).channel !== 0) return false;
  const buffer = soleBuffer(view);
  return !hasHalo(buffer) && (buffer.stride === view.places.length || view.height * view.width === 1);
}
