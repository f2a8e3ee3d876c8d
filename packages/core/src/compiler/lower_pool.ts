import { isNode, type Node, type ValueId } from "../graph/graph.ts";
import type { OperationOf, Pair, Window } from "../graph/operations.ts";
import { globalPoolKernel, type PoolSpec, poolKernel } from "./kernels/pool.ts";
import { resizeKernel, resizeTaps, TAP_BYTES } from "./kernels/resize.ts";
import { softmaxKernel } from "./kernels/softmax.ts";
import { buffersOf, isContiguous, pictureOf, pixelBytes, roundUpToLanes, rowBytes, soleBuffer } from "./layout.ts";
import { contiguousAddress, inNaturalOrder, strideName, strideNames, strideOf } from "./lower_elementwise.ts";
import { atPixel, channelwiseLayout, floats, inOrder, type Lowering, viewOf } from "./lowering.ts";
import type { Address, Call, Constant } from "./plan.ts";

/** Maximum and average pools: run by run, in the input's order. */
export function lowerPool(node: Node<OperationOf<"max_pool"> | OperationOf<"average_pool">>, to: Lowering): void {
  let input = to.view(node.inputs[0] as ValueId);
  const { operation } = node;
  if (to.halos.copiedPools.has(node.id)) {
    const overhang = {
      ...operation.padding,
      bottom: operation.padding.bottom + operation.stride[0],
      right: operation.padding.right + operation.stride[1],
    };
    input = inNaturalOrder(node, input, to, overhang, Number.NEGATIVE_INFINITY);
  }
  const [, outHeight, outWidth] = node.shape as readonly [number, number, number, number];
  const layout = channelwiseLayout(input);
  const region = to.allocate(node, layout.channels);
  const factors = isNode(node, "average_pool")
    ? averageFactors(node.operation, input, pictureOf(node.shape))
    : undefined;
  const calls = layout.runs.map(({ run, vectors, channel }): Call => {
    const spec: PoolSpec = {
      kind: factors ? "average" : "max",
      kernel: operation.kernel,
      isUniform: factors?.length === 1,
      outWidth,
      strideRows: operation.stride[0],
      strideColumns: operation.stride[1],
      inputPixelBytes: pixelBytes(run.buffer),
      inputRowBytes: rowBytes(run.buffer),
      outputPixelBytes: pixelBytes(region.buffer),
      outputRowBytes: rowBytes(region.buffer),
      vectors,
      tile: 1,
    };
    const strides = [spec.inputPixelBytes, spec.inputRowBytes, spec.outputPixelBytes, spec.outputRowBytes];
    const kind = `${spec.kind}_pool${spec.kind === "average" && !spec.isUniform ? "_edges" : ""}`;
    const name = `f32_${kind}_${operation.kernel.join("x")}_s${operation.stride.join("x")}_${vectors * 4}_w${outWidth}_${strideName(strides)}`;
    const args: Address[] = [
      atPixel(run.buffer, -operation.padding.top, -operation.padding.left, run.channel),
      atPixel(region.buffer, 0, 0, region.channel + channel),
      ...(factors ? [floats(factors)] : []),
    ];
    // Factors that differ from pixel to pixel are counted from the picture's first row.
    const { kernel, stride, padding } = operation;
    const rows =
      factors === undefined || spec.isUniform
        ? { units: 1, stride: stride[0], top: padding.top, span: kernel[0] }
        : undefined;
    return { kernel: to.kernel(name, (n) => poolKernel(n, spec)), args, units: outHeight, grain: 1, rows };
  });
  to.step(node, [...region.preparation, ...calls], buffersOf(input), [region.buffer]);
  to.views.set(node.id, viewOf(region, layout.positions));
}

/** One over the number of cells that count, for each output pixel; a single number where it is always the same. */
export function averageFactors(
  { kernel, stride, padding, countIncludePad }: Window & { readonly kernel: Pair; readonly countIncludePad: boolean },
  { height, width }: { readonly height: number; readonly width: number },
  { height: outHeight, width: outWidth }: { readonly height: number; readonly width: number },
): Float32Array {
  const cells = (axis: 0 | 1, out: number, size: number, before: number, after: number) => {
    const start = out * stride[axis] - before;
    const end = start + kernel[axis];
    // Padding counts if asked for; what hangs over beyond the padding (ceil mode) never does.
    return countIncludePad ? Math.min(end, size + after) - start : Math.min(end, size) - Math.max(start, 0);
  };
  const factors = Float32Array.from({ length: outHeight * outWidth }, (_, i) => {
    const rows = cells(0, Math.floor(i / outWidth), height, padding.top, padding.bottom);
    const columns = cells(1, i % outWidth, width, padding.left, padding.right);
    return 1 / (rows * columns);
  });
  return factors.every((factor) => factor === factors[0]) ? factors.subarray(0, 1) : factors;
}

