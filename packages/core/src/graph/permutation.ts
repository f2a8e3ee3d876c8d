import { ShapeError } from "../errors.ts";

/**
 * A reordering of channels, as a formula where there is one.
 *
 * `shuffle` views C channels as (groups, C/groups), transposes and flattens: ShuffleNet's channel shuffle (arXiv:1707.01083, section
 * 3.1) and, with other group counts, the interleaving of IGCV1 to IGCV3 (`Reorder` there).
 * `explicit` lists, for each output channel, the input channel it comes from.
 */
export type Permutation =
  | { readonly kind: "shuffle"; readonly groups: number }
  | { readonly kind: "explicit"; readonly order: readonly number[] };

/**
 * Checks that the permutation is one of so many channels.
 *
 * @throws {ShapeError} if groups do not divide the channels, or an explicit list is not a permutation of them
 */
export function checkPermutation(permutation: Permutation, channels: number): void {
  if (permutation.kind === "shuffle") {
    const { groups } = permutation;
    if (Number.isInteger(groups) && groups >= 1 && channels % groups === 0) return;
    throw new ShapeError(
      `A channel shuffle needs groups that divide the channels: ${groups} does not divide ${channels}.`,
    );
  }
  const { order } = permutation;
  const different = order.length === channels ? new Set(order).size : undefined;
  if (different === channels && order.every((c) => Number.isInteger(c) && c >= 0 && c < channels)) return;
  const received = `${order.length} entries${different === undefined ? "" : `, ${different} of them different`}`;
  throw new ShapeError(
    `A permutation of ${channels} channels must list each of 0 to ${channels - 1} once; received ${received}.`,
  );
}

/**
 * The order as a list: `out[c] = in[order[c]]`.
 *
 * @throws {ShapeError} if groups do not divide the channels, or an explicit list is not a permutation of them
 */
export function permutationOrder(permutation: Permutation, channels: number): readonly number[] {
  checkPermutation(permutation, channels);
  if (permutation.kind === "explicit") return permutation.order;
  const { groups } = permutation;
  const perGroup = channels / groups;
  return Array.from({ length: channels }, (_, c) => (c % groups) * perGroup + Math.floor(c / groups));
}

/** The order that undoes `order`. */
export function invertOrder(order: readonly number[]): readonly number[] {
  const inverse = new Array<number>(order.length);
  order.forEach((from, to) => {
    inverse[from] = to;
  });
  return inverse;
}
