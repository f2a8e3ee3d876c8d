/** Installs the documentation site's own dependency where it is not installed yet, and runs one of its scripts: `build` or `dev`. */
import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const docs = fileURLToPath(new URL("../docs/", import.meta.url));
const installed = join(docs, "node_modules/.package-lock.json");
const wanted = join(docs, "package-lock.json");

function npm(...args: readonly string[]): void {
  const { status } = spawnSync("npm", args, { cwd: docs, stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}

if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(wanted).mtimeMs) npm("ci");
npm("run", process.argv[2] ?? "build");
