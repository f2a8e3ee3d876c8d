import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, readFile, rename, rm, stat, truncate, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { FormatError, IoError } from "@depthwise/core";
import { holdLock } from "./lock.ts";
import { openTransfer, type Transfer, TransientError } from "./transfer.ts";

/** Options of {@link download}. */
export interface DownloadOptions {
  /** What the file must be, in hexadecimal: a SHA-256 or its beginning. */
  readonly sha256?: string | undefined;
  /** The largest file taken, in bytes. Default 2 GiB, which is what Node reads into memory. */
  readonly mostBytes?: number | undefined;
  /** Attempts after the first that get no byte further. Default 5. */
  readonly retries?: number | undefined;
  /** Before the second attempt, in milliseconds; doubled for each after it. Default 500. */
  readonly pauseMilliseconds?: number | undefined;
  /** Milliseconds without a byte after which a connection is given up. Default 30 000. */
  readonly stallMilliseconds?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Bytes that are there, of how many if the server says. */
  readonly onProgress?: ((done: number, total: number | undefined) => void) | undefined;
  /** An attempt failed and will be repeated. */
  readonly onRetry?: ((reason: string) => void) | undefined;
}

/** A file that was downloaded. */
export interface Downloaded {
  readonly bytes: number;
  readonly sha256: string;
  /** Bytes of an earlier, interrupted download that did not have to come again. */
  readonly resumedFrom: number;
}

/** What is known of a file that has come in part. */
interface PartNote {
  readonly url: string;
  /** An entity tag or a date that `If-Range` takes. */
  readonly validator: string;
}

const defaults = { mostBytes: 2 ** 31 - 1, retries: 5, pauseMilliseconds: 500, stallMilliseconds: 30_000 };
/** The longest pause that a server's `Retry-After` is granted, in seconds. */
const longestWait = 60;

/**
 * Downloads a file. What has come lies in `FILE.part` until it is whole and checked, so that `file` is never half a file; a later call goes
 * on where an earlier one was cut off, if the server still has the same file.
 *
 * @throws {IoError} when the server refuses, or after the last attempt
 * @throws {FormatError} if the file is not what it must be
 */
export async function download(url: URL, file: string, options: DownloadOptions = {}): Promise<Downloaded> {
  await mkdir(dirname(file), { recursive: true });
  const release = await holdLock(`${file}.lock`);
  try {
    return await attempts(url, file, { ...options, ...settingsOf(options) });
  } finally {
    release();
  }
}

type Settings = DownloadOptions & typeof defaults;

async function attempts(url: URL, file: string, settings: Settings): Promise<Downloaded> {
  const { signal, retries, pauseMilliseconds, onRetry } = settings;
  const resumedFrom = await resumable(url, file);
  for (let failed = 0; ; ) {
    const before = await sizeOf(`${file}.part`);
    try {
      const { bytes, sha256, restartedAt } = await attempt(url, file, settings);
      return { bytes, sha256, resumedFrom: Math.min(resumedFrom, restartedAt) };
    } catch (error) {
      if (!(error instanceof TransientError)) throw error;
      // An attempt that got somewhere does not count.
      failed = (await sizeOf(`${file}.part`)) > before ? 1 : failed + 1;
      if (failed > retries) {
        throw new IoError(`${url.href}: ${error.message}; ${retries + 1} attempts got no further.`, {
          cause: error,
          hint: "Call it again to go on from there.",
        });
      }
      onRetry?.(error.message);
      const asked = Math.min(error.retryAfter ?? 0, longestWait) * 1000;
      await pause(Math.max(asked, pauseMilliseconds * 2 ** (failed - 1)), signal);
    }
  }
}

/** Bytes of an earlier download that this one may keep. */
async function resumable(url: URL, file: string): Promise<number> {
  const note = await readNote(file);
  return note?.url === url.href ? sizeOf(`${file}.part`) : 0;
}

async function attempt(
  url: URL,
  file: string,
  settings: Settings,
): Promise<{ readonly bytes: number; readonly sha256: string; readonly restartedAt: number }> {
  const part = `${file}.part`;
  const note = await readNote(file);
  const have = await resumable(url, file);
  const range: Record<string, string> =
    have > 0 && note !== undefined ? { range: `bytes=${have}-`, "if-range": note.validator } : {};
  const transfer = await openTransfer(url, range, {
    signal: settings.signal,
    stallMilliseconds: settings.stallMilliseconds,
    isChecked: settings.sha256 !== undefined,
  });
  try {
    const start = await startOf(transfer, url, have, file);
    const total = totalOf(transfer, start);
    checkSize(url, total ?? start, settings.mostBytes);
    if (start === 0) await writeNote(file, url, transfer.headers);
    await receive(transfer, part, start, total, url, settings);
    const bytes = await sizeOf(part);
    if (total !== undefined && bytes < total) {
      throw new TransientError(`${url.host} ended after ${bytes} of ${total} bytes`);
    }
    const sha256 = await hashOf(part);
    const expected = settings.sha256?.toLowerCase() ?? transfer.linkedSha256 ?? sha256;
    if (!sha256.startsWith(expected)) {
      await forget(file);
      // Parts of two versions, perhaps.
      if (start > 0) throw new TransientError("the parts of the file do not fit together");
      throw new FormatError(`${url.href}: its SHA-256 is ${sha256}, expected ${expected}. Nothing was kept.`);
    }
    await rename(part, file);
    await rm(noteOf(file), { force: true });
    return { bytes, sha256, restartedAt: start };
  } finally {
    transfer.close();
  }
}

