import {
  type Graph,
  type Node,
  nodeOf,
  type OperationName,
  type OperationOf,
  permutationOrder,
  type ValueId,
} from "@depthwise/core";
import { isNonNegative } from "../tflite/non_negative.ts";
import type { TfjsBuilder } from "./tfjs_builder.ts";
import { int32, text } from "./tfjs_model.ts";
import {
  emitActivation,
  emitPad,
  fusedAttributes,
  joinLast,
  sliceLast,
  writeAveragePool,
  writeConvolution,
  writeMaxPool,
} from "./write_graph_windows.ts";

/** Operations that become nodes of theirs. */
type WrittenOperation = Exclude<OperationName, "input" | "parameter">;

/** Emits the nodes of one node of ours and returns the name of its value. */
type Writer<K extends OperationName> = (to: TfjsBuilder, operation: OperationOf<K>, node: Node, graph: Graph) => string;

const writers = {
  convolution: writeConvolution,
  batch_norm: (to, { epsilon }, node) => {
    const [x, ...statistics] = node.inputs as [ValueId, ...ValueId[]];
    const channels = node.shape.at(-1) as number;
    const picture = [node.shape.reduce((product, length) => product * length, 1) / channels, 1, 1, channels];
    const isPicture = node.shape.length === 4;
    const inputs = [
      isPicture ? to.read(x) : to.reshape(to.read(x), picture),
      ...statistics.map((each) => to.read(each)),
    ];
    const attributes = { epsilon: { f: epsilon }, data_format: text("NHWC"), is_training: { b: false } };
    const normed = to.emit("FusedBatchNormV3", inputs, attributes);
    return isPicture ? normed : to.reshape(normed, node.shape);
  },
  activation: (to, { activation }, node) => emitActivation(to, activation, readFirst(to, node)),
  add: (to, { activation }, node) => emitActivation(to, activation, to.emit("AddV2", readAll(to, node))),
  multiply: (to, _, node) => to.emit("Mul", readAll(to, node)),
  concatenate: (to, _, node) => joinLast(to, readAll(to, node), node.shape.length),
  slice: (to, { start, count }, node) => {
    return sliceLast(to, readFirst(to, node), to.shape(node.inputs[0] as ValueId), start, count);
  },
  permute: (to, { permutation }, node) => {
    if (permutation.kind === "shuffle") return emitShuffle(to, permutation.groups, node);
    const order = permutationOrder(permutation, node.shape.at(-1) as number);
    const inputs = [readFirst(to, node), to.integers(...order), to.integer(node.shape.length - 1)];
    return to.emit("GatherV2", inputs, { Tindices: int32, Taxis: int32, batch_dims: { i: "0" } });
  },
  max_pool: (to, operation, node, graph) => {
    const input = nodeOf(graph, node.inputs[0] as ValueId);
    return writeMaxPool(to, operation, node, isNonNegative(graph, input));
  },
  average_pool: writeAveragePool,
  global_average_pool: (to, _, node) =>
    to.emit("Mean", [readFirst(to, node), to.integers(1, 2)], { Tidx: int32, keep_dims: { b: true } }),
  linear: (to, { bias, activation }, node) => {
    const [x, kernel, offset] = node.inputs as [ValueId, ValueId, ValueId?];
    const attributes = { transpose_a: { b: false }, transpose_b: { b: false } };
    const inputs = [to.read(x), to.read(kernel)];
    const sum = bias
      ? to.emit("_FusedMatMul", [...inputs, to.read(offset as ValueId)], { ...attributes, ...fusedAttributes([]) })
      : to.emit("MatMul", inputs, attributes);
    return emitActivation(to, activation, sum);
  },
  softmax: (to, _, node) => to.emit("Softmax", readAll(to, node)),
  flatten: (to, _, node) => to.reshape(readFirst(to, node), node.shape),
  dropout: (to, _, node) => readFirst(to, node),
  pad: (to, { padding, value }, node) => emitPad(to, readFirst(to, node), padding, value),
  resize: (to, { height, width, mode }, node) => {
    const op = mode === "nearest" ? "ResizeNearestNeighbor" : "ResizeBilinear";
    const attributes = { align_corners: { b: false }, half_pixel_centers: { b: true } };
    return to.emit(op, [readFirst(to, node), to.integers(height, width)], attributes);
  },
} satisfies { readonly [K in WrittenOperation]: Writer<K> };

/** Emits the nodes of a node that is neither input nor parameter; returns the name of its value. */
export function writeOperation(to: TfjsBuilder, node: Node, graph: Graph): string {
  const write = writers[node.operation.op as WrittenOperation] as Writer<OperationName>;
  return write(to, node.operation, node, graph);
}

function readFirst(to: TfjsBuilder, node: Node): string {
  return to.read(node.inputs[0] as ValueId);
}

function readAll(to: TfjsBuilder, node: Node): readonly string[] {
  return node.inputs.map((input) => to.read(input));
}

/** Views C channels as (groups, C/groups), transposes, and flattens. */
function emitShuffle(to: TfjsBuilder, groups: number, node: Node): string {
  const x = readFirst(to, node);
  const channels = node.shape.at(-1) as number;
  if (groups === 1 || groups === channels) return x;
  const pixels = node.shape.slice(0, -1).reduce((product, length) => product * length, 1);
  const viewed = to.reshape(x, [pixels, groups, channels / groups]);
  const turned = to.emit("Transpose", [viewed, to.integers(0, 2, 1)], { Tperm: int32 });
  return to.reshape(turned, node.shape);
}
