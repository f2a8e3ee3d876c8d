/** Installs the benchmark's own dependencies (the peers weigh hundreds of megabytes) and runs it with the arguments given. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const bench = fileURLToPath(new URL("../bench/", import.meta.url));
// ONNX Runtime's install script would download its CUDA provider, which is not measured here.
const environment = { ...process.env, ONNXRUNTIME_NODE_INSTALL: "skip" };

function run(command: string, args: readonly string[]): void {
  const { status } = spawnSync(command, args, { cwd: bench, env: environment, stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}

run("npm", ["ci", "--no-audit", "--no-fund"]);
run("npm", ["start", "--silent", "--", ...process.argv.slice(2)]);
