import { type Description, formatShape } from "@depthwise/core";
import { bytes, count, percent, significant } from "../command_line/quantities.ts";
import { type Column, table } from "../command_line/table.ts";
import { paletteOf } from "../command_line/terminal.ts";

/** Networks side by side: a line a figure, a column a network. */
export function comparisonText(descriptions: readonly Description[], labels: readonly string[]): string {
  const columns: readonly Column<Figure>[] = [
    { title: "", value: ({ name }) => name },
    ...descriptions.map(
      (description, index): Column<Figure> => ({
        title: labels[index] ?? description.name,
        align: "right",
        value: ({ of }) => of(description),
      }),
    ),
  ];
  return table(columns, figures, paletteOf(process.stdout).bold);
}

interface Figure {
  readonly name: string;
  readonly of: (description: Description) => string;
}

const figures: readonly Figure[] = [
  { name: "input", of: ({ input }) => formatShape(input) },
  { name: "classes", of: ({ classes }) => String(classes) },
  { name: "parameters", of: ({ parameters }) => count(parameters) },
  { name: "MACs", of: ({ macs }) => count(macs) },
  { name: "elementwise", of: ({ elementwise }) => count(elementwise) },
  { name: "memory access", of: ({ memoryAccessBytes }) => bytes(memoryAccessBytes) },
  { name: "MACs a byte", of: ({ arithmeticIntensity }) => significant(arithmeticIntensity) },
  { name: "peak activations", of: ({ peakActivationBytes }) => bytes(peakActivationBytes) },
  { name: "depth", of: ({ depth }) => String(depth) },
  { name: "blocks", of: ({ blocks }) => String(blocks.filter(({ fragments }) => fragments > 0).length) },
  { name: "convolutions and pools a block", of: ({ fragmentation }) => significant(fragmentation) },
  { name: "elementwise share of operations", of: ({ elementwiseShare }) => percent(elementwiseShare) },
  { name: "elementwise share of memory access", of: ({ elementwiseMemoryShare }) => percent(elementwiseMemoryShare) },
];
