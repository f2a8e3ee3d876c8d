import { isEmpty } from "../compiler/halo.ts";
import {
  type Buffer,
  buffersOf,
  FLOAT,
  hasHalo,
  pictureOf,
  pixelBytes,
  roundUpToLanes,
  rowBytes,
  soleBuffer,
  type View,
} from "../compiler/layout.ts";
import { lowerNode } from "../compiler/lower.ts";
import {
  contiguousAddress,
  copyCalls,
  inNaturalOrder,
  inShape,
  strideNames,
  strideOf,
} from "../compiler/lower_elementwise.ts";
import { at, atPixel, channelwiseLayout, fillAll, inOrder, integers, viewOf } from "../compiler/lowering.ts";
import type { Step } from "../compiler/plan.ts";
import type { Target } from "../compiler/target.ts";
import { invariant, UnsupportedError } from "../errors.ts";
import type { Node, ValueId } from "../graph/graph.ts";
import type { Operation } from "../graph/operations.ts";
import { elementCount } from "../tensor.ts";
import { lossGradientKernel, lossKernel } from "./kernels/loss.ts";
import { copyPixelsKernel, spreadKernel } from "./kernels/normalize.ts";
import { pixelSumKernel, sumOfNumbersKernel } from "./kernels/scatter.ts";
import { softmaxGradientKernel } from "./kernels/softmax_gradient.ts";
import { lowerKernelGradient, lowerLinearKernelGradient } from "./lower_kernel_gradient.ts";
import {
  lowerActivationGradient,
  lowerMoments,
  lowerNormalize,
  lowerNormalizeGradient,
  lowerNormalizeSums,
} from "./lower_normalize.ts";
import { inCleanBorder, lowerPoolGradient, lowerResizeGradient, ownRegion } from "./lower_scatter.ts";
import type { GradientOperation, StepGraph, StepNode, StepOperation, StepOperationOf } from "./step_graph.ts";
import { asNode, type Numbers, StepLowering } from "./step_lowering.ts";

/** Memory that the host fills or reads: one picture's part after another. */
export interface StepPort {
  readonly name: string;
  readonly buffer: Buffer;
  readonly elements: number;
}

/** A training step as steps over buffers. */
export interface LoweredStep {
  readonly to: StepLowering;
  readonly steps: readonly Step[];
  readonly inputs: readonly StepPort[];
  readonly loss: StepPort;
  readonly logits: StepPort;
  readonly batch: number;
}

type Rule<K extends StepOperation["op"]> = (node: StepNode<StepOperationOf<K>>, to: StepLowering) => void;

const rules = {
  moments: lowerMoments,
  normalize: lowerNormalize,
  normalize_sums: lowerNormalizeSums,
  normalize_gradient: lowerNormalizeGradient,
  activation_gradient: lowerActivationGradient,
  kernel_gradient: lowerKernelGradient,
  linear_kernel_gradient: lowerLinearKernelGradient,
  row: (node, to) => {
    const { buffer, at: place } = to.whichNumbers(node.inputs[0] as ValueId);
    const first = node.operation.index * (node.shape[0] as number);
    to.numbersOf.set(node.id, { buffer, at: (element) => place(first + element) });
  },
  transpose_kernel: unsupported,
  transpose: unsupported,
  dilate: lowerDilate,
  sum_pixels: lowerSumPixels,
  sum_products: lowerSumProducts,
  max_pool_gradient: lowerPoolGradient,
  average_pool_gradient: lowerPoolGradient,
  spread: lowerSpread,
  embed: lowerEmbed,
  crop: lowerCrop,
  reshape: lowerReshape,
  softmax_cross_entropy: lowerLoss,
  softmax_cross_entropy_gradient: lowerLossGradient,
  softmax_gradient: lowerSoftmaxGradient,
  resize_gradient: lowerResizeGradient,
} satisfies { readonly [K in GradientOperation["op"]]: Rule<K> };

