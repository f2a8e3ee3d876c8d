import {
  type Activation,
  type Graph,
  isNode,
  type Node,
  nodeOf,
  type OperationName,
  type OperationOf,
  type Padding,
  type Program,
  permutationOrder,
  type ValueId,
} from "@depthwise/core";
import * as tf from "@tensorflow/tfjs-core";
import { poolPadding } from "../../../packages/formats/src/pool_padding.ts";

/** A graph as a list of TensorFlow.js's operations. There is no grouped convolution among them: slices and a concatenation stand for it. */
export interface TfjsGraph {
  /** Runs on `[N, H, W, C]`; what is computed on the way is disposed of after its last use. */
  run(input: tf.Tensor4D): tf.Tensor;
  dispose(): void;
}

/** Kernels and biases of grouped convolutions, a tensor for each group: cut once, not at each run. */
type Parts = ReadonlyMap<ValueId, readonly tf.Tensor[]>;

/** One operation: gives a tensor that is new to TensorFlow.js. */
type Step<K extends OperationName> = (
  operation: OperationOf<K>,
  inputs: readonly tf.Tensor[],
  node: Node,
  parts: Parts,
) => tf.Tensor;

type ComputedOperation = Exclude<OperationName, "input" | "parameter" | "pad" | "resize" | "batch_norm">;

const steps = {
  convolution: (operation, [x, kernel, ...others], node, parts) => {
    const bias = operation.bias ? others[0] : undefined;
    const kernels = parts.get(node.inputs[1] as ValueId) ?? [kernel as tf.Tensor];
    const biases = bias && (parts.get(node.inputs[2] as ValueId) ?? [bias]);
    const sum = convolve(operation, x as tf.Tensor4D, kernels as tf.Tensor4D[], biases as tf.Tensor1D[] | undefined);
    if (!operation.residual) return sum;
    return activate(operation.residualActivation, tf.add(sum, others.at(-1) as tf.Tensor), node);
  },
  activation: ({ activation }, [x], node) => activate(activation, x as tf.Tensor, node),
  add: ({ activation }, [a, b], node) => activate(activation, tf.add(a as tf.Tensor, b as tf.Tensor), node),
  multiply: (_, [a, b]) => tf.mul(a as tf.Tensor, b as tf.Tensor),
  concatenate: (_, inputs) => tf.concat([...inputs], -1),
  slice: ({ start }, [x], { shape }) => {
    const begin = shape.map((__, axis) => (axis === shape.length - 1 ? start : 0));
    return tf.slice(x as tf.Tensor, begin, [...shape]);
  },
  permute: ({ permutation }, [x], { shape }) => {
    const channels = shape.at(-1) as number;
    if (permutation.kind === "explicit")
      return tf.gather(x as tf.Tensor, [...permutationOrder(permutation, channels)], -1);
    const pixels = shape.slice(0, -1).reduce((product, length) => product * length, 1);
    const matrix = tf.reshape(x as tf.Tensor, [pixels, permutation.groups, channels / permutation.groups]);
    return tf.reshape(tf.transpose(matrix, [0, 2, 1]), [...shape]);
  },
  max_pool: (operation, [x], { shape }) => {
    const { uncounted } = poolPadding(operation, (x as tf.Tensor).shape, shape);
    return tf.maxPool(x as tf.Tensor4D, [...operation.kernel], [...operation.stride], explicit(uncounted));
  },
  average_pool: (operation, [x], { shape, name }) => {
    const { counted, uncounted } = poolPadding(operation, (x as tf.Tensor).shape, shape);
    const isPartly =
      Object.values(counted).some((cells) => cells > 0) && Object.values(uncounted).some((cells) => cells > 0);
    if (isPartly)
      throw new Error(`average_pool "${name}": padding that counts in part is not written for TensorFlow.js.`);
    const padded = tf.pad(x as tf.Tensor4D, explicit(counted));
    return tf.avgPool(padded, [...operation.kernel], [...operation.stride], explicit(uncounted));
  },
  global_average_pool: (_, [x]) => tf.mean(x as tf.Tensor, [1, 2], true),
  linear: ({ bias, activation }, [x, kernel, offset], node) => {
    const { fused, rest } = split(activation);
    const sum = tf.fused.matMul({
      a: x as tf.Tensor2D,
      b: kernel as tf.Tensor2D,
      activation: fused,
      ...(bias ? { bias: offset as tf.Tensor } : {}),
    });
    return activate(rest, sum, node);
  },
  softmax: (_, [x]) => tf.softmax(x as tf.Tensor),
  flatten: (_, [x], { shape }) => tf.reshape(x as tf.Tensor, [...shape]),
  dropout: (_, [x]) => tf.clone(x as tf.Tensor),
} satisfies { readonly [K in ComputedOperation]: Step<K> };

