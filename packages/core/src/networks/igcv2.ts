/**
 * IGCV2: interleaved structured sparse convolutions.
 * G. Xie, J. Wang, T. Zhang, J. Lai, R. Hong, G.-J. Qi, CVPR 2018, arXiv:1804.06202. Section 3 is the block; its mathematics, the
 * complementary and the balance condition, stand in `interleaving.ts`.
 *
 * A block is a depthwise 3x3 convolution and L−1 group convolutions 1x1 of K channels in a branch, a permutation after each. Where
 * K^(L−1) is the width, exactly one path joins every two channels.
 *
 * Deviations
 * - The paper's full text was out of reach. CIFAR: its table's legend gives the block, K = 8 and L = ceil(log_K x) + 1 for a width x of
 *   stage 1; the rest is our reconstruction, which meets the published 0.65 million parameters (647,722).
 * - ImageNet: the layer table was out of reach. Our network follows MobileNet V1 and meets the published budgets at all three widths
 *   (MACs within 0.8 %, parameters to the printed digit). It is not the paper's table.
 * - L is fixed by stage 1, so that wider stages are loose: 128 channels with two branches of 8 leave pairs without a path inside one
 *   block. `branches` makes every stage strict instead: one branch size doubles where the width does.
 */

import { OptionError } from "../errors.ts";
import { type GraphBuilder, graphBuilder, type Value } from "../graph/builder.ts";
import type { Graph } from "../graph/graph.ts";
import { preprocessingPresets } from "../pixels/preprocessing_presets.ts";
import { checkGroups, checkLength, checkResolution } from "./check_architecture.ts";
import { heNormalForward, torchDefault } from "./initializers.ts";
import { branchPermutation, interleavedLayers } from "./interleaving.ts";
import { channelsOf, classifierHead, normedConvolution, plainConvolution } from "./layers.ts";
import type { Family, Naming, Variant } from "./network.ts";
import {
  imageNetOptions,
  type PictureOptions,
  pictureInput,
  pictureRules,
  preprocessingFor,
  smallStemRule,
} from "./picture_options.ts";
import { accuracyFromError, widthInName } from "./published.ts";

/** Our reconstruction of the ImageNet network. c: output channels, n: blocks, s: stride of the first. */
const imageNetTable: readonly (readonly [c: number, n: number, s: number])[] = [
  [64, 1, 1],
  [128, 3, 2],
  [256, 3, 2],
  [512, 11, 2],
  [1024, 3, 2],
];
const imageNetStem = 64;
const imageNetEpsilon = 1e-5;
const cifarEpsilon = 2e-5;
/** Stages of the CIFAR networks; each has twice the channels of the one before, and half the rows. */
const cifarStages = 3;
/** The authors of IGCV1, the same group, draw kernels so; IGCV2 has no release. */
const initializer = heNormalForward;

/** Options of IGCV2. */
export interface Igcv2Options extends PictureOptions {
  /** The CIFAR network: a stem at full resolution, three stages of residual units. Otherwise the ImageNet network. */
  readonly smallStem: boolean;
  /** ImageNet: multiplies every channel count. Default 1. */
  readonly width?: number;
  /** ImageNet: groups of the pointwise convolutions. Default 4. */
  readonly groups?: number;
  /** ImageNet: blocks of each stage. Default 1, 3, 3, 11, 3. */
  readonly repeats?: readonly number[];
  /** CIFAR: channels of stage 1, the paper's *x*. Default 64. */
  readonly channels?: number;
  /** CIFAR: the paper's *K*, channels in one branch of the pointwise convolutions. Default 8. */
  readonly branchSize?: number;
  /** CIFAR, instead of `branchSize`: channels in a branch of each pointwise convolution of stage 1. They multiply to `channels`. */
  readonly branches?: readonly number[];
  /** CIFAR: layers, the paper's *D*, a block counting as one, with stem and classifier. Default 20. */
  readonly depth?: number;
}

