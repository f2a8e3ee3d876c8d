import type { OperationOf, Padding, Shape } from "@depthwise/core";

type Pool = OperationOf<"max_pool" | "average_pool">;

/** What a pool's windows span, without any rounding of sizes. */
export interface PoolPadding {
  /** The padding that counts as cells, if any does. */
  readonly counted: Padding;
  /** The padding that no window counts. */
  readonly uncounted: Padding;
}

const none: Padding = { top: 0, bottom: 0, left: 0, right: 0 };

/**
 * The padding with which a pool gives its output without any rule for rounding up: runtimes disagree on that rule. What a window of
 * `ceil` has beyond the padding is never counted (PyTorch's rule), the padding itself where `countIncludePad` says so.
 *
 * @param input `[N, H, W, C]`
 * @param output `[N, oh, ow, C]`
 */
export function poolPadding(pool: Pool, input: Shape, output: Shape): PoolPadding {
  const { kernel, stride, padding } = pool;
  /** From the picture's end to the last window's end. */
  const reach = (axis: 0 | 1, before: number): number =>
    ((output[axis + 1] as number) - 1) * stride[axis] + kernel[axis] - (input[axis + 1] as number) - before;
  const bottom = Math.max(padding.bottom, reach(0, padding.top));
  const right = Math.max(padding.right, reach(1, padding.left));
  const isCounted = pool.op === "average_pool" && pool.countIncludePad;
  if (!isCounted) return { counted: none, uncounted: { ...padding, bottom, right } };
  return {
    counted: padding,
    uncounted: { ...none, bottom: bottom - padding.bottom, right: right - padding.right },
  };
}

/** Whether there is any. */
export function isPadded({ top, bottom, left, right }: Padding): boolean {
  return top + bottom + left + right > 0;
}
