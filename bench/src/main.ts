import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { environment } from "./environment.ts";
import { type ModelResult, measureModel } from "./measure.ts";
import { help, parseOptions, UsageError } from "./options.ts";
import { reportModel } from "./report.ts";

const results = new URL("../results/", import.meta.url);

async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(args);
  if (options === undefined) {
    process.stdout.write(help);
    return 0;
  }
  const { peers, threads, rounds, json } = options;
  const models: ModelResult[] = [];
  for (const model of options.models) {
    const result = await measureModel(model, { peers, threads, rounds, onProgress });
    clearProgress();
    models.push(result);
    if (!json) process.stdout.write(`${reportModel(result)}\n\n`);
  }
  const run = { environment: environment(args), threads, rounds, models };
  mkdirSync(results, { recursive: true });
  const file = new URL(`${run.environment.date.replaceAll(":", "-")}.json`, results);
  writeFileSync(file, JSON.stringify(run));
  if (json) process.stdout.write(`${JSON.stringify(run, undefined, 2)}\n`);
  process.stderr.write(`Samples: ${fileURLToPath(file)}\n`);
  return models.some(({ failures }) => failures.length > 0) ? 1 : 0;
}

/** One line that is written over, on a terminal alone. */
function onProgress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

function clearProgress(): void {
  onProgress("");
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  clearProgress();
  process.stderr.write(`${error instanceof UsageError ? error.message : (error as Error).stack}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
