import { centerWindow, cutOut } from "../pixels/crop.ts";
import type { Pixels } from "../pixels/pixels.ts";
import { fitToInput, isFitted } from "../pixels/preprocess.ts";
import { checkPreprocessing, type PerChannel, type Preprocessing } from "../pixels/preprocessing.ts";
import { resize, shortSideSize } from "../pixels/resize.ts";
import { type Random, seededRandom } from "../random.ts";
import { type Augmentation, type ColorJitter, checkAugmentation } from "./augmentation.ts";
import { changeBrightness, changeContrast, changeSaturation, turnHue } from "./color_operations.ts";
import { cutout } from "./cutout.ts";
import { drawWindow, flipHorizontally, shift } from "./geometry.ts";
import { applyRandAugment } from "./rand_augment.ts";

/** Makes training pictures out of pictures. */
export interface Augmenter {
  /**
   * The part that is the same in every epoch, done once and kept: fits a picture to the input, or for random resized crops
   * makes its short side at most 1.15 times the input's and its long side at most three times as long.
   */
  prepare(pixels: Pixels): Pixels;
  /** The random part, on a prepared picture. Returns bytes of the input's size, possibly those of `prepared` itself. */
  augment(prepared: Pixels, random: Random): Pixels;
}

/**
 * The stream of random numbers of one picture in one epoch: nothing else that is drawn, and no order, comes into it.
 *
 * @param index of the picture in its set
 * @param repeat how often this epoch has drawn the picture before
 */
export function pictureRandom(seed: number, epoch: number, index: number, repeat = 0): Random {
  return seededRandom(seed, `picture/${epoch}/${index}/${repeat}`);
}

/**
 * An augmentation for a network's input.
 *
 * @throws {OptionError} if either is not valid
 */
export function createAugmenter(augmentation: Augmentation, preprocessing: Preprocessing): Augmenter {
  checkAugmentation(augmentation);
  checkPreprocessing(preprocessing);
  const fill = meanBytes(preprocessing);
  const { crop, flip, randAugment, colorJitter, cutout: square } = augmentation;
  return {
    prepare: (pixels) => (crop.kind === "resized" ? shrink(pixels, preprocessing) : fitOnce(pixels, preprocessing)),
    augment(prepared, random) {
      let pixels = cropRandomly(prepared, augmentation, preprocessing, random);
      if (flip && random.below(2) === 1) pixels = flipHorizontally(pixels);
      if (randAugment !== undefined) pixels = applyRandAugment(pixels, randAugment, fill, random);
      if (colorJitter !== undefined) pixels = jitterColor(pixels, colorJitter, random);
      return square === undefined ? pixels : cutout(pixels, square.size, fill, random);
    },
  };
}

/** Most detail that a random resized crop may draw from: more costs memory and time in every epoch. */
const mostDetail = 1.15;
/** Long side over short side of what is kept; of longer pictures the middle. */
const mostElongation = 3;

function shrink(pixels: Pixels, { size, filter }: Preprocessing): Pixels {
  const shortSide = Math.min(pixels.width, pixels.height);
  const target = Math.min(shortSide, Math.ceil(Math.max(...size) * mostDetail));
  const whole = shortSideSize(pixels, target);
  const longest = target * mostElongation;
  const window = centerWindow(whole, Math.min(whole.width, longest), Math.min(whole.height, longest));
  return resize(pixels, { ...whole, filter, window });
}

/** {@link fitToInput}, which copies, only where it would change something. */
function fitOnce(pixels: Pixels, preprocessing: Preprocessing): Pixels {
  return isFitted(pixels, preprocessing) ? pixels : fitToInput(pixels, preprocessing);
}

function cropRandomly(prepared: Pixels, { crop }: Augmentation, preprocessing: Preprocessing, random: Random): Pixels {
  switch (crop.kind) {
    case "center":
      return prepared;
    case "shifted": {
      const moves = 2 * crop.padding + 1;
      const x = random.below(moves) - crop.padding;
      return shift(prepared, x, random.below(moves) - crop.padding, crop.fill);
    }
    case "resized": {
      const window = drawWindow(prepared, crop.area, crop.aspect, random);
      const [height, width] = preprocessing.size;
      return resize(cutOut(prepared, window), { width, height, filter: preprocessing.filter });
    }
  }
}

function jitterColor(pixels: Pixels, jitter: ColorJitter, random: Random): Pixels {
  const { brightness = 0, contrast = 0, saturation = 0, hue = 0 } = jitter;
  const between = (amount: number): number => amount * (2 * random.uniform() - 1);
  let changed = pixels;
  if (brightness > 0) changed = changeBrightness(changed, 1 + between(brightness));
  if (contrast > 0) changed = changeContrast(changed, 1 + between(contrast));
  if (saturation > 0) changed = changeSaturation(changed, 1 + between(saturation));
  return hue > 0 ? turnHue(changed, between(hue)) : changed;
}

/** The byte of each channel that becomes closest to 0 in the network's input. */
function meanBytes({ mean, scale }: Preprocessing): PerChannel {
  const byteOf = (value: number): number => Math.max(0, Math.min(255, Math.round(value / scale)));
  return [byteOf(mean[0]), byteOf(mean[1]), byteOf(mean[2])];
}
