import { invariant } from "../errors.ts";
import { type Graph, isNode, type Node, nodeOf, type ValueId } from "../graph/graph.ts";
import type { Padding } from "../graph/operations.ts";
import { type Halo, type Halos, isEmpty, isView, larger, noPadding, planHalos } from "./halo.ts";
import { fillKernel } from "./kernels/copy.ts";
import {
  type Buffer,
  type ChannelRun,
  FLOAT,
  hasHalo,
  imageBytes,
  LANES,
  pictureBytes,
  pictureOf,
  pixelBytes,
  pixelOffset,
  roundUpToLanes,
  rowBytes,
  runsOf,
  type View,
  windowedStride,
} from "./layout.ts";
import type { Address, Call, Constant, Kernel, Step } from "./plan.ts";
import type { Target } from "./target.ts";

/** Channels of a buffer that one node writes. */
export interface Region {
  readonly buffer: Buffer;
  /** First float within the pixel; a multiple of a vector. */
  readonly channel: number;
  /** What must run before the buffer is first read, beside the node's own work: filling the border. */
  readonly preparation: readonly Call[];
}

/** What lowering knows and collects while it walks over the graph. */
export class Lowering {
  readonly graph: Graph;
  readonly weights: ReadonlyMap<string, Float32Array>;
  readonly target: Target;
  readonly images: number;
  /** Pictures that each buffer holds: one, as long as the pictures of a batch run one after another. */
  readonly imagesPerBuffer: number;
  readonly halos: Halos;
  /**
   * Whether the weights stay what they are, and buffers keep their distances from picture to picture. Not so in training, whose weights
   * are packed anew at each step and whose buffers hold pictures of their own sizes.
   */
  readonly isInference: boolean = true;
  readonly steps: Step[] = [];
  readonly views: Map<ValueId, View> = new Map();
  #bufferCount = 0;
  readonly #kernels = new Map<string, Kernel>();
  /** Where the parts of a concatenation go in the buffer they share: planned when first asked for, as `isInference` is a subclass's to say. */
  #shares: ReadonlyMap<ValueId, Share> | undefined;

  constructor(
    graph: Graph,
    weights: ReadonlyMap<string, Float32Array>,
    target: Target,
    images: number,
    imagesPerBuffer = 1,
    halos: Halos = planHalos(graph),
  ) {
    this.graph = graph;
    this.weights = weights;
    this.target = target;
    this.images = images;
    this.imagesPerBuffer = imagesPerBuffer;
    this.halos = halos;
  }

  view(value: ValueId): View {
    const view = this.views.get(value);
    invariant(view, `value ${value} was read before it was lowered`);
    return view;
  }

  /** The numbers of a parameter. */
  numbers(value: ValueId): Float32Array {
    const numbers = this.weights.get(nodeOf(this.graph, value).name);
    invariant(numbers, `value ${value} has no numbers`);
    return numbers;
  }

  buffer(options: {
    name: string;
    height: number;
    width: number;
    /** At least: what windows read may get a little more. */
    stride: number;
    halo?: Halo | undefined;
    images?: number | undefined;
  }): Buffer {
    const { name, height, width, stride, halo, images = this.imagesPerBuffer } = options;
    return {
      id: this.#bufferCount++,
      name,
      height,
      width,
      stride: halo && !isEmpty(halo.padding) ? windowedStride(stride) : stride,
      halo: halo?.padding ?? noPadding,
      fill: halo?.fill ?? 0,
      images,
    };
  }

  /** Room for a node's output of `channels` floats a pixel: its share of a concatenation's buffer, or a buffer of its own. */
  allocate(node: Node, channels: number, halo: Halo = this.halos.of(node.id)): Region {
    this.#shares ??= planShares(this);
    const share = this.#shares.get(node.id);
    if (share && channels <= share.channels) {
      const isFirst = share.group.buffer === undefined;
      const { height, width } = pictureOf(node.shape);
      share.group.buffer ??= this.buffer({
        name: node.name,
        height,
        width,
        stride: share.group.stride,
        halo: share.group.halo,
      });
      const { buffer } = share.group;
      return { buffer, channel: share.channel, preparation: isFirst ? this.fillHalo(buffer) : [] };
    }
    const { height, width } = pictureOf(node.shape);
    const buffer = this.buffer({ name: node.name, height, width, stride: roundUpToLanes(channels), halo });
    return { buffer, channel: 0, preparation: this.fillHalo(buffer) };
  }

