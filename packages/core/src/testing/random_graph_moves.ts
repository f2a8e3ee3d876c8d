import { ShapeError } from "../errors.ts";
import { type GraphBuilder, type PaddingOption, resolvePadding, type Value } from "../graph/builder.ts";
import {
  type Activation,
  activations,
  inferShape,
  type Operation,
  type OperationOf,
  type Padding,
  type Pair,
} from "../graph/operations.ts";
import type { Permutation } from "../graph/permutation.ts";
import type { Random } from "../random.ts";
import { elementCount, type Shape, sameShape } from "../tensor.ts";

/** A random graph while it grows. */
export interface Growth {
  readonly build: GraphBuilder;
  readonly random: Random;
  /** What later nodes may read: every value but the parameters. */
  readonly values: Value[];
  /** Convolutions made so far, so that others can share their parameters. */
  readonly convolutions: {
    readonly operation: OperationOf<"convolution">;
    readonly x: Shape;
    readonly parameters: readonly Value[];
  }[];
  macsLeft: number;
  /** Products of two values that may still be made; each can square the magnitude. */
  productsLeft: number;
  /** Names made so far. */
  count: number;
}

/** Adds a node, or a few that belong together; undefined where the values at hand do not suit. */
type Move = (growth: Growth) => Value | undefined;

/** Elements a value may have at most. */
const largestValue = 15_000;
const largestChannels = 37;

/** A whole number of `low` to `high`. */
export function between(random: Random, low: number, high: number): number {
  return low + random.below(high - low + 1);
}

/** Whether something of probability `share` happens. */
export function chance(random: Random, share: number): boolean {
  return random.uniform() < share;
}

/** One of a list. */
export function pick<T>(random: Random, list: readonly T[]): T {
  return list[random.below(list.length)] as T;
}

/** Makes one random move. */
export function grow(growth: Growth): void {
  const total = moves.reduce((sum, [weight]) => sum + weight, 0);
  let point = growth.random.uniform() * total;
  for (const [weight, move] of moves) {
    point -= weight;
    if (point < 0) {
      move(growth);
      return;
    }
  }
}

const moves: readonly (readonly [weight: number, move: Move])[] = [
  [8, (growth) => convolve(growth, anyValue(growth))],
  [2, convolveWithSharedParameters],
  [3, separable],
  [5, residual],
  [3, squeezeExcite],
  [3, fire],
  [2, bypassedFire],
  [5, shuffledBranches],
  [6, (growth) => normalize(growth, anyValue(growth))],
  [5, (growth) => activate(growth, anyValue(growth))],
  [4, (growth) => permute(growth, anyValue(growth))],
  [3, (growth) => slice(growth, anyValue(growth))],
  [4, concatenate],
  [3, addPeers],
  [2, multiplyPeers],
  [3, (growth) => pool(growth, "max_pool")],
  [3, (growth) => pool(growth, "average_pool")],
  [1, (growth) => node(growth, { op: "global_average_pool" }, [anyValue(growth)])],
  [1, (growth) => node(growth, { op: "flatten" }, [anyValue(growth)])],
  [1, (growth) => node(growth, { op: "softmax" }, [anyValue(growth)])],
  [1, (growth) => node(growth, { op: "dropout", rate: pick(growth.random, [0, 0.2, 0.5]) }, [anyValue(growth)])],
  [2, classify],
  [2, pad],
  [2, resize],
];

/** A node's input: a value, or a parameter to be made for it. */
type Operand = Value | { readonly part: string; readonly parameter: Shape };

