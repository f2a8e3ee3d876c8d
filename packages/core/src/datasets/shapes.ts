import { OptionError } from "../errors.ts";
import { checkSize, type Pixels } from "../pixels/pixels.ts";
import { type Random, seededRandom } from "../random.ts";
import { type PicturesInMemory, picturesInMemory } from "./pictures_in_memory.ts";
import { type Outline, outlineReach, shapeOutlines } from "./shape_outlines.ts";

/** Names of the ten shapes, in the order of their classes. */
export const shapeLabels: readonly string[] = Object.keys(shapeOutlines);

/** Which stream of pictures: no picture of one comes from the random numbers of another. */
export type ShapeSplit = "train" | "validation" | "test";

/** Options of {@link drawShapes}. */
export interface ShapeOptions {
  /** Number of pictures. Picture i is the same however many there are, and of class i modulo 10. */
  readonly count: number;
  readonly split: ShapeSplit;
  /** Default 0. */
  readonly seed?: number;
  /** Rows and columns, at least 8. Default 32. */
  readonly resolution?: number;
}

/**
 * Draws pictures of ten shapes, for demonstrations and tests that need no files: a light shape of random colour, place, size,
 * turn and proportions before a dark background with a gradient, stripes or checks and stray lines, all under noise.
 *
 * Only additions, multiplications, divisions and square roots go into a picture, so every engine draws the same bytes.
 *
 * @throws {OptionError} if a number is not whole or too small
 */
export function drawShapes({ count, split, seed = 0, resolution = 32 }: ShapeOptions): PicturesInMemory {
  checkResolution(resolution);
  if (!Number.isSafeInteger(count) || count < 1) {
    throw new OptionError(`shapes: expected a whole number of pictures, at least 1, but received ${count}.`);
  }
  const data = new Uint8Array(count * resolution * resolution * 3);
  const classes = new Uint16Array(count);
  for (let index = 0; index < count; index++) {
    classes[index] = index % shapeLabels.length;
    data.set(drawShape(index, { split, seed, resolution }).data, index * resolution * resolution * 3);
  }
  return picturesInMemory({ size: [resolution, resolution], data, classes, labels: shapeLabels });
}

/** Picture `index` of {@link drawShapes} alone: what the shape with the label `shapeLabels[index % 10]` looks like this time. */
export function drawShape(index: number, { split, seed = 0, resolution = 32 }: Omit<ShapeOptions, "count">): Pixels {
  checkResolution(resolution);
  const random = seededRandom(seed, `shapes/${split}/${index}`);
  const outline = shapeOutlines[shapeLabels[index % shapeLabels.length]!]!;
  const canvas = new Float32Array(resolution * resolution * 3);
  const background = drawBackground(canvas, resolution, random);
  for (let strays = random.below(3); strays > 0; strays--) drawStray(canvas, resolution, random);
  paint(canvas, resolution, placed(outline, resolution, random), drawLighter(background, random));
  return { width: resolution, height: resolution, data: withNoise(canvas, random) };
}

function checkResolution(resolution: number): void {
  checkSize("resolution of shapes", resolution);
  if (resolution < 8) throw new OptionError(`shapes: expected at least 8 pixels a side but received ${resolution}.`);
}

type Color = readonly [red: number, green: number, blue: number];

