import type { Initializer } from "../graph/operations.ts";
import type { Shape } from "../tensor.ts";

/**
 * How a kernel's first numbers follow from its shape.
 *
 * @param kernel `[kh, kw, in/groups, out]` of a convolution, or `[in, out]` of a linear layer
 * @param groups of the convolution; 1 for a linear layer
 */
export type InitializerRule = (kernel: Shape, groups: number) => Initializer;

/** Inputs of one output element: kernel area times input channels of one group. */
function fanIn(kernel: Shape): number {
  return kernel.slice(0, -1).reduce((product, length) => product * length, 1);
}

/** Outputs that one input element reaches: kernel area times output channels of one group. */
function fanOut(kernel: Shape, groups: number): number {
  const area = kernel.slice(0, -2).reduce((product, length) => product * length, 1);
  return (area * (kernel.at(-1) ?? 1)) / groups;
}

/**
 * Normal, variance 2 / fan out (He et al., arXiv:1502.01852, section 2.2). The fan is that of one group, as in timm's
 * `_init_weight_goog`; torchvision divides by the fan of all groups, which makes depthwise kernels sqrt(C) times smaller.
 */
export const heNormal: InitializerRule = (kernel, groups) => ({
  kind: "normal",
  deviation: Math.sqrt(2 / fanOut(kernel, groups)),
});

/** Uniform, variance 2 / fan in: PyTorch's `kaiming_uniform_` as torchvision's SqueezeNet and pytorchcv call it. */
export const heUniform: InitializerRule = (kernel) => ({ kind: "uniform", bound: Math.sqrt(6 / fanIn(kernel)) });

/** Uniform, variance 1 / fan in: Caffe's `xavier` filler in its default mode. */
export const caffeXavier: InitializerRule = (kernel) => ({ kind: "uniform", bound: Math.sqrt(3 / fanIn(kernel)) });

/** Normal with a fixed deviation. */
export function normal(deviation: number): InitializerRule {
  return () => ({ kind: "normal", deviation });
}

/** Uniform, bound 1 / sqrt(classes): the classifier's rule of timm's `_init_weight_goog`. */
export const timmClassifier: InitializerRule = (kernel) => ({
  kind: "uniform",
  bound: 1 / Math.sqrt(kernel.at(-1) ?? 1),
});

/**
 * Uniform, bound 1 / sqrt(fan in): what PyTorch draws where nothing else is said, as in torchvision's ShuffleNetV2; also MXNet's `Xavier`
 * with magnitude 1, which IGCV1's classifier has.
 */
export const torchDefault: InitializerRule = (kernel) => ({ kind: "uniform", bound: 1 / Math.sqrt(fanIn(kernel)) });

/** Normal, variance 2 / fan in: He et al., forward; MXNet's `Xavier("gaussian", "in", 2)`, which IGCV1 and IGCV3 were trained from. */
export const heNormalForward: InitializerRule = (kernel) => ({
  kind: "normal",
  deviation: Math.sqrt(2 / fanIn(kernel)),
});

/** Normal, deviation 1 / (input channels of a group), whatever the kernel's size: megvii-model/ShuffleNet-Series. */
export const megviiNormal: InitializerRule = (kernel) => ({ kind: "normal", deviation: 1 / (kernel.at(-2) ?? 1) });