function unsupported(node: StepNode): void {
  throw new UnsupportedError(
    `Training of a network with "${node.name}" (${node.operation.op}) cannot be compiled yet.`,
  );
}

/**
 * Turns a training step into steps over buffers.
 *
 * @param weights by parameter: its numbers as kernels shall see them
 * @throws {UnsupportedError} for operations whose gradients are not compiled
 */
export function lowerStep(
  step: StepGraph,
  weights: ReadonlyMap<string, Float32Array>,
  target: Target,
  batch: number,
): LoweredStep {
  const to = new StepLowering(step, withRearranged(step, weights), target, batch);
  const inputs: StepPort[] = [];
  for (const node of step.nodes) {
    const { operation } = node;
    if (operation.op === "input") inputs.push(lowerInput(node, to));
    // Parameters, and what only rearranges them: their numbers were prepared before.
    else if (to.weights.has(node.name)) continue;
    else if (operation.op in rules) (rules[operation.op as GradientOperation["op"]] as Rule<never>)(node as never, to);
    else if (node.inputs.some((input) => to.numbersOf.has(input))) lowerSumOfNumbers(node, to);
    else lowerNode(node as Node<Operation>, to);
  }
  const logits = lowerLogits(step, to);
  const loss = to.whichNumbers(step.loss).buffer;
  return { to, steps: to.steps, inputs, logits, loss: { name: "loss", buffer: loss, elements: batch }, batch };
}

/** Rearranged parameters as numbers of their own: transposed kernels, and the running statistics that stand in for moments. */
function withRearranged(
  step: StepGraph,
  weights: ReadonlyMap<string, Float32Array>,
): ReadonlyMap<string, Float32Array> {
  const all = new Map(weights);
  for (const { name, operation, inputs, shape } of step.nodes) {
    const sources = inputs.map((input) => all.get((step.nodes[input] as StepNode).name));
    const [numbers] = sources;
    if (numbers === undefined || sources.includes(undefined)) continue;
    if (operation.op === "transpose") {
      const [rows, columns] = shape as readonly [number, number];
      all.set(
        name,
        numbers.map((_, i) => numbers[(i % columns) * rows + Math.floor(i / columns)] as number),
      );
    } else if (operation.op === "transpose_kernel") all.set(name, transposedKernel(numbers, shape, operation.groups));
    else if (operation.op === "reshape") all.set(name, numbers);
    else if (operation.op === "concatenate" && shape[0] === 1) {
      all.set(name, Float32Array.from(sources.flatMap((source) => Array.from(source as Float32Array))));
    }
  }
  return all;
}

/** `[kh, kw, in/groups, out]` as `[kh, kw, out/groups, in]`, turned by 180 degrees. */
function transposedKernel(numbers: Float32Array, shape: readonly number[], groups: number): Float32Array {
  const [kh, kw, outPerGroup, channels] = shape as readonly [number, number, number, number];
  const inPerGroup = channels / groups;
  const out = outPerGroup * groups;
  const result = new Float32Array(numbers.length);
  let i = 0;
  for (let tap = kh * kw - 1; tap >= 0; tap--) {
    for (let oc = 0; oc < outPerGroup; oc++) {
      for (let c = 0; c < channels; c++) {
        const group = Math.floor(c / inPerGroup);
        result[i++] = numbers[(tap * inPerGroup + (c % inPerGroup)) * out + group * outPerGroup + oc] as number;
      }
    }
  }
  return result;
}

