import { mkdirSync, rmSync } from "node:fs";
import { rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { IoError } from "@depthwise/core";
import { onInterruption } from "../command_line/interruption.ts";
import { readingProblem } from "../command_line/read_bytes.ts";

/**
 * Writes files into a folder, all of them or none: first into a hidden folder beside it, then by renaming. A failure or a signal
 * before that leaves the folder as it was.
 *
 * @param outdated files of an earlier writing that go if they are not written now
 * @throws {IoError} naming the folder and the reason
 */
export async function writeFolder(
  folder: string,
  files: ReadonlyMap<string, Uint8Array>,
  outdated: readonly string[] = [],
): Promise<void> {
  const target = resolve(folder);
  // Not mkdtemp's: a folder that only its owner may read is of no use to a server.
  const temporary = join(dirname(target), `.${basename(target)}.${process.pid}.part`);
  // Retried: a file that is being opened at that moment may still appear in the folder.
  const forget = onInterruption(() =>
    rmSync(temporary, { recursive: true, force: true, maxRetries: 10, retryDelay: 10 }),
  );
  try {
    await stage(temporary, files).catch((cause) => {
      throw new IoError(`${folder}: ${readingProblem(cause)}; nothing was written.`, { file: folder, cause });
    });
    await moveInto(target, temporary, files, outdated).catch((cause) => {
      throw new IoError(`${folder}: its files could not be replaced: ${readingProblem(cause)}.`, {
        file: folder,
        cause,
      });
    });
  } finally {
    await rm(temporary, { recursive: true, force: true });
    forget();
  }
}

async function stage(temporary: string, files: ReadonlyMap<string, Uint8Array>): Promise<void> {
  // At once: what is still to be made when a signal comes would be made after the cleaning up.
  mkdirSync(temporary, { recursive: true });
  for (const [name, bytes] of files) await writeFile(join(temporary, name), bytes, { flush: true });
}

/**
 * Refuses early what writing would refuse after the work is done.
 *
 * @throws {IoError} if there is something else than a folder under that name
 */
export async function checkCanWriteFolder(folder: string): Promise<void> {
  const status = await stat(folder).catch(() => undefined); // writing says what is wrong
  if (status && !status.isDirectory()) {
    throw new IoError(`${folder}: expected a folder to write into, but it is a file.`, { file: folder });
  }
}

/** A new folder appears at once; in one that is there, each file is replaced at once. */
async function moveInto(
  target: string,
  temporary: string,
  files: ReadonlyMap<string, Uint8Array>,
  outdated: readonly string[],
): Promise<void> {
  const isThere = (await stat(target).catch(() => undefined)) !== undefined;
  if (!isThere) return rename(temporary, target);
  for (const name of files.keys()) await rename(join(temporary, name), join(target, name));
  for (const name of outdated) {
    if (!files.has(name)) await rm(join(target, name), { force: true });
  }
}
