/**
 * IGCV1 (IGCNets): interleaved group convolutions.
 * T. Zhang, G.-J. Qi, B. Xiao, J. Wang, ICCV 2017, arXiv:1707.02725. Figure 1 and section 3 are the block. Networks: the authors' code,
 * hellozting/InterleavedGroupConvolutions (`network/*.py` and the released symbol files).
 *
 * A block is a 3x3 convolution in L groups of M channels, then a 1x1 convolution in groups of L channels, one from every group of the
 * first; permutations between and after. One path joins every input channel to every output channel. There is neither batch norm nor
 * activation between the two convolutions.
 *
 * Deviations
 * - The authors' residual CIFAR network counts the second convolution's groups from the *inputs* in the first block of a widening unit,
 *   their plain and ImageNet networks from the outputs. We follow the latter, which gives the published sizes; `legacyWidening` is the
 *   former.
 * - The paper's CIFAR networks are 38 layers deep and more; depth 20 is its table of widths, and 8 the shallowest that was used.
 */

import { OptionError } from "../errors.ts";
import { type GraphBuilder, graphBuilder, type Value } from "../graph/builder.ts";
import type { Graph } from "../graph/graph.ts";
import { preprocessingPresets } from "../pixels/preprocessing_presets.ts";
import { checkGroups, checkResolution } from "./check_architecture.ts";
import { heNormalForward, torchDefault } from "./initializers.ts";
import { channelsOf, classifierHead, normedConvolution, plainConvolution } from "./layers.ts";
import type { Family, Naming, PublishedFigures, Variant } from "./network.ts";
import {
  imageNetOptions,
  type PictureOptions,
  pictureInput,
  pictureRules,
  preprocessingFor,
  smallStemRule,
} from "./picture_options.ts";
import { accuracyFromError } from "./published.ts";

const epsilon = 2e-5;
const initializer = heNormalForward;
/** Stages of the CIFAR networks; each has twice the channels of the one before, and half the rows. */
const cifarStages = 3;
/** Stages of the ImageNet networks, as ResNet-18. */
const imageNetStages = 4;

/** Options of IGCV1. */
export interface Igcv1Options extends PictureOptions {
  /** The paper's *L*: groups of the 3x3 convolutions of stage 1. */
  readonly primaryGroups: number;
  /** The paper's *M*: channels in each of these groups. Stage 1 is L·M channels wide. */
  readonly groupWidth: number;
  /** Units of two blocks with a shortcut, the paper's `+Ident.`; otherwise plain blocks, one after the other. */
  readonly residual: boolean;
  /** Which of the two doubles from stage to stage. */
  readonly growth: "groupWidth" | "primaryGroups";
  /** The authors' residual CIFAR code: see the deviations. */
  readonly legacyWidening: boolean;
  /** The network for 32x32: a 3x3 stem at full resolution and 3 stages. Otherwise 7x7 with stride 2, a max pool and 4 stages. */
  readonly smallStem: boolean;
  /** The paper's *D*: layers, an interleaved pair counting as one, with stem and classifier. Default 18; with `smallStem` 20. */
  readonly depth?: number;
  /** Channels of the stem. Default: those of stage 1. */
  readonly stemChannels?: number;
}

/** An interleaved group convolution IGC(L, M). */
interface BlockShape {
  /** L·M. */
  readonly channels: number;
  readonly stride: number;
  /** L. */
  readonly primaryGroups: number;
  /** The paper's *M'*: C/L, so that every group holds one channel of every primary group. */
  readonly secondaryGroups: number;
}

/**
 * Section 3, `x' = P W_d P^T W_p x`: 3x3 in L groups, shuffle, 1x1 in M' groups, shuffle back; then batch norm.
 *
 * @param x `[N, H, W, C']`
 * @returns `[N, ceil(H/stride), ceil(W/stride), channels]`, before the activation
 */