/** Uploads the weights, and checks that every operation is one that we know how to call. */
export function tfjsGraph({ graph, weights }: Program): TfjsGraph {
  const parameters = new Map<ValueId, tf.Tensor>();
  for (const node of graph.nodes) {
    if (!isNode(node, "parameter")) continue;
    parameters.set(node.id, tf.tensor(weights.get(node.name) as Float32Array, [...parameterShape(graph, node)]));
  }
  const parts = cutGroups(graph, parameters);
  const computed = graph.nodes.filter((node) => !isNode(node, "parameter") && !isNode(node, "input"));
  for (const { operation, name } of computed) {
    if (!Object.hasOwn(steps, operation.op))
      throw new Error(`${operation.op} "${name}" is not written for TensorFlow.js.`);
  }
  const input = graph.nodes.find((node) => isNode(node, "input")) as Node;
  const lastUses = lastUsesOf(graph);
  const output = graph.outputs[0]?.value as ValueId;
  return {
    run(x) {
      const values = new Map<ValueId, tf.Tensor>([...parameters, [input.id, x]]);
      for (const node of computed) {
        const operands = node.inputs.map((each) => values.get(each) as tf.Tensor);
        values.set(
          node.id,
          tf.tidy(() => runStep(node, operands, parts)),
        );
        for (const done of lastUses.get(node.id) ?? [])
          if (done !== output && done !== input.id) values.get(done)?.dispose();
      }
      return values.get(output) as tf.Tensor;
    },
    dispose() {
      for (const tensor of [...parameters.values(), ...parts.values()].flat()) tensor.dispose();
    },
  };
}

/** Cuts the kernels and biases of grouped convolutions along the output channels. */
function cutGroups(graph: Graph, parameters: ReadonlyMap<ValueId, tf.Tensor>): Parts {
  const parts = new Map<ValueId, readonly tf.Tensor[]>();
  for (const node of graph.nodes) {
    if (!isNode(node, "convolution") || isDepthwise(graph, node) || node.operation.groups === 1) continue;
    for (const value of node.inputs.slice(1, node.operation.bias ? 3 : 2)) {
      parts.set(value, tf.split(parameters.get(value) as tf.Tensor, node.operation.groups, -1));
    }
  }
  return parts;
}

function isDepthwise(graph: Graph, node: Node<OperationOf<"convolution">>): boolean {
  const channels = nodeOf(graph, node.inputs[0] as ValueId).shape[3] as number;
  return channels > 1 && node.operation.groups === channels;
}

function runStep(node: Node, operands: readonly tf.Tensor[], parts: Parts): tf.Tensor {
  const step = steps[node.operation.op as ComputedOperation] as Step<OperationName>;
  return step(node.operation, operands, node, parts);
}

/** A depthwise kernel is `[kh, kw, C, multiplier]` there: the same numbers. */
function parameterShape(graph: Graph, parameter: Node): readonly number[] {
  const reader = graph.nodes.find((node) => isNode(node, "convolution") && node.inputs[1] === parameter.id);
  if (reader === undefined || !isNode(reader, "convolution") || !isDepthwise(graph, reader)) return parameter.shape;
  const [kh, kw, , out] = parameter.shape as readonly [number, number, number, number];
  return [kh, kw, reader.operation.groups, out / reader.operation.groups];
}

/** By node, the computed values that no later node reads. */
function lastUsesOf(graph: Graph): ReadonlyMap<ValueId, readonly ValueId[]> {
  const last = new Map<ValueId, ValueId>();
  for (const node of graph.nodes) for (const input of node.inputs) last.set(input, node.id);
  const by = new Map<ValueId, ValueId[]>();
  for (const [value, reader] of last) {
    if (!isNode(nodeOf(graph, value), "parameter")) by.set(reader, [...(by.get(reader) ?? []), value]);
  }
  return by;
}

function convolve(
  { groups, stride, dilation, padding, activation }: OperationOf<"convolution">,
  x: tf.Tensor4D,
  kernels: readonly tf.Tensor4D[],
  biases: readonly tf.Tensor1D[] | undefined,
): tf.Tensor {
  const { fused, rest } = split(activation);
  /** Of one part of the input; the first kernel where there is but one. */
  const options = (part: tf.Tensor4D, group: number) => {
    const bias = biases?.[group];
    return {
      x: part,
      filter: kernels[group] as tf.Tensor4D,
      strides: [...stride] as [number, number],
      dilations: [...dilation] as [number, number],
      // Each side's padding is taken, though the types of the fused depthwise convolution do not say so.
      pad: explicit(padding) as unknown as "valid",
      activation: fused,
      ...(bias ? { bias } : {}),
    };
  };
  if (groups === 1) return activate(rest, tf.fused.conv2d(options(x, 0)));
  if (kernels.length === 1) return activate(rest, tf.fused.depthwiseConv2d(options(x, 0)));
  const sums = tf.split(x, groups, 3).map((part, group) => tf.fused.conv2d(options(part as tf.Tensor4D, group)));
  return activate(rest, tf.concat(sums, 3));
}

function split(activation: Activation): { readonly fused: "linear" | "relu" | "relu6"; readonly rest: Activation } {
  if (activation === "relu" || activation === "relu6") return { fused: activation, rest: "none" };
  return { fused: "linear", rest: activation };
}

function activate(activation: Activation, x: tf.Tensor, node?: Node): tf.Tensor {
  switch (activation) {
    case "none":
      return x;
    case "relu":
      return tf.relu(x);
    case "relu6":
      return tf.relu6(x);
    case "sigmoid":
      return tf.sigmoid(x);
    case "swish":
      return tf.mul(x, tf.sigmoid(x));
    case "hard_sigmoid":
      return tf.mul(tf.relu6(tf.add(x, 3)), 1 / 6);
    case "hard_swish":
      return tf.mul(tf.mul(x, tf.relu6(tf.add(x, 3))), 1 / 6);
    default:
      activation satisfies never;
      throw new Error(`${node?.name}: TensorFlow.js has no activation "${activation}".`);
  }
}

function explicit({
  top,
  bottom,
  left,
  right,
}: Padding): [[number, number], [number, number], [number, number], [number, number]] {
  return [
    [0, 0],
    [top, bottom],
    [left, right],
    [0, 0],
  ];
}
