import { mkdir } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { IoError } from "@depthwise/core";
import { readingProblem } from "../command_line/read_bytes.ts";

/**
 * The folder for things that are fetched once: `DEPTHWISE_CACHE`, else `depthwise` in `XDG_CACHE_HOME`, else in the system's place for
 * caches. Made if it is not there.
 *
 * @throws {IoError} if it cannot be made
 */
export async function cacheFolder(): Promise<string> {
  const folder = cachePath(process.env, process.platform, homedir());
  try {
    await mkdir(folder, { recursive: true });
  } catch (cause) {
    throw new IoError(`${folder}: the cache folder cannot be made: ${readingProblem(cause)}.`, {
      file: folder,
      cause,
      hint: "Set DEPTHWISE_CACHE to a folder that may be written.",
    });
  }
  return folder;
}

/** Where {@link cacheFolder} looks. */
export function cachePath(environment: NodeJS.ProcessEnv, platform: NodeJS.Platform, home: string): string {
  const { DEPTHWISE_CACHE, XDG_CACHE_HOME, LOCALAPPDATA } = environment;
  if (DEPTHWISE_CACHE) return DEPTHWISE_CACHE;
  if (XDG_CACHE_HOME) return join(XDG_CACHE_HOME, "depthwise");
  if (platform === "win32" && LOCALAPPDATA) return join(LOCALAPPDATA, "depthwise");
  return platform === "darwin" ? join(home, "Library", "Caches", "depthwise") : join(home, ".cache", "depthwise");
}
