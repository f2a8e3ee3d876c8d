import { type Buffer, buffersOf, FLOAT, LANES, runsOf, type View } from "../compiler/layout.ts";
import { copied, strideNames, strideOf } from "../compiler/lower_elementwise.ts";
import { at, atPixel, type ChannelwiseLayout, channelwiseLayout, fillAll, viewOf } from "../compiler/lowering.ts";
import type { Address, Constant, Kernel } from "../compiler/plan.ts";
import type { ValueId } from "../graph/graph.ts";
import type { Activation } from "../graph/operations.ts";
import {
  activationGradientKernel,
  type NormalizeSpec,
  normalizeGradientKernel,
  normalizeKernel,
  type PairSpec,
} from "./kernels/normalize.ts";
import {
  CHUNK_SUMS_BYTES,
  coefficientsKernel,
  gradientCoefficientsKernel,
  gradientSumsKernel,
  momentsKernel,
  SUMS_BYTES,
  type SumsSpec,
  sumsKernel,
} from "./kernels/statistics.ts";
import type { StepNode, StepOperationOf } from "./step_graph.ts";
import { asNode, type StepLowering } from "./step_lowering.ts";

/** How many numbers of a channel a value has. */
function countOf(to: StepLowering, { height, width }: View): number {
  return height * width * to.images;
}

/** Sums over the pixels of a value, in the order of its channels in memory: one call a run, then `finish` once. */
function lowerSums(
  node: StepNode,
  to: StepLowering,
  x: View,
  layout: ChannelwiseLayout,
  gradient: { readonly view: View; readonly activation: Activation; readonly coefficients: Buffer } | undefined,
): Buffer {
  const bytes = (layout.channels / LANES) * SUMS_BYTES;
  const sums = to.line(`${node.name}/sums`, (bytes + CHUNK_SUMS_BYTES) / FLOAT, "sums");
  const gradientRuns = gradient && runsOf(gradient.view);
  const calls = layout.runs.map(({ run, vectors, channel }, i) => {
    const gradientRun = gradientRuns?.[i];
    const spec: SumsSpec = {
      height: x.height,
      width: x.width,
      vectors,
      x: strideOf(run.buffer),
      gradient: gradientRun && strideOf(gradientRun.buffer),
      activation: gradient?.activation ?? "none",
      channels: layout.channels,
    };
    const strides = strideNames(spec.x, ...(spec.gradient ? [spec.gradient] : []));
    const kind = gradient ? `gradient_sums_${spec.activation}_of${layout.channels}` : "sums";
    const name = `f32_${kind}_${x.height}x${x.width}_${vectors * 4}__${to.target.simd}_${strides}`;
    return {
      kernel: to.kernel(name, (n) => sumsKernel(n, spec, to.target)),
      args: [
        atPixel(run.buffer, 0, 0, run.channel),
        at(sums, (channel / LANES) * SUMS_BYTES),
        at(sums, bytes),
        ...(gradientRun ? [atPixel(gradientRun.buffer, 0, 0, gradientRun.channel)] : []),
        ...(gradient && gradient.activation !== "none" ? [at(gradient.coefficients, channel * 4)] : []),
      ],
      units: 1,
      grain: 1,
    };
  });
  const reads = [...buffersOf(x), ...(gradient ? [...buffersOf(gradient.view), gradient.coefficients] : [])];
  to.pictureStep(node, calls, reads, [sums]);
  return sums;
}

/** Mean and variance of each channel. */
export function lowerMoments(node: StepNode, to: StepLowering): void {
  const x = to.view(node.inputs[0] as ValueId);
  const layout = channelwiseLayout(x);
  const sums = lowerSums(node, to, x, layout, undefined);
  const moments = to.line(node.name, 2 * layout.channels, "port");
  const spec = { channels: layout.channels, count: countOf(to, x) };
  const kernel = to.kernel(`moments_${spec.channels}_of${spec.count}`, (n) => momentsKernel(n, spec));
  to.wholeStep(
    node,
    [{ kernel, args: [at(sums, 0), at(moments, 0)], units: spec.channels, grain: 1 }],
    [sums],
    [moments],
  );
  setTwoRows(node, to, moments, layout);
}