/** An outline in pixels, and the window outside of which it paints nothing. */
interface PlacedOutline {
  /** Signed distance in pixels. */
  readonly distance: Outline;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** Shapes are lighter than what is behind them: this is where they meet. */
const middle = 128;

function drawDarkColor(random: Random): Color {
  return [random.below(middle), random.below(middle), random.below(middle)];
}

/** A gradient from one dark colour to another, and over it stripes or checks in half of the pictures. Returns the colours. */
function drawBackground(canvas: Float32Array, resolution: number, random: Random): readonly Color[] {
  const from = drawDarkColor(random);
  const to = from.map((value) => Math.max(0, Math.min(middle, value + random.below(81) - 40))) as unknown as Color;
  const [gradientX, gradientY] = drawDirection(random);
  const [textureX, textureY] = drawDirection(random);
  const texture = random.below(4); // 0 and 1: none, 2: stripes, 3: checks
  const depth = texture < 2 ? 0 : 8 + random.below(25);
  const period = resolution * (0.08 + 0.2 * random.uniform());
  let i = 0;
  for (let row = 0; row < resolution; row++) {
    for (let column = 0; column < resolution; column++) {
      const x = column + 0.5 - resolution / 2;
      const y = row + 0.5 - resolution / 2;
      const share = 0.5 + (0.7 * (x * gradientX + y * gradientY)) / resolution; // 0.7: corners stay near 0 and 1
      const stripes = Math.floor((x * textureX + y * textureY) / period);
      const checks = texture === 3 ? Math.floor((y * textureX - x * textureY) / period) : 0;
      const raise = ((stripes + checks) & 1) === 1 ? depth : 0;
      for (let channel = 0; channel < 3; channel++) {
        canvas[i++] = from[channel]! + share * (to[channel]! - from[channel]!) + raise;
      }
    }
  }
  return [from, to];
}

/** A point of the unit circle, evenly: one of the unit disc, not too near the middle, pushed out. */
function drawDirection(random: Random): readonly [x: number, y: number] {
  for (;;) {
    const x = 2 * random.uniform() - 1;
    const y = 2 * random.uniform() - 1;
    const square = x * x + y * y;
    if (square <= 1 && square > 0.01) return [x / Math.sqrt(square), y / Math.sqrt(square)];
  }
}

/** A thin line right across the picture. */
function drawStray(canvas: Float32Array, resolution: number, random: Random): void {
  const [x, y] = drawDirection(random);
  const offset = resolution * (0.15 + 0.7 * random.uniform());
  const halfWidth = resolution * (0.01 + 0.015 * random.uniform());
  const distance: Outline = (column, row) =>
    Math.abs((column - resolution / 2) * x + (row - resolution / 2) * y - (offset - resolution / 2)) - halfWidth;
  paint(
    canvas,
    resolution,
    { distance, left: 0, right: resolution, top: 0, bottom: resolution },
    drawDarkColor(random),
  );
}

/** A colour that is lighter than each of the others by at least 200 in the sum over channels; white if none of 20 is. */
function drawLighter(others: readonly Color[], random: Random): Color {
  const enough = 200 + Math.max(...others.map(brightness));
  for (let tries = 0; tries < 20; tries++) {
    const color: Color = [random.below(256), random.below(256), random.below(256)];
    if (brightness(color) >= enough) return color;
  }
  return [255, 255, 255];
}

function brightness([red, green, blue]: Color): number {
  return red + green + blue;
}

/** tan(15°): shapes lean by up to 30 degrees. */
const mostHalfTangent = 0.2679491924311227;

/** Somewhere in the picture, leaning either way, radius 30 to 45 % of the side, one axis up to a seventh shorter than the other. */
function placed(outline: Outline, resolution: number, random: Random): PlacedOutline {
  const radius = resolution * (0.3 + 0.15 * random.uniform());
  // A turn by twice the angle of this tangent: sine and cosine of it are fractions.
  const halfTangent = mostHalfTangent * (2 * random.uniform() - 1);
  const cosine = (1 - halfTangent * halfTangent) / (1 + halfTangent * halfTangent);
  const sine = (2 * halfTangent) / (1 + halfTangent * halfTangent);
  const squeeze = 1 - random.uniform() / 7;
  // At most a tenth of the radius lies outside.
  const room = resolution - 1.8 * radius;
  const centerX = 0.9 * radius + room * random.uniform();
  const centerY = 0.9 * radius + room * random.uniform();
  const scale = radius * squeeze;
  const reach = outlineReach * radius + 1; // the last pixel that is partly covered
  const squaredReach = reach * reach;
  return {
    distance: (column, row) => {
      const dx = column - centerX;
      const dy = row - centerY;
      if (dx * dx + dy * dy > squaredReach) return 1; // uncovered; corners of the window need no outline
      const x = dx / scale;
      const y = dy / scale;
      // Scaled back by the shorter axis: along the longer one the edge is a little softer.
      return outline((x * cosine + y * sine) * squeeze, y * cosine - x * sine) * scale;
    },
    left: Math.max(0, Math.floor(centerX - reach)),
    right: Math.min(resolution, Math.ceil(centerX + reach)),
    top: Math.max(0, Math.floor(centerY - reach)),
    bottom: Math.min(resolution, Math.ceil(centerY + reach)),
  };
}

/** Covers each pixel by the share that lies inside, taken from the distance of its middle to the outline. */
function paint(canvas: Float32Array, resolution: number, shape: PlacedOutline, color: Color): void {
  for (let row = shape.top; row < shape.bottom; row++) {
    for (let column = shape.left; column < shape.right; column++) {
      const covered = Math.min(1, 0.5 - shape.distance(column + 0.5, row + 0.5));
      if (covered <= 0) continue;
      const i = (row * resolution + column) * 3;
      for (let channel = 0; channel < 3; channel++) {
        canvas[i + channel]! += covered * (color[channel]! - canvas[i + channel]!);
      }
    }
  }
}

/** Bytes under noise of one strength for the whole picture, up to 16 either way. One draw makes the noise of three channels. */
function withNoise(canvas: Float32Array, random: Random): Uint8Array {
  const strength = (32 * random.uniform()) / 256;
  const bytes = new Uint8ClampedArray(canvas.length);
  for (let i = 0; i < bytes.length; i += 3) {
    const bits = random.uint32();
    bytes[i] = canvas[i]! + strength * ((bits & 255) - 127.5);
    bytes[i + 1] = canvas[i + 1]! + strength * (((bits >>> 8) & 255) - 127.5);
    bytes[i + 2] = canvas[i + 2]! + strength * (((bits >>> 16) & 255) - 127.5);
  }
  return new Uint8Array(bytes.buffer);
}
