/**
 * Xception: separable convolutions in three flows.
 * F. Chollet, CVPR 2017, arXiv:1610.02357. Figure 5 is the network.
 *
 * Deviations
 * - Figure 5 shows neither the padding nor where batch norm stands; both follow the author's Keras release: a stem without padding, a norm
 *   after each pointwise convolution and each skip, none between depthwise and pointwise.
 * - No width multiplier is published: `width` cuts counts to whole numbers, at least 8.
 * - For pictures of 32x32 the stem pads and keeps the resolution, the usual adaptation (weiaicunzai/pytorch-cifar100); the paper has no
 *   CIFAR network.
 */

import { type GraphBuilder, graphBuilder, type Value } from "../graph/builder.ts";
import type { Graph } from "../graph/graph.ts";
import { preprocessingPresets } from "../pixels/preprocessing_presets.ts";
import { checkResolution } from "./check_architecture.ts";
import { channelsOf, classifierHead, normedConvolution, plainConvolution } from "./layers.ts";
import type { Family, Naming, Variant } from "./network.ts";
import {
  dropoutRule,
  epsilonRule,
  imageNetOptions,
  type PaddingConvention,
  type PictureOptions,
  paddingOption,
  paddingRule,
  pictureInput,
  pictureRules,
  preprocessingFor,
  smallStemRule,
} from "./picture_options.ts";
import { truncateChannels } from "./round_channels.ts";

/** A block of figure 5. separables: output channels of its separable convolutions; halves: pool and a skip of stride 2, else identity. */
interface Block {
  readonly separables: readonly number[];
  readonly halves: boolean;
  /** Whether the first separable convolution has an activation before it: all but the first block's. */
  readonly activationFirst: boolean;
}

/** Figure 5, entry flow: two convolutions, channels and stride. */
const stem: readonly (readonly [channels: number, stride: number])[] = [
  [32, 2],
  [64, 1],
];
/** Figure 5, entry flow: the blocks. */
const entryFlow: readonly Block[] = [
  { separables: [128, 128], halves: true, activationFirst: false },
  { separables: [256, 256], halves: true, activationFirst: true },
  { separables: [728, 728], halves: true, activationFirst: true },
];
/** Figure 5, middle flow: repeated eight times. */
const middleBlock: Block = { separables: [728, 728, 728], halves: false, activationFirst: true };
/** Figure 5, exit flow: the block, then two separable convolutions with the activation after them. */
const exitBlock: Block = { separables: [728, 1024], halves: true, activationFirst: true };
const exitSeparables: readonly number[] = [1536, 2048];

/** Options of Xception. */
export interface XceptionOptions extends PictureOptions {
  /** Multiplies every channel count. Ours: the paper has one width. */
  readonly width: number;
  /** Blocks of the middle flow. */
  readonly middleBlocks: number;
  readonly padding: PaddingConvention;
  /** Of the batch norms: 1e-5 for timm's weights, 1e-3 for Keras'. */
  readonly epsilon: number;
  /** Before the classifier, in training. */
  readonly dropout: number;
  /** A padded stem of stride 1, for pictures of 32x32. */
  readonly smallStem: boolean;
}

/**
 * Depthwise 3x3, pointwise 1x1, norm: nothing between the two (figure 4, section 4.7).
 *
 * @param x `[N, H, W, C]`
 * @returns `[N, H, W, channels]`
 */
function separable(
  builder: GraphBuilder,
  x: Value,
  channels: number,
  epsilon: number,
  activation: "relu" | "none",
): Value {
  const filtered = plainConvolution(builder, "depthwise", x, {
    channels: channelsOf(x),
    kernel: 3,
    groups: channelsOf(x),
  });
  return normedConvolution(builder, "pointwise", filtered, { channels, epsilon, activation });
}

/** A block of figure 5: the skip, then the branch, then their sum. The sum stays unrectified: each branch rectifies its own input. */
function xceptionBlock(builder: GraphBuilder, x: Value, block: Block, options: XceptionOptions): Value {
  const { width, epsilon } = options;
  const channels = block.separables.map((count) => truncateChannels(count * width));
  const skip = block.halves
    ? normedConvolution(builder, "skip", x, { channels: channels.at(-1) ?? 0, stride: 2, epsilon })
    : x;
  let y = x;
  for (const [index, count] of channels.entries()) {
    y = builder.scope(`separable${index + 1}`, () => {
      const rectified = index > 0 || block.activationFirst ? builder.activation("activation", y, "relu") : y;
      return separable(builder, rectified, count, epsilon, "none");
    });
  }
  if (block.halves) {
    y = builder.maxPool("pool", y, { kernel: 3, stride: 2, padding: paddingOption(options.padding) });
  }
  return builder.add("add", skip, y);
}