function interleavedBlock(builder: GraphBuilder, x: Value, block: BlockShape): Value {
  const { channels, stride, primaryGroups, secondaryGroups } = block;
  let y = plainConvolution(builder, "primary", x, { channels, kernel: 3, stride, groups: primaryGroups, initializer });
  y = builder.permute("shuffle", y, { kind: "shuffle", groups: primaryGroups });
  y = plainConvolution(builder, "secondary", y, { channels, groups: secondaryGroups, initializer });
  y = builder.permute("unshuffle", y, { kind: "shuffle", groups: secondaryGroups });
  return builder.batchNorm("norm", y, { epsilon });
}

/** A block and its ReLU. */
function plainUnit(builder: GraphBuilder, x: Value, block: BlockShape): Value {
  return builder.activation("activation", interleavedBlock(builder, x, block), "relu");
}

/** Two blocks around a shortcut: identity, or a 1x1 convolution in L groups where the width changes. */
function residualUnit(builder: GraphBuilder, x: Value, block: BlockShape, legacyWidening: boolean): Value {
  const { channels, stride, primaryGroups } = block;
  const widens = channelsOf(x) !== channels;
  const shortcut = widens
    ? normedConvolution(builder, "project", x, { channels, stride, groups: primaryGroups, epsilon, initializer })
    : x;
  const secondaryGroups = legacyWidening ? channelsOf(x) / primaryGroups : block.secondaryGroups;
  let y = builder.scope("block1", () => plainUnit(builder, x, { ...block, secondaryGroups }));
  y = builder.scope("block2", () => interleavedBlock(builder, y, { ...block, stride: 1 }));
  return builder.activation("activation", builder.add("add", shortcut, y), "relu");
}

function buildGraph(options: Igcv1Options, name: string): Graph {
  checkArchitecture(options);
  const { residual, smallStem, legacyWidening } = options;
  const builder = graphBuilder(name);
  let x = normedConvolution(builder, "stem", pictureInput(builder, options), {
    channels: stemChannels(options),
    kernel: smallStem ? 3 : 7,
    stride: smallStem ? 1 : 2,
    epsilon,
    activation: "relu",
    initializer,
  });
  if (!smallStem) x = builder.maxPool("stem/pool", x, { kernel: 3, stride: 2, padding: 1 });
  for (const { path, block } of unitsOf(options)) {
    x = builder.scope(path, () =>
      residual ? residualUnit(builder, x, block, legacyWidening) : plainUnit(builder, x, block),
    );
  }
  return builder.build({ output: classifierHead(builder, x, { classes: options.classes, initializer: torchDefault }) });
}

/** Path and shape of every unit, in order. */
function unitsOf(options: Igcv1Options): readonly { readonly path: string; readonly block: BlockShape }[] {
  return Array.from({ length: stageCount(options) }, (_, stage) => {
    const growth = 2 ** stage;
    const primaryGroups = options.primaryGroups * (options.growth === "primaryGroups" ? growth : 1);
    const channels = options.primaryGroups * options.groupWidth * growth;
    return Array.from({ length: unitsPerStage(options) }, (_, unit) => ({
      path: `stage${stage + 1}/unit${unit + 1}`,
      block: {
        channels,
        stride: unit === 0 && stage > 0 ? 2 : 1,
        primaryGroups,
        secondaryGroups: channels / primaryGroups,
      },
    }));
  }).flat();
}

function stageCount(options: Igcv1Options): number {
  return options.smallStem ? cifarStages : imageNetStages;
}

/** Stem and classifier are two layers; a plain unit is one, a residual unit two. */
function unitsPerStage(options: Igcv1Options): number {
  return (depthOf(options) - 2) / (stageCount(options) * (options.residual ? 2 : 1));
}

function depthOf({ depth, smallStem }: Igcv1Options): number {
  return depth ?? (smallStem ? 20 : 18);
}

function stemChannels(options: Igcv1Options): number {
  return options.stemChannels ?? options.primaryGroups * options.groupWidth;
}

