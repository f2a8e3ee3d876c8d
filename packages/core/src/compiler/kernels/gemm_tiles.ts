import { LANES } from "../layout.ts";
import type { Target } from "../target.ts";
import type { Tile } from "../tuning.ts";

/** Tiles of `rows` pixels by `vectors` times four channels, `count` of them side by side. */
export interface Segment {
  readonly rows: number;
  readonly vectors: number;
  readonly count: number;
}

/**
 * How many sums a tile may hold. V8 leaves 15 of 16 vector registers; a tile needs its sums, the weight vectors and one input.
 * 12 = 6x8 or 12x4; separate multiply and add needs one register more, so 10 = 5x8 there.
 */
export function tileSums(target: Target): number {
  return target.simd === "relaxed" ? 12 : 10;
}

/** How a product's pixels are cut into tiles. */
export interface Rows {
  readonly pixels: number;
  /** Whether a call does all of them: then tiles may be {@link rowRuns}. */
  readonly isWhole: boolean;
}

/**
 * Splits `vectors` output vectors of a group into segments of tiles.
 *
 * @param tile what tuning has found best; vectors that are left over get what they would without it
 */
export function chooseSegments(target: Target, rows: Rows, vectors: number, tile?: Tile): readonly Segment[] {
  const { pixels } = rows;
  if (pixels < 4) return singlePixelSegments(pixels, vectors);
  if (tile && tile.rows <= pixels && tile.vectors <= vectors) {
    const main = { ...tile, count: Math.floor(vectors / tile.vectors) };
    const rest = vectors % tile.vectors;
    return rest === 0 ? [main] : [main, ...chooseSegments(target, rows, rest)];
  }
  return target.wide ? wideSegments(rows, vectors) : narrowSegments(tileSums(target), rows, vectors);
}

/** Tiles to try in each mode: those that leave registers for the weights and an input. */
const tiles = {
  relaxed: ["6x2", "5x2", "4x2", "3x3", "2x4", "12x1", "8x1"],
  plain: ["5x2", "4x2", "3x2", "3x3", "2x4", "10x1", "6x1"],
  wide: ["6x4", "5x4", "4x4", "3x4", "12x2", "8x2", "6x2"],
} as const;

/** The tiles that tuning tries instead of `tile` for a product of `pixels` pixels and `vectors` output vectors a group. */
export function otherTiles({ simd, wide }: Target, pixels: number, vectors: number, tile: Tile): readonly Tile[] {
  if (pixels < 4) return [];
  return tiles[wide ? "wide" : simd]
    .map((text) => text.split("x").map(Number) as [number, number])
    .map(([rows, width]) => ({ rows, vectors: width }))
    .filter((other) => other.rows <= pixels && other.vectors <= vectors)
    .filter((other) => other.rows !== tile.rows || other.vectors !== tile.vectors);
}

/** Few pixels: as many channels at once as registers hold. */
function singlePixelSegments(pixels: number, vectors: number): readonly Segment[] {
  const width = Math.min(Math.floor(8 / pixels), vectors);
  const main = { rows: pixels, vectors: width, count: Math.floor(vectors / width) };
  const rest = vectors % width;
  return rest === 0 ? [main] : [main, { rows: pixels, vectors: rest, count: 1 }];
}

/** Tiles of 6x8, and one of 12x4 for an odd vector. (4x12 would need a sixteenth register.) */
function narrowSegments(sums: number, rows: Rows, vectors: number): readonly Segment[] {
  const tile = (width: number, count: number) => ({
    rows: chooseRows(rows, Math.floor(sums / width)),
    vectors: width,
    count,
  });
  return [tile(2, Math.floor(vectors / 2)), tile(1, vectors % 2)].filter(({ count }) => count > 0);
}

/** Tiles of 6x16 whose vectors the engine joins in pairs, of 12x8 for a pair that is left, and of 4 channels for a single one. */
function wideSegments(rows: Rows, vectors: number): readonly Segment[] {
  const segments = [
    { rows: chooseRows(rows, 6), vectors: 4, count: Math.floor(vectors / 4) },
    { rows: chooseRows(rows, 12), vectors: 2, count: Math.floor((vectors % 4) / 2) },
    { rows: chooseRows(rows, 12), vectors: 1, count: vectors % 2 },
  ];
  return segments.filter(({ count }) => count > 0);
}

