import type { Stats } from "node:fs";
import { rmSync } from "node:fs";
import { realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { IoError } from "@depthwise/core";
import { onInterruption } from "./interruption.ts";
import { readingProblem } from "./read_bytes.ts";

/**
 * Writes a file so that its name never stands for half of it: a hidden temporary file in the same folder, then a rename. A failure
 * or a signal removes the temporary file.
 *
 * @param path a link is followed; a pipe or a device is written to as it is
 * @throws {IoError} naming the file and the reason
 */
export async function writeFileWhole(path: string, bytes: Uint8Array): Promise<void> {
  const existing = await statusOf(path);
  if (existing?.isDirectory())
    throw new IoError(`${path}: expected a file to write but it is a folder.`, { file: path });
  try {
    if (existing !== undefined && !existing.isFile()) await writeFile(path, bytes);
    else await replaceFile(existing === undefined ? path : await realpath(path), bytes, existing?.mode);
  } catch (cause) {
    throw new IoError(`${path}: ${readingProblem(cause)}; nothing was written.`, { file: path, cause });
  }
}

async function replaceFile(path: string, bytes: Uint8Array, mode: number | undefined): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.part`);
  const forget = onInterruption(() => rmSync(temporary, { force: true }));
  try {
    await writeFile(temporary, bytes, { flush: true, ...(mode === undefined ? {} : { mode }) });
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true });
    throw cause;
  } finally {
    forget();
  }
}

/**
 * Refuses early what writing would refuse after the work is done.
 *
 * @throws {IoError} if the folder of `path` is not there, or `path` is a folder itself
 */
export async function checkCanWrite(path: string): Promise<void> {
  if ((await statusOf(path))?.isDirectory()) {
    throw new IoError(`${path}: expected a file to write but it is a folder.`, { file: path });
  }
  const folder = dirname(path);
  if (!(await statusOf(folder))?.isDirectory()) {
    throw new IoError(`${path}: the folder ${folder} does not exist.`, {
      file: path,
      hint: `Make it: mkdir -p ${folder}`,
    });
  }
}

async function statusOf(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch {
    return undefined; // writing says what is wrong
  }
}
