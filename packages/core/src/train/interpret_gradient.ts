import { activationFunctions } from "../graph/activation_functions.ts";
import type { Operand } from "../graph/operand.ts";
import { activationDerivatives } from "./activation_derivatives.ts";
import {
  interpretAveragePoolGradient,
  interpretCrop,
  interpretDilate,
  interpretKernelGradient,
  interpretMaxPoolGradient,
  interpretResizeGradient,
} from "./interpret_window_gradient.ts";
import type { GradientOperation, StepOperationOf } from "./step_graph.ts";

/** Writes a gradient operation's output from its inputs. The shapes are already known to fit. */
export type GradientInterpreter<K extends GradientOperation["op"]> = (
  operation: StepOperationOf<K>,
  inputs: readonly Operand[],
  output: Operand,
) => void;

const interpreters = {
  kernel_gradient: interpretKernelGradient,
  max_pool_gradient: interpretMaxPoolGradient,
  average_pool_gradient: interpretAveragePoolGradient,
  resize_gradient: interpretResizeGradient,
  dilate: interpretDilate,
  crop: interpretCrop,
  moments: (_, inputs, output) => {
    const [x] = inputs as [Operand];
    const channels = output.shape[1] as number;
    const count = x.data.length / channels;
    for (let c = 0; c < channels; c++) {
      let sum = 0;
      for (let i = c; i < x.data.length; i += channels) sum += x.data[i]!;
      const mean = sum / count;
      let squares = 0;
      for (let i = c; i < x.data.length; i += channels) squares += (x.data[i]! - mean) ** 2;
      output.data[c] = mean;
      output.data[channels + c] = squares / count;
    }
  },
  normalize: ({ epsilon, activation }, inputs, output) => {
    const [x, moments, gamma, beta] = inputs as [Operand, Operand, Operand, Operand];
    const channels = gamma.data.length;
    const activate = activationFunctions[activation];
    for (let i = 0; i < x.data.length; i++) {
      const c = i % channels;
      const normal = (x.data[i]! - moments.data[c]!) / Math.sqrt(moments.data[channels + c]! + epsilon);
      output.data[i] = activate(gamma.data[c]! * normal + beta.data[c]!);
    }
  },
  normalize_sums: (operation, inputs, output) => {
    const channels = output.shape[1] as number;
    for (let c = 0; c < channels; c++) {
      const { sum, sumOfProducts } = normalizeChannel(operation, inputs, c);
      output.data[c] = sum;
      output.data[channels + c] = sumOfProducts;
    }
  },
  normalize_gradient: (operation, inputs, output) => {
    const [, x, moments, gamma, , sums] = inputs as [Operand, Operand, Operand, Operand, Operand, Operand?];
    const channels = gamma.data.length;
    const count = x.data.length / channels;
    for (let i = 0; i < x.data.length; i++) {
      const c = i % channels;
      const { normal, gradient } = beforeActivation(operation, inputs, i);
      const scale = gamma.data[c]! / Math.sqrt(moments.data[channels + c]! + operation.epsilon);
      const throughMoments = sums ? (sums.data[c]! + normal * sums.data[channels + c]!) / count : 0;
      output.data[i] = scale * (gradient - throughMoments);
    }
  },
  row: ({ index }, inputs, output) => {
    const channels = output.data.length;
    for (let c = 0; c < channels; c++) output.data[c] = inputs[0]!.data[index * channels + c]!;
  },
  activation_gradient: ({ activation }, inputs, output) => {
    const [gradient, x] = inputs as [Operand, Operand];
    const derivative = activationDerivatives[activation];
    for (let i = 0; i < x.data.length; i++) output.data[i] = gradient.data[i]! * derivative(x.data[i]!);
  },
  softmax_gradient: (_, inputs, output) => {
    const [gradient, y] = inputs as [Operand, Operand];
    const channels = output.shape.at(-1) as number;
    for (let start = 0; start < y.data.length; start += channels) {
      let sum = 0;
      for (let i = start; i < start + channels; i++) sum += gradient.data[i]! * y.data[i]!;
      for (let i = start; i < start + channels; i++) output.data[i] = y.data[i]! * (gradient.data[i]! - sum);
    }
  },
  transpose_kernel: ({ groups }, inputs, output) => {
    const [kernel] = inputs as [Operand];
    const [height, width, inPerGroup, out] = kernel.shape as readonly [number, number, number, number];
    const outPerGroup = out / groups;
    let index = 0;
    for (let kh = height - 1; kh >= 0; kh--) {
      for (let kw = width - 1; kw >= 0; kw--) {
        for (let oc = 0; oc < outPerGroup; oc++) {
          for (let ic = 0; ic < inPerGroup * groups; ic++) {
            const group = Math.floor(ic / inPerGroup);
            const tap = ((kh * width + kw) * inPerGroup + (ic % inPerGroup)) * out + group * outPerGroup + oc;
            output.data[index] = kernel.data[tap]!;
            index++;
          }
        }
      }
    }
  },
  transpose: (_, inputs, output) => {
    const [columns, rows] = output.shape as readonly [number, number];
    for (let r = 0; r < rows; r++)
      for (let c = 0; c < columns; c++) output.data[c * rows + r] = inputs[0]!.data[r * columns + c]!;
  },
  linear_kernel_gradient: (_, inputs, output) => {
    const [x, gradient] = inputs as [Operand, Operand];
    const [inChannels, outChannels] = output.shape as readonly [number, number];
    const batch = x.shape[0] as number;
    for (let ic = 0; ic < inChannels; ic++) {
      for (let oc = 0; oc < outChannels; oc++) {
        let sum = 0;
        for (let n = 0; n < batch; n++) sum += x.data[n * inChannels + ic]! * gradient.data[n * outChannels + oc]!;
        output.data[ic * outChannels + oc] = sum;
      }
    }
  },
  sum_pixels: (_, inputs, output) => {
    const [x] = inputs as [Operand];
    const channels = output.data.length;
    for (let c = 0; c < channels; c++) {
      let sum = 0;
      for (let i = c; i < x.data.length; i += channels) sum += x.data[i]!;
      output.data[c] = sum;
    }
  },
  spread: ({ height, width }, inputs, output) => {
    const channels = output.shape[3] as number;
    const perPicture = height * width * channels;
    for (let i = 0; i < output.data.length; i++) {
      const from = Math.floor(i / perPicture) * channels + (i % channels);
      output.data[i] = inputs[0]!.data[from]! / (height * width);
    }
  },
  sum_products: (_, inputs, output) => {
    const [a, b] = inputs as [Operand, Operand];
    const channels = output.shape[3] as number;
    const perPicture = a.data.length / (output.shape[0] as number);
    for (let o = 0; o < output.data.length; o++) {
      const start = Math.floor(o / channels) * perPicture;
      let sum = 0;
      for (let i = start + (o % channels); i < start + perPicture; i += channels) sum += a.data[i]! * b.data[i]!;
      output.data[o] = sum;
    }
  },
  embed: ({ start, channels }, inputs, output) => {
    const [x] = inputs as [Operand];
    const count = x.shape.at(-1) as number;
    for (let i = 0; i < x.data.length; i++) {
      output.data[Math.floor(i / count) * channels + start + (i % count)] = x.data[i]!;
    }
  },
  reshape: (_, inputs, output) => output.data.set(inputs[0]!.data),
  softmax_cross_entropy: (_, inputs, output) => {
    const [logits, targets] = inputs as [Operand, Operand];
    const classes = logits.shape[1] as number;
    for (let n = 0; n < output.data.length; n++) {
      const start = n * classes;
      const normalizer = logSumExp(logits, start, classes);
      let sum = 0;
      for (let i = start; i < start + classes; i++) sum += targets.data[i]! * (normalizer - logits.data[i]!);
      output.data[n] = sum;
    }
  },
  softmax_cross_entropy_gradient: (_, inputs, output) => {
    const [logits, targets] = inputs as [Operand, Operand];
    const [batch, classes] = output.shape as readonly [number, number];
    for (let i = 0; i < output.data.length; i++) {
      const normalizer = logSumExp(logits, i - (i % classes), classes);
      output.data[i] = (Math.exp(logits.data[i]! - normalizer) - targets.data[i]!) / batch;
    }
  },
} satisfies { readonly [K in GradientOperation["op"]]: GradientInterpreter<K> };