/** What the host fills, copied into a buffer with the border that the first layers need. */
function lowerInput(node: StepNode, to: StepLowering): StepPort {
  const { height, width, channels } = pictureOf(node.shape);
  const elements = elementCount(node.shape);
  const halo = to.halos.of(node.id);
  const buffer = to.buffer({ name: node.name, height, width, stride: channels });
  to.rooms.set(buffer, "port");
  const direct = viewOf({ buffer, channel: 0, preparation: [] }, inOrder(channels));
  const padded = to.buffer({ name: `${node.name}/padded`, height, width, stride: channels, halo });
  if (hasHalo(padded)) {
    const view = viewOf({ buffer: padded, channel: 0, preparation: [] }, inOrder(channels));
    to.pictureStep(node, [...to.fillHalo(padded), ...copyCalls(to, direct, view)], [buffer], [padded]);
    to.views.set(node.id, view);
  } else to.views.set(node.id, direct);
  return { name: node.name, buffer, elements };
}

/** The logits side by side, for the host. */
function lowerLogits(step: StepGraph, to: StepLowering): StepPort {
  const node = to.node(step.logits);
  const view = to.view(step.logits);
  const classes = view.places.length;
  const buffer = to.buffer({ name: "logits", height: 1, width: 1, stride: classes });
  to.rooms.set(buffer, "port");
  const packed = viewOf({ buffer, channel: 0, preparation: [] }, inOrder(classes));
  to.pictureStep(node, copyCalls(to, view, packed), buffersOf(view), [buffer]);
  return { name: "logits", buffer, elements: classes * to.images };
}

/** Channels among zeros. */
function lowerEmbed(node: StepNode<StepOperationOf<"embed">>, to: StepLowering): void {
  const input = to.view(node.inputs[0] as ValueId);
  const { start, channels } = node.operation;
  const region = ownRegion(node, to, roundUpToLanes(channels));
  const view = viewOf(region, inOrder(channels));
  const part = { ...view, places: view.places.slice(start, start + input.places.length) };
  to.pictureStep(node, [fillAll(region.buffer, 0)], [], [region.buffer]);
  to.pictureStep(node, copyCalls(to, input, part), [...buffersOf(input), region.buffer], [region.buffer]);
  to.views.set(node.id, view);
}

/** Zeros between the pixels. */
function lowerDilate(node: StepNode<StepOperationOf<"dilate">>, to: StepLowering): void {
  const input = to.view(node.inputs[0] as ValueId);
  const { stride } = node.operation;
  const layout = channelwiseLayout(input);
  const region = ownRegion(node, to, layout.channels);
  const { buffer } = region;
  const output = { pixelBytes: stride[1] * pixelBytes(buffer), rowBytes: stride[0] * rowBytes(buffer) };
  const calls = layout.runs.map(({ run, vectors, channel }) => {
    const spec = { height: input.height, width: input.width, vectors, x: strideOf(run.buffer), output };
    const name = `f32_dilate_${spec.height}x${spec.width}_${vectors * 4}_${strideNames(spec.x, output)}`;
    return {
      kernel: to.kernel(name, (n) => copyPixelsKernel(n, spec)),
      args: [atPixel(run.buffer, 0, 0, run.channel), atPixel(buffer, 0, 0, region.channel + channel)],
      units: 1,
      grain: 1,
    };
  });
  to.pictureStep(node, [fillAll(buffer, 0)], [], [buffer]);
  to.pictureStep(node, calls, [...buffersOf(input), buffer], [buffer]);
  to.views.set(node.id, viewOf(region, layout.positions));
}

function lowerCrop(node: StepNode<StepOperationOf<"crop">>, to: StepLowering): void {
  const input = to.view(node.inputs[0] as ValueId);
  const { height, width, channels } = pictureOf(node.shape);
  const { top, left } = node.operation.padding;
  const region = to.allocate(asNode(node), roundUpToLanes(channels));
  const view = viewOf(region, inOrder(channels));
  const inputs = new Set(buffersOf(input));
  const address = (buffer: Buffer) => (inputs.has(buffer) ? atPixel(buffer, top, left, 0) : atPixel(buffer, 0, 0, 0));
  const calls = copyCalls(to, { ...input, height, width }, view, address);
  to.pictureStep(node, [...region.preparation, ...calls], buffersOf(input), [region.buffer]);
  to.views.set(node.id, view);
}

