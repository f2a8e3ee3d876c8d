import { GraphError } from "../errors.ts";
import type { Shape } from "../tensor.ts";
import { type Graph, type Node, namedInferShape, type Output, type ValueId } from "./graph.ts";
import {
  type Activation,
  dilatedSize,
  type Initializer,
  type Operation,
  type Padding,
  type Pair,
} from "./operations.ts";
import type { Permutation } from "./permutation.ts";

/** A value while a graph is being built. */
export interface Value {
  readonly id: ValueId;
  /** `[N, H, W, C]` for activations. */
  readonly shape: Shape;
}

/**
 * Padding of a window: a number for all sides, `half` for (k−1)/2 (PyTorch's usual), `same` for TensorFlow's SAME (the odd cell after),
 * `valid` for none, or each side.
 */
export type PaddingOption = number | "half" | "same" | "valid" | Padding;

/** What a pooling or convolution window needs, with the usual short forms. */
export interface WindowOptions {
  /** Default 1. */
  readonly stride?: number | Pair | undefined;
  /** Default `half`. */
  readonly padding?: PaddingOption | undefined;
}

/** Options of `builder.convolution`. */
export interface ConvolutionOptions extends WindowOptions {
  /** Output channels. */
  readonly channels: number;
  /** Default 1. */
  readonly kernel?: number | Pair | undefined;
  /** Default 1. */
  readonly dilation?: number | Pair | undefined;
  /** Default 1. */
  readonly groups?: number | undefined;
  /** Default false. */
  readonly bias?: boolean | undefined;
  /** Default `none`. Fused into the convolution: for graphs that passes or importers make. */
  readonly activation?: Activation | undefined;
  /** Default: normal with deviation sqrt(2 / fan out) (He et al., arXiv:1502.01852). */
  readonly initializer?: Initializer | undefined;
}

/** Options of pools. */
export interface PoolOptions extends WindowOptions {
  readonly kernel: number | Pair;
  /** Round the output size up. Default false. */
  readonly ceil?: boolean | undefined;
}

/** Builds a graph node by node. Every call checks shapes at once and throws a ShapeError that names the node. */
export interface GraphBuilder {
  /** A node from its parts, for passes and importers. `name` is taken as it is: no scope is put before it. */
  node(name: string, operation: Operation, inputs: readonly Value[]): Value;
  /** Runs `body` with `name/` put before every name. Scopes nest. */
  scope<T>(name: string, body: () => T): T;
  input(name: string, shape: Shape): Value;
  parameter(name: string, shape: Shape, initializer: Initializer, trainable?: boolean): Value;
  /** Makes the parameters `name/kernel` and `name/bias` too. */
  convolution(name: string, x: Value, options: ConvolutionOptions): Value;
  /** Makes the parameters `name/gamma`, `beta`, `mean` and `variance` too. */
  batchNorm(name: string, x: Value, options?: { epsilon?: number | undefined }): Value;
  activation(name: string, x: Value, activation: Activation): Value;
  add(name: string, a: Value, b: Value): Value;
  multiply(name: string, a: Value, b: Value): Value;
  concatenate(name: string, values: readonly Value[]): Value;
  slice(name: string, x: Value, start: number, count: number): Value;
  permute(name: string, x: Value, permutation: Permutation): Value;
  maxPool(name: string, x: Value, options: PoolOptions): Value;
  averagePool(name: string, x: Value, options: PoolOptions & { countIncludePad?: boolean | undefined }): Value;
  globalAveragePool(name: string, x: Value): Value;
  flatten(name: string, x: Value): Value;
  /** Makes the parameters `name/kernel` and `name/bias` too. x must be `[N, C]`. */
  linear(
    name: string,
    x: Value,
    options: { channels: number; bias?: boolean | undefined; initializer?: Initializer | undefined },
  ): Value;
  softmax(name: string, x: Value): Value;
  dropout(name: string, x: Value, rate: number): Value;
  pad(name: string, x: Value, padding: Padding, value?: number): Value;
  resize(name: string, x: Value, height: number, width: number, mode: "nearest" | "bilinear"): Value;
  /**
   * The graph. Outputs by name.
   *
   * @throws {GraphError} if there is none, or one is no value of this graph
   */
  build(outputs: Readonly<Record<string, Value>>): Graph;
}

