/** A class and how sure the network is of it. */
export interface ClassScore {
  /** Counted from 0. */
  readonly index: number;
  /** `class 7` where nobody named it. */
  readonly label: string;
  /** After softmax over all classes; 0 to 1. */
  readonly probability: number;
}

/**
 * The most probable classes, best first; equal ones in index order.
 *
 * @param logits `[classes]`, before softmax
 * @param top how many; fewer if there are no more classes
 */
export function bestClasses(
  logits: Float32Array,
  top: number,
  labels: readonly string[] | undefined,
): readonly ClassScore[] {
  const most = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  // In double precision: a thousand small terms are part of the sum.
  const exponentials = Float64Array.from(logits, (logit) => Math.exp(logit - most));
  const sum = exponentials.reduce((a, b) => a + b, 0);
  const order = [...logits.keys()].sort((a, b) => (logits[b] as number) - (logits[a] as number) || a - b);
  return order.slice(0, top).map((index) => ({
    index,
    label: labels?.[index] ?? `class ${index}`,
    probability: (exponentials[index] as number) / sum,
  }));
}