export function lowerGlobalAveragePool(node: Node<OperationOf<"global_average_pool">>, to: Lowering): void {
  const input = to.view(node.inputs[0] as ValueId);
  const layout = channelwiseLayout(input);
  const region = to.allocate(node, layout.channels);
  const calls = layout.runs.map(({ run, vectors, channel }): Call => {
    const spec = {
      height: input.height,
      width: input.width,
      pixelBytes: pixelBytes(run.buffer),
      rowBytes: rowBytes(run.buffer),
      vectors,
    };
    const name = `f32_global_average_pool_${spec.height}x${spec.width}_${vectors * 4}_${strideNames(spec)}`;
    return {
      kernel: to.kernel(name, (n) => globalPoolKernel(n, spec)),
      args: [atPixel(run.buffer, 0, 0, run.channel), atPixel(region.buffer, 0, 0, region.channel + channel)],
      units: vectors,
      grain: 4,
    };
  });
  to.step(node, [...region.preparation, ...calls], buffersOf(input), [region.buffer]);
  to.views.set(node.id, viewOf(region, layout.positions));
}

export function lowerResize(node: Node<OperationOf<"resize">>, to: Lowering): void {
  const input = to.view(node.inputs[0] as ValueId);
  const { height, width, mode } = node.operation;
  const layout = channelwiseLayout(input);
  const region = to.allocate(node, layout.channels);
  const calls = layout.runs.map(({ run, vectors, channel }): Call => {
    const spec = { mode, outWidth: width, vectors, output: strideOf(region.buffer) };
    const name = `f32_resize_${mode}_${vectors * 4}_w${width}_${strideNames(spec.output)}`;
    const rows = resizeTable(input.height, height, rowBytes(run.buffer), mode);
    const columns = resizeTable(input.width, width, pixelBytes(run.buffer), mode);
    return {
      kernel: to.kernel(name, (n) => resizeKernel(n, spec)),
      args: [
        atPixel(run.buffer, 0, 0, run.channel),
        atPixel(region.buffer, 0, 0, region.channel + channel),
        rows,
        columns,
      ],
      units: height,
      grain: 1,
    };
  });
  to.step(node, [...region.preparation, ...calls], buffersOf(input), [region.buffer]);
  to.views.set(node.id, viewOf(region, layout.positions));
}

/** Where each output position along an axis reads, as `resizeKernel` wants it. */
export function resizeTable(inSize: number, outSize: number, stepBytes: number, mode: "nearest" | "bilinear"): Address {
  const taps = resizeTaps(inSize, outSize, stepBytes, mode);
  const constant: Constant = {
    bytes: taps.length * TAP_BYTES,
    holds: "table",
    write({ f32, i32 }) {
      taps.forEach(({ before, after, share }, i) => {
        i32[3 * i] = before;
        i32[3 * i + 1] = after;
        f32[3 * i + 2] = share;
      });
    },
  };
  return { kind: "constant", constant };
}

export function lowerSoftmax(node: Node<OperationOf<"softmax">>, to: Lowering): void {
  const original = to.view(node.inputs[0] as ValueId);
  const input = isContiguous(original) ? original : inNaturalOrder(node, original, to);
  const channels = input.places.length;
  const region = to.allocate(node, roundUpToLanes(channels));
  const spec = { width: input.width, channels, input: strideOf(soleBuffer(input)), output: strideOf(region.buffer) };
  const name = `f32_softmax_${channels}__${to.target.simd}_w${input.width}_${strideNames(spec.input, spec.output)}`;
  const call: Call = {
    kernel: to.kernel(name, (n) => softmaxKernel(n, spec, to.target)),
    args: [contiguousAddress(input), atPixel(region.buffer, 0, 0, region.channel)],
    units: input.height,
    grain: 1,
  };
  to.step(node, [...region.preparation, call], buffersOf(input), [region.buffer]);
  to.views.set(node.id, viewOf(region, inOrder(channels)));
}
