import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { chromiumPlace } from "./chromium/place.ts";
import { environment } from "./environment.ts";
import { type LayerTimes, measureLayers, reportLayers } from "./layers.ts";
import { type Limits, measureLimits, reportLimits } from "./limits.ts";
import { type ModelResult, measureModel } from "./measure.ts";
import { type BenchOptions, help, parseOptions, UsageError } from "./options.ts";
import { resultsPage } from "./page.ts";
import { nodePlace } from "./place.ts";
import { reportModel } from "./report.ts";
import { measureSizes, reportSizes, type ShippedBytes } from "./sizes.ts";
import { measureStarts, type StartResults } from "./start/measure_starts.ts";
import { reportStarts } from "./start/report_starts.ts";

/** All that was asked for of one network. */
interface ModelRun extends ModelResult {
  readonly layers?: readonly LayerTimes[];
  readonly sizes?: readonly ShippedBytes[];
  readonly limits?: Limits;
}

async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(args);
  if (options === undefined) {
    process.stdout.write(help);
    return 0;
  }
  const models: ModelRun[] = [];
  const starts: StartResults[] = [];
  for (const model of options.models) {
    if (options.sites.length > 0) starts.push(await runStarts(model, options));
    else models.push(await runModel(model, options));
  }
  const { threads, rounds } = options;
  const run = { environment: environment(args), threads, rounds, models, ...(starts.length > 0 ? { starts } : {}) };
  if (options.json) process.stdout.write(`${JSON.stringify(run, undefined, 2)}\n`);
  const written = write(run.environment.date, {
    json: JSON.stringify(run),
    html: resultsPage(run.environment, threads, models, starts),
  });
  process.stderr.write(`Samples and page: ${written.join(" ")}\n`);
  return [...models, ...starts].some(({ failures }) => failures.length > 0) ? 1 : 0;
}

/** Measures one network, and prints tables unless JSON is asked for. */
async function runModel(model: string, options: BenchOptions): Promise<ModelRun> {
  const { peers, threads, rounds, chromium } = options;
  const print = printer(options);
  await using place = await (chromium ? chromiumPlace() : nodePlace());
  const result = await measureModel(model, { place, peers, threads, rounds, onProgress });
  print(reportModel(result));
  const run: { -readonly [K in keyof ModelRun]: ModelRun[K] } = { ...result };
  if (options.layers) {
    onProgress(`${model}: layers`);
    run.layers = await measureLayers(model, peers, threads);
    print(reportLayers(run.layers, peers));
  }
  if (options.sizes) {
    onProgress(`${model}: sizes`);
    run.sizes = await measureSizes(model, peers);
    print(reportSizes(run.sizes));
  }
  if (options.limits) {
    run.limits = await measureLimits(model, onProgress);
    print(reportLimits(run.limits));
  }
  return run;
}

/** Measures how one network's pages start. */
async function runStarts(model: string, options: BenchOptions): Promise<StartResults> {
  const result = await measureStarts(model, { sites: options.sites, rounds: options.rounds, onProgress });
  printer(options)(reportStarts(result));
  return result;
}

/** Prints tables, unless JSON is asked for. */
function printer({ json }: BenchOptions): (text: string) => void {
  return (text) => {
    clearProgress();
    if (!json) process.stdout.write(`${text}\n\n`);
  };
}

/** Writes the files of a run, named after its date; returns their paths. */
function write(date: string, files: Readonly<Record<string, string>>): readonly string[] {
  const folder = new URL("../results/", import.meta.url);
  mkdirSync(folder, { recursive: true });
  return Object.entries(files).map(([extension, text]) => {
    const file = new URL(`${date.replaceAll(":", "-")}.${extension}`, folder);
    writeFileSync(file, text);
    return fileURLToPath(file);
  });
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
