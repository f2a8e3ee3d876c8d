/** Which of some numbers is the largest, counted from `from`; the first of several. */
export function largest(values: Float32Array, from: number, count: number): number {
  let best = 0;
  for (let i = 1; i < count; i++) if ((values[from + i] as number) > (values[from + best] as number)) best = i;
  return best;
}

/** Probabilities of the classes, from logits. */
export function softmax(logits: Float32Array, into: Float32Array): void {
  const most = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  let sum = 0;
  for (let i = 0; i < logits.length; i++) {
    into[i] = Math.exp((logits[i] as number) - most);
    sum += into[i] as number;
  }
  for (let i = 0; i < into.length; i++) into[i] = (into[i] as number) / sum;
}
