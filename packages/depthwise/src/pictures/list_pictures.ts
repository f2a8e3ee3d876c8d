import type { Dirent, Stats } from "node:fs";
import { open, readdir, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { hasPictureExtension, recognizeFormat, signatureBytes } from "./picture_formats.ts";

/** What {@link listPictures} found. */
export interface PictureList {
  /** Paths, each the given path with the names below it: folders in the order given, what is in them sorted. */
  readonly files: readonly string[];
  /** What lies in the folders beside pictures; hidden files are not counted. */
  readonly skipped: readonly SkippedFile[];
}

/** A file in a folder that was not taken for a picture. */
export interface SkippedFile {
  readonly file: string;
  /** Why, to be read after the file's name: `not a picture`. */
  readonly reason: string;
}

/**
 * Expands folders, with all folders in them, to the pictures they hold.
 *
 * A file in a folder is a picture if its name says so or, for other names, its first bytes do. Those that are neither
 * are reported as skipped; those whose name starts with a dot are passed over in silence. A path given directly is
 * always listed, a missing one too, so that decoding it says what is wrong. Sorting is by code unit, the same on every
 * machine. Links are followed, but not in circles.
 *
 * @param paths files and folders; names are taken as they are, without patterns
 */
export async function listPictures(paths: readonly string[]): Promise<PictureList> {
  const list = { files: [] as string[], skipped: [] as SkippedFile[] };
  for (const path of paths) {
    const status = await statusOf(path);
    if (status?.isDirectory()) await walk(path, [], list);
    else list.files.push(path);
  }
  return list;
}

interface GrowingList {
  readonly files: string[];
  readonly skipped: SkippedFile[];
}

/** @param above real paths of the folders that this one is in */
async function walk(folder: string, above: readonly string[], list: GrowingList): Promise<void> {
  const here = await realpath(folder);
  if (above.includes(here)) {
    list.skipped.push({ file: folder, reason: "a link to a folder that it is in" });
    return;
  }
  for (const entry of await entriesOf(folder, list)) {
    if (entry.name.startsWith(".")) continue;
    const path = join(folder, entry.name);
    const kind: Dirent | Stats | undefined = entry.isSymbolicLink() ? await statusOf(path) : entry;
    if (kind?.isDirectory()) {
      await walk(path, [...above, here], list);
      continue;
    }
    const reason = kind?.isFile() ? await reasonToSkip(path) : kind ? "not a regular file" : "a link to nothing";
    if (reason === undefined) list.files.push(path);
    else list.skipped.push({ file: path, reason });
  }
}

async function entriesOf(folder: string, list: GrowingList): Promise<Dirent[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    list.skipped.push({ file: folder, reason: unreadable(error) });
    return [];
  }
}

async function statusOf(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch {
    return undefined; // whoever opens it will say why
  }
}

async function reasonToSkip(file: string): Promise<string | undefined> {
  if (hasPictureExtension(file)) return undefined;
  try {
    return recognizeFormat(await firstBytes(file)) ? undefined : "not a picture";
  } catch (error) {
    return unreadable(error);
  }
}

async function firstBytes(file: string): Promise<Uint8Array> {
  const handle = await open(file);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(signatureBytes), 0, signatureBytes, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

function unreadable(error: unknown): string {
  return `unreadable: ${error instanceof Error ? error.message : String(error)}`;
}
