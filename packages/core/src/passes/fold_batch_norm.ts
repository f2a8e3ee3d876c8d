import { isNode, nodeOf, type ValueId } from "../graph/graph.ts";
import { type Pass, rewriteFully } from "./program.ts";

/**
 * batch_norm(convolution(x)) → convolution(x) with kernel·scale and (bias − mean)·scale + beta, scale = gamma/sqrt(variance + epsilon)
 *
 * The same for linear. Sound when nobody else reads the convolution and nothing is fused into it yet. Computed in double precision.
 */
export const foldBatchNorm: Pass = {
  name: "fold batch norm",
  // Once more for each norm of a norm.
  run: (program) =>
    rewriteFully(program, (node, to) => {
      if (!isNode(node, "batch_norm")) return undefined;
      const producer = nodeOf(to.old, node.inputs[0] as ValueId);
      if (!isNode(producer, "convolution") && !isNode(producer, "linear")) return undefined;
      const { operation } = producer;
      const isPlain = operation.activation === "none" && !(operation.op === "convolution" && operation.residual);
      if (!isPlain || to.useCount(producer.id) !== 1) return undefined;
      const kernelNode = nodeOf(to.old, producer.inputs[1] as ValueId);
      const biasId = operation.bias ? producer.inputs[2] : undefined;
      if (!isNode(kernelNode, "parameter") || (biasId !== undefined && !isNode(nodeOf(to.old, biasId), "parameter"))) {
        return undefined;
      }
      const { scale, shift } = scaleAndShift(node.inputs.slice(1).map(to.numbers), node.operation.epsilon);
      const kernel = scaleColumns(to.numbers(kernelNode.id), scale);
      const channels = scale.length;
      const oldBias = biasId === undefined ? undefined : to.numbers(biasId);
      const bias = Float32Array.from(scale, (factor, c) => (oldBias?.[c] ?? 0) * factor + (shift[c] as number));
      const inputs = [
        to.value(producer.inputs[0] as ValueId),
        to.parameter(`${producer.name}/kernel_folded`, kernelNode.shape, kernel),
        to.parameter(`${producer.name}/bias_folded`, [channels], bias),
      ];
      return to.node(`${producer.name}+norm`, { ...operation, bias: true }, inputs);
    }),
};

/** A batch norm as `x·scale + shift`, in double precision. `statistics` are gamma, beta, mean and variance. */
export function scaleAndShift(
  statistics: readonly Float32Array[],
  epsilon: number,
): { scale: Float64Array; shift: Float64Array } {
  const [gamma, beta, mean, variance] = statistics as [Float32Array, Float32Array, Float32Array, Float32Array];
  const scale = Float64Array.from(gamma, (g, c) => g / Math.sqrt((variance[c] as number) + epsilon));
  const shift = Float64Array.from(beta, (b, c) => b - (mean[c] as number) * (scale[c] as number));
  return { scale, shift };
}

/** Weights `[..., channels]` times a factor for each channel. */
function scaleColumns(weights: Float32Array, factors: Float64Array): Float32Array {
  const scaled = new Float32Array(weights.length);
  for (let row = 0; row < weights.length; row += factors.length) {
    for (let c = 0; c < factors.length; c++) scaled[row + c] = (weights[row + c] as number) * (factors[c] as number);
  }
  return scaled;
}
