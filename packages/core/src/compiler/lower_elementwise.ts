import type { Node, ValueId } from "../graph/graph.ts";
import type { Activation, OperationOf, Padding } from "../graph/operations.ts";
import { scaleAndShift } from "../passes/fold_batch_norm.ts";
import type { Halo } from "./halo.ts";
import { hash } from "./hash.ts";
import { channelCopyKernel, channelGatherKernel, type GatheredVector, rowCopyKernel } from "./kernels/copy.ts";
import { type ElementwiseSpec, elementwiseKernel, type Stride } from "./kernels/elementwise.ts";
import { type GroupwiseSpec, groupwiseKernel, packedGroupwiseFloats, packGroupwise } from "./kernels/groupwise.ts";
import {
  type Buffer,
  buffersOf,
  type ChannelRun,
  FLOAT,
  isContiguous,
  LANES,
  type Place,
  pictureOf,
  pixelBytes,
  pixelOffset,
  roundUpToLanes,
  rowBytes,
  runsOf,
  soleBuffer,
  type View,
} from "./layout.ts";
import { at, atPixel, channelwiseLayout, fillAll, inOrder, integers, type Lowering, viewOf } from "./lowering.ts";
import { type Address, type Call, type Constant, rowByRow } from "./plan.ts";

/** A buffer's distances. */
export function strideOf(buffer: Buffer): Stride {
  return { pixelBytes: pixelBytes(buffer), rowBytes: rowBytes(buffer) };
}

/** A standalone activation, or any function of each element: run by run, in the input's order. */
export function lowerActivation(node: Node<OperationOf<"activation">>, to: Lowering): void {
  const input = to.view(node.inputs[0] as ValueId);
  const layout = channelwiseLayout(input);
  const region = to.allocate(node, layout.channels);
  const calls = layout.runs.map(({ run, vectors, channel }) =>
    elementwiseCall(to, {
      operation: "none",
      activation: node.operation.activation,
      vectors,
      operands: [{ buffer: run.buffer, channel: run.channel, isScale: false }],
      table: undefined,
      output: { buffer: region.buffer, channel: region.channel + channel },
    }),
  );
  to.step(node, [...region.preparation, ...calls], buffersOf(input), [region.buffer]);
  to.views.set(node.id, viewOf(region, layout.positions));
}

/** A batch norm that no pass could fold: a scale and a shift for each channel, which is a depthwise 1x1 convolution. */
export function lowerBatchNorm(node: Node<OperationOf<"batch_norm">>, to: Lowering): void {
  const [x, ...statistics] = node.inputs as readonly [ValueId, ...ValueId[]];
  const input = to.view(x);
  const { scale, shift } = scaleAndShift(
    statistics.map((id) => to.numbers(id)),
    node.operation.epsilon,
  );
  const layout = channelwiseLayout(input);
  const region = to.allocate(node, layout.channels);
  const calls = layout.runs.map(({ run, vectors, channel }) => {
    const spec: GroupwiseSpec = {
      outWidth: input.width,
      strideRows: 1,
      strideColumns: 1,
      inputPixelBytes: pixelBytes(run.buffer),
      inputRowBytes: rowBytes(run.buffer),
      outputPixelBytes: pixelBytes(region.buffer),
      outputRowBytes: rowBytes(region.buffer),
      tile: 1,
      block: 1,
      kernel: [1, 1],
      dilation: [1, 1],
      inputPlaneBytes: [0],
      outputPlaneBytes: [0],
      activation: "none",
    };
    const lanes = Array.from({ length: vectors * 4 }, (_, i) => run.slots[i] ?? -1);
    const constant: Constant = {
      bytes: packedGroupwiseFloats(spec, vectors) * FLOAT,
      holds: "table",
      write: ({ f32 }) =>
        packGroupwise(
          f32,
          spec,
          lanes,
          (_kh, _kw, _ic, _oc, c) => scale[c] as number,
          (_oc, c) => shift[c] as number,
        ),
    };
    const name = `f32_scale_shift__${to.target.simd}_w${input.width}_${strideName([spec.inputPixelBytes, spec.inputRowBytes, spec.outputPixelBytes, spec.outputRowBytes])}`;
    const call: Call = {
      kernel: to.kernel(name, (n) => groupwiseKernel(n, spec, to.target)),
      args: [
        atPixel(run.buffer, 0, 0, run.channel),
        { kind: "constant", constant },
        atPixel(region.buffer, 0, 0, region.channel + channel),
        { kind: "number", value: vectors },
      ],
      units: input.height,
      grain: 1,
      rows: rowByRow,
      variant: `x${vectors * 4}`,
    };
    return call;
  });
  to.step(node, [...region.preparation, ...calls], buffersOf(input), [region.buffer]);
  to.views.set(node.id, viewOf(region, layout.positions));
}

