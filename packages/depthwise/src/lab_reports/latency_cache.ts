import { createHash } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type LabDevice, type LatencyTable, mergeLatencyTables } from "@depthwise/core/lab";
import { writeFileWhole } from "../command_line/write_file_whole.ts";
import { cacheFolder } from "../hub/cache_folder.ts";

/** Where the latency model of a device is remembered: one file for each processor, engine and version of Depthwise. */
function latencyFile({ processor, engine, version }: LatencyTable["device"]): string {
  const key = createHash("sha256")
    .update(JSON.stringify([processor, engine, version]))
    .digest("hex")
    .slice(0, 16);
  return join(cacheFolder(), "latency", `${key}.json`);
}

/** The table that was measured on this device before, or undefined. A file that is none counts as none. */
export async function readLatencyTable(device: LabDevice): Promise<LatencyTable | undefined> {
  let text: string;
  try {
    text = await readFile(latencyFile(device), "utf8");
  } catch {
    return undefined; // nothing was measured here yet
  }
  try {
    const table = JSON.parse(text) as Partial<LatencyTable> | null;
    return table?.format === 1 && typeof table.steps === "object" ? (table as LatencyTable) : undefined;
  } catch {
    return undefined; // half a file of an older version: the next lab writes a whole one
  }
}

/** Remembers a table, together with what was known before. Returns the file. */
export async function rememberLatencyTable(table: LatencyTable, device: LabDevice): Promise<string> {
  const known = await readLatencyTable(device);
  const file = latencyFile(device);
  await mkdir(dirname(file), { recursive: true });
  const merged = known === undefined ? table : mergeLatencyTables(known, table);
  await writeFileWhole(file, Buffer.from(JSON.stringify(merged)));
  return file;
}
