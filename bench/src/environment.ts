import { execFileSync } from "node:child_process";
import { arch, cpus, release, type as systemType, totalmem } from "node:os";

/** Where and from what a run was made. */
export interface Environment {
  readonly date: string;
  readonly command: string;
  /** Git's commit, with "+" where files differ from it; undefined outside of a checkout. */
  readonly commit: string | undefined;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly system: string;
  readonly node: string;
  readonly v8: string;
}

/** The environment of this process. */
export function environment(args: readonly string[]): Environment {
  return {
    date: new Date().toISOString(),
    command: ["npm run bench --", ...args].join(" "),
    commit: commit(),
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: cpus().length,
    memoryBytes: totalmem(),
    system: `${systemType()} ${release()} ${arch()}`,
    node: process.versions.node,
    v8: process.versions.v8,
  };
}

function commit(): string | undefined {
  try {
    const git = (...args: string[]): string => execFileSync("git", args, { encoding: "utf8", stdio: "pipe" }).trim();
    const changed = git("status", "--porcelain") === "" ? "" : "+";
    return git("rev-parse", "HEAD") + changed;
  } catch {
    return undefined; // no git, or no checkout: the results are still worth keeping
  }
}
