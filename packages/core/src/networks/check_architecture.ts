import { OptionError } from "../errors.ts";
import { toPair } from "../graph/builder.ts";
import type { Pair } from "../graph/operations.ts";

/**
 * Refuses groups that do not divide a convolution's channels.
 *
 * @param where the unit or layer: `shufflenet_v1 stage2/unit1`
 * @param what the channels, with their arithmetic where they follow from others: `the 316 = 340 - 24 output channels`
 * @throws {OptionError}
 */
export function checkGroups(where: string, groups: number, channels: number, what: string): void {
  if (channels >= 1 && channels % groups === 0) return;
  throw new OptionError(
    `${where}: ${groups} groups do not divide ${what}: ${channels} / ${groups} = ${Number((channels / groups).toFixed(3))}. Use channels that are a multiple of ${groups}, or other groups.`,
  );
}

/**
 * Refuses inputs from which the network's strides leave less than one pixel.
 *
 * @param strides of every layer that has one, in order; ones are left out of the message
 * @throws {OptionError}
 */
export function checkResolution(family: string, resolution: number | Pair, strides: readonly number[]): void {
  const [height, width] = toPair(resolution);
  const total = strides.reduce((product, stride) => product * stride, 1);
  if (Math.min(height, width) >= total) return;
  const arithmetic = `${strides.filter((stride) => stride > 1).join(" * ")} = ${total}`;
  throw new OptionError(
    `${family}: an input of ${height}x${width} is too small: the strides ${arithmetic} leave ${Number((Math.min(height, width) / total).toFixed(3))} of a pixel. Use at least ${total}x${total}.`,
    { hint: "Pictures of 32x32 and below need smallStem." },
  );
}

/** Refuses a list of the wrong length. */
export function checkLength(
  family: string,
  option: string,
  list: readonly number[],
  length: number,
  why: string,
): void {
  if (list.length === length) return;
  throw new OptionError(
    `${family}: ${option} has ${list.length} entries (${list.join(", ")}); it needs ${length}: ${why}.`,
  );
}
