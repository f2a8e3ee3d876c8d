import type { OperationOf, Padding, Shape } from "@depthwise/core";

/**
 * For each window of an average, its size over the number of its cells that count: factors for runtimes that count them all.
 *
 * @param cells `[N, H, W, C]` of the picture with the padding that counts
 * @param output `[N, oh, ow, C]`
 * @param uncounted padding beyond that
 */
export function windowScales(
  { kernel, stride }: OperationOf<"average_pool">,
  cells: Shape,
  output: Shape,
  uncounted: Padding,
): Float32Array {
  const counted = (axis: 0 | 1, position: number, before: number): number => {
    const start = position * stride[axis] - before;
    return Math.min(start + kernel[axis], cells[axis + 1] as number) - Math.max(start, 0);
  };
  const [, oh, ow] = output as readonly [number, number, number, number];
  return Float32Array.from({ length: oh * ow }, (_, i) => {
    const count = counted(0, Math.floor(i / ow), uncounted.top) * counted(1, i % ow, uncounted.left);
    return (kernel[0] * kernel[1]) / count;
  });
}
