import { ShapeError } from "../errors.ts";
import { elementCount, formatShape, type Shape, sameShape } from "../tensor.ts";
import type { Permutation } from "./permutation.ts";
import { checkPermutation } from "./permutation.ts";

/** Functions applied to each element. `relu6` is min(max(x, 0), 6); `hard_sigmoid` is relu6(x + 3) / 6; `swish` is x·sigmoid(x). */
export type Activation = "none" | "relu" | "relu6" | "sigmoid" | "swish" | "hard_sigmoid" | "hard_swish";

/** Every activation, for validation and tests. */
export const activations: readonly Activation[] = [
  "none",
  "relu",
  "relu6",
  "sigmoid",
  "swish",
  "hard_sigmoid",
  "hard_swish",
];

/** Rows and columns added around a picture. */
export interface Padding {
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

/** Vertical, then horizontal. */
export type Pair = readonly [vertical: number, horizontal: number];

/**
 * How a parameter's numbers are drawn before training. `uniform` is within ±bound. `truncated_normal` draws again what lies beyond two
 * deviations, as TensorFlow does: what remains has 0.88 of the deviation.
 */
export type Initializer =
  | { readonly kind: "constant"; readonly value: number }
  | { readonly kind: "normal"; readonly deviation: number }
  | { readonly kind: "truncated_normal"; readonly deviation: number }
  | { readonly kind: "uniform"; readonly bound: number };

/** Where a window slides: shared by convolutions and pools. */
export interface Window {
  readonly stride: Pair;
  readonly padding: Padding;
}

/** Every operation a graph may hold, with its attributes. Inputs are listed in the comments, in order. */
export type Operation =
  /** No inputs. `[N, H, W, C]`, or any shape. */
  | { readonly op: "input"; readonly shape: Shape }
  /** No inputs. Its numbers live beside the graph, under the node's name. Running statistics are not trainable. */
  | {
      readonly op: "parameter";
      readonly shape: Shape;
      readonly initializer: Initializer;
      readonly trainable: boolean;
    }
  /**
   * Inputs: x `[N, H, W, C]`, kernel `[kh, kw, C/groups, out]`, bias `[out]` if `bias`, residual (the output's shape) if `residual`.
   * Output: residualActivation(activation(convolution + bias) + residual). Depthwise is `groups = C`, pointwise a 1x1 kernel.
   */
  | ({
      readonly op: "convolution";
      readonly dilation: Pair;
      readonly groups: number;
      readonly bias: boolean;
      readonly activation: Activation;
      readonly residual: boolean;
      readonly residualActivation: Activation;
    } & Window)
  /** Inputs: x, gamma, beta, mean, variance, each `[C]`: gamma·(x − mean)/sqrt(variance + epsilon) + beta. */
  | { readonly op: "batch_norm"; readonly epsilon: number }
  /** Input: x of any shape. */
  | { readonly op: "activation"; readonly activation: Activation }
  /** Inputs: two values of the same shape. Output: activation(a + b). */
  | { readonly op: "add"; readonly activation: Activation }
  /** Inputs: two values of the same shape, or the second `[N, 1, 1, C]`: a scale for each channel. */
  | { readonly op: "multiply" }
  /** Inputs: one or more values that differ in channels alone; joined along the channels. */
  | { readonly op: "concatenate" }
  /** Input: x. Output: `count` channels from `start` on. */
  | { readonly op: "slice"; readonly start: number; readonly count: number }
  /** Input: x. Output: the same channels in another order. */
  | { readonly op: "permute"; readonly permutation: Permutation }
  /** Input: x. Padding never counts as a value. */
  | ({ readonly op: "max_pool"; readonly kernel: Pair; readonly ceil: boolean } & Window)
  /** Input: x. The divisor is the window's size with padding counted, or only the cells inside the picture. */
  | ({
      readonly op: "average_pool";
      readonly kernel: Pair;
      readonly ceil: boolean;
      readonly countIncludePad: boolean;
    } & Window)
  /** Input: x `[N, H, W, C]`. Output `[N, 1, 1, C]`. */
  | { readonly op: "global_average_pool" }
  /** Inputs: x `[N, C]`, kernel `[C, out]`, bias `[out]` if `bias`. */
  | { readonly op: "linear"; readonly bias: boolean; readonly activation: Activation }
  /** Input: x. Over the last axis. */
  | { readonly op: "softmax" }
  /** Input: x `[N, ...]`. Output `[N, product of the rest]`, in memory order (H, then W, then C). */
  | { readonly op: "flatten" }
  /** Input: x. The identity, except in training. */
  | { readonly op: "dropout"; readonly rate: number }
  /** Input: x. */
  | { readonly op: "pad"; readonly padding: Padding; readonly value: number }
  /** Input: x. Half-pixel centres, edges repeated, no antialiasing. */
  | { readonly op: "resize"; readonly height: number; readonly width: number; readonly mode: "nearest" | "bilinear" };

/** A convolution of stride 1 without padding, bias or anything fused: what others are said to differ from. */
export const plainConvolution: OperationOf<"convolution"> = {
  op: "convolution",
  stride: [1, 1],
  padding: { top: 0, bottom: 0, left: 0, right: 0 },
  dilation: [1, 1],
  groups: 1,
  bias: false,
  activation: "none",
  residual: false,
  residualActivation: "none",
};

/** Name of an operation. */
export type OperationName = Operation["op"];
/** The operation of a given name. */
export type OperationOf<K extends OperationName> = Extract<Operation, { op: K }>;

/** Gives the output's shape, or throws a ShapeError that says what was expected and what came. */
type ShapeRule<K extends OperationName> = (operation: OperationOf<K>, inputs: readonly Shape[]) => Shape;

/** The window's span along one axis, holes of the dilation included. */
export function dilatedSize(kernel: number, dilation: number): number {
  return (kernel - 1) * dilation + 1;
}

/** Positions of a window along one axis, rounded down (PyTorch's rule). */
function windowCount(size: number, before: number, after: number, span: number, stride: number): number {
  return Math.floor((size + before + after - span) / stride) + 1;
}

/** The same rounded up, but no window starts beyond the picture and its leading padding (PyTorch's and Caffe's rule). */
function windowCountCeil(size: number, before: number, after: number, span: number, stride: number): number {
  const count = Math.ceil((size + before + after - span) / stride) + 1;
  return (count - 1) * stride >= size + before ? count - 1 : count;
}

function expect(condition: boolean, message: string): asserts condition {
  if (!condition) throw new ShapeError(message);
}

function isCount(value: number): boolean {
  return Number.isInteger(value) && value >= 1;
}

function isSize(value: number): boolean {
  return Number.isInteger(value) && value >= 0;
}

function expectPicture(shape: Shape): asserts shape is readonly [number, number, number, number] {
  expect(shape.length === 4, `expects an input [N, H, W, C], received ${formatShape(shape)}`);
}

function expectWindow(operation: Window): void {
  const { stride, padding } = operation;
  expect(
    stride.length === 2 && stride.every(isCount),
    `stride must be two whole numbers of at least 1, received ${stride.join("x")}`,
  );
  const sides = [padding.top, padding.bottom, padding.left, padding.right];
  expect(sides.every(isSize), `padding must be whole numbers of at least 0, received ${sides.join(", ")}`);
}

function convolutionShape(operation: OperationOf<"convolution">, inputs: readonly Shape[]): Shape {
  const [x, kernel, ...others] = inputs;
  const expected = 2 + Number(operation.bias) + Number(operation.residual);
  expect(inputs.length === expected, `expects ${expected} inputs, received ${inputs.length}`);
  expectPicture(x as Shape);
  const [n, h, w, c] = x as readonly [number, number, number, number];
  expect(kernel?.length === 4, `expects a kernel [kh, kw, in/groups, out], received ${formatShape(kernel ?? [])}`);
  expectWindow(operation);
  const { groups, dilation, stride, padding } = operation;
  const [kh, kw, perGroup, out] = kernel as readonly [number, number, number, number];
  expect(isCount(groups), `groups must be a whole number of at least 1, received ${groups}`);
  expect(
    dilation.length === 2 && dilation.every(isCount),
    `dilation must be two whole numbers of at least 1, received ${dilation.join("x")}`,
  );
  expect(c % groups === 0, `groups ${groups} does not divide ${c} input channels. Use one of ${divisors(c)}`);
  expect(out % groups === 0, `groups ${groups} does not divide ${out} output channels. Use one of ${divisors(out)}`);
  expect(
    perGroup * groups === c,
    `kernel ${formatShape(kernel as Shape)} with ${groups} groups reads ${perGroup * groups} channels, but the input has ${c}`,
  );
  const oh = windowCount(h, padding.top, padding.bottom, dilatedSize(kh, dilation[0]), stride[0]);
  const ow = windowCount(w, padding.left, padding.right, dilatedSize(kw, dilation[1]), stride[1]);
  expect(
    oh >= 1 && ow >= 1,
    `a ${kh}x${kw} kernel (dilation ${dilation.join("x")}) does not fit into the padded input of ${h + padding.top + padding.bottom}x${w + padding.left + padding.right}`,
  );
  const shape = [n, oh, ow, out];
  if (operation.bias) {
    const bias = others[0] as Shape;
    expect(sameShape(bias, [out]), `expects a bias [${out}], received ${formatShape(bias)}`);
  }
  if (operation.residual) {
    const residual = others[Number(operation.bias)] as Shape;
    expect(
      sameShape(residual, shape),
      `expects a residual of the output's shape ${formatShape(shape)}, received ${formatShape(residual)}`,
    );
  }
  return shape;
}

function poolShape(operation: OperationOf<"max_pool"> | OperationOf<"average_pool">, inputs: readonly Shape[]): Shape {
  const [n, h, w, c] = onePicture(inputs);
  expectWindow(operation);
  const { kernel, stride, padding, ceil } = operation;
  expect(
    kernel.length === 2 && kernel.every(isCount),
    `kernel must be two whole numbers of at least 1, received ${kernel.join("x")}`,
  );
  expect(
    padding.top < kernel[0] && padding.bottom < kernel[0] && padding.left < kernel[1] && padding.right < kernel[1],
    `padding must be smaller than the ${kernel.join("x")} kernel, so that every window sees the picture`,
  );
  const count = ceil ? windowCountCeil : windowCount;
  const oh = count(h, padding.top, padding.bottom, kernel[0], stride[0]);
  const ow = count(w, padding.left, padding.right, kernel[1], stride[1]);
  expect(
    oh >= 1 && ow >= 1,
    `a ${kernel.join("x")} window does not fit into the padded input of ${h + padding.top + padding.bottom}x${w + padding.left + padding.right}`,
  );
  return [n, oh, ow, c];
}

function one(inputs: readonly Shape[]): Shape {
  expect(inputs.length === 1, `expects one input, received ${inputs.length}`);
  return inputs[0] as Shape;
}

function onePicture(inputs: readonly Shape[]): readonly [number, number, number, number] {
  const shape = one(inputs);
  expectPicture(shape);
  return shape;
}

function expectActivation(activation: Activation): void {
  expect(activations.includes(activation), `unknown activation "${activation}". Use one of ${activations.join(", ")}`);
}

function expectInitializer(initializer: Initializer): void {
  const [what, value] = initializerNumber(initializer);
  expect(Number.isFinite(value), `initializer "${initializer.kind}" needs a finite ${what}, received ${value}`);
  expect(
    what === "value" || value >= 0,
    `initializer "${initializer.kind}" needs a ${what} of at least 0, received ${value}`,
  );
}

function initializerNumber(initializer: Initializer): readonly [what: "value" | "deviation" | "bound", value: number] {
  switch (initializer.kind) {
    case "constant":
      return ["value", initializer.value];
    case "normal":
    case "truncated_normal":
      return ["deviation", initializer.deviation];
    case "uniform":
      return ["bound", initializer.bound];
    default:
      initializer satisfies never;
      throw new ShapeError(`unknown initializer ${JSON.stringify(initializer)}`);
  }
}

function expectLengths(shape: Shape): void {
  expect(shape.every(isCount), `lengths must be whole numbers of at least 1, received ${formatShape(shape)}`);
  expect(elementCount(shape) <= Number.MAX_SAFE_INTEGER, `${formatShape(shape)} has too many elements`);
}

const rules = {
  input: ({ shape }, inputs) => {
    expect(inputs.length === 0, `expects no inputs, received ${inputs.length}`);
    return shape;
  },
  parameter: ({ shape, initializer }, inputs) => {
    expect(inputs.length === 0, `expects no inputs, received ${inputs.length}`);
    expectInitializer(initializer);
    return shape;
  },
  convolution: (operation, inputs) => {
    expectActivation(operation.activation);
    expectActivation(operation.residualActivation);
    return convolutionShape(operation, inputs);
  },
  batch_norm: ({ epsilon }, inputs) => {
    expect(inputs.length === 5, `expects x, gamma, beta, mean and variance, received ${inputs.length} inputs`);
    expect(
      Number.isFinite(epsilon) && epsilon >= 0,
      `epsilon must be a finite number of at least 0, received ${epsilon}`,
    );
    const [x, ...statistics] = inputs as [Shape, ...Shape[]];
    const channels = x.at(-1) ?? 0;
    for (const shape of statistics) {
      expect(
        sameShape(shape, [channels]),
        `expects gamma, beta, mean and variance of shape ${channels}, received ${formatShape(shape)}`,
      );
    }
    return x;
  },
  activation: ({ activation }, inputs) => {
    expectActivation(activation);
    return one(inputs);
  },
  add: ({ activation }, inputs) => {
    expectActivation(activation);
    expect(inputs.length === 2, `expects two inputs, received ${inputs.length}`);
    const [a, b] = inputs as [Shape, Shape];
    expect(sameShape(a, b), `expects two inputs of the same shape, received ${formatShape(a)} and ${formatShape(b)}`);
    return a;
  },
  multiply: (_, inputs) => {
    expect(inputs.length === 2, `expects two inputs, received ${inputs.length}`);
    const [a, b] = inputs as [Shape, Shape];
    const isScale = a.length === 4 && sameShape(b, [a[0] as number, 1, 1, a[3] as number]);
    expect(
      sameShape(a, b) || isScale,
      `expects a second input of the same shape or [N, 1, 1, C], received ${formatShape(a)} and ${formatShape(b)}`,
    );
    return a;
  },
  concatenate: (_, inputs) => {
    expect(inputs.length >= 1, "expects at least one input");
    const first = inputs[0] as Shape;
    expect(first.length >= 2, `expects inputs with a batch and channels, received ${formatShape(first)}`);
    for (const shape of inputs) {
      expect(
        sameShape(shape.slice(0, -1), first.slice(0, -1)),
        `expects inputs that differ in channels alone, received ${formatShape(first)} and ${formatShape(shape)}`,
      );
    }
    return [...first.slice(0, -1), inputs.reduce((sum, shape) => sum + (shape.at(-1) as number), 0)];
  },
  slice: ({ start, count }, inputs) => {
    const x = one(inputs);
    const channels = x.at(-1) as number;
    expect(
      isSize(start) && isCount(count) && start + count <= channels,
      `channels ${start} to ${start + count - 1} are not all among the input's ${channels}`,
    );
    return [...x.slice(0, -1), count];
  },
  permute: ({ permutation }, inputs) => {
    const x = one(inputs);
    checkPermutation(permutation, x.at(-1) as number);
    return x;
  },
  max_pool: poolShape,
  average_pool: poolShape,
  global_average_pool: (_, inputs) => {
    const [n, , , c] = onePicture(inputs);
    return [n, 1, 1, c];
  },
  linear: ({ bias, activation }, inputs) => {
    expectActivation(activation);
    expect(inputs.length === 2 + Number(bias), `expects ${2 + Number(bias)} inputs, received ${inputs.length}`);
    const [x, kernel, offset] = inputs as [Shape, Shape, Shape?];
    expect(x.length === 2, `expects an input [N, C], received ${formatShape(x)}. Flatten it first`);
    expect(
      kernel.length === 2 && kernel[0] === x[1],
      `expects a kernel [${x[1]}, out], received ${formatShape(kernel)}`,
    );
    const out = kernel[1] as number;
    if (offset) expect(sameShape(offset, [out]), `expects a bias [${out}], received ${formatShape(offset)}`);
    return [x[0] as number, out];
  },
  softmax: (_, inputs) => {
    const x = one(inputs);
    expect(x.length >= 1, "expects an input with channels, received a scalar");
    return x;
  },
  flatten: (_, inputs) => {
    const x = one(inputs);
    return [x[0] as number, elementCount(x.slice(1))];
  },
  dropout: ({ rate }, inputs) => {
    expect(rate >= 0 && rate < 1, `rate must be at least 0 and below 1, received ${rate}`);
    return one(inputs);
  },
  pad: ({ padding, value }, inputs) => {
    const [n, h, w, c] = onePicture(inputs);
    expectWindow({ stride: [1, 1], padding });
    expect(!Number.isNaN(value), "value must be a number, received NaN");
    return [n, h + padding.top + padding.bottom, w + padding.left + padding.right, c];
  },
  resize: ({ height, width, mode }, inputs) => {
    const [n, , , c] = onePicture(inputs);
    expect(
      isCount(height) && isCount(width),
      `height and width must be whole numbers of at least 1, received ${height} and ${width}`,
    );
    expect(mode === "nearest" || mode === "bilinear", `unknown mode "${mode}". Use nearest or bilinear`);
    return [n, height, width, c];
  },
} satisfies { readonly [K in OperationName]: ShapeRule<K> };

/** Names of all operations. */
export const operationNames: readonly OperationName[] = Object.keys(rules) as OperationName[];

/**
 * The output's shape of an operation on inputs of the given shapes.
 *
 * @throws {ShapeError} that says what was expected and what came
 */
export function inferShape(operation: Operation, inputs: readonly Shape[]): Shape {
  const rule = rules[operation.op] as ShapeRule<OperationName>;
  const shape = rule(operation, inputs);
  expectLengths(shape);
  return shape;
}

/** The smallest numbers that divide `value`, for messages. */
function divisors(value: number): string {
  const small: number[] = [];
  const large: number[] = [];
  for (let d = 1; d * d <= value; d++) {
    if (value % d !== 0) continue;
    small.push(d);
    if (d * d !== value) large.unshift(value / d);
  }
  const found = [...small, ...large];
  return found.length > 24 ? `${found.slice(0, 24).join(", ")}, ...` : found.join(", ");
}
