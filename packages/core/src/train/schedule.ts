/** How the rate falls after the warm-up: along a cosine (Loshchilov and Hutter, arXiv:1608.03983), or evenly. */
export const schedules = ["cosine", "linear"] as const;
/** One of {@link schedules}. */
export type ScheduleName = (typeof schedules)[number];

/** One warm-up, from 0 up to 1, and one way down to nearly 0 again. */
export interface Schedule {
  readonly fall: ScheduleName;
  readonly steps: number;
  /** Steps that the rate grows in. */
  readonly warmUp: number;
}

/** The share of the peak rate at a step. */
export function rateAt({ fall, steps, warmUp }: Schedule, step: number): number {
  if (step < warmUp) return (step + 1) / warmUp;
  const done = Math.min(1, (step - warmUp) / Math.max(1, steps - warmUp));
  return fall === "linear" ? 1 - done : 0.5 * (1 + Math.cos(Math.PI * done));
}

/** Decay of the weights' moving average: short at first, so that it does not remember the first weights. */
export function averageDecayAt(decay: number, step: number): number {
  return Math.min(decay, (1 + step) / (10 + step));
}
