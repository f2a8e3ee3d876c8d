import { readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { writeFileWhole } from "../command_line/write_file_whole.ts";
import { tfjsWeightsName, type WrittenModel } from "./write_model.ts";

/**
 * Writes the files of a model so that the one which is the model is whole, with everything that it names, or as it was: it comes last, and what
 * it names is called by its content.
 *
 * @param file of the model; its other files go beside it
 * @returns bytes in all
 * @throws {IoError} naming the file and the reason
 */
export async function writeModelFiles(file: string, { files }: WrittenModel): Promise<number> {
  const replaced = files.length === 1 ? [] : await weightsNamedBy(file);
  for (const [name, bytes] of files.slice(0, -1)) await writeFileWhole(join(dirname(file), name), bytes);
  const [, model] = files.at(-1) as readonly [string, Uint8Array];
  await writeFileWhole(file, model);
  const written = new Set(files.map(([name]) => name));
  for (const name of replaced) if (!written.has(name)) await rm(join(dirname(file), name), { force: true });
  return files.reduce((sum, [, bytes]) => sum + bytes.length, 0);
}

/** Weights of ours that a `model.json` names, which nobody will name once it is replaced. */
async function weightsNamedBy(file: string): Promise<readonly string[]> {
  try {
    const text = await readFile(file, "utf8");
    return text.match(new RegExp(tfjsWeightsName.source, "g")) ?? [];
  } catch {
    return []; // there is none
  }
}
