import type { PictureSize } from "../pixels/crop.ts";
import type { Pixels } from "../pixels/pixels.ts";
import type { PerChannel } from "../pixels/preprocessing.ts";
import type { Random } from "../random.ts";
import { type AffineMap, identityMap, mapPicture, rotation } from "./affine.ts";
import type { Augmentation } from "./augmentation.ts";
import {
  changeBrightness,
  changeContrast,
  changeSaturation,
  changeSharpness,
  equalize,
  posterize,
  solarize,
  stretchContrast,
} from "./color_operations.ts";

/**
 * One operation of the set.
 *
 * @param strength 0 to 1, magnitude over 10; of operations with two directions, -1 to 1
 * @param fill colour of what comes in from outside
 */
type Operation = (pixels: Pixels, strength: number, fill: PerChannel) => Pixels;

interface OperationRow {
  /** Whether it goes either way. */
  readonly isSigned: boolean;
  readonly apply: Operation;
}

/** tan(15°): the half tangent of 30°. */
const mostHalfTangent = 0.2679491924311227;
const mostShear = 0.3;
/** The paper's 150 pixels of 331. */
const mostTranslation = 150 / 331;
const mostChange = 0.9;
const mostBitsLost = 4;

/**
 * The fourteen operations of RandAugment (Cubuk et al., arXiv:1909.13719) and what each does at magnitude 10; at smaller
 * magnitudes proportionally less.
 */
export const randAugmentOperations: { readonly [name: string]: OperationRow } = {
  /** Nothing. */
  identity: unsigned((pixels) => pixels),
  /** Each channel stretched to 0..255, at any magnitude. */
  autoContrast: unsigned(stretchContrast),
  /** Each channel's histogram flattened, at any magnitude. */
  equalize: unsigned(equalize),
  /** Turned by 30 degrees. */
  rotate: mapped((strength) => rotation(strength * mostHalfTangent)),
  /** Values from 256 * (1 - strength) on turned around. */
  solarize: unsigned((pixels, strength) => solarize(pixels, 256 * (1 - strength))),
  /** Saturation times 1.9 or 0.1. */
  color: signed((pixels, strength) => changeSaturation(pixels, 1 + strength * mostChange)),
  /** Four of eight bits lost. */
  posterize: unsigned((pixels, strength) => posterize(pixels, 8 - Math.round(strength * mostBitsLost))),
  /** Contrast times 1.9 or 0.1. */
  contrast: signed((pixels, strength) => changeContrast(pixels, 1 + strength * mostChange)),
  /** Brightness times 1.9 or 0.1. */
  brightness: signed((pixels, strength) => changeBrightness(pixels, 1 + strength * mostChange)),
  /** Sharpness times 1.9 or 0.1. */
  sharpness: signed((pixels, strength) => changeSharpness(pixels, 1 + strength * mostChange)),
  /** Rows pushed aside by 0.3 of their distance from the middle. */
  shearX: mapped((strength) => ({ ...identityMap, xy: strength * mostShear })),
  /** Columns likewise. */
  shearY: mapped((strength) => ({ ...identityMap, yx: strength * mostShear })),
  /** Moved sideways by 0.45 of the width. */
  translateX: mapped((strength, { width }) => ({ ...identityMap, x0: strength * mostTranslation * width })),
  /** Moved up or down by 0.45 of the height. */
  translateY: mapped((strength, { height }) => ({ ...identityMap, y0: strength * mostTranslation * height })),
};

const operationRows: readonly OperationRow[] = Object.values(randAugmentOperations);
const mostMagnitude = 10;

/** Applies so many operations, each drawn evenly from the set. */
export function applyRandAugment(
  pixels: Pixels,
  { operations, magnitude }: NonNullable<Augmentation["randAugment"]>,
  fill: PerChannel,
  random: Random,
): Pixels {
  let changed = pixels;
  for (let i = 0; i < operations; i++) {
    const { isSigned, apply } = operationRows[random.below(operationRows.length)]!;
    const strength = magnitude === "random" ? random.uniform() : magnitude / mostMagnitude;
    const isNegative = random.below(2) === 1; // drawn in any case, so that the next draw does not depend on this row
    changed = apply(changed, isSigned && isNegative ? -strength : strength, fill);
  }
  return changed;
}

function unsigned(apply: Operation): OperationRow {
  return { isSigned: false, apply };
}

function signed(apply: Operation): OperationRow {
  return { isSigned: true, apply };
}

function mapped(mapOf: (strength: number, picture: PictureSize) => AffineMap): OperationRow {
  return signed((pixels, strength, fill) => mapPicture(pixels, mapOf(strength, pixels), fill));
}
