import { allocateGroups, type ConvolutionParts, type DepthEntry, finish, packedWeights } from "./convolution_parts.ts";
import { hash } from "./hash.ts";
import { chooseSegments, otherTiles, type Segment, wholeTiles } from "./kernels/gemm_tiles.ts";
import {
  positionsOf,
  scratchBytes,
  tilesOf,
  transformedGroupFloats,
  type WinogradSpec,
  winogradKernel,
  winogradWeightsKernel,
} from "./kernels/winograd.ts";
import { type Buffer, buffersOf, FLOAT, LANES, type Place, pixelBytes, rowBytes } from "./layout.ts";
import { atPixel, inOrder, type Lowering } from "./lowering.ts";
import type { Address, Call, Constant } from "./plan.ts";
import { uniformStep } from "./plan_depth.ts";

/** Where a convolution's input channels lie: those of group g at float `first + g·groupStep + k·step` of a pixel. */
interface EvenPlaces {
  readonly buffer: Buffer;
  readonly first: number;
  readonly step: number;
  readonly groupStep: number;
  /** From the first channel to the last one. */
  readonly floats: number;
}

/** Transformed inputs of a block that should stay in the second-level cache. */
const BLOCK_BYTES = 192 * 1024;
/** Tiles of a block: their sums should stay in the first-level cache. */
const MOST_TILES = 48;
/**
 * Fewer input or output channels do not pay for the transforms. Measured in turns on a Zen 5 server: 3x3 with 16 to 256 channels takes 0.52
 * to 0.58 of the product's time, 1x3 and 3x1 0.73 to 0.85; in groups, whose sums are short, IGCV1's L4M32 0.84, L16M16 1.06.
 */
const LEAST_CHANNELS = 16;
const LEAST_GROUP_CHANNELS = 32;
/** Fewer tiles of the picture leave the products' own tiles empty. */
const LEAST_TILES = 6;

/** Lowers a convolution by minimal filtering, if it is one that gains by it; otherwise does nothing and returns false. */
export function lowerWinograd(parts: ConvolutionParts, to: Lowering): boolean {
  const places = isSuitable(parts) ? evenPlaces(parts) : undefined;
  if (places === undefined) return false;
  emitWinograd(parts, places, to);
  return true;
}

function isSuitable(parts: ConvolutionParts): boolean {
  const { operation, kernel, groups, inPerGroup, outPerGroup, outHeight, outWidth } = parts;
  const { stride, dilation } = operation;
  const isSmall = kernel.every((taps) => taps === 1 || taps === 3) && kernel.includes(3);
  const [down, across] = tilesOf(kernel, outHeight, outWidth);
  return (
    isSmall &&
    [...stride, ...dilation].every((step) => step === 1) &&
    Math.min(inPerGroup, outPerGroup) >= (groups === 1 ? LEAST_CHANNELS : LEAST_GROUP_CHANNELS) &&
    down * across >= LEAST_TILES
  );
}

function evenPlaces({ input, groups, inPerGroup }: ConvolutionParts): EvenPlaces | undefined {
  const { places } = input;
  if (buffersOf(input).length > 1) return undefined;
  const channel = (k: number) => (places[k] as Place).channel;
  const first = channel(0);
  const step = channel(1) - first;
  const groupStep = groups > 1 ? uniformStep(places, groups, inPerGroup) : 0;
  const isEven = inOrder(inPerGroup).every((k) => channel(k) === first + k * step);
  if (!isEven || groupStep === undefined || step <= 0 || groupStep < 0) return undefined;
  const floats = 1 + (groups - 1) * groupStep + (inPerGroup - 1) * step;
  // Gaps are transformed too.
  const isDense = floats <= 1.25 * groups * inPerGroup;
  return isDense ? { buffer: (places[0] as Place).buffer, first, step, groupStep, floats } : undefined;
}

