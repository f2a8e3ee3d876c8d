import type { Activation } from "./operations.ts";

/** Each activation as a function of one number, in double. Math.max and Math.min, unlike comparisons, let NaN through. */
export const activationFunctions: { readonly [A in Activation]: (x: number) => number } = {
  none: (x) => x,
  relu: (x) => Math.max(x, 0),
  relu6: (x) => Math.min(Math.max(x, 0), 6),
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  swish: (x) => x / (1 + Math.exp(-x)),
  hard_sigmoid: (x) => Math.min(Math.max(x + 3, 0), 6) / 6,
  hard_swish: (x) => (x * Math.min(Math.max(x + 3, 0), 6)) / 6,
};
