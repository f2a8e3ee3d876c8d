import { alignColumns } from "../report.ts";
import type { StartResult, StartResults } from "./measure_starts.ts";

const columns = [
  "peer",
  "version",
  "cold ms",
  "ratio",
  "95 % interval",
  "ready at",
  "warm ms",
  "ratio",
  "MB",
  "brotli",
  "without weights kB",
  "brotli",
  "difference",
];

/** A table of one network's starts for people. */
export function reportStarts({ model, engine, starts, failures }: StartResults): string {
  return [
    `${model} in ${engine}: from navigation to the first output`,
    ...alignColumns([columns, ...starts.map(row)]).map((line) => `  ${line}`),
    ...failures.map(({ peer, error }) => `  ${peer} was not measured: ${error}`),
  ].join("\n");
}

function row({ peer, version, cold, warm, bytes, difference }: StartResult): readonly string[] {
  const { withoutWeights } = bytes;
  return [
    peer,
    version ?? "",
    cold.medianMs.toFixed(0),
    `${cold.ratio.value.toFixed(2)}x`,
    `${cold.ratio.low.toFixed(2)}-${cold.ratio.high.toFixed(2)}`,
    cold.readyMs.toFixed(0),
    warm.medianMs.toFixed(0),
    `${warm.ratio.value.toFixed(2)}x`,
    (bytes.raw / 1e6).toFixed(2),
    (bytes.brotli / 1e6).toFixed(2),
    withoutWeights === undefined ? "-" : (withoutWeights.raw / 1e3).toFixed(1),
    withoutWeights === undefined ? "-" : (withoutWeights.brotli / 1e3).toFixed(1),
    difference?.toExponential(1) ?? "-",
  ];
}
