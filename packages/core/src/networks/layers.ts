import type { GraphBuilder, PaddingOption, Value } from "../graph/builder.ts";
import { toPair } from "../graph/builder.ts";
import type { Activation, Pair } from "../graph/operations.ts";
import { heNormal, type InitializerRule, normal } from "./initializers.ts";

/** One convolution of a network. Names of the nodes that the helpers here make: see the README of this folder. */
export interface LayerOptions {
  /** Output channels. */
  readonly channels: number;
  /** Default 1. */
  readonly kernel?: number | Pair;
  /** Default 1. */
  readonly stride?: number | Pair;
  /** Default `half`: (k−1)/2 on each side. */
  readonly padding?: PaddingOption;
  /** Default 1. */
  readonly groups?: number;
  /** Default `none`: no node. */
  readonly activation?: Activation;
  /** Default {@link heNormal}. */
  readonly initializer?: InitializerRule;
}

/** Channels of an activation `[N, H, W, C]`. */
export function channelsOf(x: Value): number {
  return x.shape[3] ?? 0;
}

/** Convolution `name`, batch norm `name/norm`, activation `name/activation`. No bias unless asked for: the norm has one. */
export function normedConvolution(
  builder: GraphBuilder,
  name: string,
  x: Value,
  options: LayerOptions & { readonly epsilon: number; readonly bias?: boolean },
): Value {
  const convolved = convolution(builder, name, x, options, options.bias ?? false);
  const normed = builder.batchNorm(`${name}/norm`, convolved, { epsilon: options.epsilon });
  return activated(builder, name, normed, options.activation);
}

/** Convolution `name` with a bias and without batch norm, activation `name/activation`. */
export function biasedConvolution(builder: GraphBuilder, name: string, x: Value, options: LayerOptions): Value {
  return activated(builder, name, convolution(builder, name, x, options, true), options.activation);
}

/** Convolution `name` alone: no bias, no norm; what stands between the two of a separable convolution. */
export function plainConvolution(builder: GraphBuilder, name: string, x: Value, options: LayerOptions): Value {
  return activated(builder, name, convolution(builder, name, x, options, false), options.activation);
}

/**
 * What turns the last `[N, H, W, C]` into logits `[N, classes]`: nodes `pool` (global average), `flatten`, `dropout` (if the rate is
 * not 0) and `classifier` (linear).
 *
 * @param options.initializer default: normal, deviation 0.01, as torchvision
 */
export function classifierHead(
  builder: GraphBuilder,
  x: Value,
  options: {
    readonly classes: number;
    readonly dropout?: number;
    readonly bias?: boolean;
    readonly initializer?: InitializerRule;
  },
): Value {
  const { classes, dropout = 0, bias = true, initializer = normal(0.01) } = options;
  let y = builder.flatten("flatten", builder.globalAveragePool("pool", x));
  if (dropout > 0) y = builder.dropout("dropout", y, dropout);
  return builder.linear("classifier", y, {
    channels: classes,
    bias,
    initializer: initializer([channelsOf(x), classes], 1),
  });
}

/**
 * Strides for small pictures: the first `count` halvings are left out.
 *
 * @param strides of the stem and the stages, in order
 */
export function withoutHalvings(strides: readonly number[], count: number): readonly number[] {
  let left = count;
  return strides.map((stride) => (stride > 1 && left-- > 0 ? 1 : stride));
}

function convolution(builder: GraphBuilder, name: string, x: Value, options: LayerOptions, bias: boolean): Value {
  const { channels, kernel = 1, stride = 1, padding = "half", groups = 1, initializer = heNormal } = options;
  const kernelShape = [...toPair(kernel), channelsOf(x) / groups, channels];
  return builder.convolution(name, x, {
    channels,
    kernel,
    stride,
    padding,
    groups,
    bias,
    initializer: initializer(kernelShape, groups),
  });
}

function activated(builder: GraphBuilder, name: string, x: Value, activation: Activation = "none"): Value {
  return activation === "none" ? x : builder.activation(`${name}/activation`, x, activation);
}
