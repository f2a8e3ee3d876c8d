import { type ConvolutionParts, finish, weightRow } from "./convolution_parts.ts";
import { isEmpty } from "./halo.ts";
import { hash } from "./hash.ts";
import { chooseSegments, packedGroupFloats, packGroup, type Segment, tileCount } from "./kernels/gemm_tiles.ts";
import {
  leftFactorBytes,
  pairsOf,
  type StrassenSpec,
  strassenFactorsKernel,
  strassenKernel,
  strassenScratchBytes,
} from "./kernels/strassen.ts";
import { type Buffer, FLOAT, hasHalo, isContiguous, LANES, type Place, pixelBytes, soleBuffer } from "./layout.ts";
import { atPixel, inOrder, type Lowering } from "./lowering.ts";
import type { Address, Call, Constant } from "./plan.ts";
import { pixelMap } from "./plan_depth.ts";

/**
 * Fewer pixels or channels do not pay for the sums on every number of threads. Measured in turns on a Zen 5 server: Xception, with 361 pixels
 * of 728 channels, takes 0.95 of the product's time (0.96 to 0.99 in busy hours) and 0.94 to 0.99 on two threads; MobileNet V1, with 196 of 512,
 * would take 0.97 and 0.99, SqueezeNet 1.1 0.97 and 0.98, MobileNet V2 0.99 and no less.
 */
const LEAST_CHANNELS = 128;
const LEAST_PIXELS = 300;
/** Larger pictures run in bands with the layer before. */
const MOST_PIXELS = 700;
/** Of the factors, which are read again for every tile of channels. */
const MOST_FACTOR_BYTES = 2_000_000;

/** Lowers a pointwise convolution by Strassen's algorithm, if it is one that gains by it; otherwise does nothing and returns false. */
export function lowerStrassen(parts: ConvolutionParts, to: Lowering): boolean {
  // The sums take as long with vectors of twice the width, and the products do not: 0.96 to 1.02 of the time.
  if (to.target.wide || !isSuitable(parts)) return false;
  emitStrassen(parts, to);
  return true;
}

function isSuitable(parts: ConvolutionParts): boolean {
  const { operation, kernel, groups, inPerGroup, outPerGroup, outHeight, outWidth, input, residual } = parts;
  const { stride, padding } = operation;
  const isPointwise = [...kernel, ...stride].every((length) => length === 1) && isEmpty(padding) && groups === 1;
  const pixels = outHeight * outWidth;
  return (
    isPointwise &&
    Math.min(inPerGroup, outPerGroup) >= LEAST_CHANNELS &&
    inPerGroup % (2 * LANES) === 0 &&
    pixels >= LEAST_PIXELS &&
    pixels <= MOST_PIXELS &&
    pairsOf(pixels) * leftFactorBytes(inPerGroup) <= MOST_FACTOR_BYTES &&
    isContiguous(input) &&
    !hasHalo(soleBuffer(input)) &&
    (residual === undefined || isContiguous(residual))
  );
}

function emitStrassen(parts: ConvolutionParts, to: Lowering): void {
  const { node, operation, inPerGroup, outPerGroup, outHeight, outWidth, residual, input } = parts;
  const pixels = outHeight * outWidth;
  const vectors = Math.ceil(outPerGroup / 2 / LANES);
  const region = to.allocate(node, 2 * vectors * LANES);
  const inputBuffer = soleBuffer(input);
  const chosen = chooseSegments(to.target, { pixels: pairsOf(pixels), isWhole: true }, vectors);
  const { rows, vectors: columns } = chosen[0] as Segment;
  const segments = chosen.map((segment) => ({ ...segment, rows }));
  const spec: StrassenSpec = {
    pixels,
    width: outWidth,
    depth: inPerGroup,
    inputPixelBytes: pixelBytes(inputBuffer),
    output: pixelMap(region.buffer, outWidth, outHeight),
    residual: residual && pixelMap(soleBuffer(residual), outWidth, outHeight),
    segments,
    activation: operation.activation,
    residualActivation: residual ? operation.residualActivation : "none",
  };
  const factors = emitFactors(parts, spec, to);
  const scratch = to.scratch(`${node.name} (products)`, strassenScratchBytes(spec));
  const args: Address[] = [
    { kind: "buffer", buffer: factors, offset: 0 },
    { kind: "constant", constant: packedHalves(parts, segments) },
    { kind: "thread", buffer: scratch },
    atPixel(region.buffer, 0, 0, region.channel),
    ...(residual ? [atPixel(soleBuffer(residual), 0, 0, (residual.places[0] as Place).channel)] : []),
  ];
  const activation = operation.activation === "none" ? "" : `_${operation.activation}`;
  const shape = `k${inPerGroup}_n${outPerGroup}_m${pixels}`;
  const name = `f32_strassen_${rows}x${columns * LANES}${activation}__${to.target.simd}_${shape}_${hash(spec)}`;
  const call: Call = {
    kernel: to.kernel(name, (n) => strassenKernel(n, spec, to.target)),
    args,
    units: tileCount(segments),
    grain: 1,
  };
  finish(parts, to, region, inOrder(outPerGroup), [call], [factors, scratch]);
}

/** The sums of inputs, in a step of their own: threads share them. */
function emitFactors({ node, input }: ConvolutionParts, spec: StrassenSpec, to: Lowering): Buffer {
  const { pixels, depth, inputPixelBytes } = spec;
  const [source, pairs] = [soleBuffer(input), pairsOf(pixels)];
  const name = `${node.name} (factors)`;
  const factors = to.buffer({ name, height: 1, width: pairs, stride: leftFactorBytes(depth) / FLOAT });
  const kernel = to.kernel(`f32_strassen_factors__k${depth}_m${pixels}_${hash({ inputPixelBytes })}`, (n) =>
    strassenFactorsKernel(n, spec),
  );
  const from = atPixel(source, 0, 0, (input.places[0] as Place).channel);
  const args: Address[] = [from, { kind: "buffer", buffer: factors, offset: 0 }];
  to.step({ name, op: "convolution" }, [{ kernel, args, units: pairs, grain: 1 }], [source], [factors]);
  return factors;
}

/** The weights packed for tiles of `segments`, each of which has a left and a right half. */
function packedHalves(parts: ConvolutionParts, segments: readonly Segment[]): Constant {
  const { inPerGroup, outPerGroup, weights, bias } = parts;
  const half = segments.reduce((sum, { vectors, count }) => sum + vectors * count, 0) * LANES;
  const rows = Int32Array.from(inOrder(inPerGroup), (ic) => weightRow(parts, { kh: 0, kw: 0, ic }));
  return {
    bytes: 2 * packedGroupFloats(segments, inPerGroup) * FLOAT,
    holds: "weights",
    panels: segments.map(({ count, vectors }) => ({ count: 2 * count, rows: 1 + inPerGroup, lanes: vectors * LANES })),
    write: ({ f32 }) => {
      let [offset, column] = [0, 0];
      for (const { rows: height, vectors, count } of segments) {
        const tile = [{ rows: height, vectors, count: 1 }];
        for (let i = 0; i < count; i++, column += vectors * LANES) {
          for (const first of [column, half + column]) {
            const channels = Math.max(0, Math.min(vectors * LANES, outPerGroup - first));
            packGroup(f32.subarray(offset, offset + packedGroupFloats(tile, inPerGroup)), tile, {
              channels,
              weights,
              rows: rows.map((row) => row + first),
              bias: bias?.subarray(first),
            });
            offset += packedGroupFloats(tile, inPerGroup);
          }
        }
      }
    },
  };
}
