import type { LabReport } from "@depthwise/core/lab";
import type { Finding, PageTable } from "@depthwise/core/plot";
import { table } from "../command_line/table.ts";
import { paletteOf } from "../command_line/terminal.ts";

/** A report as people read it at a terminal: what was found, and the tables. The pictures are in the page. */
export function reportText({ title, sections }: LabReport): string {
  const { bold } = paletteOf(process.stdout);
  const parts = sections.flatMap(({ heading, parts }) => {
    const texts = parts.flatMap((part): readonly string[] => {
      if (part.kind === "findings") return [findingsText(part.findings)];
      return part.kind === "table" ? [tableText(part)] : [];
    });
    return texts.length === 0 ? [] : [[bold(heading), ...texts].join("\n\n")];
  });
  return [bold(title), ...parts].join("\n\n");
}

/** Findings, one a paragraph, verdict first. */
export function findingsText(findings: readonly Finding[]): string {
  const { bold } = paletteOf(process.stdout);
  return findings
    .map(({ word, text }) => `  ${bold(`${word.charAt(0).toUpperCase()}${word.slice(1)}.`)} ${text}`)
    .join("\n");
}

/** A table of a report. */
export function tableText({ caption, columns, rows }: PageTable): string {
  const { dim } = paletteOf(process.stdout);
  const text = table(
    columns.map(({ title, align }, index) => ({
      title,
      ...(align === undefined ? {} : { align }),
      value: (row: readonly string[]) => row[index] ?? "",
    })),
    rows,
    dim,
  );
  return caption === undefined ? text : `${dim(caption)}\n${text}`;
}
