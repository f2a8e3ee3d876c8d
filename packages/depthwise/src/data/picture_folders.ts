import type { Dirent } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { FormatError, IoError } from "@depthwise/core";
import { readingProblem } from "../command_line/read_bytes.ts";
import { listPictures, type SkippedFile } from "../pictures/list_pictures.ts";
import { checkNotAborted } from "./aborted.ts";
import { pictureFiles } from "./data_set.ts";
import { type FoundData, foundLabels } from "./found_data.ts";

/** Names that folders of a split go by, in lower case. */
const splitNames: { readonly [split in "train" | "validation" | "test"]: readonly string[] } = {
  train: ["train", "training"],
  validation: ["validation", "valid", "val"],
  test: ["test", "testing"],
};

/**
 * Lists a folder with a folder a class, or with `train/` and perhaps `val/` and `test/` above those. Class folders may hold folders;
 * hidden ones are passed over.
 *
 * @throws {IoError} if the folder cannot be read
 * @throws {FormatError} if it holds no class folders with pictures
 */
export async function listPictureFolders(root: string, signal?: AbortSignal): Promise<FoundData> {
  const names = await folderNames(root);
  const splits = new Map(names.map((name) => [splitOf(name), name]));
  splits.delete(undefined);
  const train = splits.get("train");
  if (train === undefined) return findSplits([["train", root]], root, signal);
  const stray = names.filter((name) => splitOf(name) === undefined);
  if (stray.length > 0) {
    throw new FormatError(`${root}: beside ${train}/ there are folders that are no split: ${stray.join(", ")}.`, {
      file: root,
      hint: "Either one folder a class, or train/, val/ and test/ with the class folders in them.",
    });
  }
  const folders = [...splits].map(([split, name]) => [split as Split, join(root, name)] as const);
  return findSplits(folders, root, signal);
}

type Split = keyof typeof splitNames;

function splitOf(name: string): Split | undefined {
  const lower = name.toLowerCase();
  return (Object.keys(splitNames) as Split[]).find((split) => splitNames[split].includes(lower));
}

interface ListedClass {
  readonly label: string;
  readonly files: readonly string[];
}

async function findSplits(
  folders: readonly (readonly [Split, string])[],
  root: string,
  signal: AbortSignal | undefined,
): Promise<FoundData> {
  const skipped: SkippedFile[] = [];
  const listed = new Map<Split, readonly ListedClass[]>();
  for (const [split, folder] of folders) listed.set(split, await listClasses(folder, skipped, signal));
  const train = listed.get("train") ?? [];
  if (train.length === 0) throw noClasses(folders[0]?.[1] ?? root);
  const labels = foundLabels(
    root,
    [...listed.values()].flat().map(({ label, files }) => [label, files.length]),
  );
  const setOf = (classes: readonly ListedClass[] | undefined) => classes && toSet(classes, labels.names);
  return {
    labels: labels.names,
    train: toSet(train, labels.names),
    validation: setOf(listed.get("validation")),
    test: setOf(listed.get("test")),
    skipped,
    warnings: labels.warnings,
  };
}

async function listClasses(
  folder: string,
  skipped: SkippedFile[],
  signal: AbortSignal | undefined,
): Promise<ListedClass[]> {
  const classes: ListedClass[] = [];
  for (const label of await folderNames(folder)) {
    checkNotAborted(signal, folder);
    const list = await listPictures([join(folder, label)]);
    for (const file of list.skipped) skipped.push(file);
    classes.push({ label, files: list.files });
  }
  return classes;
}

function toSet(classes: readonly ListedClass[], labels: readonly string[]): ReturnType<typeof pictureFiles> {
  const present = classes.filter(({ files }) => files.length > 0);
  const numbers = present.flatMap(({ label, files }) => new Array<number>(files.length).fill(labels.indexOf(label)));
  return pictureFiles(
    present.flatMap(({ files }) => files),
    Uint16Array.from(numbers),
    labels,
  );
}

/** Names of the folders in a folder, links to folders included, without hidden ones; sorted by code unit. */
async function folderNames(folder: string): Promise<string[]> {
  let entries: Dirent[];
  try {
    entries = await readdir(folder, { withFileTypes: true });
  } catch (cause) {
    throw new IoError(`${folder}: the folder cannot be read: ${readingProblem(cause)}.`, { file: folder, cause });
  }
  const names: string[] = [];
  for (const entry of entries) {
    if (entry.name.startsWith(".")) continue;
    if (entry.isDirectory() || (entry.isSymbolicLink() && (await isFolder(join(folder, entry.name))))) {
      names.push(entry.name);
    }
  }
  return names.sort((a, b) => (a < b ? -1 : 1));
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false; // a link to nothing
  }
}

function noClasses(folder: string): FormatError {
  return new FormatError(`${folder}: expected one folder a class but there are no folders in it.`, {
    file: folder,
    hint: "For example pets/cat/1.jpg and pets/dog/2.jpg, or pets/train/cat/1.jpg and pets/val/cat/3.jpg.",
  });
}
