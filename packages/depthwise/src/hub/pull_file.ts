import { readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { IoError } from "@depthwise/core";
import { cacheFolder } from "./cache_folder.ts";
import { type DownloadOptions, download, hashOf } from "./download.ts";
import { statedSha256 } from "./known_weights.ts";
import type { Source } from "./source.ts";
import { openTransfer } from "./transfer.ts";

/** Options of {@link pullFile}. */
export interface PullOptions extends DownloadOptions {
  /** Download again what is there. */
  readonly refresh?: boolean | undefined;
  /** Default: `depthwise` in the user's cache folder. */
  readonly cache?: string | undefined;
}

/** A file in the cache. */
export interface Pulled {
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
  /** Whether it was there before. */
  readonly cached: boolean;
  /** Bytes of an earlier, interrupted download that did not have to come again. */
  readonly resumedFrom: number;
}

/** What is written beside a file of the cache: whether it is still what was downloaded. */
interface CacheRecord {
  readonly url: string;
  readonly sha256: string;
}

/**
 * A file from the cache, downloaded if it is not there, or no longer what was downloaded.
 *
 * @throws {IoError | FormatError} as `download`
 */
export async function pullFile({ url, cachePath, repository }: Source, options: PullOptions = {}): Promise<Pulled> {
  const file = join(options.cache ?? cacheFolder(), "models", ...cachePath);
  const expected = options.sha256?.toLowerCase() ?? statedSha256(url);
  const kept = options.refresh ? undefined : await keptFile(file, url, expected);
  if (kept !== undefined) return { file, ...kept, cached: true, resumedFrom: 0 };
  try {
    const { bytes, sha256, resumedFrom } = await download(url, file, { ...options, sha256: expected });
    await writeRecord(file, { url: url.href, sha256 });
    return { file, bytes, sha256, cached: false, resumedFrom };
  } catch (error) {
    const isMissing = error instanceof IoError && (error.cause as { status?: number } | undefined)?.status === 404;
    if (!isMissing || repository === undefined) throw error;
    throw new IoError(error.message, { cause: error, hint: await filesHint(repository, options) });
  }
}

async function keptFile(
  file: string,
  url: URL,
  expected: string | undefined,
): Promise<{ readonly bytes: number; readonly sha256: string } | undefined> {
  try {
    const record = JSON.parse(await readFile(recordOf(file), "utf8")) as CacheRecord;
    const sha256 = await hashOf(file);
    if (record.url !== url.href || record.sha256 !== sha256 || !sha256.startsWith(expected ?? "")) return undefined;
    return { bytes: (await stat(file)).size, sha256 };
  } catch {
    return undefined; // not there, or not whole: it comes anew
  }
}

const recordOf = (file: string): string => `${file}.json`;

async function writeRecord(file: string, record: CacheRecord): Promise<void> {
  const temporary = `${recordOf(file)}.${process.pid}`;
  try {
    await writeFile(temporary, JSON.stringify(record));
    await rename(temporary, recordOf(file));
  } finally {
    await rm(temporary, { force: true });
  }
}

/** The most that a list of files is read of, in bytes. */
const longestListing = 4 * 2 ** 20;

/** Files of a repository of the hub that may be meant. */
async function filesHint(
  { name, listing }: NonNullable<Source["repository"]>,
  { signal, stallMilliseconds = 10_000 }: PullOptions,
): Promise<string> {
  try {
    const transfer = await openTransfer(listing, {}, { signal, stallMilliseconds, isChecked: false });
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of transfer.chunks) {
      bytes += chunk.length;
      if (bytes > longestListing) break;
      chunks.push(chunk);
    }
    const { siblings = [] } = JSON.parse(Buffer.concat(chunks).toString()) as {
      readonly siblings?: readonly { readonly rfilename: string }[];
    };
    const files = siblings
      .map(({ rfilename }) => rfilename)
      .filter((each) => /\.(safetensors|bin|pth?|onnx|tflite|caffemodel)$|model\.json$/.test(each));
    return files.length === 0
      ? `${name} has no model file that is read here.`
      : `${name} has ${files.slice(0, 8).join(", ")}: hf:${name}/FILE.`;
  } catch {
    return `Name the file: hf:${name}/FILE.`; // the list is a courtesy
  }
}
