/**
 * Tables 1 to 4 of ShuffleNet V2 (N. Ma, X. Zhang, H.-T. Zheng, J. Sun, ECCV 2018, arXiv:1807.11164, section 2): what the authors changed
 * in each of their four experiments, and how fast each version ran on a GTX 1080Ti (cuDNN 7, batches a second of 8 pictures) and on one
 * thread of a Snapdragon 810 (pictures a second), at one, two and four times the channels.
 */

/** What was measured in the paper: at x1, x2 and x4. */
export type PaperSpeeds = readonly [x1: number, x2: number, x4: number];

/** The platforms of the paper, each with its own channel counts. */
export type PaperPlatform = "gpu" | "arm";

interface TableRow<Setting> {
  readonly name: string;
  /** Channels at x1. */
  readonly setting: { readonly [P in PaperPlatform]: Setting };
  readonly speeds: { readonly [P in PaperPlatform]: PaperSpeeds };
}

/** Table 1: two 1x1 convolutions, c1 to c2 and back; equal multiply-accumulates, unequal widths. */
export const table1: readonly TableRow<readonly [c1: number, c2: number]>[] = [
  row("1:1", [128, 128], [1480, 723, 232], [32, 32], [76.2, 21.7, 5.3]),
  row("1:2", [90, 180], [1296, 586, 206], [22, 44], [72.9, 20.5, 5.1]),
  row("1:6", [52, 312], [876, 489, 189], [13, 78], [69.1, 17.9, 4.6]),
  row("1:12", [36, 432], [748, 392, 163], [9, 108], [57.6, 15.1, 4.4]),
];

/** Table 2: a 1x1 group convolution of c channels in g groups. */
export const table2: readonly (TableRow<number> & { readonly groups: number })[] = [
  { groups: 1, ...row("1 group", 128, [2451, 1289, 437], 64, [40.0, 10.2, 2.3]) },
  { groups: 2, ...row("2 groups", 180, [1725, 873, 341], 90, [35.0, 9.5, 2.2]) },
  { groups: 4, ...row("4 groups", 256, [1026, 644, 338], 128, [32.9, 8.7, 2.1]) },
  { groups: 8, ...row("8 groups", 360, [634, 445, 230], 180, [27.8, 7.5, 1.8]) },
];

/** Table 3: a block of one, two or four 1x1 convolutions, one after another or side by side. c: of the block with one. */
export const table3: readonly (TableRow<number> & {
  readonly fragments: number;
  readonly arrangement: "series" | "parallel";
})[] = [
  { fragments: 1, arrangement: "series", ...row("1 fragment", 128, [2446, 1274, 434], 64, [40.2, 10.1, 2.3]) },
  { fragments: 2, arrangement: "series", ...row("2 in series", 128, [1790, 909, 336], 64, [38.6, 10.1, 2.2]) },
  { fragments: 4, arrangement: "series", ...row("4 in series", 128, [752, 745, 349], 64, [38.4, 10.1, 2.3]) },
  { fragments: 2, arrangement: "parallel", ...row("2 in parallel", 128, [1537, 803, 320], 64, [33.4, 9.1, 2.2]) },
  { fragments: 4, arrangement: "parallel", ...row("4 in parallel", 128, [691, 572, 292], 64, [35.0, 8.4, 2.1]) },
];

/** Table 4: ResNet's bottleneck with and without its ReLUs and its shortcut. Here the cheapest stands first. c: channels of the unit. */
export const table4: readonly (TableRow<number> & { readonly relu: boolean; readonly shortcut: boolean })[] = [
  { relu: false, shortcut: false, ...row("neither", 32, [2842, 2376, 1782], 32, [66.3, 20.2, 5.4]) },
  { relu: true, shortcut: false, ...row("ReLU", 32, [2647, 2256, 1735], 32, [61.9, 18.8, 5.2]) },
  { relu: false, shortcut: true, ...row("shortcut", 32, [2672, 2121, 1458], 32, [57.3, 18.2, 5.1]) },
  { relu: true, shortcut: true, ...row("ReLU and shortcut", 32, [2427, 2066, 1436], 32, [56.7, 16.9, 5.0]) },
];

function row<Setting>(
  name: string,
  gpu: Setting,
  gpuSpeeds: PaperSpeeds,
  arm: Setting,
  armSpeeds: PaperSpeeds,
): TableRow<Setting> {
  return { name, setting: { gpu, arm }, speeds: { gpu: gpuSpeeds, arm: armSpeeds } };
}
