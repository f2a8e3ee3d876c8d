import { readFile, stat } from "node:fs/promises";
import { IoError } from "@depthwise/core";

/**
 * A file's bytes; `-` reads stdin to its end.
 *
 * @throws {IoError} naming the file and the reason
 */
export async function readBytes(path: string): Promise<Uint8Array> {
  try {
    if (path === "-") return await readStdin();
    if ((await stat(path)).isDirectory())
      throw new IoError(`${path}: expected a file but it is a folder.`, { file: path });
    return await readFile(path);
  } catch (cause) {
    if (cause instanceof IoError) throw cause;
    throw new IoError(`${path}: ${readingProblem(cause)}.`, { file: path, cause });
  }
}

async function readStdin(): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks);
}

/** What the system says, in words, to be read after the file's name. */
export function readingProblem(cause: unknown): string {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === "ENOENT") return "there is no such file";
  if (code === "EACCES" || code === "EPERM") return "the system does not permit it";
  if (code === "ENOSPC") return "the disk is full";
  if (code === "ERR_FS_FILE_TOO_LARGE") return "the file is larger than 2 GiB";
  return message;
}