/** Adds a node with its parameters if the shapes fit and the value is not too large. */
function node(growth: Growth, operation: Operation, operands: readonly Operand[]): Value | undefined {
  const shape = fittingShape(operation, operands);
  if (shape === undefined || elementCount(shape) > largestValue) return undefined;
  const name = `${operation.op}${growth.count++}`;
  const inputs = operands.map((operand) => {
    if (!("parameter" in operand)) return operand;
    return growth.build.parameter(`${name}/${operand.part}`, operand.parameter, { kind: "normal", deviation: 1 });
  });
  const value = growth.build.node(name, operation, inputs);
  growth.values.push(value);
  if (operation.op === "convolution") {
    const parameters = inputs.slice(1, operation.residual ? -1 : undefined);
    growth.convolutions.push({ operation, x: (operands[0] as Value).shape, parameters });
  }
  return value;
}

function fittingShape(operation: Operation, operands: readonly Operand[]): Shape | undefined {
  try {
    return inferShape(
      operation,
      operands.map((operand) => ("parameter" in operand ? operand.parameter : operand.shape)),
    );
  } catch (error) {
    if (error instanceof ShapeError) return undefined;
    throw error;
  }
}

/** Mostly the newest value, so that chains grow; else any, so that values are used several times. */
function anyValue({ random, values }: Growth): Value {
  return chance(random, 0.6) ? (values.at(-1) as Value) : pick(random, values);
}

/** Another value of x's shape, or x itself. */
function peer({ random, values }: Growth, x: Value): Value {
  const peers = values.filter((value) => value.id !== x.id && sameShape(value.shape, x.shape));
  return peers.length === 0 || chance(random, 0.1) ? x : pick(random, peers);
}

function divisor(random: Random, value: number): number {
  return pick(
    random,
    Array.from({ length: value }, (_, i) => i + 1).filter((d) => value % d === 0),
  );
}

/** What a convolution should be; what is absent is drawn. */
interface Wanted {
  readonly kernel?: Pair;
  readonly stride?: Pair;
  readonly dilation?: Pair;
  readonly groups?: number;
  readonly channels?: number;
  readonly padding?: PaddingOption;
  readonly activation?: Activation;
}

/** `"1x3 3x1"` as pairs: tables of windows, some listed twice to be drawn more often. */
function pairs(list: string): readonly Pair[] {
  return list.split(" ").map((pair) => pair.split("x").map(Number) as unknown as Pair);
}

const kernels = pairs("1x1 1x1 1x1 1x1 3x3 3x3 3x3 1x3 3x1 1x5 5x5 2x2 2x3 7x7");
const depthwiseKernels = pairs("3x3 3x3 5x5 1x3 3x1 7x7");
const residualKernels = pairs("1x1 3x3 1x3 3x1 5x5");
const poolKernels = pairs("2x2 3x3 3x3 1x3 3x1 3x2 5x5 1x1");
const strides = pairs("1x1 1x1 1x1 2x2 2x2 3x3 1x2 2x1 3x2");
const dilations = pairs("1x1 1x1 1x1 1x1 2x2 1x2 3x1");

function sidesOf(random: Random): Padding {
  const cells = (): number => random.below(4);
  return { top: cells(), bottom: cells(), left: cells(), right: cells() };
}

function drawPadding(random: Random): PaddingOption {
  return pick<PaddingOption>(random, [
    "half",
    "half",
    "same",
    "valid",
    random.below(3),
    sidesOf(random),
    sidesOf(random),
  ]);
}

function drawOutputs(random: Random, groups: number): number {
  return groups * between(random, 1, Math.max(1, Math.floor(largestChannels / groups)));
}

