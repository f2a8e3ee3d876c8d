import type { ValueId } from "../graph/graph.ts";
import type { Activation, Operation, Padding, Pair, Window } from "../graph/operations.ts";
import type { Shape } from "../tensor.ts";

/**
 * Operations that only training needs: batch norm as it is in training, and gradients. Inputs are listed in the comments, in order;
 * "gradient" is the loss's derivative by the output of the operation in question. Convolution's gradient by its input is a convolution
 * again, of `dilate`d gradients with a transposed kernel; a concatenation's is slices, a permutation's the inverse permutation.
 */
export type GradientOperation =
  /** Input: x `[..., C]`. Output `[2, C]`: the mean, then the variance (divided by the count, not by one less) of each channel. */
  | { readonly op: "moments" }
  /** Inputs: x, moments `[2, C]`, gamma, beta `[C]`. Output: activation(gamma·(x − mean)/sqrt(variance + epsilon) + beta). */
  | { readonly op: "normalize"; readonly epsilon: number; readonly activation: Activation }
  /**
   * Inputs: gradient, x, moments, gamma, beta. With g = gradient·activation'(…) and n the normalised x: output `[2, C]`, Σg (beta's
   * gradient), then Σg·n (gamma's).
   */
  | { readonly op: "normalize_sums"; readonly epsilon: number; readonly activation: Activation }
  /**
   * Inputs: gradient, x, moments, gamma, beta, and sums `[2, C]` where the moments are x's own: the gradient by x then goes through them
   * too. Without sums the moments are constants: the running statistics of a frozen batch norm.
   */
  | { readonly op: "normalize_gradient"; readonly epsilon: number; readonly activation: Activation }
  /** Input `[R, C]`. Output `[C]`: one row. */
  | { readonly op: "row"; readonly index: number }
  /** Inputs: gradient, x (what the activation was applied to). */
  | { readonly op: "activation_gradient"; readonly activation: Activation }
  /** Inputs: gradient, y (what softmax gave). */
  | { readonly op: "softmax_gradient" }
  /** Input: kernel `[kh, kw, in/groups, out]`. Output `[kh, kw, out/groups, in]`: each group transposed, turned by 180 degrees. */
  | { readonly op: "transpose_kernel"; readonly groups: number }
  /** Input `[A, B]`. Output `[B, A]`. */
  | { readonly op: "transpose" }
  /** Input `[N, h, w, C]`. Output `[N, height, width, C]`: the pixel (y, x) at (y·stride, x·stride), zeros between and after. */
  | { readonly op: "dilate"; readonly stride: Pair; readonly height: number; readonly width: number }
  /** Inputs: x, gradient. Output: the gradient by the kernel, `[kh, kw, in/groups, out]`. */
  | ({
      readonly op: "kernel_gradient";
      readonly kernel: Pair;
      readonly dilation: Pair;
      readonly groups: number;
    } & Window)
  /** Inputs: x `[N, C]`, gradient `[N, out]`. Output `[C, out]`. */
  | { readonly op: "linear_kernel_gradient" }
  /** Input `[..., C]`. Output `[C]`: sums over all else. The gradient of biases. */
  | { readonly op: "sum_pixels" }
  /** Inputs: gradient, x. The first of a window's largest values, row by row, gets all of its gradient. */
  | ({ readonly op: "max_pool_gradient"; readonly kernel: Pair; readonly ceil: boolean } & Window)
  /** Input: gradient. Output `[N, height, width, C]`. */
  | ({
      readonly op: "average_pool_gradient";
      readonly kernel: Pair;
      readonly ceil: boolean;
      readonly countIncludePad: boolean;
      readonly height: number;
      readonly width: number;
    } & Window)
  /** Input `[N, 1, 1, C]`. Output `[N, height, width, C]`: the input divided by height·width, everywhere. Global average pooling's. */
  | { readonly op: "spread"; readonly height: number; readonly width: number }
  /** Inputs: a, b `[N, H, W, C]`. Output `[N, 1, 1, C]`: Σ a·b over the pixels. The gradient of a channel's scale. */
  | { readonly op: "sum_products" }
  /** Input `[..., c]`. Output `[..., channels]`: the input from channel `start` on, zeros elsewhere. A slice's. */
  | { readonly op: "embed"; readonly start: number; readonly channels: number }
  /** Input: x. Output: x without its border. */
  | { readonly op: "crop"; readonly padding: Padding }
  /** Input: gradient. Output `[N, height, width, C]`. */
  | {
      readonly op: "resize_gradient";
      readonly height: number;
      readonly width: number;
      readonly mode: "nearest" | "bilinear";
    }
  /** Input: x. Output: the same elements in another shape. */
  | { readonly op: "reshape"; readonly shape: Shape }
  /** Inputs: logits, targets, both `[N, classes]`, targets summing to 1 a row. Output `[N]`: −Σ targets·log softmax(logits). */
  | { readonly op: "softmax_cross_entropy" }
  /** Inputs: logits, targets. Output `[N, classes]`: the gradient of the losses' mean, (softmax(logits) − targets)/N. */
  | { readonly op: "softmax_cross_entropy_gradient" };

/** Every operation a training step may hold. */
export type StepOperation = Operation | GradientOperation;
/** The operation of a given name. */
export type StepOperationOf<K extends StepOperation["op"]> = Extract<StepOperation, { op: K }>;

/** One operation of a training step, and the value it gives: a graph's node, of more operations. */
export interface StepNode<O extends StepOperation = StepOperation> {
  readonly id: ValueId;
  readonly name: string;
  readonly operation: O;
  readonly inputs: readonly ValueId[];
  readonly shape: Shape;
}

/**
 * Forward and backward pass over one micro-batch. Inputs: the network's own (with N pictures), `targets` `[N, classes]`, and for each
 * dropout a mask named `mask:NAME` that is 0 or 1/(1 − rate).
 */
export interface StepGraph {
  readonly name: string;
  readonly nodes: readonly StepNode[];
  /** Of each picture, `[N]`. */
  readonly loss: ValueId;
  /** `[N, classes]` */
  readonly logits: ValueId;
  /** By name of the trainable parameter: the gradient of the mean loss, of the parameter's shape. */
  readonly gradients: ReadonlyMap<string, ValueId>;
  /** By batch norm: the moments `[2, C]` of this micro-batch, for the running statistics. */
  readonly moments: readonly {
    readonly value: ValueId;
    /** How many numbers of a channel they are of: N·H·W. */
    readonly count: number;
    /** Names of the parameters that hold the running statistics. */
    readonly mean: string;
    readonly variance: string;
  }[];
}
