import { OptionError } from "../errors.ts";

/** What every set of labelled pictures tells of itself. */
export interface LabeledSet {
  /** Number of pictures. */
  readonly length: number;
  /** Names of the classes, in the order of a network's outputs. */
  readonly labels: readonly string[];
  /** Class of each picture: an index into `labels`. */
  readonly classes: Uint16Array;
}

/** Pictures of one size, decoded and in memory. */
export interface PicturesInMemory extends LabeledSet {
  readonly kind: "memory";
  /** Rows and columns of every picture. */
  readonly size: readonly [height: number, width: number];
  /** `[length, height, width, 3]`: red, green and blue bytes. */
  readonly data: Uint8Array;
}

/**
 * Checks that sizes, classes and bytes agree.
 *
 * @throws {OptionError} naming what differs
 */
export function picturesInMemory(
  set: Pick<PicturesInMemory, "size" | "data" | "classes" | "labels">,
): PicturesInMemory {
  const { size, data, classes, labels } = set;
  const bytes = size[0] * size[1] * 3;
  if (data.length !== classes.length * bytes) {
    throw new OptionError(
      `pictures in memory: ${classes.length} of ${size[0]}x${size[1]} pixels need ${classes.length * bytes} bytes but there are ${data.length}.`,
    );
  }
  const stray = classes.findIndex((index) => index >= labels.length);
  if (stray >= 0) {
    throw new OptionError(
      `pictures in memory: picture ${stray} has class ${classes[stray]} but there are only ${labels.length} labels.`,
    );
  }
  return { kind: "memory", length: classes.length, labels, classes, size, data };
}

/** How many pictures each class has, in the order of the labels. */
export function countClasses({ labels, classes }: LabeledSet): number[] {
  const counts = new Array<number>(labels.length).fill(0);
  for (const index of classes) counts[index]! += 1;
  return counts;
}