/** The CIFAR network's own options with their defaults. */
interface CifarOptions {
  readonly channels: number;
  readonly depth: number;
  /** Channels in a branch of each pointwise convolution, by stage. */
  readonly branches: readonly (readonly number[])[];
}

/** The ImageNet network's own options with their defaults. */
interface ImageNetOptions {
  readonly width: number;
  readonly groups: number;
  readonly repeats: readonly number[];
}

/**
 * Section 3, `P_L W_L ... P_2 W_2 W_1 x`: depthwise 3x3, then group convolutions 1x1, each followed by its permutation; then one batch
 * norm. Nothing in between. In a block that widens, the depthwise gives two channels for each.
 *
 * @param x `[N, H, W, C']`
 * @returns `[N, ceil(H/stride), ceil(W/stride), channels]`, before the activation
 */
function sparseBlock(
  builder: GraphBuilder,
  x: Value,
  channels: number,
  stride: number,
  branches: readonly number[],
): Value {
  let y = plainConvolution(builder, "depthwise", x, {
    channels,
    kernel: 3,
    stride,
    groups: channelsOf(x),
    initializer,
  });
  for (const [layer, size] of branches.entries()) {
    const groups = channels / size;
    y = plainConvolution(builder, `pointwise${layer + 1}`, y, { channels, groups, initializer });
    y = builder.permute(`shuffle${layer + 1}`, y, branchPermutation(channels, size));
  }
  return builder.batchNorm("norm", y, { epsilon: cifarEpsilon });
}

/** CIFAR: two blocks around a shortcut, the identity, or a 1x1 convolution in as many groups as it has inputs where the width changes. */
function sparseUnit(
  builder: GraphBuilder,
  x: Value,
  channels: number,
  stride: number,
  branches: readonly number[],
): Value {
  const inputs = channelsOf(x);
  const shortcut =
    inputs === channels
      ? x
      : normedConvolution(builder, "project", x, {
          channels,
          stride,
          groups: inputs,
          epsilon: cifarEpsilon,
          initializer,
        });
  let y = builder.scope("block1", () => {
    return builder.activation("activation", sparseBlock(builder, x, channels, stride, branches), "relu");
  });
  y = builder.scope("block2", () => sparseBlock(builder, y, channels, 1, branches));
  return builder.activation("activation", builder.add("add", shortcut, y), "relu");
}

/** ImageNet: depthwise 3x3, norm, ReLU; two group convolutions 1x1, each with its shuffle; norm, ReLU. */
function separableBlock(builder: GraphBuilder, x: Value, channels: number, stride: number, groups: number): Value {
  const inputs = channelsOf(x);
  const epsilon = imageNetEpsilon;
  let y = normedConvolution(builder, "depthwise", x, {
    channels: inputs,
    kernel: 3,
    stride,
    groups: inputs,
    epsilon,
    activation: "relu",
    initializer,
  });
  for (const layer of [1, 2]) {
    y = plainConvolution(builder, `pointwise${layer}`, y, { channels, groups, initializer });
    y = builder.permute(`shuffle${layer}`, y, { kind: "shuffle", groups });
  }
  return builder.activation("activation", builder.batchNorm("norm", y, { epsilon }), "relu");
}

function buildGraph(options: Igcv2Options, name: string): Graph {
  refuseForeignOptions(options);
  const builder = graphBuilder(name);
  const input = pictureInput(builder, options);
  const x = options.smallStem
    ? buildCifar(builder, input, cifarOptions(options), options)
    : buildImageNet(builder, input, imageNetOptionsOf(options), options);
  return builder.build({ output: classifierHead(builder, x, { classes: options.classes, initializer: torchDefault }) });
}