function convolve(growth: Growth, x: Value, wanted: Wanted = {}): Value | undefined {
  const { random } = growth;
  if (x.shape.length !== 4) return undefined;
  const channels = x.shape[3] as number;
  const kernel = wanted.kernel ?? pick(random, kernels);
  const stride = wanted.stride ?? pick(random, strides);
  const dilation = wanted.dilation ?? pick(random, dilations);
  const groups = wanted.groups ?? pick(random, [1, channels, divisor(random, channels)]);
  const out = wanted.channels ?? drawOutputs(random, groups);
  const size: Pair = [x.shape[1] as number, x.shape[2] as number];
  const padding = resolvePadding(wanted.padding ?? drawPadding(random), kernel, stride, dilation, size);
  const plain: OperationOf<"convolution"> = {
    op: "convolution",
    stride,
    padding,
    dilation,
    groups,
    bias: chance(random, 0.4),
    activation: wanted.activation ?? (chance(random, 0.2) ? pick(random, activations) : "none"),
    residual: false,
    residualActivation: "none",
  };
  const operands: Operand[] = [x, { part: "kernel", parameter: [...kernel, channels / groups, out] }];
  if (plain.bias) operands.push({ part: "bias", parameter: [out] });
  const shape = fittingShape(plain, operands);
  if (shape === undefined) return undefined;
  const macs = elementCount(shape) * kernel[0] * kernel[1] * (channels / groups);
  if (macs > growth.macsLeft) return undefined;
  growth.macsLeft -= macs;
  const residuals = growth.values.filter((value) => sameShape(value.shape, shape));
  if (residuals.length === 0 || !chance(random, 0.2)) return node(growth, plain, operands);
  const fused: Operation = {
    ...plain,
    residual: true,
    residualActivation: pick(random, ["none", "none", "relu", "swish"]),
  };
  return node(growth, fused, [...operands, pick(random, residuals)]);
}

/** Two convolutions over the same parameters. */
function convolveWithSharedParameters(growth: Growth): Value | undefined {
  if (growth.convolutions.length === 0) return undefined;
  const { operation, x, parameters } = pick(growth.random, growth.convolutions);
  const others = growth.values.filter((value) => sameShape(value.shape, x));
  const macs = elementCount(x) * elementCount((parameters[0] as Value).shape);
  if (macs > growth.macsLeft) return undefined;
  growth.macsLeft -= macs;
  return node(growth, { ...operation, residual: false, residualActivation: "none" }, [
    pick(growth.random, others),
    ...parameters,
  ]);
}

/** Depthwise, perhaps with several outputs for each channel, then pointwise; normalised or not. */
function separable(growth: Growth): Value | undefined {
  const { random } = growth;
  const x = anyValue(growth);
  if (x.shape.length !== 4) return undefined;
  const channels = x.shape[3] as number;
  const multiplier = chance(random, 0.3) ? between(random, 1, Math.max(1, Math.floor(largestChannels / channels))) : 1;
  const kernel = pick(random, depthwiseKernels);
  const depthwise = convolve(growth, x, { groups: channels, channels: channels * multiplier, kernel });
  if (depthwise === undefined) return undefined;
  const normal = chance(random, 0.5) ? (normalize(growth, depthwise) ?? depthwise) : depthwise;
  return convolve(growth, normal, { kernel: [1, 1], stride: [1, 1], groups: 1, padding: "valid" });
}

/** A convolution that keeps the shape, then perhaps a permutation or a batch norm, then the sum with its own input. */
function residual(growth: Growth): Value | undefined {
  const { random } = growth;
  const x = anyValue(growth);
  const kernel = pick(random, residualKernels);
  const wanted: Wanted = { kernel, stride: [1, 1], padding: "half", channels: x.shape.at(-1) as number };
  const branch = convolve(growth, x, wanted);
  if (branch === undefined) return undefined;
  const changed = pick(random, [normalize, permute, activate, undefined])?.(growth, branch) ?? branch;
  const trunk = chance(random, 0.2) ? (permute(growth, x) ?? x) : x;
  const order = chance(random, 0.5) ? [trunk, changed] : [changed, trunk];
  return node(growth, { op: "add", activation: pick(random, ["none", "none", "relu", "relu6"]) }, order);
}

