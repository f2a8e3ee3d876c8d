import type { ReplacedConvolution, WhatIf } from "@depthwise/core";
import { bytes, count, percent } from "../command_line/quantities.ts";
import { type Column, table } from "../command_line/table.ts";
import { paletteOf } from "../command_line/terminal.ts";

const columns: readonly Column<ReplacedConvolution>[] = [
  { title: "convolution", value: ({ name }) => name },
  { title: "MACs", align: "right", value: ({ before }) => count(before.macs) },
  { title: "after", align: "right", value: ({ after }) => count(after.macs) },
  { title: "weights", align: "right", value: ({ before }) => count(before.weights) },
  { title: "after", align: "right", value: ({ after }) => count(after.weights) },
  { title: "ratio", align: "right", value: ({ ratio }) => percent(ratio) },
  { title: "by theory", align: "right", value: ({ predicted }) => percent(predicted) },
  { title: "", value: ({ formula }) => formula },
];

/** What a network would cost with other convolutions: each that was replaced, and the sums. */
export function whatIfText({ before, after, replaced }: WhatIf): string {
  const { bold, dim } = paletteOf(process.stdout);
  if (replaced.length === 0) return `${bold(before.name)} has no such convolution; nothing would change.`;
  const sums: readonly (readonly [string, string, string])[] = [
    ["parameters", count(before.parameters), count(after.parameters)],
    ["MACs", count(before.macs), count(after.macs)],
    ["memory access", bytes(before.memoryAccessBytes), bytes(after.memoryAccessBytes)],
  ];
  const inAll = table(
    [
      { title: "in all", value: ([name]) => name },
      { title: "before", align: "right", value: ([, value]) => value },
      { title: "after", align: "right", value: ([, , value]) => value },
    ],
    sums,
    dim,
  );
  return [`${bold(before.name)}: ${replaced.length} replaced`, "", table(columns, replaced, dim), "", inAll].join("\n");
}
