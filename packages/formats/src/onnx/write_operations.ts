import {
  type Activation,
  type Node,
  type OperationName,
  type OperationOf,
  type Padding,
  permutationOrder,
  UnsupportedError,
  type ValueId,
} from "@depthwise/core";
import { isPadded, poolPadding } from "../pool_padding.ts";
import type { OnnxBuilder } from "./onnx_builder.ts";
import { onnxShape } from "./onnx_builder.ts";

/** Operations that become ONNX nodes. */
type WrittenOperation = Exclude<OperationName, "input" | "parameter">;

/** Emits the ONNX nodes of one node and returns the name of its value. */
type Writer<K extends OperationName> = (to: OnnxBuilder, operation: OperationOf<K>, node: Node) => string;

const writers = {
  convolution: (to, operation, node) => {
    const [x, kernel, ...others] = node.inputs as [ValueId, ValueId, ...ValueId[]];
    const bias = operation.bias ? [to.read(others[0] as ValueId)] : [];
    const sum = to.emit("Conv", [to.read(x), to.readKernel(kernel), ...bias], {
      dilations: { ints: operation.dilation },
      group: { int: operation.groups },
      kernel_shape: { ints: to.shape(kernel).slice(0, 2) },
      pads: { ints: pads(operation.padding) },
      strides: { ints: operation.stride },
    });
    const activated = emitActivation(to, operation.activation, sum);
    if (!operation.residual) return activated;
    const total = to.emit("Add", [activated, to.read(others.at(-1) as ValueId)]);
    return emitActivation(to, operation.residualActivation, total);
  },
  batch_norm: (to, { epsilon }, node) => {
    expectChannelsSecond(to, node);
    return to.emit(
      "BatchNormalization",
      node.inputs.map((input) => to.read(input)),
      { epsilon: { float: epsilon } },
    );
  },
  activation: (to, { activation }, node) => emitActivation(to, activation, readFirst(to, node)),
  add: (to, { activation }, node) => emitActivation(to, activation, to.emit("Add", readAll(to, node))),
  multiply: (to, _, node) => to.emit("Mul", readAll(to, node)),
  concatenate: (to, _, node) => to.emit("Concat", readAll(to, node), { axis: { int: to.channelAxis(node.id) } }),
  slice: (to, { start, count }, node) => {
    const range = [to.integers(start), to.integers(start + count), to.integers(to.channelAxis(node.id))];
    return to.emit("Slice", [readFirst(to, node), ...range]);
  },
  permute: (to, operation, node) => {
    const { permutation } = operation;
    if (permutation.kind === "shuffle") return emitShuffle(to, permutation.groups, node);
    const order = permutationOrder(permutation, node.shape.at(-1) as number);
    return to.emit("Gather", [readFirst(to, node), to.integers(...order)], { axis: { int: to.channelAxis(node.id) } });
  },
  max_pool: (to, operation, node) => {
    const { uncounted } = poolPadding(operation, to.shape(node.inputs[0] as ValueId), node.shape);
    return to.emit("MaxPool", [readFirst(to, node)], {
      kernel_shape: { ints: operation.kernel },
      pads: { ints: pads(uncounted) },
      strides: { ints: operation.stride },
    });
  },
  average_pool: (to, operation, node) => {
    const { counted, uncounted } = poolPadding(operation, to.shape(node.inputs[0] as ValueId), node.shape);
    const window = { kernel_shape: { ints: operation.kernel }, strides: { ints: operation.stride } };
    const x = readFirst(to, node);
    if (!isPadded(uncounted)) {
      const attributes = { ...window, pads: { ints: pads(counted) }, count_include_pad: { int: 1 } };
      return to.emit("AveragePool", [x], attributes);
    }
    // One attribute says whether padding counts: where some does and some does not, the former becomes cells.
    const padded = isPadded(counted) ? emitPad(to, x, counted, 0) : x;
    return to.emit("AveragePool", [padded], {
      ...window,
      pads: { ints: pads(uncounted) },
      count_include_pad: { int: 0 },
    });
  },
  global_average_pool: (to, _, node) => to.emit("GlobalAveragePool", readAll(to, node)),
  linear: (to, { activation }, node) => emitActivation(to, activation, to.emit("Gemm", readAll(to, node))),
  softmax: (to, _, node) => to.emit("Softmax", readAll(to, node), { axis: { int: to.channelAxis(node.id) } }),
  flatten: (to, _, node) => {
    const shape = to.shape(node.inputs[0] as ValueId);
    const x = readFirst(to, node);
    const isPicture = shape.length === 4 && (shape[1] as number) * (shape[2] as number) > 1;
    // Our order is H, W, C: channels go last first, where that makes a difference.
    const ordered = isPicture ? to.emit("Transpose", [x], { perm: { ints: [0, 2, 3, 1] } }) : x;
    return to.emit("Flatten", [ordered], { axis: { int: 1 } });
  },
  dropout: (to, _, node) => readFirst(to, node),
  pad: (to, { padding, value }, node) => emitPad(to, readFirst(to, node), padding, value),
  resize: (to, { mode }, node) => {
    // A point between two cells goes to the second: our cells hold their first edge.
    const rounding = mode === "nearest" ? { nearest_mode: { text: "round_prefer_ceil" } } : {};
    return to.emit("Resize", [readFirst(to, node), "", "", to.integers(...onnxShape(node.shape))], {
      mode: { text: mode === "nearest" ? "nearest" : "linear" },
      coordinate_transformation_mode: { text: "half_pixel" },
      ...rounding,
    });
  },
} satisfies { readonly [K in WrittenOperation]: Writer<K> };