/** Global average, two pointwise convolutions, sigmoid, and the product with every channel (Hu et al., arXiv:1709.01507). */
function squeezeExcite(growth: Growth): Value | undefined {
  const x = anyValue(growth);
  const means = node(growth, { op: "global_average_pool" }, [x]);
  if (means === undefined) return undefined;
  const pointwise: Wanted = { kernel: [1, 1], stride: [1, 1], padding: "valid", groups: 1 };
  const squeezed = convolve(growth, means, { ...pointwise, activation: "relu" });
  const excited = squeezed && convolve(growth, squeezed, { ...pointwise, channels: x.shape[3] as number });
  const gate = pick<Activation>(growth.random, ["sigmoid", "sigmoid", "hard_sigmoid"]);
  const scale = excited && node(growth, { op: "activation", activation: gate }, [excited]);
  return scale && node(growth, { op: "multiply" }, [x, scale]);
}

/** Two convolutions of the same value, joined. */
function fire(growth: Growth): Value | undefined {
  const x = anyValue(growth);
  const stride = pick(growth.random, pairs("1x1 2x2"));
  const shared: Wanted = { stride, dilation: [1, 1], padding: "half", groups: 1 };
  const narrow = convolve(growth, x, { ...shared, kernel: [1, 1] });
  const wide = narrow && convolve(growth, x, { ...shared, kernel: [3, 3] });
  return wide && node(growth, { op: "concatenate" }, [narrow, wide]);
}

/** Two convolutions of the same value, joined to as many channels as it has, and added to it (SqueezeNet's bypass). */
function bypassedFire(growth: Growth): Value | undefined {
  const { random } = growth;
  const x = anyValue(growth);
  const channels = x.shape.at(-1) as number;
  if (channels < 2) return undefined;
  const shared: Wanted = { stride: [1, 1], dilation: [1, 1], padding: "half", groups: 1 };
  const narrow = between(random, 1, channels - 1);
  const first = convolve(growth, x, { ...shared, kernel: [1, 1], channels: narrow });
  const second = first && convolve(growth, x, { ...shared, kernel: [3, 3], channels: channels - narrow });
  const joined = second && node(growth, { op: "concatenate" }, [first, second]);
  if (joined === undefined) return undefined;
  const order = chance(random, 0.5) ? [x, joined] : [joined, x];
  return node(growth, { op: "add", activation: pick(random, ["none", "none", "relu"]) }, order);
}

/** Channels permuted, cut into slices that may overlap, one of them convolved, joined, and perhaps permuted again. */
function shuffledBranches(growth: Growth): Value | undefined {
  const { random } = growth;
  const x = anyValue(growth);
  const permuted = chance(random, 0.5) ? (permute(growth, x) ?? x) : x;
  const slices = [slice(growth, permuted), slice(growth, permuted)].filter((value) => value !== undefined);
  const kept: Wanted = { stride: [1, 1], kernel: [3, 3], dilation: [1, 1], padding: "half" };
  const branches = slices.map((value) => (chance(random, 0.4) ? (convolve(growth, value, kept) ?? value) : value));
  const joined = node(growth, { op: "concatenate" }, branches);
  return joined && chance(random, 0.6) ? permute(growth, joined) : joined;
}

function normalize(growth: Growth, x: Value): Value | undefined {
  const parameter = [x.shape.at(-1) as number];
  const parts = ["gamma", "beta", "mean", "variance"].map((part): Operand => ({ part, parameter }));
  return node(growth, { op: "batch_norm", epsilon: pick(growth.random, [1e-5, 1e-3]) }, [x, ...parts]);
}

function activate(growth: Growth, x: Value): Value | undefined {
  return node(growth, { op: "activation", activation: pick(growth.random, activations) }, [x]);
}

function permute(growth: Growth, x: Value): Value | undefined {
  const { random } = growth;
  const channels = x.shape.at(-1) as number;
  const order = Array.from({ length: channels }, (_, c) => c);
  for (let c = channels - 1; c > 0; c--) {
    const other = random.below(c + 1);
    [order[c], order[other]] = [order[other] as number, order[c] as number];
  }
  const permutation: Permutation = chance(random, 0.6)
    ? { kind: "shuffle", groups: divisor(random, channels) }
    : { kind: "explicit", order };
  return node(growth, { op: "permute", permutation }, [x]);
}