/** Where in the file the answer begins: what has come before that is kept. */
async function startOf({ status, headers }: Transfer, url: URL, have: number, file: string): Promise<number> {
  if (headers.get("content-encoding") !== null && headers.get("content-encoding") !== "identity") {
    throw new IoError(
      `${url.href} is sent packed (${headers.get("content-encoding")}) though it was asked for as it is.`,
    );
  }
  if (status === 200) return 0;
  if (status === 206) {
    const [, from] = headers.get("content-range")?.match(/^bytes (\d+)-\d+\/(\d+|\*)$/) ?? [];
    if (have > 0 && Number(from) === have) return have;
    await forget(file);
    throw new TransientError(`${url.host} sent another part than was asked for`);
  }
  if (status === 416) {
    await forget(file);
    throw new TransientError(`${url.host} no longer has the file that the first part is of`);
  }
  if (status === 408 || status === 425 || status === 429 || status >= 500) {
    const after = Number(headers.get("retry-after"));
    throw new TransientError(`${url.host} answered ${status}`, Number.isFinite(after) && after > 0 ? after : undefined);
  }
  throw new IoError(`${url.href}: the server answered ${status}${meaningOf(status)}.`, { cause: { status } });
}

function meaningOf(status: number): string {
  if (status === 404 || status === 410) return ", there is no such file";
  if (status === 401 || status === 403) return ", it does not give the file to everybody";
  return "";
}

/** The whole file's length, if the server says it. */
function totalOf({ headers }: Transfer, start: number): number | undefined {
  const whole = headers.get("content-range")?.match(/\/(\d+)$/)?.[1];
  if (start > 0 && whole !== undefined) return Number(whole);
  const length = headers.get("content-length");
  return length === null || !/^\d+$/.test(length) ? undefined : start + Number(length);
}

function checkSize(url: URL, bytes: number, most: number): void {
  if (bytes <= most) return;
  throw new IoError(`${url.href} is larger than ${most} bytes, the most that is taken.`, {
    hint: "--max-size takes another limit, in bytes.",
  });
}

async function receive(
  transfer: Transfer,
  part: string,
  start: number,
  total: number | undefined,
  url: URL,
  { mostBytes, onProgress }: Settings,
): Promise<void> {
  const output = await open(part, start === 0 ? "w" : "a");
  let done = start;
  try {
    onProgress?.(done, total);
    for await (const chunk of transfer.chunks) {
      checkSize(url, done + chunk.length, mostBytes);
      if (total !== undefined && done + chunk.length > total) {
        throw new IoError(`${url.href}: the server sends more than the ${total} bytes that it announced.`);
      }
      await output.writeFile(chunk);
      done += chunk.length;
      onProgress?.(done, total);
    }
    await output.sync();
  } finally {
    await output.close();
  }
}

const noteOf = (file: string): string => `${file}.part.json`;

async function writeNote(file: string, url: URL, headers: Headers): Promise<void> {
  // The old part goes first: it must never lie beside another file's note.
  await rm(noteOf(file), { force: true });
  await truncate(`${file}.part`).catch(() => {}); // there was none
  const tag = headers.get("etag");
  // Weak tags are for content that is alike, not equal: RFC 9110, 13.1.5.
  const validator = tag !== null && !tag.startsWith("W/") ? tag : headers.get("last-modified");
  if (validator === null) return;
  await writeFile(noteOf(file), JSON.stringify({ url: url.href, validator } satisfies PartNote));
}

async function readNote(file: string): Promise<PartNote | undefined> {
  try {
    const note = JSON.parse(await readFile(noteOf(file), "utf8")) as Partial<PartNote> | null;
    return typeof note?.url === "string" && typeof note.validator === "string" ? (note as PartNote) : undefined;
  } catch {
    return undefined; // none, or cut off while it was written: the file comes from the start
  }
}

async function forget(file: string): Promise<void> {
  await rm(noteOf(file), { force: true });
  await rm(`${file}.part`, { force: true });
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch {
    return 0;
  }
}

/** The SHA-256 of a file, in hexadecimal. */
export async function hashOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  return hash.digest("hex");
}

/** A quarter more or less, so that many clients do not come back at once. */
async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  await wait(milliseconds * (0.75 + Math.random() / 2), undefined, signal === undefined ? {} : { signal });
}

function settingsOf({ mostBytes, retries, pauseMilliseconds, stallMilliseconds }: DownloadOptions): typeof defaults {
  return {
    mostBytes: mostBytes ?? defaults.mostBytes,
    retries: retries ?? defaults.retries,
    pauseMilliseconds: pauseMilliseconds ?? defaults.pauseMilliseconds,
    stallMilliseconds: stallMilliseconds ?? defaults.stallMilliseconds,
  };
}