/** Emits the ONNX nodes of a node that is neither input nor parameter; returns the name of its value. */
export function writeOperation(to: OnnxBuilder, node: Node): string {
  const write = writers[node.operation.op as WrittenOperation] as Writer<OperationName>;
  return write(to, node.operation, node);
}

function readFirst(to: OnnxBuilder, node: Node): string {
  return to.read(node.inputs[0] as ValueId);
}

function readAll(to: OnnxBuilder, node: Node): readonly string[] {
  return node.inputs.map((input) => to.read(input));
}

/** ONNX's order: all that stands before, then all that stands after. */
function pads({ top, bottom, left, right }: Padding): readonly number[] {
  return [top, left, bottom, right];
}

function expectChannelsSecond(to: OnnxBuilder, node: Node): void {
  if (to.channelAxis(node.id) === 1) return;
  throw new UnsupportedError(
    `${node.operation.op} "${node.name}": ONNX has channels second; write it for [N, H, W, C] or [N, C].`,
  );
}

function emitActivation(to: OnnxBuilder, activation: Activation, x: string): string {
  switch (activation) {
    case "none":
      return x;
    case "relu":
      return to.emit("Relu", [x]);
    case "relu6":
      return to.emit("Clip", [x, to.scalar(0), to.scalar(6)]);
    case "sigmoid":
      return to.emit("Sigmoid", [x]);
    case "swish":
      return to.emit("Mul", [x, to.emit("Sigmoid", [x])]);
    case "hard_sigmoid":
      return to.emit("HardSigmoid", [x], { alpha: { float: 1 / 6 }, beta: { float: 0.5 } });
    case "hard_swish":
      return to.emit("HardSwish", [x]);
    default:
      activation satisfies never;
      throw new UnsupportedError(`ONNX has no activation "${activation}".`);
  }
}

function emitPad(to: OnnxBuilder, x: string, { top, bottom, left, right }: Padding, value: number): string {
  const cells = to.integers(0, 0, top, left, 0, 0, bottom, right);
  return to.emit("Pad", [x, cells, ...(value === 0 ? [] : [to.scalar(value)])]);
}

/** Views C channels as (groups, C/groups), transposes, and flattens. Four axes at most: every runtime takes that. */
function emitShuffle(to: OnnxBuilder, groups: number, node: Node): string {
  const shape = onnxShape(node.shape);
  const axis = to.channelAxis(node.id);
  const channels = shape[axis] as number;
  const x = readFirst(to, node);
  if (groups === 1 || groups === channels) return x;
  const length = (lengths: readonly number[]): number => lengths.reduce((product, each) => product * each, 1);
  const matrix = [length(shape.slice(0, axis)), groups, channels / groups, length(shape.slice(axis + 1))];
  const viewed = to.emit("Reshape", [x, to.integers(...matrix)]);
  const transposed = to.emit("Transpose", [viewed], { perm: { ints: [0, 2, 1, 3] } });
  return to.emit("Reshape", [transposed, to.integers(...shape)]);
}
