import { type Permutation, permutationOrder } from "../graph/permutation.ts";

/** One drawn channel of a permutation. */
export interface PermutationLine {
  /** Place among the drawn channels before, and after: 0 to `lines.length − 1`. */
  readonly from: number;
  readonly to: number;
  /** The channel before. */
  readonly channel: number;
}

/** Channels beyond which a picture shows a sample: lines closer than these are not told apart. */
const mostLines = 48;
/** Lines of a sample. */
const sampleLines = 24;

/**
 * A permutation as crossing lines. Where there are too many channels, an even sample of them, in the same order before and after: of a
 * shuffle so many whole groups and so many channels of each that the pattern stays.
 */
export function permutationLines(permutation: Permutation, channels: number): readonly PermutationLine[] {
  const order = permutationOrder(permutation, channels);
  const kept = channels <= mostLines ? order.map((_, channel) => channel) : sample(permutation, channels);
  const rank = new Map(kept.map((channel, index) => [channel, index]));
  const lines: PermutationLine[] = [];
  for (const channel of order) {
    const from = rank.get(channel);
    if (from !== undefined) lines.push({ from, to: lines.length, channel });
  }
  return lines;
}

function sample(permutation: Permutation, channels: number): readonly number[] {
  if (permutation.kind === "explicit") return spread(channels, sampleLines);
  const { groups } = permutation;
  const perGroup = channels / groups;
  const [keptGroups, keptPerGroup] =
    groups <= 8
      ? [groups, Math.min(perGroup, Math.floor(sampleLines / groups))]
      : perGroup <= 8
        ? [Math.min(groups, Math.floor(sampleLines / perGroup)), perGroup]
        : [5, 5];
  const inGroup = spread(perGroup, keptPerGroup);
  return spread(groups, keptGroups).flatMap((group) => inGroup.map((channel) => group * perGroup + channel));
}

/** `count` of `total` positions, as even as whole numbers allow. */
function spread(total: number, count: number): readonly number[] {
  const kept = Math.min(total, count);
  return Array.from({ length: kept }, (_, index) => Math.floor((index * total) / kept));
}