function buildCifar(
  builder: GraphBuilder,
  input: Value,
  { channels, depth, branches }: CifarOptions,
  options: Igcv2Options,
): Value {
  checkResolution("igcv2", options.resolution, [2, 2]);
  let x = normedConvolution(builder, "stem", input, {
    channels,
    kernel: 3,
    epsilon: cifarEpsilon,
    activation: "relu",
    initializer,
  });
  for (const [stage, stageBranches] of branches.entries()) {
    for (let unit = 1; unit <= unitsPerStage(depth); unit++) {
      const stride = unit === 1 && stage > 0 ? 2 : 1;
      x = builder.scope(`stage${stage + 1}/unit${unit}`, () =>
        sparseUnit(builder, x, channels * 2 ** stage, stride, stageBranches),
      );
    }
  }
  return x;
}

function buildImageNet(
  builder: GraphBuilder,
  input: Value,
  { width, groups, repeats }: ImageNetOptions,
  options: Igcv2Options,
): Value {
  const rows = imageNetTable.slice(0, repeats.length);
  checkResolution("igcv2", options.resolution, [2, ...rows.map(([, , s]) => s)]);
  let x = normedConvolution(builder, "stem", input, {
    channels: scaled(imageNetStem, width),
    kernel: 3,
    stride: 2,
    epsilon: imageNetEpsilon,
    activation: "relu",
    initializer,
  });
  for (const [stage, [c, , s]] of rows.entries()) {
    const channels = scaled(c, width);
    for (let unit = 1; unit <= (repeats[stage] ?? 0); unit++) {
      const path = `stage${stage + 1}/unit${unit}`;
      checkGroups(`igcv2 ${path}`, groups, channelsOf(x), `the ${channelsOf(x)} input channels`);
      checkGroups(`igcv2 ${path}`, groups, channels, `the ${c} * ${width} = ${channels} channels`);
      x = builder.scope(path, () => separableBlock(builder, x, channels, unit === 1 ? s : 1, groups));
    }
  }
  return x;
}

/** Channels times the width; the published widths give whole numbers. */
function scaled(channels: number, width: number): number {
  return Math.max(1, Math.round(channels * width));
}

const imageNetOnly: readonly (keyof Igcv2Options)[] = ["width", "groups", "repeats"];
const cifarOnly: readonly (keyof Igcv2Options)[] = ["channels", "branchSize", "branches", "depth"];

function refuseForeignOptions(options: Igcv2Options): void {
  const foreign = (options.smallStem ? imageNetOnly : cifarOnly).filter((option) => options[option] !== undefined);
  if (foreign.length > 0) {
    throw new OptionError(
      `igcv2: ${foreign.join(", ")} ${foreign.length === 1 ? "is an option" : "are options"} of the ${options.smallStem ? "ImageNet" : "CIFAR"} network, and smallStem is ${options.smallStem}.`,
      { hint: `With smallStem ${options.smallStem} use ${(options.smallStem ? cifarOnly : imageNetOnly).join(", ")}.` },
    );
  }
}

function imageNetOptionsOf({ width = 1, groups = 4, repeats }: Igcv2Options): ImageNetOptions {
  const complete = repeats ?? imageNetTable.map(([, n]) => n);
  if (complete.length > imageNetTable.length) {
    checkLength("igcv2", "repeats", complete, imageNetTable.length, "the network has five stages");
  }
  return { width, groups, repeats: complete };
}

function cifarOptions(options: Igcv2Options): CifarOptions {
  const { channels = 64, depth = 20 } = options;
  const units = unitsPerStage(depth);
  if (!Number.isInteger(units) || units < 1) {
    throw new OptionError(
      `igcv2: a depth of ${depth} is not 6 * B + 2 with a whole B: (${depth} - 2) / 6 = ${Number(units.toFixed(3))}. Use 8, 14, 20, ...`,
    );
  }
  return {
    channels,
    depth,
    branches:
      options.branches === undefined
        ? looseBranches(options, channels)
        : strictBranches(options, options.branches, channels),
  };
}