  /**
   * Lanes for so many channels, of one of `groups` groups: pairs of vectors where the engine joins them, for a single one takes as long as a
   * pair. Products in groups gained nothing by it.
   */
  lanesOf(channels: number, groups: number = 1): number {
    const inPairs = this.target.wide && this.isInference && groups === 1 && channels > LANES;
    return inPairs ? 2 * LANES * Math.ceil(channels / (2 * LANES)) : roundUpToLanes(channels);
  }

  /** Room that each thread has for itself while a step runs. */
  scratch(name: string, bytes: number): Buffer {
    return this.buffer({ name, height: 1, width: 1, stride: bytes / FLOAT, images: this.target.threads });
  }

  /** Equal names give the same kernel: the first one made. */
  kernel(name: string, make: (name: string) => Kernel): Kernel {
    const known = this.#kernels.get(name);
    if (known) return known;
    const kernel = make(name);
    this.#kernels.set(name, kernel);
    return kernel;
  }

  step(
    node: Node | { name: string; op: string },
    calls: readonly Call[],
    reads: readonly Buffer[],
    writes: readonly Buffer[],
    macs = 0,
    scratch?: readonly Buffer[],
  ): void {
    const op = "operation" in node ? node.operation.op : node.op;
    const traffic = new Map([...reads, ...writes].map((buffer) => [buffer, 0]));
    const touch = (buffer: Buffer, bytes: number) => traffic.set(buffer, (traffic.get(buffer) ?? 0) + bytes);
    const known = "operation" in node ? this.#bytesRead(node) : new Map<Buffer, number>();
    for (const buffer of new Set(reads)) touch(buffer, known.get(buffer) ?? pictureBytes(buffer));
    const written = "operation" in node ? pictureOf(node.shape) : undefined;
    for (const buffer of writes) {
      touch(buffer, written ? written.height * written.width * written.channels * FLOAT : pictureBytes(buffer));
    }
    this.steps.push({ name: node.name, op, calls, reads, writes, scratch, macs, traffic });
  }

  /** The steps that `lower` records run once, over all the pictures that buffers hold, instead of picture by picture. */
  forAllPictures(lower: () => void): void {
    lower();
  }

  /** Bytes of the buffers that hold a node's inputs: of the channels that it reads. */
  #bytesRead(node: Node): ReadonlyMap<Buffer, number> {
    const bytes = new Map<Buffer, number>();
    for (const view of new Set(node.inputs.flatMap((input) => this.views.get(input) ?? []))) {
      const channelBytes = view.height * view.width * FLOAT;
      for (const { buffer } of view.places) bytes.set(buffer, (bytes.get(buffer) ?? 0) + channelBytes);
    }
    return bytes;
  }

  /** Sets the border of a buffer. */
  fillHalo(buffer: Buffer): readonly Call[] {
    return hasHalo(buffer) ? [{ ...fillCall(buffer, buffer.fill, buffer.halo), rows: "border" }] : [];
  }
}

/** Sets all of a buffer. */
export function fillAll(buffer: Buffer, value: number): Call {
  const rows = buffer.halo.top + buffer.height + buffer.halo.bottom;
  return fillCall(buffer, value, { top: rows, bottom: 0, left: 0, right: 0 });
}

/** Sets rows and columns at the edges of a buffer, border or not. */
export function fillCall(buffer: Buffer, value: number, { top, bottom, left, right }: Padding): Call {
  const rows = buffer.halo.top + buffer.height + buffer.halo.bottom;
  const [leftBytes, rightBytes] = [left * pixelBytes(buffer), right * pixelBytes(buffer)];
  const spec = { value, rowBytes: rowBytes(buffer), rows, top, bottom, leftBytes, rightBytes };
  const name = `f32_fill_${rows}x${spec.rowBytes}_t${top}_b${bottom}_l${leftBytes}_r${rightBytes}_${value}`;
  return { kernel: fillKernel(name, spec), args: [at(buffer, 0)], units: 1, grain: 1 };
}

/** An address in a buffer. */
export function at(buffer: Buffer, offset: number): Address {
  return { kind: "buffer", buffer, offset };
}

/** The address of a channel of the pixel at (row, column), which may lie in the border. */
export function atPixel(buffer: Buffer, row: number, column: number, channel: number): Address {
  return at(buffer, pixelOffset(buffer, row, column) + channel * 4);
}

