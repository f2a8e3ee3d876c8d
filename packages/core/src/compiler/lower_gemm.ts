import { isNode } from "../graph/graph.ts";
import { allocateGroups, type ConvolutionParts, finish, packedWeights, rowWindow } from "./convolution_parts.ts";
import { hash } from "./hash.ts";
import { type GemmSpec, gemmKernel, type PixelMap } from "./kernels/gemm.ts";
import {
  chooseSegments,
  otherTiles,
  packedGroupFloats,
  type Segment,
  tileCount,
  wholeTiles,
} from "./kernels/gemm_tiles.ts";
import {
  type Buffer,
  FLOAT,
  hasHalo,
  imageBytes,
  isContiguous,
  LANES,
  largestDivisor,
  type Place,
  pixelBytes,
  rowsFollow,
  soleBuffer,
} from "./layout.ts";
import { inNaturalOrder } from "./lower_elementwise.ts";
import { atPixel, type Lowering } from "./lowering.ts";
import type { Address, Call } from "./plan.ts";
import { type DepthPlan, inputMap, pixelMap, planDepth } from "./plan_depth.ts";

/** A dense or grouped convolution as a matrix product. */
export function lowerGemm(parts: ConvolutionParts, to: Lowering): void {
  let current = parts;
  let plan = planDepth(current, to.isInference);
  if (plan === undefined) {
    // Groups over buffers of different shapes: bring the channels together first.
    current = { ...parts, input: inNaturalOrder(parts.node, parts.input, to, parts.operation.padding) };
    plan = planDepth(current, to.isInference) as DepthPlan;
  }
  emitGemm(current, plan, to);
}

/** Where the pixels are stands in the kernel's table. */
const inTable: PixelMap = { pixelBytes: 0, wrapBytes: 0 };

function emitGemm(parts: ConvolutionParts, plan: DepthPlan, to: Lowering): void {
  const { operation, groups, outPerGroup, outHeight, outWidth, kernel, inPerGroup, residual } = parts;
  const depthCount = kernel[0] * kernel[1] * inPerGroup;
  const { region, groupFloats, positions } = allocateGroups(parts, to);
  const isNatural = groups === 1 || groupFloats === outPerGroup;
  const pictures = picturesTogether(parts, plan, region.buffer, to);
  const pixels = pictures * outHeight * outWidth;
  const fusedResidual = residual && isNatural && isContiguous(residual) ? residual : undefined;
  const vectors = groupFloats / LANES;
  const key = `${to.target.simd}${to.target.wide ? "_wide" : ""}_m${pixels}_w${outWidth}_k${depthCount}_n${outPerGroup}_g${groups}`;
  const split = chooseSplit(parts, pictures, to);
  const cut = { pixels, isWhole: split === "channels" };
  const segments = chooseSegments(to.target, cut, vectors, to.target.tuning?.tiles[key]);
  const spec: GemmSpec = {
    pixels,
    width: outWidth,
    inputs: plan.depth.some((walk) => "wraps" in walk)
      ? [inTable]
      : plan.buffers.map((buffer) => inputMap(parts, buffer)),
    output: pixelMap(region.buffer, outWidth, outHeight),
    residual: fusedResidual && pixelMap(soleBuffer(fusedResidual), outWidth, outHeight),
    groups,
    groupInputBytes: plan.groupInputBytes,
    groupOutputBytes: groupFloats * FLOAT,
    block: groups === 1 || split === "channels" ? pixels : pixelBlock([...plan.buffers, region.buffer], segments),
    depth: plan.depth,
    depthCount,
    segments,
    split,
    panel: panelTiles(segments, depthCount),
    activation: operation.activation,
    residualActivation: fusedResidual ? operation.residualActivation : "none",
  };
  const constant = packedWeights(parts, segments, plan.entries);
  const { top, left } = operation.padding;
  const args: Address[] = [
    ...plan.buffers.map((buffer) => atPixel(buffer, -top, -left, 0)),
    { kind: "constant", constant },
    ...(plan.table ? [{ kind: "constant" as const, constant: plan.table }] : []),
    atPixel(region.buffer, 0, 0, region.channel),
    ...(fusedResidual ? [atPixel(soleBuffer(fusedResidual), 0, 0, (fusedResidual.places[0] as Place).channel)] : []),
  ];
  const name = gemmName(parts, spec, to);
  const byPixels = { units: pixels, grain: Math.max(...segments.map((segment) => segment.rows)) };
  const byTiles = { units: groups * tileCount(segments), grain: 1 };
  const shared = split === "pixels" ? byPixels : byTiles;
  const rows = split === "pixels" ? { ...rowWindow(parts), units: outWidth } : undefined;
  const { rows: tileRows, vectors: tileVectors } = segments[0] as Segment;
  const tile = { rows: tileRows, vectors: tileVectors };
  const choice = { key, tile, others: otherTiles(to.target, pixels, vectors, tile) };
  const call: Call = {
    kernel: to.kernel(name, (n) => gemmKernel(n, spec, to.target)),
    args,
    ...shared,
    rows,
    choice,
    variant: plan.variant,
  };
  if (pictures === 1) finish(parts, to, region, positions, [call]);
  else to.forAllPictures(() => finish(parts, to, region, positions, eachOf(to.images / pictures, pictures, call)));
}

