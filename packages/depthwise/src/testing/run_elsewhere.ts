import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";

/** Node as this checkout has it, and as the machine has it: 20 or later. */
export const nodes: readonly (readonly [which: string, command: string])[] = [
  ["the checkout's Node", process.execPath],
  ["the machine's Node", "node"],
];

/**
 * Runs a module in a folder, without this checkout's tools and conditions; what it prints is JSON.
 *
 * @param source the module's text
 */
export async function runElsewhere<Result>(node: string, folder: string, source: string): Promise<Result> {
  const file = join(folder, "run.mjs");
  await writeFile(file, source);
  const { NODE_OPTIONS: _, ...environment } = process.env;
  const folders = (environment.PATH ?? "").split(delimiter).filter((each) => !each.includes("node_modules"));
  const { stdout } = await promisify(execFile)(node, [file], {
    cwd: folder,
    env: { ...environment, PATH: folders.join(delimiter) },
    timeout: 30_000,
  });
  return JSON.parse(stdout) as Result;
}