/** Kernel initialisation of He et al. (arXiv:1502.01852) for the backward pass: normal, variance 2 / (kh·kw·out/groups). */
export function heFanOut(kernel: Pair, channels: number, groups: number): Initializer {
  return { kind: "normal", deviation: Math.sqrt(2 / ((kernel[0] * kernel[1] * channels) / groups)) };
}

/** `3` as `[3, 3]`. */
export function toPair(value: number | Pair): Pair {
  return typeof value === "number" ? [value, value] : value;
}

/**
 * Padding in cells.
 *
 * @param size of the input, needed for `same`: TensorFlow's rule puts the odd cell after
 */
export function resolvePadding(option: PaddingOption, kernel: Pair, stride: Pair, dilation: Pair, size: Pair): Padding {
  if (typeof option === "object") return option;
  if (typeof option === "number") return { top: option, bottom: option, left: option, right: option };
  if (option === "valid") return { top: 0, bottom: 0, left: 0, right: 0 };
  const along = (axis: 0 | 1): [before: number, after: number] => {
    const span = dilatedSize(kernel[axis], dilation[axis]);
    if (option === "half") return [Math.floor(span / 2), Math.floor(span / 2)];
    const total = Math.max((Math.ceil(size[axis] / stride[axis]) - 1) * stride[axis] + span - size[axis], 0);
    return [Math.floor(total / 2), total - Math.floor(total / 2)];
  };
  const [top, bottom] = along(0);
  const [left, right] = along(1);
  return { top, bottom, left, right };
}

