import { invariant } from "../errors.ts";
import type { Value } from "../graph/builder.ts";
import { type Activation, dilatedSize, type Operation, type OperationOf, type Padding } from "../graph/operations.ts";
import { invertOrder, type Permutation } from "../graph/permutation.ts";
import { sameShape } from "../tensor.ts";
import { derivativeFromOutput } from "./activation_derivatives.ts";
import type { StepNode, StepOperation, StepOperationOf } from "./step_graph.ts";

/** What a rule knows of its node, and where its gradients go. */
export interface Backward {
  /** By the node's output. */
  readonly gradient: Value;
  /** What the node reads. */
  readonly inputs: readonly StepNode[];
  /** Whether the gradient by an input is needed. */
  wants(input: number): boolean;
  /** A node on the way. Its name is made unique. */
  node(name: string, operation: StepOperation, inputs: readonly Value[]): Value;
  /** What the node read, perhaps computed again: for gradients that read a whole picture of it. */
  again(input: number): Value;
  /** The gradient by an input is what this operation gives. Nothing happens where it is not needed. */
  give(input: number, operation: StepOperation, inputs: readonly Value[]): void;
  /** The gradient by an input is this value. Nothing happens where it is not needed. */
  pass(input: number, gradient: Value): void;
  /** The gradient is that by some channels of the only input, from `start` on. */
  givePart(start: number): void;
}

/** What a network's training form is made of: batch norm is moments and normalize there, dropout a multiplication. */
type ForwardOperation =
  | Exclude<Operation, { op: "batch_norm" | "dropout" }>
  | StepOperationOf<"moments" | "normalize" | "reshape">;

/** Gives the gradients by a node's inputs: parameters' first, so that what was saved for them is let go early. */
type GradientRule<K extends ForwardOperation["op"]> = (node: StepNode<StepOperationOf<K>>, to: Backward) => void;

const nothing = (): void => {};

const rules = {
  input: nothing,
  parameter: nothing,
  // normalize_gradient goes through them.
  moments: nothing,
  convolution: (node, to) => {
    const { stride, padding, dilation, groups, bias, activation, residual } = node.operation;
    invariant(!residual, `convolution "${node.name}" has a residual in a training form`);
    const [, kernel] = to.inputs as [StepNode, StepNode];
    const gradient = beforeActivation(node, activation, to);
    const [kh, kw] = kernel.shape as [number, number];
    if (bias) to.give(2, { op: "sum_pixels" }, [gradient]);
    const gradientOfKernel: StepOperation = {
      op: "kernel_gradient",
      kernel: [kh, kw],
      stride,
      padding,
      dilation,
      groups,
    };
    if (to.wants(1)) to.give(1, gradientOfKernel, [to.again(0), gradient]);
    if (to.wants(0)) giveConvolutionInput(node, gradient, to);
  },
  normalize: (node, to) => {
    const { epsilon, activation } = node.operation;
    const read = [to.gradient, ...to.inputs];
    const throughMoments = to.wants(0) && to.inputs[1]?.operation.op === "moments";
    const needsSums = throughMoments || to.wants(2) || to.wants(3);
    const sums = needsSums
      ? to.node(`${node.name}/sums`, { op: "normalize_sums", epsilon, activation }, read)
      : undefined;
    if (sums) to.give(2, { op: "row", index: 1 }, [sums]);
    if (sums) to.give(3, { op: "row", index: 0 }, [sums]);
    to.give(0, { op: "normalize_gradient", epsilon, activation }, throughMoments && sums ? [...read, sums] : read);
  },
  activation: (node, to) => {
    const { activation } = node.operation;
    const read = derivativeFromOutput(activation) ? node : (to.inputs[0] as StepNode);
    to.give(0, { op: "activation_gradient", activation }, [to.gradient, read]);
  },
  add: (node, to) => {
    const gradient = beforeActivation(node, node.operation.activation, to);
    to.pass(0, gradient);
    to.pass(1, gradient);
  },
  multiply: (_, to) => {
    const [a, b] = to.inputs as [StepNode, StepNode];
    to.give(1, sameShape(a.shape, b.shape) ? { op: "multiply" } : { op: "sum_products" }, [to.gradient, a]);
    to.give(0, { op: "multiply" }, [to.gradient, b]);
  },
  concatenate: (_, to) => {
    if (to.inputs.length === 1) to.pass(0, to.gradient);
    else {
      let start = 0;
      for (const [index, { shape }] of to.inputs.entries()) {
        const count = shape.at(-1) as number;
        to.give(index, { op: "slice", start, count }, [to.gradient]);
        start += count;
      }
    }
  },
  slice: (node, to) => to.givePart(node.operation.start),
  permute: (node, to) => {
    const permutation = inverse(node.operation.permutation, node.shape.at(-1) as number);
    to.give(0, { op: "permute", permutation }, [to.gradient]);
  },
  max_pool: (node, to) => to.give(0, { ...node.operation, op: "max_pool_gradient" }, [to.gradient, ...to.inputs]),
  average_pool: (node, to) => {
    to.give(0, { ...node.operation, op: "average_pool_gradient", ...inputSize(to) }, [to.gradient]);
  },
  global_average_pool: (_, to) => to.give(0, { op: "spread", ...inputSize(to) }, [to.gradient]),
  linear: (node, to) => {
    const { bias, activation } = node.operation;
    const [x, kernel] = to.inputs as [StepNode, StepNode];
    const gradient = beforeActivation(node, activation, to);
    if (bias) to.give(2, { op: "sum_pixels" }, [gradient]);
    to.give(1, { op: "linear_kernel_gradient" }, [x, gradient]);
    if (!to.wants(0)) return;
    const transposed = to.node(`${kernel.name}/transposed`, { op: "transpose" }, [kernel]);
    to.give(0, { op: "linear", bias: false, activation: "none" }, [gradient, transposed]);
  },
  softmax: (node, to) => to.give(0, { op: "softmax_gradient" }, [to.gradient, node]),
  flatten: (_, to) => to.give(0, { op: "reshape", shape: (to.inputs[0] as StepNode).shape }, [to.gradient]),
  reshape: (_, to) => to.give(0, { op: "reshape", shape: (to.inputs[0] as StepNode).shape }, [to.gradient]),
  pad: (node, to) => to.give(0, { op: "crop", padding: node.operation.padding }, [to.gradient]),
  resize: (node, to) => {
    const { mode } = node.operation;
    to.give(0, { op: "resize_gradient", mode, ...inputSize(to) }, [to.gradient]);
  },
} satisfies { readonly [K in ForwardOperation["op"]]: GradientRule<K> };