/** A value `[2, C]` in a buffer of two rows of `layout.channels` floats. */
function setTwoRows(node: StepNode, to: StepLowering, buffer: Buffer, layout: ChannelwiseLayout): void {
  const channels = layout.positions.length;
  to.numbersOf.set(node.id, {
    buffer,
    at: (element) =>
      Math.floor(element / channels) * layout.channels + (layout.positions[element % channels] as number),
  });
}

/** A parameter's numbers in the order in which a layout has the channels. */
function inLayout(to: StepLowering, value: ValueId, layout: ChannelwiseLayout): Address {
  const numbers = to.numbers(value);
  const constant: Constant = {
    bytes: layout.channels * 4,
    holds: "weights",
    write: ({ f32 }) => {
      layout.positions.forEach((position, c) => {
        f32[position] = numbers[c] as number;
      });
    },
  };
  return { kind: "constant", constant };
}

/** Moments in the order of a layout: those of this micro-batch, or running statistics, which are parameters. */
function momentsAddress(to: StepLowering, moments: ValueId, layout: ChannelwiseLayout): Address {
  const numbers = to.weights.get(to.node(moments).name);
  if (numbers === undefined) return at(to.whichNumbers(moments).buffer, 0);
  const channels = layout.positions.length;
  const constant: Constant = {
    bytes: 2 * layout.channels * 4,
    holds: "weights",
    write: ({ f32 }) => {
      layout.positions.forEach((position, c) => {
        f32[position] = numbers[c] as number;
        f32[layout.channels + position] = numbers[channels + c] as number;
      });
    },
  };
  return { kind: "constant", constant };
}

/** The buffers that an address stands in. */
function buffersAt(address: Address): readonly Buffer[] {
  return "buffer" in address ? [address.buffer] : [];
}

/** Scale and shift of each channel, computed once for all pictures. */
function lowerCoefficients(
  node: StepNode,
  to: StepLowering,
  layout: ChannelwiseLayout,
  [moments, gamma, beta]: readonly [ValueId, ValueId, ValueId],
  epsilon: number,
): Buffer {
  // The forward pass has them already: whatever order a value was copied into, its floats stand as they did there.
  const known = to.coefficients.get(moments);
  if (known) return known;
  const from = momentsAddress(to, moments, layout);
  const coefficients = to.line(`${node.name}/coefficients`, 2 * layout.channels);
  to.coefficients.set(moments, coefficients);
  const name = `coefficients_${layout.channels}_${epsilon}`;
  const kernel = to.kernel(name, (n) => coefficientsKernel(n, layout.channels, epsilon));
  const args = [from, inLayout(to, gamma, layout), inLayout(to, beta, layout), at(coefficients, 0)];
  to.wholeStep(node, [{ kernel, args, units: layout.channels, grain: 1 }], buffersAt(from), [coefficients]);
  return coefficients;
}

export function lowerNormalize(node: StepNode<StepOperationOf<"normalize">>, to: StepLowering): void {
  const [xId, ...others] = node.inputs as readonly [ValueId, ValueId, ValueId, ValueId];
  const x = to.view(xId);
  const layout = channelwiseLayout(x);
  const { epsilon, activation } = node.operation;
  const coefficients = lowerCoefficients(node, to, layout, others as [ValueId, ValueId, ValueId], epsilon);
  const region = to.allocate(asNode(node), layout.channels);
  const calls = layout.runs.map(({ run, vectors, channel }) => {
    const spec: NormalizeSpec = {
      height: x.height,
      width: x.width,
      vectors,
      x: strideOf(run.buffer),
      output: strideOf(region.buffer),
      activation,
      channels: layout.channels,
    };
    const strides = strideNames(spec.x, spec.output);
    const name = `f32_normalize_${activation}_${x.height}x${x.width}_${vectors * 4}_of${layout.channels}__${to.target.simd}_${strides}`;
    return {
      kernel: to.kernel(name, (n) => normalizeKernel(n, spec, to.target)),
      args: [
        atPixel(run.buffer, 0, 0, run.channel),
        at(coefficients, channel * 4),
        atPixel(region.buffer, 0, 0, region.channel + channel),
      ],
      units: 1,
      grain: 1,
    };
  });
  to.pictureStep(node, [...region.preparation, ...calls], [...buffersOf(x), coefficients], [region.buffer]);
  to.views.set(node.id, viewOf(region, layout.positions));
}

