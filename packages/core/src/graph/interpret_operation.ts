import { activationFunctions } from "./activation_functions.ts";
import { interpretConvolution } from "./interpret_convolution.ts";
import { interpretPad, interpretResize } from "./interpret_picture.ts";
import { interpretAveragePool, interpretGlobalAveragePool, interpretMaxPool } from "./interpret_pool.ts";
import type { Interpreter, Operand } from "./operand.ts";
import type { Operation, OperationName } from "./operations.ts";
import { permutationOrder } from "./permutation.ts";

/** Operations that compute something. */
export type ComputedOperation = Exclude<Operation, { op: "input" | "parameter" }>;

const interpreters = {
  convolution: interpretConvolution,
  max_pool: interpretMaxPool,
  average_pool: interpretAveragePool,
  global_average_pool: interpretGlobalAveragePool,
  pad: interpretPad,
  resize: interpretResize,
  batch_norm: ({ epsilon }, inputs, output) => {
    const [x, gamma, beta, mean, variance] = inputs as [Operand, Operand, Operand, Operand, Operand];
    const channels = output.shape.at(-1) as number;
    for (let i = 0; i < output.data.length; i++) {
      const c = i % channels;
      const normal = (x.data[i]! - mean.data[c]!) / Math.sqrt(variance.data[c]! + epsilon);
      output.data[i] = gamma.data[c]! * normal + beta.data[c]!;
    }
  },
  activation: ({ activation }, inputs, output) => {
    const [x] = inputs as [Operand];
    const activate = activationFunctions[activation];
    for (let i = 0; i < output.data.length; i++) output.data[i] = activate(x.data[i]!);
  },
  add: ({ activation }, inputs, output) => {
    const [a, b] = inputs as [Operand, Operand];
    const activate = activationFunctions[activation];
    for (let i = 0; i < output.data.length; i++) output.data[i] = activate(a.data[i]! + b.data[i]!);
  },
  multiply: (_, inputs, output) => {
    const [a, b] = inputs as [Operand, Operand];
    const isScale = a.data.length !== b.data.length; // one number for each picture and channel
    const channels = output.shape.at(-1) as number;
    const perPicture = output.data.length / (output.shape[0] as number);
    for (let i = 0; i < output.data.length; i++) {
      const scale = isScale ? Math.floor(i / perPicture) * channels + (i % channels) : i;
      output.data[i] = a.data[i]! * b.data[scale]!;
    }
  },
  concatenate: (_, inputs, output) => {
    let start = 0;
    for (const x of inputs) {
      const channels = x.shape.at(-1) as number;
      for (let c = 0; c < channels; c++) copyChannel(x, c, output, start + c);
      start += channels;
    }
  },
  slice: ({ start, count }, inputs, output) => {
    for (let c = 0; c < count; c++) copyChannel(inputs[0] as Operand, start + c, output, c);
  },
  permute: ({ permutation }, inputs, output) => {
    const order = permutationOrder(permutation, output.shape.at(-1) as number);
    for (const [to, from] of order.entries()) copyChannel(inputs[0] as Operand, from, output, to);
  },
  linear: ({ bias, activation }, inputs, output) => {
    const [x, kernel, offset] = inputs as [Operand, Operand, Operand?];
    const [batch, outChannels] = output.shape as readonly [number, number];
    const inChannels = x.shape[1] as number;
    const activate = activationFunctions[activation];
    for (let n = 0; n < batch; n++) {
      for (let oc = 0; oc < outChannels; oc++) {
        let sum = bias ? offset!.data[oc]! : 0;
        for (let ic = 0; ic < inChannels; ic++)
          sum += x.data[n * inChannels + ic]! * kernel.data[ic * outChannels + oc]!;
        output.data[n * outChannels + oc] = activate(sum);
      }
    }
  },
  softmax: (_, inputs, output) => {
    const [x] = inputs as [Operand];
    const channels = x.shape.at(-1) as number;
    for (let start = 0; start < x.data.length; start += channels) {
      // Taking the largest away first changes no result, but keeps exp from overflowing.
      let largest = Number.NEGATIVE_INFINITY;
      for (let c = 0; c < channels; c++) largest = Math.max(largest, x.data[start + c]!);
      let sum = 0;
      for (let c = 0; c < channels; c++) sum += Math.exp(x.data[start + c]! - largest);
      for (let c = 0; c < channels; c++) output.data[start + c] = Math.exp(x.data[start + c]! - largest) / sum;
    }
  },
  flatten: (_, inputs, output) => output.data.set(inputs[0]!.data),
  dropout: (_, inputs, output) => output.data.set(inputs[0]!.data),
} satisfies { readonly [K in ComputedOperation["op"]]: Interpreter<K> };

/** Copies one channel of every pixel. */
function copyChannel(x: Operand, from: number, output: Operand, to: number): void {
  const fromChannels = x.shape.at(-1) as number;
  const toChannels = output.shape.at(-1) as number;
  const pixels = x.data.length / fromChannels;
  for (let p = 0; p < pixels; p++) output.data[p * toChannels + to] = x.data[p * fromChannels + from]!;
}

/** Writes `output` from `inputs`, whose shapes must fit: `verifyGraph` sees to that. */
export function interpretOperation(operation: ComputedOperation, inputs: readonly Operand[], output: Operand): void {
  const interpreter = interpreters[operation.op] as Interpreter<OperationName>;
  interpreter(operation, inputs, output);
}