/** A builder of a graph named `name`. */
export function graphBuilder(name: string): GraphBuilder {
  const nodes: Node[] = [];
  const names = new Set<string>();
  let prefix = "";

  function push(nodeName: string, operation: Operation, inputs: readonly Value[]): Value {
    if (names.has(nodeName)) throw new GraphError(`Two nodes are named "${nodeName}".`);
    const shape = namedInferShape(
      nodeName,
      operation,
      inputs.map((value) => value.shape),
    );
    names.add(nodeName);
    const id = nodes.length as ValueId;
    nodes.push({ id, name: nodeName, operation, inputs: inputs.map((value) => value.id), shape });
    return { id, shape };
  }

  function windowOf(
    x: Value,
    kernel: Pair,
    dilation: Pair,
    options: WindowOptions,
  ): { stride: Pair; padding: Padding } {
    const stride = toPair(options.stride ?? 1);
    const size: Pair = [x.shape[1] ?? 1, x.shape[2] ?? 1];
    return { stride, padding: resolvePadding(options.padding ?? "half", kernel, stride, dilation, size) };
  }

  const builder: GraphBuilder = {
    node: push,
    scope(scopeName, body) {
      const before = prefix;
      prefix = `${prefix}${scopeName}/`;
      try {
        return body();
      } finally {
        prefix = before;
      }
    },
    input: (inputName, shape) => push(prefix + inputName, { op: "input", shape }, []),
    parameter: (parameterName, shape, initializer, trainable = true) =>
      push(prefix + parameterName, { op: "parameter", shape, initializer, trainable }, []),
    convolution(convolutionName, x, options) {
      const { channels, groups = 1, bias = false, activation = "none" } = options;
      const kernel = toPair(options.kernel ?? 1);
      const dilation = toPair(options.dilation ?? 1);
      const kernelShape = [...kernel, (x.shape[3] ?? 0) / groups, channels];
      const operation: Operation = {
        op: "convolution",
        ...windowOf(x, kernel, dilation, options),
        dilation,
        groups,
        bias,
        activation,
        residual: false,
        residualActivation: "none",
      };
      // Checked before its parameters are made, so that a refused convolution leaves nothing behind.
      namedInferShape(prefix + convolutionName, operation, [x.shape, kernelShape, ...(bias ? [[channels]] : [])]);
      const initializer = options.initializer ?? heFanOut(kernel, channels, groups);
      const inputs = [x, builder.parameter(`${convolutionName}/kernel`, kernelShape, initializer)];
      if (bias) inputs.push(builder.parameter(`${convolutionName}/bias`, [channels], { kind: "constant", value: 0 }));
      return push(prefix + convolutionName, operation, inputs);
    },
    batchNorm(normName, x, options = {}) {
      const shape = [x.shape.at(-1) ?? 0];
      const constant = (part: string, value: number, trainable: boolean) =>
        builder.parameter(`${normName}/${part}`, shape, { kind: "constant", value }, trainable);
      const inputs = [
        x,
        constant("gamma", 1, true),
        constant("beta", 0, true),
        constant("mean", 0, false),
        constant("variance", 1, false),
      ];
      return push(prefix + normName, { op: "batch_norm", epsilon: options.epsilon ?? 1e-5 }, inputs);
    },
    activation: (nodeName, x, activation) => push(prefix + nodeName, { op: "activation", activation }, [x]),
    add: (nodeName, a, b) => push(prefix + nodeName, { op: "add", activation: "none" }, [a, b]),
    multiply: (nodeName, a, b) => push(prefix + nodeName, { op: "multiply" }, [a, b]),
    concatenate: (nodeName, values) => push(prefix + nodeName, { op: "concatenate" }, values),
    slice: (nodeName, x, start, count) => push(prefix + nodeName, { op: "slice", start, count }, [x]),
    permute: (nodeName, x, permutation) => push(prefix + nodeName, { op: "permute", permutation }, [x]),
    maxPool(nodeName, x, options) {
      const kernel = toPair(options.kernel);
      const operation: Operation = {
        op: "max_pool",
        kernel,
        ceil: options.ceil ?? false,
        ...windowOf(x, kernel, [1, 1], options),
      };
      return push(prefix + nodeName, operation, [x]);
    },
    averagePool(nodeName, x, options) {
      const kernel = toPair(options.kernel);
      const operation: Operation = {
        op: "average_pool",
        kernel,
        ceil: options.ceil ?? false,
        countIncludePad: options.countIncludePad ?? true,
        ...windowOf(x, kernel, [1, 1], options),
      };
      return push(prefix + nodeName, operation, [x]);
    },
    globalAveragePool: (nodeName, x) => push(prefix + nodeName, { op: "global_average_pool" }, [x]),
    flatten: (nodeName, x) => push(prefix + nodeName, { op: "flatten" }, [x]),
    linear(linearName, x, options) {
      const { channels, bias = true } = options;
      const shape = [x.shape[1] ?? 0, channels];
      const operation: Operation = { op: "linear", bias, activation: "none" };
      namedInferShape(prefix + linearName, operation, [x.shape, shape, ...(bias ? [[channels]] : [])]);
      const initializer = options.initializer ?? { kind: "normal", deviation: 0.01 };
      const inputs = [x, builder.parameter(`${linearName}/kernel`, shape, initializer)];
      if (bias) inputs.push(builder.parameter(`${linearName}/bias`, [channels], { kind: "constant", value: 0 }));
      return push(prefix + linearName, operation, inputs);
    },
    softmax: (nodeName, x) => push(prefix + nodeName, { op: "softmax" }, [x]),
    dropout: (nodeName, x, rate) => push(prefix + nodeName, { op: "dropout", rate }, [x]),
    pad: (nodeName, x, padding, value = 0) => push(prefix + nodeName, { op: "pad", padding, value }, [x]),
    resize: (nodeName, x, height, width, mode) => push(prefix + nodeName, { op: "resize", height, width, mode }, [x]),
    build(outputs) {
      const list: Output[] = Object.entries(outputs).map(([outputName, value]) => {
        if (nodes[value?.id] === undefined) {
          throw new GraphError(
            `Graph "${name}": output "${outputName}" is no value of this graph. Outputs come with their names: build({ output: x }).`,
          );
        }
        return { name: outputName, value: value.id };
      });
      if (list.length === 0) throw new GraphError(`Graph "${name}" has no output.`);
      return { name, nodes: [...nodes], outputs: list };
    },
  };
  return builder;
}
