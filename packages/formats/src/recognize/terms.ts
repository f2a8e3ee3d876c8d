import {
  type Activation,
  formatShape,
  type Graph,
  isNode,
  type Node,
  nodeOf,
  type OperationOf,
  type Padding,
  permutationOrder,
  type Shape,
  type ValueId,
} from "@depthwise/core";
import { poolPadding } from "../pool_padding.ts";

/**
 * What a value is computed from, without its numbers and without the accidents of how a file says it: activations and additions stand by
 * themselves, whether they were fused or not; a linear layer is a 1x1 convolution on one pixel; padding that no window reaches is not there.
 */
export interface Term {
  /** Equal ids of one {@link Terms}: the same function of input and parameters. */
  readonly id: number;
  /** Operands; of what is commutative in the order of their ids. */
  readonly operands: readonly Term[];
  /** The parameter that it stands for. */
  readonly parameter?: string;
}

/** Gives equal terms equal ids, across graphs. */
export class Terms {
  readonly #ids = new Map<string, number>();

  term(kind: string, operands: readonly Term[] = [], parameter?: string): Term {
    const key = `${kind}(${operands.map(({ id }) => id).join(",")})`;
    const id = this.#ids.get(key) ?? this.#ids.size;
    this.#ids.set(key, id);
    return { id, operands, ...(parameter === undefined ? {} : { parameter }) };
  }

  commutative(kind: string, operands: readonly Term[]): Term {
    return this.term(
      kind,
      operands.toSorted((a, b) => a.id - b.id),
    );
  }

  /** The terms of a graph's values, by value. */
  ofGraph(graph: Graph): readonly Term[] {
    const place = { graph, terms: [] as Term[], nonNegative: [] as boolean[], to: this };
    for (const node of graph.nodes) {
      place.terms.push(termOf(node, place));
      place.nonNegative.push(isNonNegative(node, place.nonNegative));
    }
    return place.terms;
  }
}

interface Place {
  readonly graph: Graph;
  /** Of the nodes before. */
  readonly terms: readonly Term[];
  /** Likewise: whether nothing below zero can come out. */
  readonly nonNegative: readonly boolean[];
  readonly to: Terms;
}

function termOf(node: Node, place: Place): Term {
  const { graph, terms, to } = place;
  const { operation } = node;
  const operands = node.inputs.map((input) => terms[input] as Term);
  const [first] = operands as [Term];
  switch (operation.op) {
    case "input":
      return to.term(`input ${formatShape(node.shape)}`);
    case "parameter":
      return to.term(`parameter ${formatShape(matrixShape(node.shape))}`, [], node.name);
    case "convolution":
      return convolutionTerm(node as Node<OperationOf<"convolution">>, operands, place);
    case "linear":
      return activated(to, operation.activation, to.term(`linear ${operation.bias}`, operands));
    case "batch_norm":
      return to.term(`batch norm ${Math.fround(operation.epsilon)}`, operands);
    case "activation":
      return activated(to, operation.activation, first);
    case "add":
      return activated(to, operation.activation, to.commutative("add", operands));
    case "multiply": {
      const isScale = node.inputs.some((input) => nodeOf(graph, input).shape.length !== node.shape.length);
      return isScale ? to.term("multiply", operands) : to.commutative("multiply", operands);
    }
    case "permute":
      return to.term(`permute ${permutationOrder(operation.permutation, node.shape.at(-1) as number)}`, operands);
    case "max_pool":
      return maxPoolTerm(node as Node<OperationOf<"max_pool">>, place);
    case "average_pool":
      return averagePoolTerm(node as Node<OperationOf<"average_pool">>, operands, place);
    case "flatten":
      return isPixel(nodeOf(graph, node.inputs[0] as ValueId).shape) ? first : to.term("flatten", operands);
    case "dropout":
      return first;
    case "concatenate":
      return operands.length === 1 ? first : to.term("concatenate", operands);
    case "global_average_pool":
      return isPixel(nodeOf(graph, node.inputs[0] as ValueId).shape) ? first : to.term(operation.op, operands);
    case "slice":
    case "softmax":
    case "pad":
    case "resize":
      return to.term(JSON.stringify(operation), operands);
    default:
      return operation satisfies never;
  }
}

function activated(to: Terms, activation: Activation, term: Term): Term {
  return activation === "none" ? term : to.term(activation, [term]);
}

