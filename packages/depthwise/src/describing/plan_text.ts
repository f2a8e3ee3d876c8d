import type { Plan, PlannedBuffer, PlannedStep } from "@depthwise/core";
import { bytes, percent } from "../command_line/quantities.ts";
import { table } from "../command_line/table.ts";
import { paletteOf } from "../command_line/terminal.ts";

/** How the compiler runs a network: a line a step, and the sums. */
export function planText(plan: Plan): string {
  const { bold, dim } = paletteOf(process.stdout);
  const { steps, arenaBytes, arenaLowerBound, movedBytes, movedBytesWithoutBands } = plan;
  const bufferOf = (index: number) => plan.buffers[index] as PlannedBuffer;
  const saved = 1 - movedBytes / movedBytesWithoutBands;
  return [
    `${bold(plan.name)}: ${steps.length} steps on one thread`,
    "",
    table<PlannedStep>(
      [
        { title: "step", value: ({ name }) => name },
        { title: "band", value: ({ bands }) => (bands ? `${bands.rows} of ${bands.of} rows` : "") },
        { title: "writes", value: ({ writes }) => writes.map((index) => bufferText(bufferOf(index))).join(", ") },
        { title: "moved", align: "right", value: (step) => bytes(step.movedBytes) },
        {
          title: "without bands",
          align: "right",
          value: ({ bands, movedBytesWithoutBands: without }) => (bands ? bytes(without) : ""),
        },
      ],
      steps,
      dim,
    ),
    "",
    `moved: ${bytes(movedBytes)} of activations and weights a picture; ${bytes(movedBytesWithoutBands)} without bands (${percent(saved)} saved)`,
    `arena: ${bytes(arenaBytes)} for activations; ${bytes(arenaLowerBound)} are alive at once (${percent(arenaBytes / arenaLowerBound - 1)} more)`,
  ].join("\n");
}

/** `56x56x24 (301 kB at 1.20 MB)`. */
function bufferText({ shape, bytes: size, offset }: PlannedBuffer): string {
  return `${shape.join("x")} (${bytes(size)} at ${bytes(offset)})`;
}
