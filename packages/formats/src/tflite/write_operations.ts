import {
  type Graph,
  type Node,
  nodeOf,
  type OperationName,
  type OperationOf,
  permutationOrder,
  UnsupportedError,
  type ValueId,
} from "@depthwise/core";
import { emitActivation, fusedCode, mulOptions, split } from "./activations.ts";
import { isNonNegative } from "./non_negative.ts";
import type { TensorIndex, TfliteBuilder } from "./tflite_builder.ts";
import { emitAdd, emitPad, writeAveragePool, writeConvolution, writeMaxPool, zeros } from "./write_windows.ts";

/** Operations that become operators. */
type WrittenOperation = Exclude<OperationName, "input" | "parameter">;

/** Emits the operators of one node and returns its tensor. */
type Writer<K extends OperationName> = (
  to: TfliteBuilder,
  operation: OperationOf<K>,
  node: Node,
  graph: Graph,
) => TensorIndex;

const writers = {
  convolution: writeConvolution,
  batch_norm: (to, { epsilon }, node) => {
    const [x, ...statistics] = node.inputs as [ValueId, ...ValueId[]];
    const [gamma, beta, mean, variance] = statistics.map((each) => to.numbers(each)) as [
      Float32Array,
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    const scale = gamma.map((value, c) => value / Math.sqrt((variance[c] as number) + epsilon));
    const shift = beta.map((value, c) => value - (mean[c] as number) * (scale[c] as number));
    const factors = to.ownConstant("scale", [scale.length], () => scale);
    const offsets = to.ownConstant("shift", [shift.length], () => shift);
    const scaled = to.emit("MUL", [to.read(x), factors], node.shape, mulOptions);
    return emitAdd(to, scaled, offsets, "none", node.shape);
  },
  activation: (to, { activation }, node) => emitActivation(to, activation, readFirst(to, node), node.shape),
  add: (to, { activation }, node) => {
    const [a, b] = node.inputs as [ValueId, ValueId];
    return emitAdd(to, to.read(a), to.read(b), activation, node.shape);
  },
  multiply: (to, _, node) =>
    to.emit(
      "MUL",
      node.inputs.map((input) => to.read(input)),
      node.shape,
      mulOptions,
    ),
  concatenate: (to, _, node) => {
    const inputs = node.inputs.map((input) => to.read(input));
    if (inputs.length === 1) return inputs[0] as TensorIndex;
    return to.emit("CONCATENATION", inputs, node.shape, {
      table: "ConcatenationOptions",
      values: { axis: node.shape.length - 1 },
    });
  },
  slice: (to, { start }, node) => {
    const begin = to.integers(...node.shape.map((_, axis) => (axis === node.shape.length - 1 ? start : 0)));
    return to.emit("SLICE", [readFirst(to, node), begin, to.integers(...node.shape)], node.shape);
  },
  permute: (to, { permutation }, node) => {
    if (permutation.kind === "shuffle") return emitShuffle(to, permutation.groups, node);
    const order = permutationOrder(permutation, node.shape.at(-1) as number);
    return to.emit("GATHER", [readFirst(to, node), to.integers(...order)], node.shape, {
      table: "GatherOptions",
      values: { axis: node.shape.length - 1 },
    });
  },
  max_pool: (to, operation, node, graph) => {
    const input = nodeOf(graph, node.inputs[0] as ValueId);
    return writeMaxPool(to, operation, node, isNonNegative(graph, input));
  },
  average_pool: writeAveragePool,
  global_average_pool: (to, _, node) =>
    to.emit("MEAN", [readFirst(to, node), to.integers(1, 2)], node.shape, {
      table: "ReducerOptions",
      values: { keep_dims: 1 },
    }),
  linear: (to, { bias, activation }, node) => {
    const [x, kernel, offset] = node.inputs as [ValueId, ValueId, ValueId?];
    const [inputs, out] = to.shape(kernel) as readonly [number, number];
    const { fused, rest } = split(activation);
    const weights = to.readTransposed(kernel, [1, 0], [out, inputs]);
    const sum = to.emit(
      "FULLY_CONNECTED",
      [to.read(x), weights, bias ? to.read(offset as ValueId) : zeros(to, out)],
      node.shape,
      { table: "FullyConnectedOptions", values: { fused_activation_function: fusedCode(fused) } },
    );
    return emitActivation(to, rest, sum, node.shape);
  },
  softmax: (to, _, node) =>
    to.emit("SOFTMAX", [readFirst(to, node)], node.shape, { table: "SoftmaxOptions", values: { beta: 1 } }),
  flatten: (to, _, node) => to.emit("RESHAPE", [readFirst(to, node), to.integers(...node.shape)], node.shape),
  dropout: (to, _, node) => readFirst(to, node),
  pad: (to, { padding, value }, node) => {
    if (!Number.isFinite(value)) {
      throw new UnsupportedError(
        `pad "${node.name}": a TFLite file is written with a finite value, received ${value}.`,
      );
    }
    return emitPad(to, readFirst(to, node), to.shape(node.inputs[0] as ValueId), padding, value);
  },
  resize: (to, { height, width, mode }, node) => {
    const inputs = [readFirst(to, node), to.integers(height, width)];
    const values = { half_pixel_centers: 1 };
    return mode === "nearest"
      ? to.emit(
          "RESIZE_NEAREST_NEIGHBOR",
          inputs,
          node.shape,
          { table: "ResizeNearestNeighborOptions", values },
          RESIZE_VERSION,
        )
      : to.emit("RESIZE_BILINEAR", inputs, node.shape, { table: "ResizeBilinearOptions", values }, RESIZE_VERSION);
  },
} satisfies { readonly [K in WrittenOperation]: Writer<K> };

/** The version of both resizing operators that has half-pixel centres. */
const RESIZE_VERSION = 3;

/** Emits the operators of a node that is neither input nor parameter; returns its tensor. */
export function writeOperation(to: TfliteBuilder, node: Node, graph: Graph): TensorIndex {
  const write = writers[node.operation.op as WrittenOperation] as Writer<OperationName>;
  return write(to, node.operation, node, graph);
}

function readFirst(to: TfliteBuilder, node: Node): TensorIndex {
  return to.read(node.inputs[0] as ValueId);
}

/** Views C channels as (groups, C/groups), transposes, and flattens. Four axes, which XNNPACK takes. */
function emitShuffle(to: TfliteBuilder, groups: number, node: Node): TensorIndex {
  const x = readFirst(to, node);
  const channels = node.shape.at(-1) as number;
  if (groups === 1 || groups === channels) return x;
  const batch = node.shape[0] as number;
  const pixels = node.shape.slice(1, -1).reduce((product, length) => product * length, 1);
  const matrix = [batch, pixels, groups, channels / groups];
  const transposed = [batch, pixels, channels / groups, groups];
  const viewed = to.emit("RESHAPE", [x, to.integers(...matrix)], matrix);
  const turned = to.emit("TRANSPOSE", [viewed, to.integers(0, 1, 3, 2)], transposed);
  return to.emit("RESHAPE", [turned, to.integers(...node.shape)], node.shape);
}
