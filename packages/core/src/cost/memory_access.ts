/**
 * The memory access cost of ShuffleNet V2 (arXiv:1807.11164, section 2): what an operation reads and writes if the cache holds everything
 * else. In elements; networks here compute in float32, four bytes each.
 */

/** Bytes of a float32. */
export const elementBytes = 4;

/** A 1x1 convolution: positions h·w of its output (times the batch), its channels, its groups. */
export interface Pointwise {
  readonly positions: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly groups: number;
}

/** Multiply-accumulates of a 1x1 convolution, the paper's *B*: `hw·c1·c2/g`. */
export function pointwiseMacs({ positions, inputs, outputs, groups }: Pointwise): number {
  return (positions * inputs * outputs) / groups;
}

/** Elements that a 1x1 convolution reads and writes: `hw·(c1 + c2) + c1·c2/g`. */
export function pointwiseMemoryAccess({ positions, inputs, outputs, groups }: Pointwise): number {
  return positions * (inputs + outputs) + (inputs * outputs) / groups;
}

/**
 * Guideline 1: the least that a 1x1 convolution of as many multiply-accumulates *B* and groups *g* can read and write on as many
 * positions, `2·sqrt(hw·B·g) + B/(hw)`. It is reached where both channel counts are equal. Guideline 2: it grows with *g*.
 */
export function pointwiseLowerBound(layer: Pointwise): number {
  const macs = pointwiseMacs(layer);
  return 2 * Math.sqrt(layer.positions * macs * layer.groups) + macs / layer.positions;
}