/** A view in the order of a layout's runs: as it is, or copied. */
export function inOrderOf(node: StepNode, to: StepLowering, view: View, model: View): View {
  const layout = channelwiseLayout(model);
  const [runs, modelRuns] = [runsOf(view), layout.runs];
  const isSame =
    runs.length === modelRuns.length &&
    runs.every((run, i) => {
      const slots = modelRuns[i]?.run.slots as readonly number[];
      return slots.length === run.slots.length && slots.every((slot, j) => slot === run.slots[j]);
    });
  if (isSame) return view;
  // Runs of the model stay runs of the copy: each begins at a whole vector there.
  return copied(node, view, to, { positions: layout.positions, stride: layout.channels });
}

/** Whether a view's runs are those of its model: a copy bridges gaps that the model's buffers may not have. */
function runsLike(view: View, layout: ChannelwiseLayout): boolean {
  return runsOf(view).length === layout.runs.length;
}

/** Both operands in one order, so that they have the same runs: the value's own where the gradient has it too. */
function together(node: StepNode, to: StepLowering, gradient: View, x: View): { gradient: View; x: View } {
  const ordered = inOrderOf(node, to, gradient, x);
  if (runsLike(ordered, channelwiseLayout(x))) return { gradient: ordered, x };
  // The copy joined runs that lie apart in the value: bring the value together as well.
  return { gradient: ordered, x: inOrderOf(node, to, x, ordered) };
}

/** Sums that the gradients of gamma, beta and x need. */
export function lowerNormalizeSums(node: StepNode<StepOperationOf<"normalize_sums">>, to: StepLowering): void {
  const [gradientId, xId, moments, gamma, beta] = node.inputs as readonly [ValueId, ValueId, ValueId, ValueId, ValueId];
  const { epsilon, activation } = node.operation;
  const original = to.view(xId);
  const { gradient, x } = together(node, to, to.view(gradientId), original);
  const layout = channelwiseLayout(x);
  const coefficients = lowerCoefficients(node, to, layout, [moments, gamma, beta], epsilon);
  const sums = lowerSums(node, to, x, layout, { view: gradient, activation, coefficients });
  const result = to.line(node.name, 2 * layout.channels, "port");
  const from = momentsAddress(to, moments, layout);
  const name = `gradient_sums_${layout.channels}_${epsilon}`;
  const kernel = to.kernel(name, (n) => gradientSumsKernel(n, layout.channels, epsilon));
  const args = [at(sums, 0), from, at(result, 0)];
  to.wholeStep(node, [{ kernel, args, units: layout.channels, grain: 1 }], [sums, ...buffersAt(from)], [result]);
  setTwoRows(node, to, result, layout);
}

/** What is added to a·g: the gradient through the moments. Nothing, where they are running statistics. */
function lowerTerms(
  node: StepNode,
  to: StepLowering,
  x: View,
  layout: ChannelwiseLayout,
  {
    moments,
    coefficients,
    sums,
    epsilon,
  }: { moments: ValueId; coefficients: Buffer; sums: ValueId | undefined; epsilon: number },
): Buffer {
  const terms = to.line(`${node.name}/terms`, 2 * layout.channels);
  if (sums === undefined) {
    to.wholeStep(node, [fillAll(terms, 0)], [], [terms]);
    return terms;
  }
  const { buffer: momentsBuffer } = to.whichNumbers(moments);
  const { buffer: sumsBuffer } = to.whichNumbers(sums);
  const spec = { channels: layout.channels, count: countOf(to, x) };
  const kernel = to.kernel(`gradient_coefficients_${spec.channels}_of${spec.count}_${epsilon}`, (n) =>
    gradientCoefficientsKernel(n, spec, epsilon),
  );
  const args = [at(momentsBuffer, 0), at(coefficients, 0), at(sumsBuffer, 0), at(terms, 0)];
  const reads = [momentsBuffer, coefficients, sumsBuffer];
  to.wholeStep(node, [{ kernel, args, units: layout.channels, grain: 1 }], reads, [terms]);
  return terms;
}