/** Numbers known now. */
export function floats(data: Float32Array): Address {
  const constant: Constant = { bytes: data.byteLength, holds: "table", write: ({ f32 }) => f32.set(data) };
  return { kind: "constant", constant };
}

/** Whole numbers known now. */
export function integers(data: readonly number[]): Address {
  const constant: Constant = { bytes: data.length * 4, holds: "table", write: ({ i32 }) => i32.set(data) };
  return { kind: "constant", constant };
}

/**
 * A view's runs, and where a channelwise operation puts each of them in its own output: in the same order, from whole vectors on, and as many
 * lanes of them as `lanesOf` says.
 */
export interface ChannelwiseLayout {
  readonly runs: readonly { readonly run: ChannelRun; readonly vectors: number; readonly channel: number }[];
  /** Floats of the output. */
  readonly channels: number;
  /** For each of the view's channels its float in the output. */
  readonly positions: readonly number[];
}

export function channelwiseLayout(
  view: View,
  lanesOf: (channels: number) => number = roundUpToLanes,
): ChannelwiseLayout {
  const positions = new Array<number>(view.places.length);
  let channel = 0;
  const runs = runsOf(view).map((run) => {
    const lanes = lanesOf(run.slots.length);
    const laidOut = { run, vectors: lanes / LANES, channel };
    run.slots.forEach((slot, i) => {
      if (slot >= 0) positions[slot] = channel + i;
    });
    channel += lanes;
    return laidOut;
  });
  return { runs, channels: channel, positions };
}

/** A view of a region: channel c at float `positions[c]`. */
export function viewOf(region: Region, positions: readonly number[]): View {
  const { buffer, channel } = region;
  return {
    height: buffer.height,
    width: buffer.width,
    places: positions.map((position) => ({ buffer, channel: channel + position })),
  };
}

/** Positions of channels that lie in order. */
export function inOrder(channels: number): readonly number[] {
  return Array.from({ length: channels }, (_, c) => c);
}

/** Parts of one concatenation that are written into one buffer, each at its place, so that readers find them side by side. */
interface ShareGroup {
  readonly stride: number;
  readonly halo: Halo;
  buffer: Buffer | undefined;
}

interface Share {
  readonly group: ShareGroup;
  readonly channel: number;
  /** Floats set aside: a part that turns out to need more gets a buffer of its own. */
  readonly channels: number;
}

function planShares(to: Lowering): ReadonlyMap<ValueId, Share> {
  const { graph, halos } = to;
  const shares = new Map<ValueId, Share>();
  for (const node of graph.nodes) {
    if (!isNode(node, "concatenate") || node.shape.length !== 4) continue;
    const parts = node.inputs.map((input) => nodeOf(graph, input));
    const canShare = (part: Node) =>
      !isView(part) &&
      !isNode(part, "input") &&
      !isNode(part, "parameter") &&
      !isNode(part, "flatten") &&
      !shares.has(part.id);
    const fills = new Set(parts.map((part) => halos.of(part.id).fill));
    if (!parts.every(canShare) || new Set(node.inputs).size !== parts.length || fills.size !== 1) continue;
    const padding = parts.map((part) => halos.of(part.id).padding).reduce(larger);
    const sizes = parts.map((part) => floatsToReserve(part, to));
    const group: ShareGroup = {
      stride: sizes.reduce((sum, size) => sum + size, 0),
      halo: { padding, fill: [...fills][0] as number },
      buffer: undefined,
    };
    let channel = 0;
    parts.forEach((part, i) => {
      const channels = sizes[i] as number;
      shares.set(part.id, { group, channel, channels });
      channel += channels;
    });
  }
  return shares;
}

/** Floats of a pixel to set aside for a part: in a grouped convolution each group begins at a whole vector. */
function floatsToReserve(part: Node, to: Lowering): number {
  const channels = part.shape.at(-1) as number;
  const groups = isNode(part, "convolution") ? part.operation.groups : 1;
  const isDepthwise = groups === nodeOf(to.graph, part.inputs[0] as ValueId).shape.at(-1);
  return isDepthwise ? to.lanesOf(channels) : groups * to.lanesOf(channels / groups, groups);
}

/** Bytes of all pictures of a buffer. */
export function bufferBytes(buffer: Buffer): number {
  return imageBytes(buffer) * buffer.images;
}
