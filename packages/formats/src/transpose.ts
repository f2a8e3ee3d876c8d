import type { Shape } from "@depthwise/core";

/**
 * The numbers of a tensor with its axes in another order.
 *
 * @param axes for each axis of the result, the axis of `shape` that it is
 */
export function transpose(
  data: Float32Array,
  shape: Shape,
  axes: readonly number[],
): { readonly data: Float32Array; readonly shape: Shape } {
  const strides = rowMajorStrides(shape);
  const lengths = axes.map((axis) => shape[axis] as number);
  const steps = axes.map((axis) => strides[axis] as number);
  return { data: gatherStrided(data, new Float32Array(data.length), lengths, steps), shape: lengths };
}

/** Elements from one position of each axis to the next, in memory order. */
export function rowMajorStrides(shape: Shape): readonly number[] {
  return shape.map((_, axis) => shape.slice(axis + 1).reduce((product, length) => product * length, 1));
}

/** A list whose elements are replaced. */
interface Elements {
  readonly length: number;
  [index: number]: unknown;
}

/**
 * Fills `into` with the elements of `source` at the given strides of each axis of the result.
 *
 * @param shape of the result, whose elements are as many as `into` has
 */
export function gatherStrided<T extends Elements>(
  source: ArrayLike<unknown>,
  into: T,
  shape: Shape,
  strides: readonly number[],
): T {
  const elements: Elements = into;
  const position = shape.map(() => 0);
  let from = 0;
  for (let to = 0; to < into.length; to++) {
    elements[to] = source[from];
    // The next position, last axis first: an axis that is full goes back to 0 and the one before it advances.
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      position[axis] = (position[axis] as number) + 1;
      from += strides[axis] as number;
      if ((position[axis] as number) < (shape[axis] as number)) break;
      from -= (strides[axis] as number) * (shape[axis] as number);
      position[axis] = 0;
    }
  }
  return into;
}