/**
 * Throughput of a tile relative to the tallest one that fits: fewer sums hide less of a multiply-add's latency, and share their weights
 * among fewer pixels. Measured with 6x8, 5x8 and 4x8 tiles on one server (97, 91 and 85 % of the ceiling), the rest by extension.
 */
function relativeThroughput(rows: number, most: number): number {
  return 1 - 0.36 * (1 - rows / most);
}

/** The tile height up to `most` that takes the least time. */
function chooseRows({ pixels, isWhole }: Rows, most: number): number {
  const tallest = Math.min(most, pixels);
  let best = tallest;
  let bestTime = Number.POSITIVE_INFINITY;
  for (let rows = tallest; rows >= 1; rows--) {
    const runs = isWhole ? rowRuns(pixels, rows) : [overlapping(pixels, rows)];
    const time = runs.reduce((sum, run) => sum + (run.tiles * run.rows) / relativeThroughput(run.rows, most), 0);
    if (time < bestTime) [best, bestTime] = [rows, time];
  }
  return best;
}

/** Tiles of the same height, one below the other. */
export interface RowRun {
  readonly rows: number;
  readonly tiles: number;
}

/** Tiles of `rows` rows, the last of which lies partly over the one before it: work done twice. */
function overlapping(pixels: number, rows: number): RowRun {
  return { rows, tiles: Math.ceil(pixels / rows) };
}

/** Tiles of `rows` rows, then tiles of one row less, so that none of them overlap, if that goes: 49 pixels are 4 x 6 and 5 x 5. */
export function rowRuns(pixels: number, rows: number): readonly RowRun[] {
  const whole = overlapping(pixels, rows);
  const shorter = whole.tiles * rows - pixels;
  if (shorter > whole.tiles) return [whole];
  const runs = [
    { rows, tiles: whole.tiles - shorter },
    { rows: rows - 1, tiles: shorter },
  ];
  return runs.filter((run) => run.tiles > 0);
}

/** Tiles of channels, over all segments. */
export function tileCount(segments: readonly Segment[]): number {
  return segments.reduce((sum, { count }) => sum + count, 0);
}

/** The least number of pixels that is a whole number of every segment's rows. */
export function wholeTiles(segments: readonly Segment[]): number {
  return segments.reduce((product, { rows }) => leastCommonMultiple(product, rows), 1);
}

function leastCommonMultiple(a: number, b: number): number {
  let multiple = Math.max(a, b);
  while (multiple % a !== 0 || multiple % b !== 0) multiple++;
  return multiple;
}

/**
 * Steps of K in a trip: about 48 multiply-adds. Those that the engine joins count once: on wide vectors MobileNet V1 and Xception took 1.02 to
 * 1.03 of the time with two steps instead of four while the core was shared, and 1.00 when it was not.
 */
export function unrolledSteps({ rows, vectors }: Segment, { wide }: Pick<Target, "wide">): number {
  const sums = wide && vectors % 2 === 0 ? (rows * vectors) / 2 : rows * vectors;
  return Math.max(2, Math.floor(48 / sums));
}

/** Floats of packed weights for one group: for each tile its bias, then for each input the tile's channels. */
export function packedGroupFloats(segments: readonly Segment[], depthCount: number): number {
  return segments.reduce((sum, { vectors, count }) => sum + count * vectors * LANES * (1 + depthCount), 0);
}

/** One group's numbers, as the graph has them. */
export interface GroupWeights {
  /** Output channels of the group. */
  readonly channels: number;
  /** The convolution's weights; those of input k for the group's channels stand side by side from `rows[k]` on. */
  readonly weights: Float32Array;
  readonly rows: Int32Array;
  readonly bias: Float32Array | undefined;
}

/** Packs one group's weights in the order of their use. */
export function packGroup(out: Float32Array, segments: readonly Segment[], group: GroupWeights): void {
  const { channels, weights, rows, bias } = group;
  let at = 0;
  let first = 0;
  for (const { vectors, count } of segments) {
    const size = vectors * LANES;
    for (let tile = 0; tile < count; tile++, first += size) {
      const used = Math.min(size, channels - first);
      if (bias) for (let j = 0; j < used; j++) out[at + j] = bias[first + j] as number;
      at += size;
      for (const row of rows) {
        for (let j = 0; j < used; j++) out[at + j] = weights[row + first + j] as number;
        at += size;
      }
    }
  }
}
