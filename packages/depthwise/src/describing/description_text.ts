import { type Description, formatShape } from "@depthwise/core";
import { bytes, count, percent, significant } from "../command_line/quantities.ts";
import { type Column, table } from "../command_line/table.ts";
import { paletteOf } from "../command_line/terminal.ts";

type Layer = Description["layers"][number];

/** A network's cost, a line a layer, and the sums. */
export function descriptionText(description: Description): string {
  const { bold, dim } = paletteOf(process.stdout);
  return [
    `${bold(description.name)}: ${formatShape(description.input)} in, ${description.classes} classes out`,
    "",
    table(columns(description), description.layers, dim),
    "",
    totals(description),
  ].join("\n");
}

function columns({ macs }: Description): readonly Column<Layer>[] {
  const unlessZero = (value: number, format: (value: number) => string): string => (value === 0 ? "" : format(value));
  return [
    { title: "layer", value: ({ name }) => name },
    { title: "operation", value: (layer) => operationOf(layer) },
    { title: "output", align: "right", value: ({ output }) => formatShape(output.slice(1)) },
    { title: "parameters", align: "right", value: ({ parameters }) => unlessZero(parameters, count) },
    { title: "MACs", align: "right", value: (layer) => unlessZero(layer.macs, count) },
    { title: "share", align: "right", value: (layer) => unlessZero(layer.macs, (value) => percent(value / macs)) },
    { title: "memory access", align: "right", value: ({ memoryAccessBytes }) => unlessZero(memoryAccessBytes, bytes) },
    { title: "of bound", align: "right", value: (layer) => overBound(layer) },
  ];
}

/** `depthwise 3x3 /2`, `pointwise`, `convolution 7x7 /2`, `max pool 3x3 /2`. */
function operationOf({ op, kernel, stride, groups, input, output }: Layer): string {
  const words = op.replaceAll("_", " ");
  if (kernel === null) return words;
  const step =
    stride === null || (stride[0] === 1 && stride[1] === 1)
      ? ""
      : ` /${stride[0] === stride[1] ? stride[0] : stride.join("x")}`;
  const size = kernel.join("x");
  if (op !== "convolution") return `${words} ${size}${step}`;
  const channels = input.at(-1);
  if (groups !== null && groups > 1 && groups === channels)
    return `depthwise ${size}${output.at(-1) === channels ? "" : ` x${(output.at(-1) ?? 0) / groups}`}${step}`;
  const grouped = groups === null || groups === 1 ? "" : `, ${groups} groups`;
  return size === "1x1" ? `pointwise${step}${grouped}` : `convolution ${size}${step}${grouped}`;
}

/** How many times the bytes that guideline 1 of ShuffleNet V2 shows to be needed. */
function overBound({ lowerBoundBytes, memoryAccessBytes }: Layer): string {
  return lowerBoundBytes === undefined || lowerBoundBytes === 0
    ? ""
    : `${significant(memoryAccessBytes / lowerBoundBytes)}x`;
}

function totals(description: Description): string {
  const { parameters, macs, elementwise, memoryAccessBytes, peakActivationBytes, depth } = description;
  const rows: readonly (readonly [string, string, string])[] = [
    ["parameters", count(parameters), `${parameters}; ${bytes(4 * parameters)} as float32`],
    ["MACs", count(macs), `${macs} multiply-accumulates`],
    ["elementwise", count(elementwise), `${percent(description.elementwiseShare)} of all operations`],
    [
      "memory access",
      bytes(memoryAccessBytes),
      `if every operation ran by itself; ${significant(description.arithmeticIntensity)} MACs a byte`,
    ],
    ["peak activations", bytes(peakActivationBytes), "the most alive at a time"],
    ["depth", String(depth), "convolutions and linear layers on the longest way"],
  ];
  return table(
    [
      { title: "in all", value: ([name]) => name },
      { title: "", align: "right", value: ([, value]) => value },
      { title: "", value: ([, , meaning]) => meaning },
    ],
    rows,
    paletteOf(process.stdout).dim,
  );
}