/** a + b or a·b, in the first one's order. */
export function lowerBinary(node: Node<OperationOf<"add"> | OperationOf<"multiply">>, to: Lowering): void {
  const [a, b] = node.inputs.map((input) => to.view(input)) as [View, View];
  const other = gatherable(node, b, a, to);
  const layout = channelwiseLayout(a);
  const region = to.allocate(node, layout.channels);
  const calls = binaryCalls(to, a, other, (run) => ({
    operation: node.operation.op,
    activation: node.operation.op === "add" ? node.operation.activation : "none",
    output: { buffer: region.buffer, channel: region.channel + (layout.runs[run]?.channel as number) },
  }));
  to.step(node, [...region.preparation, ...calls], [...buffersOf(a), ...buffersOf(other)], [region.buffer]);
  to.views.set(node.id, viewOf(region, layout.positions));
}

/** view = activation(view + residual), in place: for convolutions that could not take their residual. */
export function addInto(node: Node, view: View, residual: View, activation: Activation, to: Lowering): void {
  const other = gatherable(node, residual, view, to);
  const runs = runsOf(view);
  const calls = binaryCalls(to, view, other, (run) => ({
    operation: "add",
    activation,
    output: runs[run] as ChannelRun,
  }));
  to.step({ name: `${node.name}/add`, op: "add" }, calls, [...buffersOf(view), ...buffersOf(other)], buffersOf(view));
}

function binaryCalls(
  to: Lowering,
  a: View,
  b: View,
  result: (run: number) => Pick<ElementwiseCallSpec, "operation" | "activation" | "output">,
): readonly Call[] {
  const otherRuns = haveSameOrder(a, b) ? runsOf(b) : undefined;
  const [first] = b.places as readonly [Place, ...Place[]];
  const isScale = isScaleOf(b, a);
  return runsOf(a).map((run, i) => {
    const vectors = Math.ceil(run.slots.length / 4);
    const other = otherRuns?.[i] ?? { buffer: first.buffer, channel: 0 };
    return elementwiseCall(to, {
      ...result(i),
      vectors,
      operands: [
        { buffer: run.buffer, channel: run.channel, isScale: false },
        { buffer: other.buffer, channel: other.channel, isScale },
      ],
      table: otherRuns ? undefined : gatherTable(run, vectors, b),
    });
  });
}

/** For each float of a run the distance of b's channel from the first float of b's pixel. Gaps take any. */
function gatherTable(run: ChannelRun, vectors: number, b: View): Constant {
  const { buffer: base } = b.places[0] as Place;
  return {
    bytes: vectors * LANES * 4,
    holds: "table",
    write({ i32 }, addressOf) {
      const pixel = (buffer: Buffer) => addressOf(buffer) + pixelOffset(buffer, 0, 0);
      i32.forEach((_, i) => {
        const { buffer, channel } = b.places[Math.max(run.slots[i] ?? 0, 0)] as Place;
        i32[i] = pixel(buffer) - pixel(base) + channel * FLOAT;
      });
    },
  };
}

