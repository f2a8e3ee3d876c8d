import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

/**
 * Where downloaded files are kept: `depthwise` in the user's cache folder, as the XDG base directory specification has it; or the folder that
 * `DEPTHWISE_CACHE` names. Everything in it may be deleted at any time.
 */
export function cacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const { DEPTHWISE_CACHE: own, XDG_CACHE_HOME: chosen } = environment;
  if (own) return own;
  // The specification: relative paths are to be ignored.
  const base = chosen !== undefined && isAbsolute(chosen) ? chosen : join(homedir(), ".cache");
  return join(base, "depthwise");
}