/** Operations whose rules read nothing of their inputs but shapes, parameters, and what `again` gives. */
export const letInputsGo: ReadonlySet<StepOperation["op"]> = new Set<StepOperation["op"]>([
  "convolution",
  "add",
  "average_pool",
  "global_average_pool",
  "pad",
  "resize",
]);

/** Gives the gradients by the inputs of a node of a network's training form. */
export function giveGradients(node: StepNode, to: Backward): void {
  const { op } = node.operation;
  invariant(Object.hasOwn(rules, op), `${op} "${node.name}" is in a training form`);
  const rule = rules[op as ForwardOperation["op"]] as GradientRule<ForwardOperation["op"]>;
  rule(node as StepNode<ForwardOperation>, to);
}

/** Height and width of the only input. */
function inputSize(to: Backward): { readonly height: number; readonly width: number } {
  const [, height, width] = (to.inputs[0] as StepNode).shape as readonly [number, number, number];
  return { height, width };
}

/** The gradient by what an activation fused into the node was applied to. */
function beforeActivation(node: StepNode, activation: Activation, to: Backward): Value {
  if (activation === "none") return to.gradient;
  invariant(derivativeFromOutput(activation), `"${node.name}" has ${activation} fused into it in a training form`);
  const name = `${node.name}/gradient_before_${activation}`;
  return to.node(name, { op: "activation_gradient", activation }, [to.gradient, node]);
}

/** A shuffle is undone by a shuffle: (g, C/g) transposed gives (C/g, g). */
function inverse(permutation: Permutation, channels: number): Permutation {
  if (permutation.kind === "shuffle") return { kind: "shuffle", groups: channels / permutation.groups };
  return { kind: "explicit", order: invertOrder(permutation.order) };
}

/**
 * The gradient by a convolution's input: the output's gradient, its pixels `stride` apart, convolved with the kernel turned round. Each
 * side is padded by what the kernel spans beyond its first cell, less the padding there was; where there was more, the gradient is
 * cropped. Rows that no window reached are zeros after the last pixel.
 */
function giveConvolutionInput(node: StepNode<OperationOf<"convolution">>, gradient: Value, to: Backward): void {
  const { stride, dilation, groups, padding } = node.operation;
  const [x, kernel] = to.inputs as [StepNode, StepNode];
  const transposed = to.node(`${kernel.name}/transposed`, { op: "transpose_kernel", groups }, [kernel]);
  const [, h, w] = x.shape as readonly [number, number, number];
  const [kh, kw] = kernel.shape as readonly [number, number];
  const beyondRow = dilatedSize(kh, dilation[0]) - 1;
  const beyondColumn = dilatedSize(kw, dilation[1]) - 1;
  const dilated: StepOperation = {
    op: "dilate",
    stride,
    height: h + padding.top + padding.bottom - beyondRow,
    width: w + padding.left + padding.right - beyondColumn,
  };
  const sides = {
    top: beyondRow - padding.top,
    bottom: beyondRow - padding.bottom,
    left: beyondColumn - padding.left,
    right: beyondColumn - padding.right,
  };
  const isStrided = stride[0] > 1 || stride[1] > 1;
  const convolution = { ...plain, dilation, groups, padding: atLeastZero(sides) };
  // A 1x1 kernel sees one pixel: it is cheaper to multiply before zeros are put between.
  if (isStrided && kh === 1 && kw === 1 && Object.values(sides).every((side) => side === 0)) {
    const pixels = to.node(`${node.name}/gradient/pixels`, convolution, [gradient, transposed]);
    to.give(0, dilated, [pixels]);
    return;
  }
  let read = isStrided ? to.node(`${node.name}/gradient/dilated`, dilated, [gradient]) : gradient;
  const surplus = atLeastZero({ top: -sides.top, bottom: -sides.bottom, left: -sides.left, right: -sides.right });
  if (Object.values(surplus).some((side) => side > 0)) {
    read = to.node(`${node.name}/gradient/cropped`, { op: "crop", padding: surplus }, [read]);
  }
  to.give(0, convolution, [read, transposed]);
}

function atLeastZero({ top, bottom, left, right }: Padding): Padding {
  return { top: Math.max(top, 0), bottom: Math.max(bottom, 0), left: Math.max(left, 0), right: Math.max(right, 0) };
}

const plain: Omit<OperationOf<"convolution">, "dilation" | "groups" | "padding"> = {
  op: "convolution",
  stride: [1, 1],
  bias: false,
  activation: "none",
  residual: false,
  residualActivation: "none",
};
