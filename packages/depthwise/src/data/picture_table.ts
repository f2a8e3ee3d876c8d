import { createReadStream } from "node:fs";
import { dirname, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { FormatError, IoError } from "@depthwise/core";
import { CsvError, parse } from "csv-parse";
import { readingProblem } from "../command_line/read_bytes.ts";
import { type PictureFiles, pictureFiles } from "./data_set.ts";
import { type FoundData, foundLabels } from "./found_data.ts";

/** Words that the column `split` may hold, in lower case. */
const splits: { readonly [word: string]: "train" | "validation" | "test" } = {
  "": "train",
  train: "train",
  training: "train",
  val: "validation",
  valid: "validation",
  validation: "validation",
  test: "test",
};

interface Row {
  readonly file: string;
  readonly label: string;
  readonly split: "train" | "validation" | "test";
}

/**
 * Reads a CSV of `path,label` and perhaps `split`; the first line names the columns, others are passed over. Paths are relative to
 * the file's folder. Files that are not there show when they are decoded.
 *
 * @throws {IoError} if the file cannot be read
 * @throws {FormatError} if a column is missing or a line is wrong, with the line's number
 */
export async function readPictureTable(file: string, signal?: AbortSignal): Promise<FoundData> {
  const rows = await readRows(file, signal);
  const labels = foundLabels(
    file,
    rows.map(({ label }) => [label, 1]),
  );
  const numbers = new Map(labels.names.map((label, i) => [label, i]));
  const setOf = (split: Row["split"]): PictureFiles => {
    const chosen = rows.filter((row) => row.split === split);
    const classes = Uint16Array.from(chosen, ({ label }) => numbers.get(label)!);
    return pictureFiles(
      chosen.map((row) => row.file),
      classes,
      labels.names,
    );
  };
  const train = setOf("train");
  if (train.length === 0) throw new FormatError(`${file}: no line is for training.`, { file });
  const has = (split: Row["split"]): boolean => rows.some((row) => row.split === split);
  return {
    labels: labels.names,
    train,
    validation: has("validation") ? setOf("validation") : undefined,
    test: has("test") ? setOf("test") : undefined,
    skipped: [],
    warnings: labels.warnings,
  };
}

async function readRows(file: string, signal: AbortSignal | undefined): Promise<Row[]> {
  const folder = dirname(file);
  const rows: Row[] = [];
  const parser = parse({ bom: true, columns: checkColumns(file), info: true, skip_empty_lines: true, trim: true });
  try {
    await pipeline(
      createReadStream(file),
      parser,
      async (records: AsyncIterable<{ record: Record<string, string>; info: { lines: number } }>) => {
        for await (const { record, info } of records) rows.push(toRow(record, file, folder, info.lines));
      },
      { ...(signal === undefined ? {} : { signal }) },
    );
  } catch (cause) {
    if (cause instanceof FormatError) throw cause;
    if (cause instanceof CsvError) throw new FormatError(`${file}: ${cause.message}.`, { file, cause });
    throw new IoError(`${file}: ${readingProblem(cause)}.`, { file, cause });
  }
  return rows;
}

function checkColumns(file: string): (header: string[]) => string[] {
  return (header) => {
    const names = header.map((name) => name.toLowerCase());
    for (const column of ["path", "label"]) {
      if (names.includes(column)) continue;
      throw new FormatError(
        `${file}: expected a first line with the column "${column}" but received ${names.join(",")}.`,
        {
          file,
          hint: "The columns are path,label and perhaps split.",
        },
      );
    }
    return names;
  };
}

function toRow(record: Record<string, string>, file: string, folder: string, line: number): Row {
  const { path = "", label = "", split = "" } = record;
  if (path === "" || label === "") {
    throw new FormatError(`${file}, line ${line}: the ${path === "" ? "path" : "label"} is empty.`, { file });
  }
  const known = Object.hasOwn(splits, split.toLowerCase()) ? splits[split.toLowerCase()] : undefined;
  if (known === undefined) {
    throw new FormatError(`${file}, line ${line}: expected the split train, val or test but received "${split}".`, {
      file,
    });
  }
  return { file: resolve(folder, path), label, split: known };
}
