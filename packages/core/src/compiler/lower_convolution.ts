import { type Node, nodeOf, type ValueId } from "../graph/graph.ts";
import { type OperationOf, plainConvolution } from "../graph/operations.ts";
import { type ConvolutionParts, suitsLanesOfGroups } from "./convolution_parts.ts";
import { inPlanes } from "./lower_elementwise.ts";
import { lowerGemm } from "./lower_gemm.ts";
import { groupOrder, lowerDepthwise, lowerGroupwise } from "./lower_groupwise.ts";
import { lowerStrassen } from "./lower_strassen.ts";
import { lowerWinograd } from "./lower_winograd.ts";
import { inOrder, type Lowering } from "./lowering.ts";

/** Lowers a convolution to the kernel that suits its groups. */
export function lowerConvolution(node: Node<OperationOf<"convolution">>, to: Lowering): void {
  const { operation, inputs } = node;
  const kernel = nodeOf(to.graph, inputs[1] as ValueId).shape as readonly [number, number, number, number];
  const channels = kernel[3];
  const biasId = operation.bias ? inputs[2] : undefined;
  const residualId = operation.residual ? inputs[2 + Number(operation.bias)] : undefined;
  lowerParts(
    {
      node,
      operation,
      input: to.view(inputs[0] as ValueId),
      kernel: [kernel[0], kernel[1]],
      groups: operation.groups,
      inPerGroup: kernel[2],
      outPerGroup: channels / operation.groups,
      outHeight: node.shape[1] as number,
      outWidth: node.shape[2] as number,
      weights: to.numbers(inputs[1] as ValueId),
      bias: biasId === undefined ? undefined : to.numbers(biasId),
      residual: residualId === undefined ? undefined : to.view(residualId),
    },
    to,
  );
}

/** Lowers a linear layer: a pointwise convolution of a picture of one pixel. */
export function lowerLinear(node: Node<OperationOf<"linear">>, to: Lowering): void {
  const { operation, inputs } = node;
  const [inPerGroup, outPerGroup] = nodeOf(to.graph, inputs[1] as ValueId).shape as readonly [number, number];
  lowerParts(
    {
      node,
      operation: { ...plainConvolution, bias: operation.bias, activation: operation.activation },
      input: to.view(inputs[0] as ValueId),
      kernel: [1, 1],
      groups: 1,
      inPerGroup,
      outPerGroup,
      outHeight: 1,
      outWidth: 1,
      weights: to.numbers(inputs[1] as ValueId),
      bias: operation.bias ? to.numbers(inputs[2] as ValueId) : undefined,
      residual: undefined,
    },
    to,
  );
}

/** With more taps than this, lanes for groups gain more than it takes to bring the channels into planes. */
const FEW_TAPS = 4;

/** Chooses the kernel family by what a group holds. */
function lowerParts(parts: ConvolutionParts, to: Lowering): void {
  const { groups, inPerGroup, outPerGroup, kernel } = parts;
  if (groups > 1 && inPerGroup === 1) {
    lowerDepthwise(parts, to);
    return;
  }
  const suits = suitsLanesOfGroups(parts);
  const order = suits ? groupOrder(parts) : undefined;
  if (order) lowerGroupwise(parts, order, to);
  else if (suits && (outPerGroup === 1 || kernel[0] * kernel[1] > FEW_TAPS)) {
    // A product would leave most lanes empty: the copy is cheaper.
    const input = inPlanes(parts.node, parts.input, to, inPerGroup, parts.operation.padding);
    lowerGroupwise({ ...parts, input }, inOrder(groups), to);
  } else if (!(to.isInference && (lowerWinograd(parts, to) || lowerStrassen(parts, to)))) lowerGemm(parts, to);
}