/** The same elements in another shape: channels side by side, then seen otherwise; with the border that is read around them. */
function lowerReshape(node: StepNode, to: StepLowering): void {
  const seen = inShape(asNode(node), to.view(node.inputs[0] as ValueId), to);
  to.views.set(node.id, isEmpty(to.halos.of(node.id).padding) ? seen : inCleanBorder(node, to, seen));
}

/** A bias's gradient: added up over all pixels of all pictures. */
function lowerSumPixels(node: StepNode, to: StepLowering): void {
  const x = to.view(node.inputs[0] as ValueId);
  const layout = channelwiseLayout(x);
  const result = to.line(node.name, layout.channels, "sums");
  const calls = layout.runs.map(({ run, vectors, channel }) => {
    const spec = { height: x.height, width: x.width, a: strideOf(run.buffer), b: undefined };
    const name = `f32_pixel_sum_${x.height}x${x.width}_${strideNames(spec.a)}`;
    return {
      kernel: to.kernel(name, (n) => pixelSumKernel(n, spec, to.target)),
      args: [atPixel(run.buffer, 0, 0, run.channel), at(result, channel * FLOAT)],
      units: vectors,
      grain: 1,
    };
  });
  to.pictureStep(node, calls, [...buffersOf(x), result], [result]);
  to.numbersOf.set(node.id, { buffer: result, at: (element) => layout.positions[element] as number });
}

/** The gradient of a channel's scale: Σ a·b for each picture. */
function lowerSumProducts(node: StepNode, to: StepLowering): void {
  const [a, b] = bothInputs(node, to);
  const channels = a.places.length;
  const region = to.allocate(asNode(node), roundUpToLanes(channels));
  const spec = { height: a.height, width: a.width, a: strideOf(soleBuffer(a)), b: strideOf(soleBuffer(b)) };
  const name = `f32_sum_products_${a.height}x${a.width}__${to.target.simd}_${strideNames(spec.a, spec.b)}`;
  const kernel = to.kernel(name, (n) => pixelSumKernel(n, spec, to.target));
  const args = [contiguousAddress(a), contiguousAddress(b), atPixel(region.buffer, 0, 0, region.channel)];
  const call = { kernel, args, units: roundUpToLanes(channels) / 4, grain: 1 };
  to.pictureStep(node, [...region.preparation, call], [...buffersOf(a), ...buffersOf(b)], [region.buffer]);
  to.views.set(node.id, viewOf(region, inOrder(channels)));
}

function lowerSpread(node: StepNode<StepOperationOf<"spread">>, to: StepLowering): void {
  const input = to.view(node.inputs[0] as ValueId);
  const { height, width } = node.operation;
  const layout = channelwiseLayout(input);
  const region = to.allocate(asNode(node), layout.channels);
  const factor = Math.fround(1 / (height * width));
  const calls = layout.runs.map(({ run, vectors, channel }) => {
    const spec = { height, width, vectors, output: strideOf(region.buffer), factor };
    const name = `f32_spread_${height}x${width}_${vectors * 4}_${strideNames(spec.output)}`;
    return {
      kernel: to.kernel(name, (n) => spreadKernel(n, spec)),
      args: [atPixel(run.buffer, 0, 0, run.channel), atPixel(region.buffer, 0, 0, region.channel + channel)],
      units: 1,
      grain: 1,
    };
  });
  to.pictureStep(node, [...region.preparation, ...calls], buffersOf(input), [region.buffer]);
  to.views.set(node.id, viewOf(region, layout.positions));
}

/** Both inputs, their channels in order. */
function bothInputs(node: StepNode, to: StepLowering): readonly [View, View] {
  const [a, b] = node.inputs as readonly [ValueId, ValueId];
  const bring = (id: ValueId) => inNaturalOrder(node, to.view(id), to);
  return [bring(a), bring(b)];
}

