import type { BlockConnections, Description } from "@depthwise/core";
import { percent } from "../command_line/quantities.ts";
import { type Column, table } from "../command_line/table.ts";
import { paletteOf } from "../command_line/terminal.ts";

const columns: readonly Column<BlockConnections>[] = [
  { title: "block", value: ({ block }) => block },
  { title: "channels", align: "right", value: ({ inputs, outputs }) => `${inputs} to ${outputs}` },
  {
    title: "paths",
    align: "right",
    value: ({ minPaths, maxPaths }) => (minPaths === maxPaths ? `${minPaths}` : `${minPaths} to ${maxPaths}`),
  },
  { title: "condition", value: (connections) => conditionOf(connections) },
];

/** How every block connects its input channels to its output channels. */
export function connectionsText({ name }: Description, connections: readonly BlockConnections[]): string {
  const { bold, dim } = paletteOf(process.stdout);
  return [
    `${bold(name)}: paths between every input and every output channel of each block`,
    "",
    table(columns, connections, dim),
  ].join("\n");
}

function conditionOf({ complementary, superchannels, unconnected, unconnectedShare }: BlockConnections): string {
  if (complementary) return "complementary: exactly one path for every pair";
  if (unconnected !== undefined) {
    return `channel ${unconnected.input} does not reach ${unconnected.output}; ${percent(unconnectedShare)} of the pairs have no path`;
  }
  if (superchannels === undefined) return "every pair connected, not evenly";
  return superchannels === 1 ? "dense" : `loose: complementary on ${superchannels} super-channels`;
}
