import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { build, compile, OptionError } from "@depthwise/core";
import {
  bookletPage,
  diffLabs,
  diffPage,
  diffSummary,
  diffTable,
  type FlopsResult,
  type IdeasTraining,
  type LabName,
  type LabOptions,
  type LabResult,
  labNames,
  labPage,
  parseLabResult,
  predictLatency,
  reportOf,
  runFlops,
  runIdeas,
  runLab,
  usualSeconds,
} from "@depthwise/core/lab";
import { suggestion } from "@depthwise/core/networks";
import type { CommonOptions, Invocation } from "../command_line/invocation.ts";
import { startProgress } from "../command_line/progress.ts";
import { milliseconds, percent } from "../command_line/quantities.ts";
import { readBytes } from "../command_line/read_bytes.ts";
import { table } from "../command_line/table.ts";
import { note, print, printJson } from "../command_line/terminal.ts";
import { checkCanWrite, writeFileWhole } from "../command_line/write_file_whole.ts";
import { thisDevice } from "../lab_reports/device.ts";
import { openIdeasTraining } from "../lab_reports/ideas_training.ts";
import { readLatencyTable, rememberLatencyTable } from "../lab_reports/latency_cache.ts";
import { findingsText, reportText, tableText } from "../lab_reports/report_text.ts";
import { timeLeft } from "../lab_reports/time_left.ts";

interface LabCommandOptions extends CommonOptions {
  readonly html?: string;
  readonly output?: string;
  readonly sessions?: number;
  readonly rounds?: number;
  readonly seed?: number;
  readonly every?: boolean;
  readonly train?: string;
  readonly epochs?: number;
  readonly threads?: number;
  readonly wide?: boolean;
}

const otherWords = ["all", "diff", "predict"] as const;

/** `depthwise lab guidelines|table8|manifold|ideas|flops|all|diff|predict`. */
export async function lab(invocation: Invocation<LabCommandOptions>): Promise<undefined> {
  const [what = "", ...rest] = [...invocation.words, ...invocation.literal];
  const { options } = invocation;
  if (what === "diff") await diff(rest, options);
  else if (what === "predict") await predict(rest, options);
  else {
    const names = what === "all" ? labNames : labNames.filter((name) => name === what);
    if (names.length === 0) throw unknownLab(what);
    if (rest.length > 0) throw new OptionError(`lab ${what}: nothing is expected after it, but "${rest[0]}" follows.`);
    if (options.train !== undefined && what !== "ideas")
      throw new OptionError(`lab ${what}: --train belongs to lab ideas.`);
    if (what === "all" && options.output === undefined)
      throw new OptionError("lab all: --output FOLDER is missing, where the booklet goes.");
    await run(names, options);
  }
}

function unknownLab(what: string): OptionError {
  const known = [...labNames, ...otherWords];
  return new OptionError(what === "" ? "lab: which one?" : `There is no lab "${what}".`, {
    hint: suggestion(what, known) ?? `There are ${known.join(", ")}.`,
  });
}

async function run(names: readonly LabName[], options: LabCommandOptions): Promise<void> {
  if (options.html !== undefined) await checkCanWrite(options.html);
  if (options.output !== undefined) await mkdir(options.output, { recursive: true });
  const results = await runAll(names, options);
  const [first] = results;
  if (first === undefined) return;
  const isBooklet = results.length > 1;
  const page = isBooklet ? bookletPage(results) : labPage(first);
  if (options.html !== undefined) await writeText(options.html, page);
  if (options.output !== undefined && isBooklet) {
    await writeText(join(options.output, "index.html"), page);
    note(`${join(options.output, "index.html")} has it all.`);
  }
  if (options.json) printJson(isBooklet ? results : first);
  else if (isBooklet)
    print(results.map((result) => `${reportOf(result).title}\n${findingsText(result.findings)}`).join("\n\n"));
  else print(reportText(reportOf(first)));
}

/** Runs labs one after another; each one's files are written as soon as it is done. */
async function runAll(names: readonly LabName[], options: LabCommandOptions): Promise<readonly LabResult[]> {
  const device = thisDevice();
  const training = options.train === undefined ? undefined : await openIdeasTraining(options.train, options);
  const total = names.reduce((sum, name) => sum + usualSeconds(name), 0);
  const progress = startProgress("lab");
  const left = timeLeft();
  const results: LabResult[] = [];
  let before = 0;
  try {
    for (const name of names) {
      const labOptions: LabOptions = {
        device,
        ...pick(options),
        onProgress: (share, what) => {
          const done = (before + share * usualSeconds(name)) / total;
          progress.update(Math.round(1000 * done) / 10, 100, `% ${left(done)} ${name}: ${what}`);
        },
      };
      const result = await runOne(name, labOptions, options, training);
      before += usualSeconds(name);
      results.push(result);
      if (name === "flops") await rememberLatencyTable((result as FlopsResult).data.table, device);
      if (options.output !== undefined) await writeResult(options.output, result);
    }
  } finally {
    progress.end();
  }
  return results;
}

function runOne(
  name: LabName,
  labOptions: LabOptions,
  { every = false }: LabCommandOptions,
  training: IdeasTraining | undefined,
): Promise<LabResult> {
  if (name === "flops" && every) return runFlops({ ...labOptions, variants: "all" });
  return name === "ideas" && training ? runIdeas({ ...labOptions, training }) : runLab(name, labOptions);
}

function pick({ sessions, rounds, seed }: LabCommandOptions): Partial<LabOptions> {
  return { sessions, rounds, seed };
}

async function writeResult(folder: string, result: LabResult): Promise<void> {
  await writeText(join(folder, `${result.lab}.html`), labPage(result));
  await writeText(join(folder, `${result.lab}.json`), JSON.stringify(result));
}

async function writeText(path: string, text: string): Promise<void> {
  await writeFileWhole(path, Buffer.from(text));
}

/** `lab diff A.json B.json`. */
async function diff(files: readonly string[], options: LabCommandOptions): Promise<void> {
  if (files.length !== 2)
    throw new OptionError(`lab diff: two files are expected, results of the same lab; received ${files.length}.`);
  const [before, after] = await Promise.all(files.map(readResult));
  if (before === undefined || after === undefined) return;
  const found = diffLabs(before, after);
  if (options.html !== undefined) await writeText(options.html, diffPage(found));
  if (options.json) {
    printJson(found);
    return;
  }
  const part = diffTable(found);
  print(diffSummary(found));
  if (part.kind === "table" && part.rows.length > 0) print(`\n${tableText(part)}`);
}

async function readResult(file: string): Promise<LabResult> {
  return parseLabResult(new TextDecoder().decode(await readBytes(file)), file);
}

/** `lab predict NAME...`: by the table that `lab flops` remembered, without measuring. */
async function predict(names: readonly string[], options: LabCommandOptions): Promise<void> {
  if (names.length === 0) throw new OptionError("lab predict: the name of a network is missing.");
  const known = await readLatencyTable(thisDevice());
  if (known === undefined)
    throw new OptionError("lab predict: nothing was measured on this device yet.", {
      hint: "Run once: depthwise lab flops",
    });
  const predictions = names.map((name) => ({
    name,
    ...predictLatency(known, compile(build(name)).manifest.steps),
  }));
  if (options.json) printJson(predictions);
  else
    print(
      table(
        [
          { title: "network", value: ({ name }) => name },
          { title: "predicted", align: "right", value: (each) => milliseconds(each.milliseconds) },
          { title: "from measured steps", align: "right", value: ({ knownShare }) => percent(knownShare) },
        ],
        predictions,
      ),
    );
}