function checkArchitecture(options: Igcv1Options): void {
  const units = unitsPerStage(options);
  if (!Number.isInteger(units) || units < 1) {
    const layers = stageCount(options) * (options.residual ? 2 : 1);
    throw new OptionError(
      `igcv1: a depth of ${depthOf(options)} is not ${layers} * B + 2 with a whole B: (${depthOf(options)} - 2) / ${layers} = ${Number(units.toFixed(3))}. Use ${layers + 2}, ${2 * layers + 2}, ${3 * layers + 2}, ...`,
    );
  }
  checkGroups(
    "igcv1 stage1/unit1",
    options.primaryGroups,
    stemChannels(options),
    `the stem's ${stemChannels(options)} channels`,
  );
  const stages = Array.from({ length: stageCount(options) }, (_, stage) => (stage === 0 ? 1 : 2));
  checkResolution("igcv1", options.resolution, [...(options.smallStem ? [] : [2, 2]), ...stages]);
}

const paper = "arXiv:1707.02725";
const notGiven: PublishedFigures = {
  source: "hellozting/InterleavedGroupConvolutions, network/*.py; no published figures",
};

/** CIFAR networks: name, options, and what is known of them. */
const cifarNetworks: readonly (readonly [name: string, options: Partial<Igcv1Options>, published: PublishedFigures])[] =
  [
    ["l4m8", { primaryGroups: 4, groupWidth: 8 }, notGiven],
    ["l24m2", { primaryGroups: 24, groupWidth: 2 }, notGiven],
    ["l24m2_d38", { primaryGroups: 24, groupWidth: 2, depth: 38 }, notGiven],
    ["l4m8_ident", { primaryGroups: 4, groupWidth: 8, residual: true }, notGiven],
    ["l24m2_ident", { primaryGroups: 24, groupWidth: 2, residual: true }, notGiven],
    ["l16m32_ident", { primaryGroups: 16, groupWidth: 32, residual: true }, recalled(17.7)],
    ["l32m26_ident", { primaryGroups: 32, groupWidth: 26, residual: true }, recalled(24.1, 3.31)],
    [
      "l450m2_ident",
      { primaryGroups: 450, groupWidth: 2, residual: true },
      { ...recalled(19.3, 3.25), difference: "19.3 million published, 19.06 computed: not explained" },
    ],
    ["l16m32", { primaryGroups: 16, groupWidth: 32 }, notGiven],
    ["l32m26", { primaryGroups: 32, groupWidth: 26 }, notGiven],
    ["l450m2", { primaryGroups: 450, groupWidth: 2 }, notGiven],
    ["l24m2_ident_legacy", { primaryGroups: 24, groupWidth: 2, residual: true, legacyWidening: true }, notGiven],
  ];

/** Figures of the paper that we quote from memory, not from its text: parameters in millions, CIFAR-10 error in percent. */
function recalled(parameters: number, error?: number): PublishedFigures {
  return {
    parameters: parameters * 1e6,
    ...(error === undefined ? {} : { top1: accuracyFromError(error) }),
    source: `${paper}, quoted from memory; accuracy on CIFAR-10`,
    difference: "published in tenths of a million",
  };
}

const variants: readonly Variant<Partial<Igcv1Options>>[] = [
  ...cifarNetworks.map(([network, options, published]) => ({
    name: `igcv1_${network}_cifar`,
    options: { resolution: 32, classes: 10, smallStem: true, residual: false, ...options },
    published,
  })),
  {
    name: "igcv1_l4m32_imagenet",
    options: { primaryGroups: 4, groupWidth: 32 },
    published: {
      parameters: 11.205e6,
      macs: 1.9e9,
      top1: accuracyFromError(30.77),
      top5: accuracyFromError(10.99),
      source: `${paper}, table of ImageNet results`,
      difference:
        "the published parameters leave out the classifier and batch norm (then 11.207 million); MACs in tenths of a billion",
    },
  },
  {
    name: "igcv1_l16m16_imagenet",
    options: { primaryGroups: 16, groupWidth: 16 },
    published: {
      parameters: 11.329e6,
      macs: 2.2e9,
      top1: accuracyFromError(29.4),
      top5: accuracyFromError(10.32),
      source: `${paper}, table of ImageNet results`,
      difference:
        "the published parameters leave out the classifier and batch norm (then 11.441 million; 0.1 million are not explained); MACs cut off",
    },
  },
  {
    name: "igcv1_l100m2_imagenet",
    options: { primaryGroups: 100, groupWidth: 2, growth: "primaryGroups", stemChannels: 100 },
    published: {
      parameters: 8.61e6,
      macs: 1.3e9,
      top1: accuracyFromError(26.95),
      top5: accuracyFromError(8.92),
      source: `${paper}, table of ImageNet results`,
      difference: "the published parameters leave out batch norm (then 8.608 million); MACs in tenths of a billion",
    },
  },
  {
    name: "igcv1_cifar",
    options: {
      primaryGroups: 24,
      groupWidth: 2,
      depth: 8,
      resolution: 32,
      classes: 10,
      smallStem: true,
      residual: false,
    },
    published: {
      source: "the paper's plain CIFAR network, L24M2 at depth 8, the shallowest that was used; no published figures",
    },
  },
];