/** A call for each so many pictures. */
function eachOf(count: number, pictures: number, call: Call): readonly Call[] {
  const later = (address: Address, i: number): Address =>
    address.kind === "buffer"
      ? { ...address, offset: address.offset + i * pictures * imageBytes(address.buffer) }
      : address;
  return Array.from({ length: count }, (_, i) => ({ ...call, args: call.args.map((address) => later(address, i)) }));
}

/** Pictures of so few pixels are no multiple of a tile's height. */
const FEW_PIXELS = 64;
/** What pictures that are multiplied together may take of the input. */
const INPUT_BYTES = 256_000;

/**
 * How many pictures are multiplied as one of many pixels: where buffers hold several without a border, as in training, and a picture is small
 * beside the weights, which would come from the second-level cache or beyond for each.
 */
function picturesTogether(
  { operation, kernel, groups, inPerGroup, outPerGroup, outHeight, outWidth, residual }: ConvolutionParts,
  plan: DepthPlan,
  output: Buffer,
  to: Lowering,
): number {
  const isPointwise = [...kernel, ...operation.stride].every((length) => length === 1) && groups === 1;
  const pixels = outHeight * outWidth;
  const isSmall = pixels <= FEW_PIXELS && pixels * (inPerGroup + outPerGroup) < inPerGroup * outPerGroup;
  if (to.isInference || !isPointwise || !isSmall || residual || plan.table) return 1;
  const [input, ...others] = plan.buffers;
  const isLine = (buffer: Buffer) => rowsFollow(buffer, to.images, outHeight) && !hasHalo(buffer);
  if (!input || others.length > 0 || !isLine(input) || !isLine(output)) return 1;
  return largestDivisor(to.images, Math.max(1, Math.floor(INPUT_BYTES / imageBytes(input))));
}

function gemmName(parts: ConvolutionParts, spec: GemmSpec, to: Lowering): string {
  const { node, kernel, groups, inPerGroup, outPerGroup, operation } = parts;
  const kind = isNode(node, "linear") ? "linear" : kernel[0] * kernel[1] === 1 ? "pointwise" : "spatial";
  const shape = kind === "spatial" ? `_${kernel.join("x")}_s${operation.stride.join("x")}` : "";
  const tile = spec.segments.map((segment) => `${segment.rows}x${segment.vectors * 4}`).join("+");
  const activations = [spec.activation, spec.residual ? "add" : "none", spec.residualActivation].filter(
    (a) => a !== "none",
  );
  const grouped = groups === 1 ? "" : `_g${groups}`;
  return [
    `f32_${kind}_${tile}${shape}${grouped}`,
    ...activations.map((activation) => `_${activation}`),
    `__${to.target.simd}_k${inPerGroup}_n${outPerGroup}_m${spec.pixels}_${hash(spec)}`,
  ].join("");
}

/** What a block's pixels may take of a grouped product's inputs and outputs. */
const GROUPED_BLOCK_BYTES = 32 * 1024;

/** Pixels that all groups of a product do before the next ones. */
function pixelBlock(buffers: readonly Buffer[], segments: readonly Segment[]): number {
  const bytes = buffers.reduce((sum, buffer) => sum + pixelBytes(buffer), 0);
  const unit = wholeTiles(segments);
  return Math.max(1, Math.floor(GROUPED_BLOCK_BYTES / bytes / unit)) * unit;
}

/** Bytes that may stay in the second-level cache beside what streams through it. */
const STAYS_IN_CACHE = 400_000;
/** Bytes of the weights of a panel: they stay there, and the input that streams past them has room. */
const PANEL_BYTES = STAYS_IN_CACHE / 2;

/**
 * Tiles of channels that a panel has at most. More weights than stay in cache would come from beyond it for every tile of pixels: with panels
 * MobileNet V1 took 0.98 of the time that it took with all tiles together, Xception 0.99, and MobileNet V2 0.98 of that with single tiles.
 */
function panelTiles(segments: readonly Segment[], depthCount: number): number {
  const tiles = tileCount(segments);
  const bytes = packedGroupFloats(segments, depthCount) * FLOAT;
  return bytes <= PANEL_BYTES ? tiles : Math.max(1, Math.floor((PANEL_BYTES / bytes) * tiles));
}

/**
 * What threads share out: tiles of channels where a group's weights are large and the picture is small, so that each reads a part of the
 * weights.
 *
 * With channels each of them reads the whole picture, most of which others have just written. Between two cores with long ways that takes
 * longer than weights do: ShuffleNet V2 took 0.98 to 0.99 of the time by the rule that the weights must then be twice as large.
 *
 * Groups as large as those of IGCV1's last stages took 0.93 of the time by channels on wide vectors, and 1.04 on others.
 */
function chooseSplit(parts: ConvolutionParts, pictures: number, to: Lowering): "pixels" | "channels" {
  if (parts.groups > 1 && !to.target.wide) return "pixels";
  const weightBytes = (parts.weights.length / parts.groups) * FLOAT;
  const inputBytes =
    (pictures * parts.input.height * parts.input.width * parts.input.places.length * FLOAT) / parts.groups;
  const isSinglePixel = parts.groups === 1 && parts.outHeight * parts.outWidth === 1;
  // In training each thread has pictures of its own.
  const isAlone = !to.isInference || to.target.threads === 1;
  const isLarge = weightBytes > PANEL_BYTES && (isAlone || weightBytes > 2 * inputBytes);
  return isSinglePixel || (isLarge && inputBytes < STAYS_IN_CACHE) ? "channels" : "pixels";
}
