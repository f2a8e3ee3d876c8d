import { stat } from "node:fs/promises";
import { drawShapes, IoError, OptionError, type PicturesInMemory, shapeLabels, splitClasses } from "@depthwise/core";
import { readingProblem } from "../command_line/read_bytes.ts";
import { type Cifar10, isSheetFolder, openCifar10, openSheetFolder } from "./cifar10.ts";
import { type DataSet, relabel, selectPictures, someOf, summarizeData } from "./data_set.ts";
import type { FoundData } from "./found_data.ts";
import { listPictureFolders } from "./picture_folders.ts";
import { readPictureTable } from "./picture_table.ts";

/** Options of {@link openData}. */
export interface OpenDataOptions {
  /** Of the split, and of `shapes`. Default 0. */
  readonly seed?: number;
  /**
   * Share of each class that is put apart for validation, 0 to 0.9, where the data brings no validation pictures. Default: 0.15;
   * for `cifar10` 0, and validation is by the test pictures, as papers report it.
   */
  readonly validationShare?: number;
  /**
   * Names of the classes in the order of a network's outputs, to evaluate or go on training that network. Default: sorted by code
   * unit.
   */
  readonly labels?: readonly string[];
  /** Rows and columns of `shapes`. Default 32. */
  readonly resolution?: number;
  /** Told what takes long, in words for people. */
  readonly onProgress?: (message: string) => void;
  readonly signal?: AbortSignal;
}

/**
 * Opens what DATA stands for: `cifar10`, `shapes`, a folder of pictures (one folder a class; or `train/`, `val/` and `test/` above
 * those; or CIFAR-10's sheets), or a CSV of `path,label[,split]`. Files are listed, not decoded.
 *
 * To evaluate, ask for a `validationShare` of 0 and take `test ?? validation ?? train`.
 *
 * @param spec a path that is called like a built-in set is written `./shapes`
 * @throws {IoError} if there is no such file or folder, or it cannot be read or fetched
 * @throws {FormatError} if it holds no two classes with pictures
 * @throws {OptionError} for an option out of range, or classes that `labels` does not have
 */
export async function openData(spec: string, options: OpenDataOptions = {}): Promise<DataSet> {
  if (spec === "cifar10") return fromCifar10(spec, await openCifar10(options.onProgress, options.signal), options);
  if (spec === "shapes") return fromShapes(options);
  const status = await stat(spec).catch((cause: unknown) => {
    throw new IoError(`${spec}: ${readingProblem(cause)}.`, {
      file: spec,
      cause,
      hint: "DATA is a folder with one folder a class, a CSV of path,label, cifar10 or shapes.",
    });
  });
  if (!status.isDirectory()) return withValidation(spec, await readTable(spec, options), options);
  if (await isSheetFolder(spec)) return fromCifar10(spec, await openSheetFolder(spec), options);
  return withValidation(spec, await listPictureFolders(spec, options.signal), options);
}

function readTable(file: string, { signal }: OpenDataOptions): Promise<FoundData> {
  if (!/\.csv$/i.test(file)) {
    throw new OptionError(`${file}: expected a folder or a file whose name ends in .csv.`, {
      hint: "DATA is a folder with one folder a class, a CSV of path,label, cifar10 or shapes.",
    });
  }
  return readPictureTable(file, signal);
}

function fromCifar10(name: string, { train, test }: Cifar10, options: OpenDataOptions): DataSet {
  const found: FoundData = { labels: train.labels, train, validation: undefined, test, skipped: [], warnings: [] };
  return withValidation(name, found, { ...options, validationShare: options.validationShare ?? 0 }, "test");
}

/** Pictures of each part of `shapes`; multiples of its ten classes. */
const shapeCounts = { train: 8_000, validation: 1_000, test: 1_000 } as const;

function fromShapes(options: OpenDataOptions): DataSet {
  const { seed = 0, resolution = 32, labels = shapeLabels } = options;
  const drawn = (split: keyof typeof shapeCounts): (() => PicturesInMemory) =>
    once(() => relabel(drawShapes({ count: shapeCounts[split], split, seed, resolution }), labels));
  const [train, validation, test] = [drawn("train"), drawn("validation"), drawn("test")];
  return {
    name: "shapes",
    labels,
    // Drawn when asked for: evaluating needs no training pictures.
    get train() {
      return train();
    },
    get validation() {
      return validation();
    },
    get test() {
      return test();
    },
    validationFrom: "data",
    skipped: [],
    warnings: [],
  };
}

function once<Value>(make: () => Value): () => Value {
  let made: Value | undefined;
  return () => (made ??= make());
}

/** Share of each class put apart where nothing else is said. */
const usualShare = 0.15;

/** @param fallback what validation is by if neither the data nor a share brings any */
function withValidation(
  name: string,
  found: FoundData,
  { seed = 0, validationShare = usualShare, labels = found.labels }: OpenDataOptions,
  fallback: "test" | "none" = "none",
): DataSet {
  const isOwn = found.validation !== undefined;
  const split = splitClasses(found.train, isOwn ? 0 : validationShare, seed);
  const isSplit = split.apart.length > 0;
  const inOrder = <Set extends Parameters<typeof relabel>[0]>(set: Set | undefined): Set | undefined =>
    set && relabel(set, labels);
  const test = inOrder(found.test);
  const drawn = isSplit ? selectPictures(found.train, split.apart) : undefined;
  const validation = inOrder(found.validation ?? drawn) ?? (fallback === "test" ? test : undefined);
  const train = relabel(isSplit ? selectPictures(found.train, split.kept) : found.train, labels);
  const validationFrom = isOwn ? "data" : isSplit ? "split" : fallback;
  const sets = { labels, train, validation, test };
  return {
    ...sets,
    name,
    validationFrom,
    skipped: found.skipped,
    warnings: [...found.warnings, ...oddities(sets)],
  };
}

/** From here on, classes count as unequal enough to be told. */
const noteworthyImbalance = 3;

function oddities(data: Pick<DataSet, "labels" | "train" | "validation" | "test">): string[] {
  const { classes, imbalance } = summarizeData(data);
  const single = classes.filter(({ train }) => train === 1).map(({ label }) => label);
  const untrained = classes.filter(({ train, validation, test }) => train === 0 && validation + test > 0);
  const unjudged = classes.filter(({ train, validation }) => train > 0 && validation === 0);
  const warnings: string[] = [];
  if (single.length > 0) warnings.push(`Classes with a single training picture: ${someOf(single)}.`);
  if (untrained.length > 0) {
    warnings.push(`Classes without training pictures: ${someOf(untrained.map(({ label }) => label))}.`);
  }
  if (data.validation !== undefined && unjudged.length > 0) {
    warnings.push(`Classes without validation pictures: ${someOf(unjudged.map(({ label }) => label))}.`);
  }
  if (imbalance >= noteworthyImbalance) {
    warnings.push(
      `The largest class has ${imbalance.toFixed(1)} times as many training pictures as the smallest; balanced sampling draws both equally often.`,
    );
  }
  return warnings;
}