/** The paper's rule: K everywhere, and as many layers as stage 1 needs, ceil(log_K x). */
function looseBranches({ branchSize = 8 }: Igcv2Options, channels: number): readonly (readonly number[])[] {
  checkGroups("igcv2 stage1/unit1", branchSize, channels, `the ${channels} channels (branchSize)`);
  if (branchSize < 2)
    throw new OptionError(`igcv2: branches of ${branchSize} channel mix nothing. Use a branchSize of at least 2.`);
  let layers = 1;
  while (branchSize ** layers < channels) layers++;
  return Array.from({ length: cifarStages }, () => Array.from({ length: layers }, () => branchSize));
}

/** Branches that multiply to the width at every stage: the smallest doubles where the width does. */
function strictBranches(
  options: Igcv2Options,
  first: readonly number[],
  channels: number,
): readonly (readonly number[])[] {
  if (options.branchSize !== undefined)
    throw new OptionError("igcv2: branchSize and branches say the same thing twice. Give one of them.");
  interleavedLayers(channels, first);
  const stages = [first];
  while (stages.length < cifarStages) {
    const before = stages.at(-1) ?? first;
    const smallest = before.indexOf(Math.min(...before));
    stages.push(before.map((size, layer) => (layer === smallest ? 2 * size : size)));
  }
  return stages;
}

/** Stem and classifier are two layers, a unit two; a third of the units in every stage. */
function unitsPerStage(depth: number): number {
  return (depth - 2) / (2 * cifarStages);
}

/** Published figures of the ImageNet networks: parameters and MACs in millions, top-1 error in percent. */
const imageNetPublished: readonly (readonly [width: number, parameters: number, macs: number, error: number])[] = [
  [1, 4.1, 564, 29.3],
  [0.5, 1.3, 156, 34.5],
  [0.25, 0.5, 46, 45.1],
];

const cifarReconstructed =
  "depth, shortcuts, widening and the order within a block are not given; 0.65 million parameters are met";

const variants: readonly Variant<Partial<Igcv2Options>>[] = [
  {
    name: "igcv2_c416_cifar",
    options: { channels: 416, resolution: 32, classes: 10, smallStem: true },
    published: {
      parameters: 0.65e6,
      top1: accuracyFromError(5.49),
      source: "arXiv:1804.06202, table of CIFAR results; accuracy on CIFAR-10, quoted from memory",
      difference: "published in hundredths of a million",
    },
    reconstructed: cifarReconstructed,
  },
  {
    name: "igcv2_c416_d8_cifar",
    options: { channels: 416, depth: 8, resolution: 32, classes: 10, smallStem: true },
    published: { source: "no published figures" },
    reconstructed: cifarReconstructed,
  },
  {
    name: "igcv2_c64_cifar",
    options: { channels: 64, resolution: 32, classes: 10, smallStem: true },
    published: { source: "no published figures" },
    reconstructed: cifarReconstructed,
  },
  ...imageNetPublished.map(([width, parameters, macs, error]) => ({
    name: `igcv2_${widthInName(width)}`,
    options: { width },
    published: {
      parameters: parameters * 1e6,
      macs: macs * 1e6,
      top1: accuracyFromError(error),
      source: "parameters: arXiv:1804.06202, quoted from memory; MACs and accuracy: arXiv:1807.11164, table 8",
      difference: "a reconstruction that meets the published budget within 0.8 %",
    },
    reconstructed:
      "the paper's layer table was out of reach: a network that meets the published budget, not the paper's",
  })),
  {
    name: "igcv2_cifar",
    options: { channels: 48, branches: [4, 12], depth: 14, resolution: 32, classes: 10, smallStem: true },
    published: {
      source: "the paper's CIFAR network at 48 channels and depth 14, strict at every stage; no published figures",
    },
    reconstructed: cifarReconstructed,
  },
];

/** Module paths as a PyTorch model of these networks is usually written; there is no release. */
function naming(options: Igcv2Options): Naming {
  return { name: "pytorch", modules: new Map(options.smallStem ? cifarModules(options) : imageNetModules(options)) };
}

type ModuleNames = (readonly [ours: string, theirs: string])[];