/** Whether b is one pixel, a scale for each channel of a's pixels. */
function isScaleOf(b: View, a: View): boolean {
  return b.height * b.width === 1 && a.height * a.width > 1;
}

/** Whether two views have their channels in the same order, with the same gaps. */
function haveSameOrder(a: View, b: View): boolean {
  const [runs, otherRuns] = [runsOf(a), runsOf(b)];
  return (
    runs.length === otherRuns.length &&
    runs.every(({ slots }, i) => {
      const other = (otherRuns[i] as ChannelRun).slots;
      return slots.length === other.length && slots.every((slot, j) => slot === other[j]);
    })
  );
}

/** `view` as it is, if it has `model`'s order or one table can say where each pixel's channels are; else brought together. */
function gatherable(node: Node, view: View, model: View, to: Lowering): View {
  const [first, ...others] = buffersOf(view) as readonly [Buffer, ...Buffer[]];
  const haveSameStrides = others.every(
    (buffer) => pixelBytes(buffer) === pixelBytes(first) && rowBytes(buffer) === rowBytes(first),
  );
  if (haveSameStrides || isScaleOf(view, model) || haveSameOrder(model, view)) return view;
  return inNaturalOrder(node, view, to);
}

interface ElementwiseCallSpec {
  readonly operation: ElementwiseSpec["operation"];
  readonly activation: Activation;
  readonly vectors: number;
  readonly operands: readonly { readonly buffer: Buffer; readonly channel: number; readonly isScale: boolean }[];
  /** Where the second operand's channels are, if they lie in another order. */
  readonly table: Constant | undefined;
  readonly output: { readonly buffer: Buffer; readonly channel: number };
}

function elementwiseCall(
  to: Lowering,
  { operation, activation, vectors, operands, table, output }: ElementwiseCallSpec,
): Call {
  const spec: ElementwiseSpec = {
    operation,
    activation,
    width: output.buffer.width,
    vectors,
    operands: operands.map(({ buffer, isScale }) => (isScale ? { pixelBytes: 0, rowBytes: 0 } : strideOf(buffer))),
    isGathered: table !== undefined,
    output: strideOf(output.buffer),
  };
  const kind = `${operation === "none" ? "map" : operation}${table ? "_gathered" : ""}`;
  const name = `f32_${kind}_${vectors * 4}_${activation}__${to.target.simd}_w${spec.width}_${strideNames(...spec.operands, spec.output)}`;
  return {
    kernel: to.kernel(name, (n) => elementwiseKernel(n, spec, to.target)),
    args: [
      ...[...operands, output].map(({ buffer, channel }) => atPixel(buffer, 0, 0, channel)),
      ...(table ? [{ kind: "constant" as const, constant: table }] : []),
    ],
    units: output.buffer.height,
    grain: 1,
    // A scale is the same pixel for every row.
    rows: operands.some(({ isScale }) => isScale) ? undefined : rowByRow,
  };
}

/** Distances as part of a kernel's name. */
export function strideName(bytes: readonly number[]): string {
  return bytes.join("_");
}

/** The distances of several operands as part of a kernel's name. */
export function strideNames(...strides: readonly Stride[]): string {
  return strideName(strides.flatMap((stride) => [stride.pixelBytes, stride.rowBytes]));
}

/** `view` in one buffer with its channels in order: copied if it is not, and in any case where it shall have a border, of `fill`. */
export function inNaturalOrder(node: Named, view: View, to: Lowering, padding?: Padding, fill = 0): View {
  if (padding === undefined && isContiguous(view)) return view;
  const channels = view.places.length;
  const halo = padding && { padding, fill };
  return copied(node, view, to, { positions: inOrder(channels), stride: roundUpToLanes(channels), halo });
}

/** `view` with the channels of a group each in a plane of its own, the groups in order: copied, with a border of zeros. */
export function inPlanes(node: Named, view: View, to: Lowering, perGroup: number, padding: Padding): View {
  const plane = roundUpToLanes(view.places.length / perGroup);
  const positions = view.places.map((_, c) => (c % perGroup) * plane + Math.floor(c / perGroup));
  return copied(node, view, to, { positions, stride: plane * perGroup, halo: { padding, fill: 0 } });
}

