import { median, quantile } from "../../packages/core/src/statistics.ts";
import type { ModelResult, PeerResult } from "./measure.ts";

const columns = [
  "peer",
  "version",
  "median ms",
  "p10-p90",
  "ratio",
  "95 % interval",
  "GMAC/s",
  "ceiling",
  "load ms",
  "first run",
  "difference",
];

/** A table of one network's results for people. */
export function reportModel({ model, engine, macs, ceilings, results, failures }: ModelResult): string {
  const rows = results.map(row);
  const relaxed = median(ceilings.relaxed);
  const plain = median(ceilings.plain);
  const wide = ceilings.wide.length > 0 ? `, of 256 bits ${median(ceilings.wide).toFixed(1)}` : "";
  return [
    `${model} in ${engine}: ${(macs / 1e6).toFixed(0)} million MACs; 128-bit ceiling of one thread ${relaxed.toFixed(1)} GMAC/s relaxed, ${plain.toFixed(1)} plain${wide}`,
    ...alignColumns([columns, ...rows]).map((line) => `  ${line}`),
    ...failures.map(({ peer, error }) => `  ${peer} was not measured: ${error}`),
  ].join("\n");
}

function row(result: PeerResult): readonly string[] {
  const samples = result.samples.flat();
  const { value, low, high } = result.ratio;
  return [
    result.peer,
    result.version,
    result.medianMs.toFixed(2),
    `${quantile(samples, 0.1).toFixed(2)}-${quantile(samples, 0.9).toFixed(2)}`,
    `${value.toFixed(2)}x`,
    `${low.toFixed(2)}-${high.toFixed(2)}`,
    result.gigamacsPerSecond.toFixed(1),
    `${(100 * result.shareOfCeiling).toFixed(0)} %`,
    result.loadMs.toFixed(0),
    result.firstRunMs.toFixed(0),
    result.difference.toExponential(1),
  ];
}

/** The first two columns to the left, numbers to the right. */
export function alignColumns(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0)));
  return rows.map((cells) =>
    cells
      .map((cell, column) =>
        column < 2 ? cell.padEnd(widths[column] as number) : cell.padStart(widths[column] as number),
      )
      .join("  ")
      .trimEnd(),
  );
}
