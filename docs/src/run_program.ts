import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** The repository's root. */
export const root = fileURLToPath(new URL("../../", import.meta.url));

const outputs = new Map<string, Promise<string>>();

/** What a program of this repository prints, run from source, once. Rejects if it fails. */
export function outputOf(file: string, args: readonly string[] = []): Promise<string> {
  const command = JSON.stringify([file, ...args]);
  const output = outputs.get(command) ?? run(file, args);
  outputs.set(command, output);
  return output;
}

async function run(file: string, args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, ["--conditions=@depthwise/source", file, ...args], {
    cwd: root,
    env: { ...process.env, NO_COLOR: "1" },
    maxBuffer: 16 * 1024 * 1024,
    timeout: 120_000,
  });
  return stdout.trimEnd();
}