function emitWinograd(parts: ConvolutionParts, places: EvenPlaces, to: Lowering): void {
  const { node, operation, kernel, groups, inPerGroup, outPerGroup, outHeight, outWidth } = parts;
  const { region, groupFloats, positions } = allocateGroups(parts, to);
  const [down, across] = tilesOf(kernel, outHeight, outWidth);
  const tiles = down * across;
  const vectors = groupFloats / LANES;
  const key = `${to.target.simd}${to.target.wide ? "_wide" : ""}_f${kernel.join("x")}_m${tiles}_k${inPerGroup}_n${outPerGroup}_g${groups}`;
  const segments = chooseSegments(to.target, { pixels: tiles, isWhole: false }, vectors, to.target.tuning?.tiles[key]);
  const inputVectors = Math.ceil(places.floats / LANES);
  const spec: WinogradSpec = {
    kernel,
    outHeight,
    outWidth,
    inputPixelBytes: pixelBytes(places.buffer),
    inputRowBytes: rowBytes(places.buffer),
    inputVectors,
    outputPixelBytes: pixelBytes(region.buffer),
    outputRowBytes: rowBytes(region.buffer),
    groups,
    depth: inPerGroup,
    depthBytes: places.step * FLOAT,
    groupInputBytes: places.groupStep * FLOAT,
    groupOutputBytes: groupFloats * FLOAT,
    segments,
    block: blockOf(segments, tiles, positionsOf(kernel) * inputVectors * LANES * FLOAT),
    activation: operation.activation,
  };
  const order = channelByChannel(parts);
  const packed = packedWeights(parts, segments, () => order);
  const shape = `${kernel.join("x")}${groups === 1 ? "" : `_g${groups}`}`;
  const ending = `__${to.target.simd}_k${inPerGroup}_n${outPerGroup}_m${tiles}_${hash(spec)}`;
  const transform = to.kernel(`f32_winograd_weights_${shape}${ending}`, (name) => winogradWeightsKernel(name, spec));
  const transformed: Constant = {
    bytes: groups * transformedGroupFloats(spec) * FLOAT,
    holds: "weights",
    madeBy: { kernel: transform, from: packed },
    write: () => {},
  };
  const scratch = to.scratch(`${node.name} (transformed)`, scratchBytes(spec));
  const { top, left } = operation.padding;
  const args: Address[] = [
    atPixel(places.buffer, -top, -left, places.first),
    { kind: "constant", constant: packed },
    { kind: "constant", constant: transformed },
    { kind: "thread", buffer: scratch },
    atPixel(region.buffer, 0, 0, region.channel),
  ];
  const { rows, vectors: columns } = segments[0] as Segment;
  const tile = { rows, vectors: columns };
  const activation = operation.activation === "none" ? "" : `_${operation.activation}`;
  const name = `f32_winograd_${rows}x${columns * LANES}_${shape}${activation}${ending}`;
  const call: Call = {
    kernel: to.kernel(name, (n) => winogradKernel(n, spec, to.target)),
    args,
    units: tiles,
    grain: Math.max(...segments.map((segment) => segment.rows)),
    block: spec.block,
    choice: { key, tile, others: otherTiles(to.target, tiles, vectors, tile) },
  };
  finish(parts, to, region, positions, [call], [scratch]);
}

/** Tiles of the picture to do at a time: about equal blocks, each of a whole number of every segment's rows. */
function blockOf(segments: readonly Segment[], tiles: number, tileBytes: number): number {
  const unit = wholeTiles(segments);
  const most = Math.max(unit, Math.min(MOST_TILES, Math.floor(BLOCK_BYTES / tileBytes)));
  const blocks = Math.ceil(tiles / most);
  return Math.ceil(tiles / blocks / unit) * unit;
}

/** The order of the weights as they travel: the taps of each channel one after another. */
function channelByChannel({ kernel, inPerGroup }: ConvolutionParts): readonly DepthEntry[] {
  return inOrder(inPerGroup).flatMap((ic) =>
    inOrder(kernel[0]).flatMap((kh) => inOrder(kernel[1]).map((kw) => ({ kh, kw, ic }))),
  );
}
