import { countClasses, type LabeledSet, OptionError, type PicturesInMemory, picturesInMemory } from "@depthwise/core";
import type { SkippedFile } from "../pictures/list_pictures.ts";

/** Pictures in files, with a class each. They are decoded when they are needed. */
export interface PictureFiles extends LabeledSet {
  readonly kind: "files";
  /** Path of each picture. */
  readonly files: readonly string[];
}

/** Labelled pictures, wherever they are. */
export type PictureSet = PicturesInMemory | PictureFiles;

/** What DATA stands for: pictures to learn from and pictures to judge by. */
export interface DataSet {
  /** `cifar10`, `shapes`, or the path. */
  readonly name: string;
  /** Names of the classes, in the order of a network's outputs; the same for all splits. */
  readonly labels: readonly string[];
  readonly train: PictureSet;
  /** To watch training by. `undefined` where there is none. */
  readonly validation: PictureSet | undefined;
  readonly test: PictureSet | undefined;
  /** Where `validation` comes from: the data's own, a share put apart by seed, or the test pictures themselves. */
  readonly validationFrom: "data" | "split" | "test" | "none";
  /** Files that are no pictures by name or first bytes, links in circles, folders that cannot be read. */
  readonly skipped: readonly SkippedFile[];
  /** For people: what is odd about the data, in whole sentences. */
  readonly warnings: readonly string[];
}

/** How many pictures of each class there are, and how unequal the classes are. */
export interface DataSummary {
  readonly classes: readonly {
    readonly label: string;
    readonly train: number;
    readonly validation: number;
    readonly test: number;
  }[];
  /** Training pictures of the largest class for each one of the smallest that has any; 1 where all are equal. */
  readonly imbalance: number;
}

/** Counts what `openData` found. */
export function summarizeData(data: Pick<DataSet, "labels" | "train" | "validation" | "test">): DataSummary {
  const [train, validation, test] = [data.train, data.validation, data.test].map((set) =>
    set === undefined ? [] : countClasses(set),
  );
  const classes = data.labels.map((label, i) => ({
    label,
    train: train?.[i] ?? 0,
    validation: validation?.[i] ?? 0,
    test: test?.[i] ?? 0,
  }));
  return { classes, imbalance: imbalanceOf(train ?? []) };
}

function imbalanceOf(counts: readonly number[]): number {
  const present = counts.filter((count) => count > 0);
  return present.length === 0 ? 1 : Math.max(...present) / Math.min(...present);
}

/** Labelled files. */
export function pictureFiles(files: readonly string[], classes: Uint16Array, labels: readonly string[]): PictureFiles {
  return { kind: "files", length: files.length, labels, classes, files };
}

/** Some pictures of a set, in the order of the indices. Of pictures in memory it is a copy. */
export function selectPictures(set: PictureSet, indices: Uint32Array): PictureSet {
  const classes = Uint16Array.from(indices, (index) => set.classes[index]!);
  if (set.kind === "files") {
    const files = Array.from(indices, (index) => set.files[index] as string);
    return pictureFiles(files, classes, set.labels);
  }
  const bytes = set.size[0] * set.size[1] * 3;
  const data = new Uint8Array(indices.length * bytes);
  for (const [to, from] of indices.entries()) data.set(set.data.subarray(from * bytes, (from + 1) * bytes), to * bytes);
  return picturesInMemory({ size: set.size, data, classes, labels: set.labels });
}

/**
 * The same pictures with their classes numbered as a network numbers them.
 *
 * @param labels of the network; may name classes of which there are no pictures
 * @throws {OptionError} if there are pictures of a class that is not among them
 */
export function relabel<Set extends PictureSet>(set: Set, labels: readonly string[]): Set {
  const numbers = set.labels.map((label) => labels.indexOf(label));
  const counts = countClasses(set);
  const unknown = set.labels.filter((_, i) => numbers[i] === -1 && counts[i]! > 0);
  if (unknown.length > 0) {
    throw new OptionError(`the data has classes that the network does not know: ${someOf(unknown)}.`, {
      hint: `The network's classes are ${someOf(labels)}.`,
    });
  }
  return { ...set, labels, classes: set.classes.map((index) => numbers[index]!) };
}

/** A list for a message, cut after ten. */
export function someOf(names: readonly string[]): string {
  const most = 10;
  const shown = names.slice(0, most).join(", ");
  return names.length <= most ? shown : `${shown} and ${names.length - most} more`;
}