/** What a copy is made for, whose name it bears. */
type Named = { readonly name: string };

/** `view` copied into a buffer of `stride` floats a pixel and perhaps a border: channel c to float `positions[c]`. */
export function copied(
  node: Named,
  view: View,
  to: Lowering,
  { positions, stride, halo }: { positions: readonly number[]; stride: number; halo?: Halo | undefined },
): View {
  const { height, width } = view;
  const buffer = to.buffer({ name: `${node.name}/copy`, height, width, stride, halo });
  const copy = viewOf({ buffer, channel: 0, preparation: [] }, positions);
  const calls = [...to.fillHalo(buffer), ...copyCalls(to, view, copy)];
  to.step({ name: `${node.name}/copy`, op: "copy" }, calls, buffersOf(view), [buffer]);
  return copy;
}

/** Copies every channel of `from` to where `into` has it. */
export function copyCalls(
  to: Lowering,
  from: View,
  into: View,
  address: (buffer: Buffer) => Address = (buffer) => atPixel(buffer, 0, 0, 0),
): readonly Call[] {
  const pairs = new Map<string, { input: Buffer; output: Buffer; table: number[] }>();
  from.places.forEach((place, c) => {
    const target = into.places[c] as Place;
    const key = `${place.buffer.id} ${target.buffer.id}`;
    const pair = pairs.get(key) ?? { input: place.buffer, output: target.buffer, table: [] };
    pair.table.push(place.channel * FLOAT, target.channel * FLOAT);
    pairs.set(key, pair);
  });
  return [...pairs.values()].flatMap(({ input, output, table }) => {
    const channels = table.length / 2;
    const isWhole =
      channels === input.stride &&
      channels === output.stride &&
      table.every((bytes, i) => bytes === Math.floor(i / 2) * FLOAT);
    if (isWhole) return [rowCopy(to, input, output, from, address)];
    const common = { args: [address(input), address(output)], units: from.height, grain: 1, rows: rowByRow };
    const place = { width: from.width, input: strideOf(input), output: strideOf(output) };
    const runs = targetRuns(table);
    if (runs.every(({ sources }) => sources.length >= LANES)) {
      const vectors = runs.flatMap(vectorsOf);
      return Array.from({ length: Math.ceil(vectors.length / MOST_GATHERED) }, (_, i): Call => {
        const spec = { ...place, vectors: vectors.slice(i * MOST_GATHERED, (i + 1) * MOST_GATHERED) };
        const name = `f32_gather_channels_${channels}_w${spec.width}_${strideNames(spec.input, spec.output)}_${hash(spec)}`;
        return { ...common, kernel: to.kernel(name, (n) => channelGatherKernel(n, spec)) };
      });
    }
    const spec = { ...place, channels };
    const name = `f32_copy_channels_${channels}_w${spec.width}_${strideNames(spec.input, spec.output)}`;
    const kernel = to.kernel(name, (n) => channelCopyKernel(n, spec));
    return [{ ...common, kernel, args: [...common.args, integers(table)] }];
  });
}

/** Vectors that one pass over a picture gathers: they are code, one by one. */
const MOST_GATHERED = 64;

/** Channels that lie side by side in the output's pixel: where the first one is, and where each is in the input's, in bytes. */
interface TargetRun {
  readonly firstBytes: number;
  readonly sources: number[];
}

/** Stretches of the output that lie side by side, from pairs of distances in the input's pixel and the output's. */
function targetRuns(table: readonly number[]): readonly TargetRun[] {
  const pairs = table.flatMap((source, i) => (i % 2 === 0 ? [{ source, target: table[i + 1] as number }] : []));
  const runs: TargetRun[] = [];
  for (const { source, target } of pairs.toSorted((a, b) => a.target - b.target)) {
    const last = runs.at(-1);
    if (last && target === last.firstBytes + last.sources.length * FLOAT) last.sources.push(source);
    else runs.push({ firstBytes: target, sources: [source] });
  }
  return runs;
}