function convolutionTerm(
  { operation, inputs, shape }: Node<OperationOf<"convolution">>,
  operands: readonly Term[],
  place: Place,
): Term {
  const { graph, to } = place;
  const { stride, dilation, groups, bias } = operation;
  const { x, padding: added } = withoutPad(inputs[0] as ValueId, place, (pad) => pad.value === 0);
  const input = nodeOf(graph, x);
  const [kh, kw] = nodeOf(graph, inputs[1] as ValueId).shape as readonly [number, number];
  const spans = [(kh - 1) * dilation[0] + 1, (kw - 1) * dilation[1] + 1] as const;
  const padding = reached(sum(operation.padding, added), input.shape, shape, spans, stride);
  const parts = [place.terms[x] as Term, ...operands.slice(1, bias ? 3 : 2)];
  const isOnePixel = isPixel(input.shape) && kh * kw === 1 && groups === 1 && isPixel(shape);
  const kind = isOnePixel
    ? `linear ${bias}`
    : `convolution ${JSON.stringify([stride, kh * kw === 1 ? [1, 1] : dilation, groups, bias, padding])}`;
  const convolved = activated(to, operation.activation, to.term(kind, parts));
  if (!operation.residual) return convolved;
  return activated(to, operation.residualActivation, to.commutative("add", [convolved, operands.at(-1) as Term]));
}

function maxPoolTerm({ operation, inputs, shape }: Node<OperationOf<"max_pool">>, place: Place): Term {
  const { x, padding } = withoutPad(
    inputs[0] as ValueId,
    place,
    // Cells that no maximum can be.
    ({ value }, padded) => value <= leastValue || (value <= 0 && place.nonNegative[padded] === true),
  );
  const { kernel, stride } = operation;
  const { top, left } = sum(operation.padding, padding);
  return place.to.term(`max pool ${JSON.stringify([kernel, stride, top, left, shape.slice(1, 3)])}`, [
    place.terms[x] as Term,
  ]);
}

function averagePoolTerm(
  { operation, inputs, shape }: Node<OperationOf<"average_pool">>,
  operands: readonly Term[],
  { graph, to }: Place,
): Term {
  const input = nodeOf(graph, inputs[0] as ValueId).shape;
  const { kernel, stride } = operation;
  const { counted, uncounted } = poolPadding(operation, input, shape);
  const isUnpadded = Object.values({ ...counted, a: uncounted.top, b: uncounted.left }).every((side) => side === 0);
  if (isPixel(shape) && kernel[0] >= (input[1] ?? 0) && kernel[1] >= (input[2] ?? 0) && isUnpadded) {
    return to.term("global_average_pool", operands);
  }
  return to.term(`average pool ${JSON.stringify([kernel, stride, counted, uncounted, shape.slice(1, 3)])}`, operands);
}

/** What files pad maxima with is at most this; no activation comes near it. */
const leastValue = -1e30;
const none: Padding = { top: 0, bottom: 0, left: 0, right: 0 };

/** Looks through a padding node before a window. */
function withoutPad(
  x: ValueId,
  { graph }: Place,
  isTaken: (pad: OperationOf<"pad">, padded: ValueId) => boolean,
): { readonly x: ValueId; readonly padding: Padding } {
  const node = nodeOf(graph, x);
  if (!isNode(node, "pad")) return { x, padding: none };
  const inner = node.inputs[0] as ValueId;
  if (!isTaken(node.operation, inner)) return { x, padding: none };
  return { x: inner, padding: node.operation.padding };
}

function sum(a: Padding, b: Padding): Padding {
  return { top: a.top + b.top, bottom: a.bottom + b.bottom, left: a.left + b.left, right: a.right + b.right };
}

/** The padding of which some window has a cell. */
function reached(
  { top, left }: Padding,
  input: Shape,
  output: Shape,
  spans: readonly [number, number],
  stride: readonly [number, number],
): readonly number[] {
  const after = (axis: 0 | 1, before: number): number =>
    Math.max(0, ((output[axis + 1] as number) - 1) * stride[axis] + spans[axis] - (input[axis + 1] as number) - before);
  return [top, left, after(0, top), after(1, left)];
}

/** Whether a value stands behind a rectifier, and nothing that could undo it is between. */
function isNonNegative({ operation, inputs }: Node, ofInputs: readonly boolean[]): boolean {
  switch (operation.op) {
    case "activation":
    case "linear":
    case "add":
      return isRectifier(operation.activation);
    case "convolution":
      return isRectifier(operation.residual ? operation.residualActivation : operation.activation);
    case "max_pool":
    case "average_pool":
    case "permute":
    case "slice":
    case "concatenate":
      return inputs.every((input) => ofInputs[input] === true);
    default:
      return false;
  }
}

function isRectifier(activation: Activation): boolean {
  return ["relu", "relu6", "sigmoid", "hard_sigmoid"].includes(activation);
}

/** `[N, 1, 1, C]` or `[N, C]`. */
function isPixel(shape: Shape): boolean {
  return shape.slice(1, -1).every((length) => length === 1);
}

/** A 1x1 kernel as the matrix that it is. */
function matrixShape(shape: Shape): Shape {
  return shape.length === 4 && shape[0] === 1 && shape[1] === 1 ? shape.slice(2) : shape;
}
