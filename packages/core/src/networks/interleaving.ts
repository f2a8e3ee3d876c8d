/**
 * The mathematics of interleaved group convolutions, as pure functions of numbers.
 *
 * - IGCV1 (arXiv:1707.02725): a primary and a secondary group convolution with a permutation between; how much wider than a dense one.
 * - IGCV2 (arXiv:1804.06202): the product of L sparse convolutions, `P_L W_L ... P_2 W_2 P_1 W_1`, dense and with one path for each pair
 *   of channels when the branch sizes multiply to the width (complementary condition); cheapest when they are alike (balance condition).
 * - IGCV3 (arXiv:1806.00178): the loose condition on super-channels.
 *
 * Letters of the papers: C width, K_l channels in a branch (a group) of layer l, G_l = C/K_l groups, L layers, S taps of the spatial
 * kernel (9 for 3x3), which only the first layer has.
 */
import { OptionError } from "../errors.ts";
import type { Permutation } from "../graph/permutation.ts";

/** Taps of a 3x3 kernel, the papers' S. */
const tapsOf3x3 = 9;

/** One layer of an interleaved structured sparse convolution: a group convolution, then a permutation. */
export interface InterleavedLayer {
  /** K_l: channels in one group. */
  readonly branchSize: number;
  /** G_l = C / K_l. */
  readonly groups: number;
  /** P_l, applied to the layer's output. */
  readonly permutation: Permutation;
}

/**
 * The permutation that follows a group convolution of the given branch size in IGCV2.
 *
 * Write a channel in digits, `c = d_1 + K_1·(d_2 + K_2·(...))`. A group convolution mixes the lowest digit; afterwards the digits rotate by
 * one, the lowest to the top, so that the next layer mixes the next digit. That rotation is `shuffle(., C/K)`.
 *
 * @throws {OptionError} if the branch size does not divide the channels
 */
export function branchPermutation(channels: number, branchSize: number): Permutation {
  if (!isCount(branchSize) || channels % branchSize !== 0) {
    throw new OptionError(
      `Branches of ${branchSize} channels do not fill ${channels}: ${channels} / ${branchSize} = ${channels / branchSize}. Use a divisor of ${channels}.`,
    );
  }
  return { kind: "shuffle", groups: channels / branchSize };
}

/**
 * The layers of a strict interleaved convolution (IGCV2, section 3): every input channel reaches every output channel by exactly one
 * path, and the permutations multiply to the identity.
 *
 * @param channels C
 * @param branchSizes K_1 to K_L; a first size of 1 is a depthwise convolution
 * @throws {OptionError} if the sizes do not multiply to the channels
 * @example
 * interleavedLayers(12, [3, 2, 2]); // groups 4, 6, 6 and shuffles by 4, 6, 6
 */
export function interleavedLayers(channels: number, branchSizes: readonly number[]): readonly InterleavedLayer[] {
  if (!isComplementary(channels, branchSizes)) {
    const arithmetic = `${branchSizes.join(" * ")} = ${product(branchSizes)}`;
    throw new OptionError(
      `Branches of ${branchSizes.join(", ")} channels do not join every input of ${channels} channels to every output by one path: ${arithmetic}, and it must be ${channels}.`,
      { hint: `The cheapest sizes for ${channels} channels are ${bestBranchSizes(channels).join(", ")}.` },
    );
  }
  return branchSizes.map((branchSize) => ({
    branchSize,
    groups: channels / branchSize,
    permutation: branchPermutation(channels, branchSize),
  }));
}

/**
 * IGCV2's complementary condition on branch sizes: whole numbers whose product is the width. It holds exactly when interleaving by
 * {@link interleavedLayers} leaves one path between every two channels.
 */
export function isComplementary(channels: number, branchSizes: readonly number[]): boolean {
  return branchSizes.length > 0 && branchSizes.every(isCount) && product(branchSizes) === channels;
}

/**
 * Weights (for each output position: multiply-accumulates) of an interleaved convolution, `Q = C·(S·K_1 + K_2 + ... + K_L)`.
 *
 * @param taps S; default 9, a 3x3 kernel
 */
export function interleavedCost(channels: number, branchSizes: readonly number[], taps: number = tapsOf3x3): number {
  const [first = 0, ...others] = branchSizes;
  return channels * others.reduce((sum, size) => sum + size, taps * first);
}

/** The least that L layers can cost, `C·L·(S·C)^(1/L)`: Q's bound by the mean inequality, reached at the balance condition. */
export function interleavedCostBound(channels: number, layers: number, taps: number = tapsOf3x3): number {
  return channels * layers * (taps * channels) ** (1 / layers);
}

/**
 * The balance condition `S·K_1 = K_2 = ... = K_L = (S·C)^(1/L)`: the branch sizes at which L layers cost least. Real numbers; they
 * multiply to C. The first is below 1 where even a depthwise first layer is dearer than the others.
 */
export function balancedBranchSizes(channels: number, layers: number, taps: number = tapsOf3x3): readonly number[] {
  const share = (taps * channels) ** (1 / layers);
  return Array.from({ length: layers }, (_, layer) => (layer === 0 ? share / taps : share));
}

/** Whether branch sizes satisfy the balance condition exactly: `S·K_1 = K_2 = ... = K_L`. */
export function isBalanced(branchSizes: readonly number[], taps: number = tapsOf3x3): boolean {
  const [first = 0, ...others] = branchSizes;
  return others.every((size) => size === taps * first);
}

