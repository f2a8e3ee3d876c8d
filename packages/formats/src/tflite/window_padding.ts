import type { OperationOf, Padding, Pair, Shape } from "@depthwise/core";
import { isPadded, poolPadding } from "../pool_padding.ts";

type Picture = readonly [N: number, H: number, W: number, C: number];

/** A window over one picture: what TFLite's two rules for padding depend on. */
export interface WindowGeometry {
  /** Height and width of the input. */
  readonly input: Pair;
  /** Of the output. */
  readonly output: Pair;
  /** Cells that the window spans, holes included. */
  readonly span: Pair;
  readonly stride: Pair;
}

/** The geometry of a window that makes one picture of another, both `[N, H, W, C]`. */
export function geometryOf(input: Shape, output: Shape, span: Pair, stride: Pair): WindowGeometry {
  const [, h, w] = input as Picture;
  const [, oh, ow] = output as Picture;
  return { input: [h, w], output: [oh, ow], span, stride };
}

/** A picture's shape with cells around it. */
export function paddedShape(shape: Shape, { top, bottom, left, right }: Padding): Picture {
  const [n, h, w, c] = shape as Picture;
  return [n, h + top + bottom, w + left + right, c];
}

/**
 * How a runtime whose averages never count padding gives an average: by one of its rules, or over cells of zero put around the picture.
 * Where windows reach `beyond` the cells that count, the means of `cells` are scaled afterwards.
 */
export type AveragePlan =
  | { readonly rule: "SAME" | "VALID" }
  | { readonly rule: undefined; readonly around: Padding; readonly cells: Shape; readonly beyond: Padding | undefined };

/** @param shape of the input */
export function planAverage(operation: OperationOf<"average_pool">, shape: Shape, output: Shape): AveragePlan {
  const { kernel, stride } = operation;
  const { counted, uncounted } = poolPadding(operation, shape, output);
  const rule = isPadded(counted) ? undefined : paddingRule(uncounted, geometryOf(shape, output, kernel, stride));
  if (rule !== undefined) return { rule };
  const cells = paddedShape(shape, counted);
  const beyond = reachedPadding(uncounted, geometryOf(cells, output, kernel, stride));
  const around = reachedPadding(sumOf(counted, beyond), geometryOf(shape, output, kernel, stride));
  return { rule, around, cells, beyond: isPadded(beyond) ? beyond : undefined };
}

function sumOf(a: Padding, b: Padding): Padding {
  return { top: a.top + b.top, bottom: a.bottom + b.bottom, left: a.left + b.left, right: a.right + b.right };
}

/** What padding a maximum has: less than any number, or zero where none is below. */
export function leastPadding(isInputNonNegative: boolean): number {
  return isInputNonNegative ? 0 : -3.4028234663852886e38;
}

/**
 * The rule that gives the padding, or undefined where none does. `VALID` is none; `SAME` gives ceil(size / stride) windows and puts the odd
 * cell after. Cells after the picture that no window reaches make no difference.
 */
export function paddingRule(padding: Padding, geometry: WindowGeometry): "SAME" | "VALID" | undefined {
  const axes = [
    { axis: 0, before: padding.top, after: padding.bottom },
    { axis: 1, before: padding.left, after: padding.right },
  ] as const;
  const isValid = axes.every(({ axis, before }) => before === 0 && reach(geometry, axis, 0) <= 0);
  if (isValid) return "VALID";
  const isSame = axes.every(({ axis, before, after }) => {
    const { input, output, stride } = axisOf(geometry, axis);
    if (output !== Math.ceil(input / stride)) return false;
    const total = Math.max(reach(geometry, axis, 0), 0);
    return before === Math.floor(total / 2) && after >= total - before;
  });
  return isSame ? "SAME" : undefined;
}

/** The padding without the cells after the picture that no window reaches. */
export function reachedPadding(padding: Padding, geometry: WindowGeometry): Padding {
  return {
    ...padding,
    bottom: Math.min(padding.bottom, Math.max(reach(geometry, 0, padding.top), 0)),
    right: Math.min(padding.right, Math.max(reach(geometry, 1, padding.left), 0)),
  };
}

/** Cells from the picture's end to the last window's end; negative where the windows end before. */
function reach(geometry: WindowGeometry, axis: 0 | 1, before: number): number {
  const { input, output, span, stride } = axisOf(geometry, axis);
  return (output - 1) * stride + span - input - before;
}

function axisOf({ input, output, span, stride }: WindowGeometry, axis: 0 | 1) {
  return { input: input[axis], output: output[axis], span: span[axis], stride: stride[axis] };
}
