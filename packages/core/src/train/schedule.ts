/** One warm-up and one cosine (Loshchilov and Hutter, arXiv:1608.03983): from 0 up to 1 and down to nearly 0 again. */
export interface Schedule {
  readonly steps: number;
  /** Steps that the rate grows in. */
  readonly warmUp: number;
}

/** The share of the peak rate at a step. */
export function rateAt({ steps, warmUp }: Schedule, step: number): number {
  if (step < warmUp) return (step + 1) / warmUp;
  const done = (step - warmUp) / Math.max(1, steps - warmUp);
  return 0.5 * (1 + Math.cos(Math.PI * Math.min(1, done)));
}

/** Decay of the weights' moving average: short at first, so that it does not remember the first weights. */
export function averageDecayAt(decay: number, step: number): number {
  return Math.min(decay, (1 + step) / (10 + step));
}
