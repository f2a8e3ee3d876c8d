import { rmSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { IoError } from "@depthwise/core";
import { onInterruption } from "../command_line/interruption.ts";
import { readingProblem } from "../command_line/read_bytes.ts";

/**
 * Keeps other processes from the same work. The lock is a file with the number of the process; that of a process which has ended does not
 * count.
 *
 * @returns gives it back
 * @throws {IoError} if another process holds it
 */
export async function holdLock(path: string): Promise<() => void> {
  for (let attempt = 0; ; attempt++) {
    try {
      await writeFile(path, String(process.pid), { flag: "wx" });
      const release = (): void => rmSync(path, { force: true });
      const forget = onInterruption(release);
      return () => {
        forget();
        release();
      };
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== "EEXIST") {
        throw new IoError(`${path}: ${readingProblem(cause)}.`, { file: path, cause });
      }
      const holder = Number(await readFile(path, "utf8").catch(() => "0"));
      if (attempt > 0 || isRunning(holder)) {
        throw new IoError(`Process ${holder} is downloading the same file.`, { hint: `If it is not, delete ${path}.` });
      }
      await rm(path, { force: true });
    }
  }
}

function isRunning(process_: number): boolean {
  if (!Number.isInteger(process_) || process_ <= 0) return false;
  try {
    process.kill(process_, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"; // somebody else's
  }
}
