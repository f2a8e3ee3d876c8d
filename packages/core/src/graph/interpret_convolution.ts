import { activationFunctions } from "./activation_functions.ts";
import type { Operand } from "./operand.ts";
import type { OperationOf } from "./operations.ts";

/**
 * x `[N, H, W, C]`, kernel `[kh, kw, C/groups, out]`, bias `[out]`, residual and output `[N, OH, OW, out]`:
 * residualActivation(activation(convolution + bias) + residual). Cells in the padding are left out of the sum.
 */
export function interpretConvolution(
  operation: OperationOf<"convolution">,
  inputs: readonly Operand[],
  output: Operand,
): void {
  const [x, kernel] = inputs as [Operand, Operand];
  const bias = operation.bias ? (inputs[2] as Operand) : undefined;
  const residual = operation.residual ? (inputs.at(-1) as Operand) : undefined;
  const { stride, padding, dilation, groups } = operation;
  const activate = activationFunctions[operation.activation];
  const activateSum = activationFunctions[operation.residualActivation];
  const [, height, width, inChannels] = x.shape as readonly [number, number, number, number];
  const [kernelHeight, kernelWidth, inPerGroup] = kernel.shape as readonly [number, number, number, number];
  const [batch, outHeight, outWidth, outChannels] = output.shape as readonly [number, number, number, number];
  const outPerGroup = outChannels / groups;
  const pixels = x.data;
  const taps = kernel.data;

  let index = 0;
  for (let n = 0; n < batch; n++) {
    for (let oh = 0; oh < outHeight; oh++) {
      for (let ow = 0; ow < outWidth; ow++) {
        for (let oc = 0; oc < outChannels; oc++) {
          const firstChannel = Math.floor(oc / outPerGroup) * inPerGroup;
          let sum = bias ? bias.data[oc]! : 0;
          for (let kh = 0; kh < kernelHeight; kh++) {
            const ih = oh * stride[0] + kh * dilation[0] - padding.top;
            if (ih < 0 || ih >= height) continue;
            for (let kw = 0; kw < kernelWidth; kw++) {
              const iw = ow * stride[1] + kw * dilation[1] - padding.left;
              if (iw < 0 || iw >= width) continue;
              const pixel = ((n * height + ih) * width + iw) * inChannels + firstChannel;
              const tap = (kh * kernelWidth + kw) * inPerGroup * outChannels + oc;
              for (let ic = 0; ic < inPerGroup; ic++) sum += pixels[pixel + ic]! * taps[tap + ic * outChannels]!;
            }
          }
          const value = activate(sum);
          output.data[index] = residual ? activateSum(value + residual.data[index]!) : value;
          index++;
        }
      }
    }
  }
}
