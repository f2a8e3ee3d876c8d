import { type Graph, type Node, nodeOf } from "../graph/graph.ts";
import type { Activation, OperationName, OperationOf, Pair } from "../graph/operations.ts";
import { elementCount, type Shape } from "../tensor.ts";

/** What one operation costs, apart from the numbers that it reads and writes. */
export interface OperationCost {
  /** Multiply-accumulates: convolutions and linear layers alone have any. */
  readonly macs: number;
  /**
   * Operations on single elements: one for each result of a bias, norm, activation, sum or product, one for each cell that a pool looks at.
   */
  readonly elementwise: number;
  /** Whether running it by itself reads its inputs and writes its output; `flatten` and `dropout` do neither. */
  readonly accessesMemory: boolean;
  /** Window of a convolution or pool, else null. */
  readonly kernel: Pair | null;
  readonly stride: Pair | null;
  readonly groups: number | null;
}

/** Shapes of the operation's inputs, in order, and of its output. */
interface Shapes {
  readonly inputs: readonly Shape[];
  readonly output: Shape;
}

type CostRule<K extends OperationName> = (operation: OperationOf<K>, shapes: Shapes) => Partial<OperationCost>;

/** Moves elements and computes nothing. A compiler that reads through views does not even move them. */
const moves = (): Partial<OperationCost> => ({});
const nothing = (): Partial<OperationCost> => ({ accessesMemory: false });
const onePerElement = (_: unknown, { output }: Shapes): Partial<OperationCost> => ({
  elementwise: elementCount(output),
});

const costRules = {
  input: nothing,
  parameter: nothing,
  convolution: ({ stride, groups, bias, activation, residual, residualActivation }, { inputs, output }) => {
    const [kh = 1, kw = 1, perGroup = 1] = inputs[1] ?? [];
    const extras = Number(bias) + applied(activation) + Number(residual) + applied(residualActivation);
    return {
      macs: elementCount(output) * kh * kw * perGroup,
      elementwise: extras * elementCount(output),
      kernel: [kh, kw],
      stride,
      groups,
    };
  },
  batch_norm: onePerElement,
  activation: ({ activation }, { output }) => ({ elementwise: applied(activation) * elementCount(output) }),
  add: ({ activation }, { output }) => ({ elementwise: (1 + applied(activation)) * elementCount(output) }),
  multiply: onePerElement,
  concatenate: moves,
  slice: moves,
  permute: moves,
  max_pool: ({ kernel, stride }, { output }) => ({
    elementwise: kernel[0] * kernel[1] * elementCount(output),
    kernel,
    stride,
  }),
  average_pool: ({ kernel, stride }, { output }) => ({
    elementwise: kernel[0] * kernel[1] * elementCount(output),
    kernel,
    stride,
  }),
  global_average_pool: (_, { inputs }) => ({ elementwise: elementCount(inputs[0] ?? []) }),
  linear: ({ bias, activation }, { inputs, output }) => ({
    macs: elementCount(output) * (inputs[1]?.[0] ?? 0),
    elementwise: (Number(bias) + applied(activation)) * elementCount(output),
  }),
  softmax: onePerElement,
  flatten: nothing,
  dropout: nothing,
  pad: moves,
  // Four cells an element, or one.
  resize: ({ mode }, { output }) => ({ elementwise: mode === "bilinear" ? 4 * elementCount(output) : 0 }),
} satisfies { readonly [K in OperationName]: CostRule<K> };

function applied(activation: Activation): number {
  return activation === "none" ? 0 : 1;
}

/** What a node costs when it runs by itself. */
export function operationCost(graph: Graph, node: Node): OperationCost {
  const rule = costRules[node.operation.op] as CostRule<OperationName>;
  const shapes: Shapes = { inputs: node.inputs.map((input) => nodeOf(graph, input).shape), output: node.shape };
  return {
    macs: 0,
    elementwise: 0,
    accessesMemory: true,
    kernel: null,
    stride: null,
    groups: null,
    ...rule(node.operation, shapes),
  };
}
