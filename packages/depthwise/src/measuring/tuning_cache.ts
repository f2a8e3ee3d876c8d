import { createHash } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { cpus } from "node:os";
import { dirname, join } from "node:path";
import { mergeTunings, type Tuning } from "@depthwise/core";
import { readVersion } from "../command_line/version.ts";
import { writeFileWhole } from "../command_line/write_file_whole.ts";
import { cacheFolder } from "../hub/cache_folder.ts";

/** Where this machine's choices are remembered: one file for each processor, engine and version of Depthwise. */
function tuningFile(): string {
  const machine = [cpus()[0]?.model.trim(), process.arch, process.versions.v8, readVersion()];
  const key = createHash("sha256").update(JSON.stringify(machine)).digest("hex").slice(0, 16);
  return join(cacheFolder(), "tuning", `${key}.json`);
}

/** The choices that were measured on this machine before. A file that holds none counts as none. */
export async function readTuning(): Promise<Tuning> {
  try {
    const read = JSON.parse(await readFile(tuningFile(), "utf8")) as Partial<Tuning> | null;
    return { tiles: read?.tiles ?? {}, bands: read?.bands ?? {} };
  } catch {
    return { tiles: {}, bands: {} }; // nothing was measured here yet, or half a file is left: tuning writes a whole one
  }
}

/** Remembers choices, together with what is known. */
export async function rememberTuning(tuning: Tuning): Promise<void> {
  const file = tuningFile();
  await mkdir(dirname(file), { recursive: true });
  await writeFileWhole(file, Buffer.from(JSON.stringify(mergeTunings(await readTuning(), tuning))));
}