function blocksOf(options: XceptionOptions): readonly Block[] {
  return [...entryFlow, ...Array.from({ length: options.middleBlocks }, () => middleBlock), exitBlock];
}

function buildGraph(options: XceptionOptions, name: string): Graph {
  const { width, epsilon } = options;
  const stemStrides = stem.map(([, stride]) => (options.smallStem ? 1 : stride));
  const blocks = blocksOf(options);
  checkResolution("xception", options.resolution, [...stemStrides, ...blocks.map(({ halves }) => (halves ? 2 : 1))]);
  const builder = graphBuilder(name);
  let x = pictureInput(builder, options);
  for (const [index, [channels]] of stem.entries()) {
    x = normedConvolution(builder, `stem${index + 1}`, x, {
      channels: truncateChannels(channels * width),
      kernel: 3,
      stride: stemStrides[index] ?? 1,
      padding: options.smallStem ? "half" : "valid",
      epsilon,
      activation: "relu",
    });
  }
  for (const [index, block] of blocks.entries()) {
    x = builder.scope(`block${index + 1}`, () => xceptionBlock(builder, x, block, options));
  }
  for (const [index, channels] of exitSeparables.entries()) {
    x = builder.scope(`exit${index + 1}`, () =>
      separable(builder, x, truncateChannels(channels * width), epsilon, "relu"),
    );
  }
  return builder.build({ output: classifierHead(builder, x, options) });
}

const variants: readonly Variant<Partial<XceptionOptions>>[] = [
  {
    name: "xception",
    options: {},
    published: { parameters: 22_855_952, top1: 79.0, top5: 94.5, source: "arXiv:1610.02357 tables 1 and 3" },
  },
  {
    name: "xception_cifar",
    options: { width: 0.17, resolution: 32, classes: 10, smallStem: true, dropout: 0 },
    published: {
      source:
        "usual adaptation to 32x32: padded stem at stride 1 (weiaicunzai/pytorch-cifar100), 0.17 as wide; no published figures",
    },
  },
];

/** timm `legacy_xception`: in a block's `rep` list each separable convolution, norm, ReLU and pool has its place. */
function timmNaming(options: XceptionOptions): Naming {
  const modules = new Map([["classifier", "fc"]]);
  for (const index of stem.keys()) {
    modules.set(`stem${index + 1}`, `conv${index + 1}`);
    modules.set(`stem${index + 1}/norm`, `bn${index + 1}`);
  }
  for (const [index, block] of blocksOf(options).entries()) {
    const ours = `block${index + 1}`;
    if (block.halves) {
      modules.set(`${ours}/skip`, `${ours}.skip`);
      modules.set(`${ours}/skip/norm`, `${ours}.skipbn`);
    }
    let place = block.activationFirst ? 1 : 0;
    for (const part of block.separables.keys()) {
      const path = `${ours}/separable${part + 1}`;
      modules.set(`${path}/depthwise`, `${ours}.rep.${place}.conv1`);
      modules.set(`${path}/pointwise`, `${ours}.rep.${place}.pointwise`);
      modules.set(`${path}/pointwise/norm`, `${ours}.rep.${place + 1}`);
      place += 3;
    }
    modules.set(ours, ours);
  }
  for (const index of exitSeparables.keys()) {
    const theirs = index + stem.length + 1;
    modules.set(`exit${index + 1}/depthwise`, `conv${theirs}.conv1`);
    modules.set(`exit${index + 1}/pointwise`, `conv${theirs}.pointwise`);
    modules.set(`exit${index + 1}/pointwise/norm`, `bn${theirs}`);
  }
  return { name: "timm", modules };
}

/** Xception. */
export const xception: Family<XceptionOptions> = {
  name: "xception",
  title: "Xception",
  paper: "F. Chollet, Xception: Deep Learning with Depthwise Separable Convolutions, CVPR 2017, arXiv:1610.02357",
  defaults: {
    ...imageNetOptions,
    resolution: 299,
    width: 1,
    middleBlocks: 8,
    padding: "torch",
    epsilon: 1e-5,
    dropout: 0.5,
    smallStem: false,
  },
  optionRules: {
    ...pictureRules,
    width: { kind: "number", description: "width multiplier, ours; default 1" },
    middleBlocks: { kind: "integer", minimum: 0, description: "blocks of the middle flow; default 8" },
    padding: paddingRule,
    epsilon: epsilonRule,
    dropout: dropoutRule,
    smallStem: smallStemRule,
  },
  variants,
  build: buildGraph,
  namings: (options) => [timmNaming(options)],
  preprocessing: (options) => preprocessingFor(preprocessingPresets.xception, options),
};