function lowerLoss(node: StepNode, to: StepLowering): void {
  const [logits, targets] = bothInputs(node, to);
  const spec = { classes: logits.places.length, batch: to.images };
  const loss = to.buffer({ name: node.name, height: 1, width: 1, stride: 1 });
  to.rooms.set(loss, "port");
  const kernel = to.kernel(`softmax_cross_entropy_${spec.classes}`, (n) => lossKernel(n, spec));
  const args = [contiguousAddress(logits), contiguousAddress(targets), at(loss, 0)];
  to.pictureStep(node, [{ kernel, args, units: 1, grain: 1 }], [...buffersOf(logits), ...buffersOf(targets)], [loss]);
  to.numbersOf.set(node.id, { buffer: loss, at: (element) => element });
}

function lowerLossGradient(node: StepNode, to: StepLowering): void {
  const [logits, targets] = bothInputs(node, to);
  const spec = { classes: logits.places.length, batch: to.images };
  const region = to.allocate(asNode(node), roundUpToLanes(spec.classes));
  const kernel = to.kernel(`softmax_cross_entropy_gradient_${spec.classes}_of${spec.batch}__${to.target.simd}`, (n) =>
    lossGradientKernel(n, spec, to.target),
  );
  const args = [contiguousAddress(logits), contiguousAddress(targets), atPixel(region.buffer, 0, 0, region.channel)];
  const reads = [...buffersOf(logits), ...buffersOf(targets)];
  to.pictureStep(node, [...region.preparation, { kernel, args, units: 1, grain: 1 }], reads, [region.buffer]);
  to.views.set(node.id, viewOf(region, inOrder(spec.classes)));
}

function lowerSoftmaxGradient(node: StepNode, to: StepLowering): void {
  const [gradient, y] = bothInputs(node, to);
  const channels = y.places.length;
  const region = to.allocate(asNode(node), roundUpToLanes(channels));
  const strides = {
    gradient: strideOf(soleBuffer(gradient)),
    y: strideOf(soleBuffer(y)),
    output: strideOf(region.buffer),
  };
  const spec = { height: y.height, width: y.width, channels, ...strides };
  const name = `f32_softmax_gradient_${spec.height}x${spec.width}_${channels}_${strideNames(...Object.values(strides))}`;
  const kernel = to.kernel(name, (n) => softmaxGradientKernel(n, spec));
  const args = [contiguousAddress(gradient), contiguousAddress(y), atPixel(region.buffer, 0, 0, region.channel)];
  const reads = [...buffersOf(gradient), ...buffersOf(y)];
  to.pictureStep(node, [...region.preparation, { kernel, args, units: 1, grain: 1 }], reads, [region.buffer]);
  to.views.set(node.id, viewOf(region, inOrder(channels)));
}

/** The gradients of a parameter that several layers share, added up: each lies in an order of its own. */
function lowerSumOfNumbers(node: StepNode, to: StepLowering): void {
  invariant(node.operation.op === "add", `"${node.name}" (${node.operation.op}) reads numbers that belong to no pixel`);
  const [a, b] = node.inputs.map((id) => to.whichNumbers(id)) as [Numbers, Numbers];
  const count = elementCount(node.shape);
  const result = to.line(node.name, count, "sums");
  const table = Array.from({ length: count }, (_, i) => [a.at(i) * FLOAT, b.at(i) * FLOAT]).flat();
  const kernel = to.kernel(`sum_of_numbers_${count}`, (n) => sumOfNumbersKernel(n, count));
  const args = [at(a.buffer, 0), at(b.buffer, 0), at(result, 0), integers(table)];
  to.wholeStep(node, [{ kernel, args, units: 1, grain: 1 }], [a.buffer, b.buffer], [result]);
  to.numbersOf.set(node.id, { buffer: result, at: (element) => element });
}