function cifarModules(options: Igcv2Options): ModuleNames {
  const { depth, branches } = cifarOptions(options);
  const modules: ModuleNames = [
    ["stem", "stem.conv"],
    ["stem/norm", "stem.bn"],
    ["stem/activation", "stem"],
    ["classifier", "fc"],
  ];
  for (const [stage, layers] of branches.entries()) {
    for (let unit = 0; unit < unitsPerStage(depth); unit++) {
      const path = `stage${stage + 1}/unit${unit + 1}`;
      const theirs = `stages.${stage}.${unit}`;
      for (const block of [1, 2]) {
        modules.push([`${path}/block${block}/depthwise`, `${theirs}.b${block}.dw`]);
        for (const layer of layers.keys()) {
          modules.push([`${path}/block${block}/pointwise${layer + 1}`, `${theirs}.b${block}.pw.${layer}`]);
        }
        modules.push([`${path}/block${block}/norm`, `${theirs}.b${block}.bn`]);
      }
      if (unit === 0 && stage > 0) {
        modules.push([`${path}/project`, `${theirs}.proj.conv`], [`${path}/project/norm`, `${theirs}.proj.bn`]);
      }
      modules.push([path, theirs]);
    }
    modules.push([`stage${stage + 1}`, `stages.${stage}`]);
  }
  return modules;
}

function imageNetModules(options: Igcv2Options): ModuleNames {
  const modules: ModuleNames = [
    ["stem", "stem.0"],
    ["stem/norm", "stem.1"],
    ["stem/activation", "stem"],
    ["classifier", "fc"],
  ];
  for (const [stage, blocks] of imageNetOptionsOf(options).repeats.entries()) {
    for (let block = 0; block < blocks; block++) {
      const path = `stage${stage + 1}/unit${block + 1}`;
      const theirs = `stages.${stage}.${block}`;
      modules.push(
        [`${path}/depthwise`, `${theirs}.dw`],
        [`${path}/depthwise/norm`, `${theirs}.bn_dw`],
        [`${path}/pointwise1`, `${theirs}.pw.0`],
        [`${path}/pointwise2`, `${theirs}.pw.1`],
        [`${path}/norm`, `${theirs}.bn`],
        [path, theirs],
      );
    }
    modules.push([`stage${stage + 1}`, `stages.${stage}`]);
  }
  return modules;
}

/** IGCV2: the CIFAR networks, and a reconstruction of the ImageNet networks at three widths. */
export const igcv2: Family<Igcv2Options> = {
  name: "igcv2",
  title: "IGCV2",
  paper:
    "G. Xie, J. Wang, T. Zhang, J. Lai, R. Hong, G.-J. Qi, IGCV2: Interleaved Structured Sparse Convolutional Neural Networks, CVPR 2018, arXiv:1804.06202",
  defaults: { ...imageNetOptions, resolution: 224, smallStem: false },
  optionRules: {
    ...pictureRules,
    smallStem: smallStemRule,
    width: { kind: "number", description: "ImageNet: width multiplier; published: 0.25, 0.5, 1; default 1" },
    groups: { kind: "integer", description: "ImageNet: groups of the pointwise convolutions; default 4" },
    repeats: { kind: "integers", description: "ImageNet: blocks of each stage; default 1,3,3,11,3" },
    channels: { kind: "integer", description: "CIFAR: channels of stage 1, the paper's x; default 64" },
    branchSize: { kind: "integer", description: "CIFAR: channels in a branch, the paper's K; default 8" },
    branches: {
      kind: "integers",
      description: "CIFAR: branch sizes of stage 1 that multiply to channels, instead of branchSize",
    },
    depth: { kind: "integer", description: "CIFAR: layers, the paper's D: 8, 14, 20, ...; default 20" },
  },
  variants,
  build: buildGraph,
  namings: (options) => [naming(options)],
  preprocessing: (options) => preprocessingFor(preprocessingPresets.torchvision, options),
};
