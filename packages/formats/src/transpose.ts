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
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, length) => product * length, 1));
  const lengths = axes.map((axis) => shape[axis] as number);
  const steps = axes.map((axis) => strides[axis] as number);
  const result = new Float32Array(data.length);
  const position = lengths.map(() => 0);
  let from = 0;
  for (let to = 0; to < result.length; to++) {
    result[to] = data[from] as number;
    // The next position, last axis first: an axis that is full goes back to 0 and the one before it advances.
    for (let axis = lengths.length - 1; axis >= 0; axis--) {
      position[axis] = (position[axis] as number) + 1;
      from += steps[axis] as number;
      if ((position[axis] as number) < (lengths[axis] as number)) break;
      from -= (steps[axis] as number) * (lengths[axis] as number);
      position[axis] = 0;
    }
  }
  return { data: result, shape: lengths };
}
