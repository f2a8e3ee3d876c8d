import { isEmpty, windowBorder } from "../compiler/halo.ts";
import {
  type Buffer,
  buffersOf,
  hasHalo,
  pictureOf,
  pixelBytes,
  roundUpToLanes,
  rowBytes,
  type View,
} from "../compiler/layout.ts";
import { copied, inNaturalOrder, strideNames, strideOf } from "../compiler/lower_elementwise.ts";
import { averageFactors, resizeTable } from "../compiler/lower_pool.ts";
import { atPixel, channelwiseLayout, fillAll, floats, inOrder, type Region, viewOf } from "../compiler/lowering.ts";
import type { ValueId } from "../graph/graph.ts";
import {
  averagePoolGradientKernel,
  maxPoolGradientKernel,
  type PoolGradientSpec,
  resizeGradientKernel,
} from "./kernels/scatter.ts";
import { inOrderOf } from "./lower_normalize.ts";
import type { StepNode, StepOperationOf } from "./step_graph.ts";
import type { StepLowering } from "./step_lowering.ts";

/** A buffer that nothing else shares, because all of it is cleared first. */
export function ownRegion(node: StepNode, to: StepLowering, channels: number): Region {
  const { height, width } = pictureOf(node.shape);
  const buffer = to.buffer({ name: node.name, height, width, stride: channels, halo: to.halos.of(node.id) });
  return { buffer, channel: 0, preparation: [] };
}

export function lowerPoolGradient(
  node: StepNode<StepOperationOf<"max_pool_gradient"> | StepOperationOf<"average_pool_gradient">>,
  to: StepLowering,
): void {
  const { operation } = node;
  const [gradientId, xId] = node.inputs as readonly [ValueId, ValueId?];
  const original = to.view(gradientId);
  const x = xId === undefined ? undefined : withLowBorder(node, to, to.view(xId), original);
  const gradient = x ? inOrderOf(node, to, original, x) : original;
  const layout = channelwiseLayout(gradient);
  const { padding, stride, kernel } = operation;
  // Windows reach into a border, whose sums nobody reads.
  const { height, width } = pictureOf(node.shape);
  const halo = { padding: windowBorder({ ...operation, dilation: [1, 1] }, { height, width }, original), fill: 0 };
  const buffer = to.buffer({ name: node.name, height, width, stride: layout.channels, halo });
  const factors =
    operation.op === "max_pool_gradient" ? undefined : averageFactors(operation, { height, width }, original);
  to.pictureStep(node, [fillAll(buffer, 0)], [], [buffer]);
  const calls = layout.runs.map(({ run, vectors, channel }) => {
    const xPlace = x?.places[run.slots.find((slot) => slot >= 0) as number];
    const xBuffer = xPlace?.buffer ?? buffer;
    const cell = (of: Buffer) => ({ pixelBytes: pixelBytes(of), rowBytes: rowBytes(of) });
    const step = (of: Buffer) => ({ pixelBytes: stride[1] * pixelBytes(of), rowBytes: stride[0] * rowBytes(of) });
    const spec: PoolGradientSpec = {
      height: gradient.height,
      width: gradient.width,
      kernel,
      resultCell: cell(buffer),
      xCell: cell(xBuffer),
      result: step(buffer),
      x: step(xBuffer),
      gradient: strideOf(run.buffer),
      vectors,
    };
    const name = `f32_${node.operation.op}_${kernel.join("x")}_s${stride.join("x")}_${spec.height}x${spec.width}_${vectors * 4}_${factors?.length === 1}_${strideNames(spec.resultCell, spec.xCell, spec.gradient)}`;
    const from = atPixel(run.buffer, 0, 0, run.channel);
    const into = atPixel(buffer, -padding.top, -padding.left, channel);
    return {
      kernel: to.kernel(name, (n) =>
        factors ? averagePoolGradientKernel(n, spec, factors.length === 1) : maxPoolGradientKernel(n, spec),
      ),
      args: factors
        ? [from, into, floats(factors)]
        : [
            from,
            atPixel(
              xBuffer,
              -padding.top,
              -padding.left,
              (xPlace?.channel as number) - run.slots.findIndex((slot) => slot >= 0),
            ),
            into,
          ],
      units: 1,
      grain: 1,
    };
  });
  to.pictureStep(node, calls, [...buffersOf(gradient), ...(x ? buffersOf(x) : []), buffer], [buffer]);
  const whole = viewOf({ buffer, channel: 0, preparation: [] }, layout.positions);
  // Convolutions that read this gradient want zeros around it, where sums stand now.
  to.views.set(node.id, hasHalo(buffer) ? inCleanBorder(node, to, whole) : whole);
}

/** x with minus infinity around it: the forward pass's own border may hold zeros, where nothing in x is negative. */
function withLowBorder(node: StepNode, to: StepLowering, x: View, output: View): View {
  const operation = node.operation as StepOperationOf<"max_pool_gradient">;
  const border = windowBorder({ ...operation, dilation: [1, 1] }, x, output);
  return isEmpty(border) ? x : inNaturalOrder(node, x, to, border, Number.NEGATIVE_INFINITY);
}

export function inCleanBorder(node: StepNode, to: StepLowering, view: View): View {
  const channels = view.places.length;
  const halo = to.halos.of(node.id);
  return copied(node, view, to, { positions: inOrder(channels), stride: roundUpToLanes(channels), halo });
}

/** A resized picture's gradient, added to the pixels that each one was mixed from. */
export function lowerResizeGradient(node: StepNode<StepOperationOf<"resize_gradient">>, to: StepLowering): void {
  const gradient = to.view(node.inputs[0] as ValueId);
  const { mode } = node.operation;
  const { height, width } = pictureOf(node.shape);
  const layout = channelwiseLayout(gradient);
  const region = ownRegion(node, to, layout.channels);
  const { buffer } = region;
  const calls = layout.runs.map(({ run, vectors, channel }) => {
    const spec = { height: gradient.height, width: gradient.width, mode, gradient: strideOf(run.buffer), vectors };
    const name = `f32_resize_gradient_${mode}_${spec.height}x${spec.width}_${vectors * 4}_${strideNames(spec.gradient)}`;
    return {
      kernel: to.kernel(name, (n) => resizeGradientKernel(n, spec)),
      args: [
        atPixel(run.buffer, 0, 0, run.channel),
        atPixel(buffer, 0, 0, channel),
        resizeTable(height, gradient.height, rowBytes(buffer), mode),
        resizeTable(width, gradient.width, pixelBytes(buffer), mode),
      ],
      units: 1,
      grain: 1,
    };
  });
  to.pictureStep(node, [fillAll(buffer, 0)], [], [buffer]);
  to.pictureStep(node, calls, [...buffersOf(gradient), buffer], [buffer]);
  to.views.set(node.id, viewOf(region, layout.positions));
}
