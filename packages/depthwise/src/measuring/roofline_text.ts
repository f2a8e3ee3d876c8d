import type { Advice, Roofline, RooflineNode } from "@depthwise/core/lab";
import { bytes, count, milliseconds, percent, significant } from "../command_line/quantities.ts";
import { type Column, table } from "../command_line/table.ts";
import { paletteOf } from "../command_line/terminal.ts";
import { aboveTheCeiling } from "./measurement_text.ts";

/** Every node under the ceilings of this device, and what the guidelines of ShuffleNet V2 say of it. */
export function rooflineText(label: string, roofline: Roofline): string {
  const columns: readonly Column<RooflineNode>[] = [
    { title: "node", value: ({ name }) => name },
    { title: "time", align: "right", value: (node) => milliseconds(node.milliseconds) },
    { title: "share", align: "right", value: ({ share }) => percent(share) },
    { title: "bound by", value: ({ bound, level }) => (bound === "compute" ? "multiply-adds" : level) },
    { title: "of ceiling", align: "right", value: ({ shareOfCeiling }) => percent(shareOfCeiling) },
    { title: "moves", align: "right", value: ({ movedBytes }) => bytes(movedBytes) },
    { title: "of least", align: "right", value: accessRatio },
    {
      title: "breaks",
      value: ({ breaches }) => breaches.map(({ guideline, reason }) => `G${guideline}: ${reason}`).join("; "),
    },
  ];
  const { dim, bold } = paletteOf(process.stdout);
  return [
    `${bold(label)} under the roof, node by node on one thread (without bands of rows)`,
    ceilingsText(roofline),
    "",
    table(columns, roofline.nodes, dim),
    "",
    summaryText(roofline),
  ].join("\n");
}

/** Memory access cost over guideline 1's bound: `1.41x`. */
function accessRatio({ memoryAccessBytes, lowerBoundBytes }: RooflineNode): string {
  return lowerBoundBytes === undefined ? "" : `${(memoryAccessBytes / lowerBoundBytes).toFixed(2)}x`;
}

function ceilingsText({ ceilings: { gigamacsPerSecond, levels, bandwidth } }: Roofline): string {
  const smallest = bandwidth[0]?.bytes ?? 0;
  const parts = levels.map(({ name, bytes: most, gigabytesPerSecond }) => {
    const reach = most === null ? "beyond" : `up to ${binaryBytes(Math.max(most, smallest))}`;
    return `${name} ${significant(gigabytesPerSecond)} GB/s (${reach})`;
  });
  return `  ceilings: ${significant(gigamacsPerSecond)} GMAC/s; reading ${parts.join(", ")}`;
}

/** Sizes of working sets, which are powers of two. */
function binaryBytes(value: number): string {
  return value < 2 ** 20 ? `${value / 2 ** 10} KiB` : `${value / 2 ** 20} MiB`;
}

function summaryText({ milliseconds: total, leastMilliseconds, nodes }: Roofline): string {
  const boundByMemory = nodes.filter(({ bound }) => bound === "memory");
  const memoryTime = boundByMemory.reduce((sum, node) => sum + node.milliseconds, 0);
  return (
    `  ${milliseconds(total)} in all, ${milliseconds(leastMilliseconds)} at the ceilings (${percent(leastMilliseconds / total)}); ` +
    `${percent(memoryTime / total)} of the time is bound by memory (${boundByMemory.length} of ${nodes.length} nodes)\n` +
    "  of least: memory access cost over the least possible for as many multiply-accumulates (guideline 1, arXiv:1807.11164)" +
    (nodes.some(({ shareOfCeiling }) => shareOfCeiling > 1) ? `\n${aboveTheCeiling}` : "")
  );
}

/** What could be changed, what that should bring, and what it brought. */
export function adviceText(advice: readonly Advice[]): string {
  if (advice.length === 0) return "  advice: none; no change that we know should pay";
  const lines = advice.map((each) => {
    const { guideline, what, where, before, after, predictedGain } = each;
    return [
      `  ${guideline === undefined ? "" : `G${guideline}: `}${what} (${where.length} nodes)`,
      `    ${count(before.macs)} -> ${count(after.macs)} MACs, ${count(before.parameters)} -> ${count(after.parameters)} parameters, ` +
        `${bytes(before.memoryAccessBytes)} -> ${bytes(after.memoryAccessBytes)} accessed`,
      `    predicted: ${signed(predictedGain)}; ${measuredText(each)}`,
    ].join("\n");
  });
  return ["  advice (each change needs new training; its accuracy is not known):", ...lines].join("\n");
}

function measuredText({ measured }: Advice): string {
  if (measured === undefined) return "not measured";
  const { before, after, gain, verdict } = measured;
  return (
    `measured in turns, as compiled by default: ${milliseconds(before.value)} -> ${milliseconds(after.value)}, ` +
    `${signed(gain.value)} (${signed(gain.low)} to ${signed(gain.high)}): ${verdict}`
  );
}

/** A gain of a fifth of the time is `-20.0 % time`. */
function signed(gain: number): string {
  return `${gain < 0 ? "+" : "-"}${percent(Math.abs(gain))} time`;
}