/**
 * How many group convolutions are cheapest for a width.
 *
 * @returns `real`: `ln(S·C)`, where the bound `L·(S·C)^(1/L)` has its minimum (each branch then holds about e channels); `integer`: the
 * whole number with the lowest bound
 */
export function optimalLayers(
  channels: number,
  taps: number = tapsOf3x3,
): { readonly real: number; readonly integer: number } {
  const real = Math.log(taps * channels);
  const below = Math.max(1, Math.floor(real));
  const bound = (layers: number) => interleavedCostBound(channels, layers, taps);
  return { real, integer: bound(below + 1) < bound(below) ? below + 1 : below };
}

/**
 * The cheapest branch sizes that multiply to the channels; among equally cheap ones those with the fewest layers, then the most even.
 *
 * @param options `layers`: exactly so many, the first spatial (which may be 1, depthwise), the others at least 2. Default: any number.
 * @throws {OptionError} if the channels have no factorisation into so many layers
 * @example
 * bestBranchSizes(64); // [1, 4, 4, 4]: depthwise, then three layers of 16 branches
 */
export function bestBranchSizes(
  channels: number,
  options: { readonly layers?: number; readonly taps?: number } = {},
): readonly number[] {
  if (!isCount(channels)) throw new OptionError(`Channels must be a whole number of at least 1, received ${channels}.`);
  const { layers, taps = tapsOf3x3 } = options;
  let best: readonly number[] | undefined;
  for (const first of divisorsOf(channels)) {
    for (const others of factorisations(channels / first, 2)) {
      const sizes = [first, ...others];
      if (layers !== undefined && sizes.length !== layers) continue;
      if (best === undefined || isCheaper(channels, sizes, best, taps)) best = sizes;
    }
  }
  if (best === undefined) {
    throw new OptionError(
      `${channels} channels do not split into ${layers} layers: its prime factors are ${longestFactorisation(channels).join(", ") || "none"}, and every layer after the first needs one of them.`,
    );
  }
  return best;
}

function isCheaper(channels: number, a: readonly number[], b: readonly number[], taps: number): boolean {
  const difference = interleavedCost(channels, a, taps) - interleavedCost(channels, b, taps);
  if (difference !== 0) return difference < 0;
  if (a.length !== b.length) return a.length < b.length;
  return Math.max(...a) < Math.max(...b);
}

/** Weights of an IGCV1 block of L primary groups of M channels, `C²·(S/L + 1/M)` with `C = L·M` (section 3). */
export function interleavedGroupWeights(primaryGroups: number, groupWidth: number, taps: number = tapsOf3x3): number {
  return primaryGroups * groupWidth * (groupWidth * taps + primaryGroups);
}

/**
 * IGCV1's width inequality `L/(L−1) < M·S`: whether an interleaved group convolution is wider than the dense convolution that costs as
 * much. A single primary group never is.
 */
export function isWiderThanDense(primaryGroups: number, groupWidth: number, taps: number = tapsOf3x3): boolean {
  return primaryGroups < groupWidth * taps * (primaryGroups - 1);
}

/**
 * The widest that an IGCV1 block with a given number of weights can be, `(T/(2·sqrt S))^(2/3)`. It is reached where both convolutions
 * cost the same, at `L = M·S`.
 */
export function widestInterleavedGroup(weights: number, taps: number = tapsOf3x3): number {
  return (weights / (2 * Math.sqrt(taps))) ** (2 / 3);
}

/**
 * Paths between every two channels of an IGCV3 unit (loose complementary condition): a group convolution to `expanded` channels,
 * `shuffle(., firstGroups)`, a depthwise and a second group convolution.
 *
 * @returns `e / (G_1·G_2)`, the same for all pairs
 * @throws {OptionError} if that is not whole: then some branch of the second convolution lacks channels of some branch of the first
 */
export function superChannelPaths(expanded: number, firstGroups: number, secondGroups: number): number {
  const paths = expanded / (firstGroups * secondGroups);
  if (!isCount(paths)) {
    throw new OptionError(
      `${firstGroups} and ${secondGroups} branches do not interleave ${expanded} channels evenly: ${expanded} / (${firstGroups} * ${secondGroups}) = ${paths}. Use a multiple of ${firstGroups * secondGroups} channels.`,
    );
  }
  return paths;
}

/** Ways to write `value` as a product of factors of at least `least`, each in rising order. 1 is the empty product. */
function factorisations(value: number, least: number): readonly (readonly number[])[] {
  if (value === 1) return [[]];
  const found: (readonly number[])[] = [];
  for (const factor of divisorsOf(value)) {
    if (factor < least) continue;
    for (const rest of factorisations(value / factor, factor)) found.push([factor, ...rest]);
  }
  return found;
}

/** The prime factors. */
function longestFactorisation(value: number): readonly number[] {
  const primes: number[] = [];
  for (let factor = 2, rest = value; rest > 1; factor++) {
    for (; rest % factor === 0; rest /= factor) primes.push(factor);
  }
  return primes;
}

function divisorsOf(value: number): readonly number[] {
  return Array.from({ length: value }, (_, index) => index + 1).filter((divisor) => value % divisor === 0);
}

function product(values: readonly number[]): number {
  return values.reduce((all, value) => all * value, 1);
}

function isCount(value: number): boolean {
  return Number.isInteger(value) && value >= 1;
}
