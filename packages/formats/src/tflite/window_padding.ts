import type { Padding, Pair } from "@depthwise/core";

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