/** A stretch of at least a vector; its last vector is moved back to end with the last channel. */
function vectorsOf({ firstBytes, sources }: TargetRun): readonly GatheredVector[] {
  return Array.from({ length: Math.ceil(sources.length / LANES) }, (_, i) => {
    const first = Math.min(i * LANES, sources.length - LANES);
    return { target: firstBytes + first * FLOAT, sources: sources.slice(first, first + LANES) };
  });
}

function rowCopy(to: Lowering, input: Buffer, output: Buffer, view: View, address: (buffer: Buffer) => Address): Call {
  const spec = { floats: view.width * input.stride, inputRowBytes: rowBytes(input), outputRowBytes: rowBytes(output) };
  const name = `f32_copy_rows_${spec.floats}_${strideName([spec.inputRowBytes, spec.outputRowBytes])}`;
  return {
    kernel: to.kernel(name, (n) => rowCopyKernel(n, spec)),
    args: [address(input), address(output)],
    units: view.height,
    grain: 1,
    rows: rowByRow,
  };
}

/** A picture inside a larger one that holds `value` around it. */
export function lowerPad(node: Node<OperationOf<"pad">>, to: Lowering): void {
  const input = to.view(node.inputs[0] as ValueId);
  const { padding, value } = node.operation;
  const channels = input.places.length;
  const region = to.allocate(node, roundUpToLanes(channels));
  const { buffer } = region;
  const view = viewOf(region, inOrder(channels));
  // In steps of their own, because each writes over the one before it.
  to.step({ name: `${node.name}/fill`, op: "pad" }, [fillAll(buffer, value)], [], [buffer]);
  to.step({ name: `${node.name}/border`, op: "pad" }, to.fillHalo(buffer), [], [buffer]);
  const shifted = (target: Buffer) =>
    target === buffer
      ? at(
          buffer,
          (buffer.halo.top + padding.top) * rowBytes(buffer) + (buffer.halo.left + padding.left) * pixelBytes(buffer),
        )
      : atPixel(target, 0, 0, 0);
  to.step(node, copyCalls(to, input, view, shifted), buffersOf(input), [buffer]);
  to.views.set(node.id, view);
}

/** `[N, H, W, C]` as `[N, H·W·C]`. */
export function lowerFlatten(node: Node<OperationOf<"flatten">>, to: Lowering): void {
  to.views.set(node.id, inShape(node, to.view(node.inputs[0] as ValueId), to));
}

/** A view's elements, row by row, in the shape of `node`. Where the pixels stay nothing is needed; else they are copied side by side. */
export function inShape(node: Node, input: View, to: Lowering): View {
  const { height, width, channels } = pictureOf(node.shape);
  if (input.height === height && input.width === width) return { height, width, places: input.places };
  const stride = height * width === 1 ? roundUpToLanes(channels) : channels;
  const buffer = to.buffer({ name: node.name, height, width, stride });
  // The same memory seen as the picture it was, so that a copy of the picture fills it.
  const seen: Buffer = { ...buffer, height: input.height, width: input.width, stride: input.places.length };
  const picture = viewOf({ buffer: seen, channel: 0, preparation: [] }, inOrder(input.places.length));
  const address = (target: Buffer) => (target === seen ? at(buffer, 0) : atPixel(target, 0, 0, 0));
  to.step(node, copyCalls(to, input, picture, address), buffersOf(input), [buffer]);
  return viewOf({ buffer, channel: 0, preparation: [] }, inOrder(channels));
}

/** The view's only buffer and first channel, for kernels that want channels side by side. */
export function contiguousAddress(view: View): Address {
  return atPixel(soleBuffer(view), 0, 0, (view.places[0] as Place).channel);
}