/** Module paths as PyTorch models of the authors' networks are usually written; there is no PyTorch release. */
function naming(options: Igcv1Options): Naming {
  const modules = new Map([
    ["stem", "stem.conv"],
    ["stem/norm", "stem.bn"],
    ["stem/activation", "stem"],
    ["classifier", "fc"],
  ]);
  if (!options.smallStem) modules.set("stem/pool", "maxpool");
  let inputs = stemChannels(options);
  for (const { path, block } of unitsOf(options)) {
    const [, stage, unit] = (/^stage(\d+)\/unit(\d+)$/.exec(path) ?? []).map((number) => Number(number) - 1);
    const theirs = `stages.${stage}.${unit}`;
    const blocks: readonly (readonly [ours: string, theirs: string])[] = options.residual
      ? [
          [`${path}/block1`, `${theirs}.igc1`],
          [`${path}/block2`, `${theirs}.igc2`],
        ]
      : [[path, theirs]];
    for (const [ourBlock, theirBlock] of blocks) {
      modules.set(`${ourBlock}/primary`, `${theirBlock}.primary`);
      modules.set(`${ourBlock}/secondary`, `${theirBlock}.secondary`);
      modules.set(`${ourBlock}/norm`, `${theirBlock}.bn`);
    }
    if (options.residual && inputs !== block.channels) {
      modules.set(`${path}/project`, `${theirs}.proj.conv`);
      modules.set(`${path}/project/norm`, `${theirs}.proj.bn`);
    }
    modules.set(path, theirs);
    modules.set(`stage${(stage ?? 0) + 1}`, `stages.${stage}`);
    inputs = block.channels;
  }
  return { name: "pytorch", modules };
}

/** IGCV1: the CIFAR networks, plain and residual, and the three ImageNet networks. */
export const igcv1: Family<Igcv1Options> = {
  name: "igcv1",
  title: "IGCV1",
  paper:
    "T. Zhang, G.-J. Qi, B. Xiao, J. Wang, Interleaved Group Convolutions for Deep Neural Networks, ICCV 2017, arXiv:1707.02725",
  defaults: {
    ...imageNetOptions,
    resolution: 224,
    primaryGroups: 16,
    groupWidth: 16,
    residual: true,
    growth: "groupWidth",
    legacyWidening: false,
    smallStem: false,
  },
  optionRules: {
    ...pictureRules,
    primaryGroups: {
      kind: "integer",
      description: "groups of the 3x3 convolutions in stage 1, the paper's L; default 16",
    },
    groupWidth: { kind: "integer", description: "channels in each of these groups, the paper's M; default 16" },
    depth: { kind: "integer", description: "layers, the paper's D; default 18, with smallStem 20" },
    residual: { kind: "boolean", description: "units of two blocks with a shortcut (+Ident.); default true" },
    growth: {
      kind: "choice",
      choices: ["groupWidth", "primaryGroups"],
      description: "which of the two doubles from stage to stage; default groupWidth",
    },
    legacyWidening: {
      kind: "boolean",
      description: "groups of widening units as in the authors' residual CIFAR code; default false",
    },
    smallStem: smallStemRule,
    stemChannels: { kind: "integer", description: "channels of the stem; default: those of stage 1" },
  },
  variants,
  build: buildGraph,
  namings: (options) => [naming(options)],
  preprocessing: (options) => preprocessingFor(preprocessingPresets.igcv1, options),
};