/** ln Σ exp(logit) of one row. The largest is taken away first, so that exp does not overflow. */
function logSumExp(logits: Operand, start: number, classes: number): number {
  let largest = Number.NEGATIVE_INFINITY;
  for (let i = start; i < start + classes; i++) largest = Math.max(largest, logits.data[i]!);
  let sum = 0;
  for (let i = start; i < start + classes; i++) sum += Math.exp(logits.data[i]! - largest);
  return largest + Math.log(sum);
}

type Normalization = StepOperationOf<"normalize_sums" | "normalize_gradient">;

/** Of one element: the normalised x, and the gradient before the activation. */
function beforeActivation(
  { epsilon, activation }: Normalization,
  inputs: readonly Operand[],
  i: number,
): { readonly normal: number; readonly gradient: number } {
  const [gradient, x, moments, gamma, beta] = inputs as [Operand, Operand, Operand, Operand, Operand];
  const channels = gamma.data.length;
  const c = i % channels;
  const normal = (x.data[i]! - moments.data[c]!) / Math.sqrt(moments.data[channels + c]! + epsilon);
  const derivative = activationDerivatives[activation](gamma.data[c]! * normal + beta.data[c]!);
  return { normal, gradient: gradient.data[i]! * derivative };
}

function normalizeChannel(
  operation: Normalization,
  inputs: readonly Operand[],
  channel: number,
): { readonly sum: number; readonly sumOfProducts: number } {
  const [, x, , gamma] = inputs as [Operand, Operand, Operand, Operand];
  let sum = 0;
  let sumOfProducts = 0;
  for (let i = channel; i < x.data.length; i += gamma.data.length) {
    const { normal, gradient } = beforeActivation(operation, inputs, i);
    sum += gradient;
    sumOfProducts += gradient * normal;
  }
  return { sum, sumOfProducts };
}

/** Writes `output` from `inputs`, whose shapes must fit: `verifyStepGraph` sees to that. */
export function interpretGradient(operation: GradientOperation, inputs: readonly Operand[], output: Operand): void {
  const interpreter = interpreters[operation.op] as GradientInterpreter<GradientOperation["op"]>;
  interpreter(operation, inputs, output);
}
