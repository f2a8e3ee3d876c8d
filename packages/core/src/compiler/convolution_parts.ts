import type { Node } from "../graph/graph.ts";
import { dilatedSize, type OperationOf, type Pair } from "../graph/operations.ts";
import { packedGroupFloats, packGroup, type Segment } from "./kernels/gemm_tiles.ts";
import { type Buffer, buffersOf, FLOAT, LANES, type View } from "./layout.ts";
import { addInto } from "./lower_elementwise.ts";
import { inOrder, type Lowering, type Region, viewOf } from "./lowering.ts";
import type { Call, Constant, RowWork } from "./plan.ts";

/** A convolution, or a linear layer as a convolution of one pixel, taken apart. */
export interface ConvolutionParts {
  readonly node: Node;
  readonly operation: OperationOf<"convolution">;
  readonly input: View;
  readonly kernel: Pair;
  readonly groups: number;
  /** Channels a group reads and writes. */
  readonly inPerGroup: number;
  readonly outPerGroup: number;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly weights: Float32Array;
  readonly bias: Float32Array | undefined;
  readonly residual: View | undefined;
}

/** Multiply-accumulates of a convolution. */
function macsOf({ kernel, inPerGroup, outPerGroup, groups, outHeight, outWidth }: ConvolutionParts): number {
  return outHeight * outWidth * kernel[0] * kernel[1] * inPerGroup * outPerGroup * groups;
}

/** With so few channels a group, lanes for channels would stay empty or sums would be too short: lanes are for groups instead. */
export function suitsLanesOfGroups({
  groups,
  inPerGroup,
  outPerGroup,
}: Pick<ConvolutionParts, "groups" | "inPerGroup" | "outPerGroup">): boolean {
  return groups >= 4 && (outPerGroup < 4 || inPerGroup < 3) && inPerGroup * outPerGroup <= 16;
}

/** One input float of a group's product: a tap and a channel of the group. */
export interface DepthEntry {
  readonly kh: number;
  readonly kw: number;
  readonly ic: number;
}

/** The rows that a row of the output reads, for kernels whose units are rows. */
export function rowWindow({ operation, kernel }: ConvolutionParts): RowWork {
  const span = dilatedSize(kernel[0], operation.dilation[0]);
  return { units: 1, stride: operation.stride[0], top: operation.padding.top, span };
}

/** Where the weights of one input float for all output channels begin. */
export function weightRow(
  { kernel, inPerGroup, outPerGroup, groups }: ConvolutionParts,
  { kh, kw, ic }: DepthEntry,
): number {
  return ((kh * kernel[1] + kw) * inPerGroup + ic) * outPerGroup * groups;
}

/**
 * The weights packed for tiles of `segments`, group by group.
 *
 * @param entries the input floats of a group's product, in the order of their use
 */
export function packedWeights(
  parts: ConvolutionParts,
  segments: readonly Segment[],
  entries: (group: number) => readonly DepthEntry[],
): Constant {
  const { kernel, groups, inPerGroup, outPerGroup, weights, bias } = parts;
  const depthCount = kernel[0] * kernel[1] * inPerGroup;
  const groupPacked = packedGroupFloats(segments, depthCount);
  return {
    bytes: groups * groupPacked * FLOAT,
    holds: "weights",
    panels: inOrder(groups).flatMap(() =>
      segments.map(({ count, vectors }) => ({ count, rows: 1 + depthCount, lanes: vectors * LANES })),
    ),
    write: ({ f32 }) => {
      for (let group = 0; group < groups; group++) {
        packGroup(f32.subarray(group * groupPacked, (group + 1) * groupPacked), segments, {
          channels: outPerGroup,
          weights,
          rows: Int32Array.from(entries(group), (entry) => weightRow(parts, entry) + group * outPerGroup),
          bias: bias?.subarray(group * outPerGroup, (group + 1) * outPerGroup),
        });
      }
    },
  };
}

/** Room for the output of products, each group's channels from a whole vector on, and where each channel lies in it. */
export function allocateGroups(
  { node, groups, outPerGroup }: ConvolutionParts,
  to: Lowering,
): { readonly region: Region; readonly groupFloats: number; readonly positions: readonly number[] } {
  const groupFloats = to.lanesOf(outPerGroup, groups);
  const positions = inOrder(groups * outPerGroup).map(
    (c) => Math.floor(c / outPerGroup) * groupFloats + (c % outPerGroup),
  );
  return { region: to.allocate(node, groups * groupFloats), groupFloats, positions };
}

/** Records the step and the view; adds a residual that the kernel could not take. */
export function finish(
  parts: ConvolutionParts,
  to: Lowering,
  region: Region,
  positions: readonly number[],
  calls: readonly Call[],
  scratch?: readonly Buffer[],
): void {
  const { node, input, operation, residual } = parts;
  const reads = [...buffersOf(input), ...(residual ? buffersOf(residual) : [])];
  to.step(node, [...region.preparation, ...calls], reads, [region.buffer], macsOf(parts), scratch);
  const view = viewOf(region, positions);
  to.views.set(node.id, view);
  const isFused = calls.some((call) => call.kernel.params.includes("residual"));
  if (residual && !isFused) addInto(node, view, residual, operation.residualActivation, to);
}
