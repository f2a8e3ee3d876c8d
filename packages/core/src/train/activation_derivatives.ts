import { activationFunctions } from "../graph/activation_functions.ts";
import type { Activation } from "../graph/operations.ts";

/** Each activation's derivative, in double. At a kink it is that of the straight piece outside: relu's is 0 at 0, hard_swish's 1 at 3. */
export const activationDerivatives: { readonly [A in Activation]: (x: number) => number } = {
  none: () => 1,
  relu: (x) => (x > 0 ? 1 : 0),
  relu6: (x) => (x > 0 && x < 6 ? 1 : 0),
  sigmoid: (x) => {
    const y = activationFunctions.sigmoid(x);
    return y * (1 - y);
  },
  swish: (x) => {
    const y = activationFunctions.sigmoid(x);
    return y + x * y * (1 - y);
  },
  hard_sigmoid: (x) => (x > -3 && x < 3 ? 1 / 6 : 0),
  hard_swish: (x) => (x <= -3 ? 0 : x < 3 ? (2 * x + 3) / 6 : 1),
};

/**
 * Whether the derivative at x is also what it is at the activation's output: `activation_gradient` may then read the output, and x need
 * not be kept for it.
 */
export function derivativeFromOutput(activation: Activation): boolean {
  return activation === "none" || activation === "relu" || activation === "relu6";
}
