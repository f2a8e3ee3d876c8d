import { OptionError } from "../errors.ts";

/** How a training picture is cut to the network's input. */
export type TrainingCrop =
  /** As in evaluation: resized and cut out of the middle. */
  | { readonly kind: "center" }
  /**
   * Fitted to the input as in evaluation, then moved by up to `padding` pixels each way (He et al., arXiv:1512.03385, §4.2).
   * What comes in at the edge is black, or the picture mirrored at its edge.
   */
  | { readonly kind: "shifted"; readonly padding: number; readonly fill: "black" | "reflect" }
  /**
   * A random part, resized to the input: its share of the picture's area drawn from `area`, its width over its height from
   * `aspect`, evenly in the logarithm (Szegedy et al., arXiv:1409.4842, §6).
   */
  | {
      readonly kind: "resized";
      readonly area: readonly [least: number, most: number];
      readonly aspect: readonly [least: number, most: number];
    };

/** How far colours may stray. A share s means a factor drawn from 1 - s to 1 + s; 0 or absent leaves the property alone. */
export interface ColorJitter {
  /** Share, 0 to 1. */
  readonly brightness?: number;
  /** Share, 0 to 1, of the distance from the picture's mean grey. */
  readonly contrast?: number;
  /** Share, 0 to 1, of the distance from grey. */
  readonly saturation?: number;
  /** Turn of the hue, 0 to 0.5 of a full circle, either way. */
  readonly hue?: number;
}

/** What is done to pictures in training, in the order of the fields. */
export interface Augmentation {
  readonly crop: TrainingCrop;
  /** Mirrored left to right, every other picture. */
  readonly flip: boolean;
  /** So many operations of {@link randAugmentOperations}, each drawn anew. */
  readonly randAugment?: {
    /** 0 to 8; the paper's N. */
    readonly operations: number;
    /** 0 to 10, the paper's M; or `random`, drawn evenly for each operation (TrivialAugment, arXiv:2103.10158). */
    readonly magnitude: number | "random";
  };
  readonly colorJitter?: ColorJitter;
  /** A square of the mean colour around a random pixel, cut at the edges (arXiv:1708.04552). */
  readonly cutout?: {
    /** Its side as a share of the picture's short side, over 0 and at most 1. */
    readonly size: number;
  };
  /** Two pictures blended, and their targets (arXiv:1710.09412). */
  readonly mixup?: {
    /** Of the Beta distribution that the share is drawn from, 0.01 to 4. The paper takes 0.2 for ImageNet, 1 for CIFAR. */
    readonly alpha: number;
  };
  /** A rectangle swapped between two pictures, and targets by area (arXiv:1905.04899). With mixup too, each pair draws one of them. */
  readonly cutmix?: { readonly alpha: number };
}

/** Name of one of {@link augmentationPresets}. */
export type AugmentationPreset = "none" | "smallPictures" | "photos" | "shapes";

/** Augmentations that suit a kind of pictures. */
export const augmentationPresets: { readonly [name in AugmentationPreset]: Augmentation } = {
  /** The pictures as evaluation sees them; still shuffled. */
  none: { crop: { kind: "center" }, flip: false },
  /** CIFAR's: moved by up to 4 pixels and flipped. */
  smallPictures: { crop: { kind: "shifted", padding: 4, fill: "reflect" }, flip: true },
  /** Photos: a random part of at least 35 % of the area (small networks underfit with less), flipped, colours varied a little. */
  photos: {
    crop: { kind: "resized", area: [0.35, 1], aspect: [3 / 4, 4 / 3] },
    flip: true,
    colorJitter: { brightness: 0.2, contrast: 0.2, saturation: 0.2 },
  },
  /** The drawn shapes vary by themselves: flipping is enough. */
  shapes: { crop: { kind: "center" }, flip: true },
};

/**
 * Checks every number of an augmentation.
 *
 * @returns it
 * @throws {OptionError} naming the field, what it must be and what it is
 */
export function checkAugmentation(augmentation: Augmentation): Augmentation {
  const { crop, randAugment, colorJitter, cutout, mixup, cutmix } = augmentation;
  checkCrop(crop);
  if (randAugment !== undefined) {
    within("randAugment.operations", randAugment.operations, 0, 8);
    whole("randAugment.operations", randAugment.operations);
    if (randAugment.magnitude !== "random") within("randAugment.magnitude", randAugment.magnitude, 0, 10);
  }
  for (const property of ["brightness", "contrast", "saturation"] as const) {
    within(`colorJitter.${property}`, colorJitter?.[property] ?? 0, 0, 1);
  }
  within("colorJitter.hue", colorJitter?.hue ?? 0, 0, 0.5);
  if (cutout !== undefined) within("cutout.size", cutout.size, Number.MIN_VALUE, 1);
  if (mixup !== undefined) within("mixup.alpha", mixup.alpha, smallestAlpha, largestAlpha);
  if (cutmix !== undefined) within("cutmix.alpha", cutmix.alpha, smallestAlpha, largestAlpha);
  return augmentation;
}

/** Below, nearly every share is 0 or 1; above, nearly every share is near a half, and drawing one takes long. */
const smallestAlpha = 0.01;
const largestAlpha = 4;

function checkCrop(crop: TrainingCrop): void {
  switch (crop.kind) {
    case "center":
      return;
    case "shifted":
      within("crop.padding", crop.padding, 0, 65536);
      whole("crop.padding", crop.padding);
      if (crop.fill !== "black" && crop.fill !== "reflect") refuse("crop.fill", "black or reflect", crop.fill);
      return;
    case "resized":
      range("crop.area", crop.area, 1);
      range("crop.aspect", crop.aspect, 100);
      return;
    default:
      crop satisfies never;
      refuse("crop.kind", "center, shifted or resized", (crop as { kind: unknown }).kind);
  }
}

function range(field: string, [least, most]: readonly [number, number], limit: number): void {
  if (!(least > 0 && least <= most && most <= limit)) {
    refuse(field, `two numbers in order, over 0 and at most ${limit}`, [least, most]);
  }
}

function within(field: string, value: number, least: number, most: number): void {
  if (value >= least && value <= most) return;
  refuse(field, least === Number.MIN_VALUE ? `a number over 0 and at most ${most}` : `${least} to ${most}`, value);
}

function whole(field: string, value: number): void {
  if (!Number.isInteger(value)) refuse(field, "a whole number", value);
}

function refuse(field: string, expected: string, received: unknown): never {
  throw new OptionError(`augmentation, ${field}: expected ${expected} but received ${JSON.stringify(received)}.`);
}
