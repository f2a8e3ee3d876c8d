import { rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { checkCanWrite, writeFileWhole } from "../command_line/write_file_whole.ts";
import type { WrittenModel } from "./write_model.ts";

/**
 * Writes the files of a model so that the one which is the model is whole, with everything that it names, or not there: it comes last. One
 * that is there already is taken away first where it names files that are about to change.
 *
 * @param file of the model; its other files go beside it
 * @returns bytes in all
 * @throws {IoError} naming the file and the reason
 */
export async function writeModelFiles(file: string, { files }: WrittenModel): Promise<number> {
  const parts = files.slice(0, -1).map(([name, bytes]) => [join(dirname(file), name), bytes] as const);
  for (const [path] of parts) await checkCanWrite(path);
  const arePresent = await Promise.all(parts.map(([path]) => isThere(path)));
  if (arePresent.includes(true)) await rm(file, { force: true });
  for (const [path, bytes] of parts) await writeFileWhole(path, bytes);
  const [, model] = files.at(-1) as readonly [string, Uint8Array];
  await writeFileWhole(file, model);
  return files.reduce((sum, [, bytes]) => sum + bytes.length, 0);
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch {
    return false;
  }
}