export function lowerNormalizeGradient(node: StepNode<StepOperationOf<"normalize_gradient">>, to: StepLowering): void {
  const [gradientId, xId, moments, gamma, beta, sums] = node.inputs as readonly [
    ValueId,
    ValueId,
    ValueId,
    ValueId,
    ValueId,
    ValueId?,
  ];
  const { epsilon, activation } = node.operation;
  const { gradient, x } = together(node, to, to.view(gradientId), to.view(xId));
  const layout = channelwiseLayout(x);
  const coefficients = lowerCoefficients(node, to, layout, [moments, gamma, beta], epsilon);
  const terms = lowerTerms(node, to, x, layout, { moments, coefficients, sums, epsilon });
  const reads = [coefficients, terms];
  lowerWithGradient(node, to, { gradient, x, activation, reads }, `normalize_gradient_${activation}`, {
    kernel: (name, spec) => normalizeGradientKernel(name, { ...spec, channels: layout.channels }, to.target),
    perChannel: (channel) => [at(coefficients, channel * 4), at(terms, channel * 4)],
  });
}

/** What differs between kernels that make a gradient of a gradient and a value. */
interface GradientKernels {
  readonly kernel: (name: string, spec: PairSpec) => Kernel;
  /** Addresses of what the kernel reads for each channel, beside pictures. */
  readonly perChannel: (channel: number) => readonly Address[];
}

/** A gradient in the value's order: one call a run over both, which have the same runs. */
function lowerWithGradient(
  node: StepNode,
  to: StepLowering,
  operands: { gradient: View; x: View; activation: Activation; reads: readonly Buffer[] },
  kind: string,
  { kernel, perChannel }: GradientKernels,
): void {
  const { gradient, x, activation, reads } = operands;
  const layout = channelwiseLayout(x);
  const region = to.allocate(asNode(node), layout.channels);
  const gradientRuns = runsOf(gradient);
  const calls = layout.runs.map(({ run, vectors, channel }, i) => {
    const gradientRun = gradientRuns[i] as (typeof gradientRuns)[number];
    const spec: PairSpec = {
      height: x.height,
      width: x.width,
      vectors,
      gradient: strideOf(gradientRun.buffer),
      x: strideOf(run.buffer),
      output: strideOf(region.buffer),
      activation,
    };
    const strides = strideNames(spec.gradient, spec.x, spec.output);
    const name = `f32_${kind}_${x.height}x${x.width}_${vectors * 4}_of${layout.channels}__${to.target.simd}_${strides}`;
    return {
      kernel: to.kernel(name, (n) => kernel(n, spec)),
      args: [
        atPixel(gradientRun.buffer, 0, 0, gradientRun.channel),
        atPixel(run.buffer, 0, 0, run.channel),
        ...perChannel(channel),
        atPixel(region.buffer, 0, 0, region.channel + channel),
      ],
      units: 1,
      grain: 1,
    };
  });
  const all = [...buffersOf(gradient), ...buffersOf(x), ...reads];
  to.pictureStep(node, [...region.preparation, ...calls], all, [region.buffer]);
  to.views.set(node.id, viewOf(region, layout.positions));
}

export function lowerActivationGradient(
  node: StepNode<StepOperationOf<"activation_gradient">>,
  to: StepLowering,
): void {
  const [gradientId, xId] = node.inputs as readonly [ValueId, ValueId];
  const { activation } = node.operation;
  const pair = together(node, to, to.view(gradientId), to.view(xId));
  lowerWithGradient(node, to, { ...pair, activation, reads: [] }, `activation_gradient_${activation}`, {
    kernel: (name, spec) => activationGradientKernel(name, spec, to.target),
    perChannel: () => [],
  });
}