function slice(growth: Growth, x: Value): Value | undefined {
  const channels = x.shape.at(-1) as number;
  const start = growth.random.below(channels);
  const count = between(growth.random, 1, channels - start);
  const half = Math.floor(channels / 2);
  const isHalf = half > 0 && chance(growth.random, 0.4);
  const operation: Operation = isHalf
    ? { op: "slice", start: pick(growth.random, [0, channels - half]), count: half }
    : { op: "slice", start, count };
  return node(growth, operation, [x]);
}

function concatenate(growth: Growth): Value | undefined {
  const { random, values } = growth;
  const x = anyValue(growth);
  const fitting = values.filter(({ shape }) => sameShape(shape.slice(0, -1), x.shape.slice(0, -1)));
  const inputs = [x, ...Array.from({ length: pick(random, [0, 1, 1, 1, 2]) }, () => pick(random, fitting))];
  const channels = inputs.reduce((sum, { shape }) => sum + (shape.at(-1) as number), 0);
  return channels > 3 * largestChannels ? undefined : node(growth, { op: "concatenate" }, inputs);
}

function addPeers(growth: Growth): Value | undefined {
  const x = anyValue(growth);
  const activation = pick<Activation>(growth.random, ["none", "none", "relu", "hard_swish"]);
  return node(growth, { op: "add", activation }, [x, peer(growth, x)]);
}

function multiplyPeers(growth: Growth): Value | undefined {
  const { random, values } = growth;
  if (growth.productsLeft === 0) return undefined;
  growth.productsLeft--;
  const x = anyValue(growth);
  const scales = values.filter(({ shape }) => sameShape(shape, [x.shape[0] as number, 1, 1, x.shape.at(-1) as number]));
  const scale = scales.length > 0 && chance(random, 0.5) ? pick(random, scales) : peer(growth, x);
  return node(growth, { op: "multiply" }, [x, scale]);
}

function pool(growth: Growth, op: "max_pool" | "average_pool"): Value | undefined {
  const { random } = growth;
  const x = anyValue(growth);
  if (x.shape.length !== 4) return undefined;
  const kernel = pick(random, poolKernels);
  const stride = pick(random, strides);
  const size: Pair = [x.shape[1] as number, x.shape[2] as number];
  const padding = resolvePadding(drawPadding(random), kernel, stride, [1, 1], size);
  const shared = { kernel, stride, padding, ceil: chance(random, 0.5) };
  if (op === "max_pool") return node(growth, { op, ...shared }, [x]);
  return node(growth, { op, ...shared, countIncludePad: chance(random, 0.5) }, [x]);
}

/** Flattened, then a linear layer. */
function classify(growth: Growth): Value | undefined {
  const { random } = growth;
  const x = anyValue(growth);
  const flat = x.shape.length === 2 ? x : node(growth, { op: "flatten" }, [x]);
  if (flat === undefined) return undefined;
  const [batch, channels] = flat.shape as readonly [number, number];
  const out = between(random, 1, largestChannels);
  if (batch * channels * out > growth.macsLeft) return undefined;
  growth.macsLeft -= batch * channels * out;
  const operands: Operand[] = [flat, { part: "kernel", parameter: [channels, out] }];
  const bias = chance(random, 0.7);
  if (bias) operands.push({ part: "bias", parameter: [out] });
  return node(growth, { op: "linear", bias, activation: chance(random, 0.2) ? "relu" : "none" }, operands);
}

function pad(growth: Growth): Value | undefined {
  const value = pick(growth.random, [0, 0, 0.5, -1.25]);
  return node(growth, { op: "pad", padding: sidesOf(growth.random), value }, [anyValue(growth)]);
}

function resize(growth: Growth): Value | undefined {
  const { random } = growth;
  const mode = pick(random, ["nearest", "bilinear"] as const);
  return node(growth, { op: "resize", height: between(random, 1, 14), width: between(random, 1, 14), mode }, [
    anyValue(growth),
  ]);
}
