/**
 * SqueezeNext: two squeezes, a separated 3x3, one expansion.
 * A. Gholami, K. Kwon, B. Wu, Z. Tai, X. Yue, P. Jin, S. Zhao, K. Keutzer, CVPR workshops 2018, arXiv:1803.10615. Figure 2 is the unit,
 * figure 3 the network; the authors' prototxts (amirgholami/SqueezeNext) settle what they leave open.
 *
 * Deviations
 * - Units per stage are the authors' for 23, G and v5. For v2, v3 and v4 they are remembered, for 34 and 44 guessed (1.5 and 2 times those
 *   of 23): those variants are marked as reconstructed.
 * - The 3x1 and the 1x3 convolution change places from unit to unit, and start anew with 3x1 in each stage.
 * - `flavour: "pytorchcv"` is the network of osmr/pytorchcv, whose ImageNet weights the authors' page points to: a bias in every
 *   convolution and in the classifier, always 1x3 then 3x1, a 7x7 stem padded by 1, stem and final convolution as wide as the stages.
 * - The paper's IDA variant has no released definition, and is not here.
 * - For pictures of 32x32 the stem is 3x3, stride 1, padded, and its pool stays unless `stemPool` is false; the paper has no CIFAR
 *   network.
 */

import { OptionError } from "../errors.ts";
import { type GraphBuilder, graphBuilder, type Value } from "../graph/builder.ts";
import type { Graph } from "../graph/graph.ts";
import type { Pair } from "../graph/operations.ts";
import { preprocessingPresets } from "../pixels/preprocessing_presets.ts";
import { checkGroups, checkLength } from "./check_architecture.ts";
import { caffeXavier, heUniform, type InitializerRule } from "./initializers.ts";
import { classifierHead, type LayerOptions, normedConvolution } from "./layers.ts";
import type { Family, Naming, PublishedFigures, Variant } from "./network.ts";
import {
  epsilonRule,
  imageNetOptions,
  type PictureOptions,
  pictureInput,
  pictureRules,
  preprocessingFor,
  smallStemRule,
} from "./picture_options.ts";
import { widthInName } from "./published.ts";

/** Which plan of units per stage, by the papers' names: `1.0-SqNxt-23v5` has `v5`. */
export type SqueezeNextDepth = "23" | "34" | "44" | "v2" | "v3" | "v4" | "v5";

/** A plan: units in each stage, the stem's kernel, and what the first unit's projection feeds. */
interface DepthPlan {
  readonly units: readonly number[];
  readonly stemKernel: number;
  /** `parallel`: the projection is the shortcut only. `shared`: conv1 reads it too. */
  readonly projection: "parallel" | "shared";
}

const plans: { readonly [K in SqueezeNextDepth]: DepthPlan } = {
  "23": { units: [6, 6, 8, 1], stemKernel: 7, projection: "parallel" },
  "34": { units: [9, 9, 12, 2], stemKernel: 7, projection: "parallel" },
  "44": { units: [12, 12, 16, 2], stemKernel: 7, projection: "parallel" },
  v2: { units: [6, 6, 8, 1], stemKernel: 5, projection: "shared" },
  v3: { units: [4, 8, 8, 1], stemKernel: 5, projection: "shared" },
  v4: { units: [2, 10, 8, 1], stemKernel: 5, projection: "shared" },
  v5: { units: [2, 4, 14, 1], stemKernel: 5, projection: "shared" },
};

/** Figure 3: c channels and stride s of the stages, before the width. */
const stages: readonly (readonly [c: number, s: number])[] = [
  [32, 1],
  [64, 2],
  [128, 2],
  [256, 2],
];
const stemChannels = 64;
const finalChannels = 128;

/** What the two releases do differently. */
interface Flavour {
  readonly bias: boolean;
  /** Whether stem and final convolution scale with the width. */
  readonly scalesEnds: boolean;
  readonly alternates: boolean;
  readonly initializer: InitializerRule;
  /** Kernel, padding and projection that hold for every plan, where they do. */
  readonly stemKernel?: number;
  readonly stemPadding: number;
  readonly projection?: "parallel";
}

const flavours: { readonly [K in SqueezeNextOptions["flavour"]]: Flavour } = {
  authors: { bias: false, scalesEnds: false, alternates: true, initializer: caffeXavier, stemPadding: 0 },
  pytorchcv: {
    bias: true,
    scalesEnds: true,
    alternates: false,
    initializer: heUniform,
    stemKernel: 7,
    stemPadding: 1,
    projection: "parallel",
  },
};

/** Options of SqueezeNext. */
export interface SqueezeNextOptions extends PictureOptions {
  /** Multiplies the channels of the four stages. */
  readonly width: number;
  readonly depth: SqueezeNextDepth;
  /** Units of each stage, instead of the depth's. */
  readonly repeats?: readonly number[];
  /** Groups of conv1, conv3 and conv4 of every unit; 2 is the paper's *G*. */
  readonly groups: number;
  /** Whose release: the authors' Caffe nets, or pytorchcv's. */
  readonly flavour: "authors" | "pytorchcv";
  /** Of the batch norms. */
  readonly epsilon: number;
  /** A padded 3x3 stem of stride 1, for pictures of 32x32. */
  readonly smallStem: boolean;
  /** The max pool after the stem, of stride 2. */
  readonly stemPool: boolean;
}

function unitsOf({ depth, repeats }: SqueezeNextOptions): readonly number[] {
  if (repeats) checkLength("squeezenext", "repeats", repeats, stages.length, "the network has four stages");
  return repeats ?? plans[depth].units;
}

/** A unit's place in its stage. */
interface UnitPlace {
  readonly channels: number;
  readonly stride: number;
  /** From 0. */
  readonly index: number;
}

/**
 * Figure 2: 1x1 to a half, 1x1 to a quarter, 3x1 and 1x3 (or the reverse) at a half, 1x1 to the whole; then ReLU of the sum with the
 * shortcut. The first unit of a stage projects its shortcut.
 *
 * @param x `[N, H, W, C]`
 * @returns `[N, ceil(H/stride), ceil(W/stride), channels]`
 */
function squeezeNextUnit(builder: GraphBuilder, x: Value, place: UnitPlace, options: SqueezeNextOptions): Value {
  const { channels, stride, index } = place;
  const { groups } = options;
  const flavour = flavours[options.flavour];
  const isFirst = index === 0;
  const isShared = (flavour.projection ?? plans[options.depth].projection) === "shared";
  const isVerticalFirst = flavour.alternates && index % 2 === 0;
  const [conv3, conv4]: readonly [Pair, Pair] = isVerticalFirst
    ? [
        [3, 1],
        [1, 3],
      ]
    : [
        [1, 3],
        [3, 1],
      ];
  const half = channels / 2;

  const shortcut = isFirst ? layer(builder, "projection", x, { channels, stride }, options) : x;
  const readsShortcut = isFirst && isShared;
  let y = readsShortcut ? shortcut : x;
  y = layer(builder, "conv1", y, { channels: half, stride: readsShortcut ? 1 : stride, groups }, options);
  y = layer(builder, "conv2", y, { channels: channels / 4 }, options);
  y = layer(builder, "conv3", y, { channels: half, kernel: conv3, groups }, options);
  y = layer(builder, "conv4", y, { channels: half, kernel: conv4, groups }, options);
  y = layer(builder, "conv5", y, { channels }, options);
  return builder.activation("activation", builder.add("add", shortcut, y), "relu");
}

/** Convolution, norm and ReLU, with what all of them share. */
function layer(
  builder: GraphBuilder,
  name: string,
  x: Value,
  layerOptions: LayerOptions,
  options: SqueezeNextOptions,
): Value {
  const { bias, initializer } = flavours[options.flavour];
  return normedConvolution(builder, name, x, {
    activation: "relu",
    initializer,
    ...layerOptions,
    bias,
    epsilon: options.epsilon,
  });
}

/** Refuses widths and groups that leave fractions of channels. */
function checkChannels({ width, groups }: SqueezeNextOptions): void {
  for (const [stage, [c]] of stages.entries()) {
    const channels = c * width;
    if (channels % 4 !== 0) {
      throw new OptionError(
        `SqueezeNext stage${stage + 1}: ${c} channels times width ${width} are ${channels}, and a unit needs a quarter of them: ${channels} / 4 = ${channels / 4}.`,
        { hint: "Use a width that is a multiple of 0.125." },
      );
    }
    checkGroups(
      `SqueezeNext stage${stage + 1}`,
      groups,
      channels / 4,
      `the ${channels / 4} = ${channels} / 4 channels that conv3 reads`,
    );
  }
}

function buildGraph(options: SqueezeNextOptions, name: string): Graph {
  checkChannels(options);
  const plan = plans[options.depth];
  const { bias, scalesEnds, initializer, stemKernel = plan.stemKernel, stemPadding } = flavours[options.flavour];
  const endWidth = scalesEnds ? options.width : 1;
  const builder = graphBuilder(name);
  const stem: LayerOptions = options.smallStem
    ? { channels: stemChannels * endWidth, kernel: 3, stride: 1 }
    : { channels: stemChannels * endWidth, kernel: stemKernel, stride: 2, padding: stemPadding };

  let x = layer(builder, "stem", pictureInput(builder, options), stem, options);
  if (options.stemPool) x = builder.maxPool("stem/pool", x, { kernel: 3, stride: 2, padding: "valid", ceil: true });
  const units = unitsOf(options);
  for (const [stage, [c, s]] of stages.entries()) {
    for (let index = 0; index < (units[stage] ?? 0); index++) {
      const place: UnitPlace = { channels: c * options.width, stride: index === 0 ? s : 1, index };
      x = builder.scope(`stage${stage + 1}/unit${index + 1}`, () => squeezeNextUnit(builder, x, place, options));
    }
  }
  x = layer(builder, "final", x, { channels: finalChannels * endWidth }, options);
  return builder.build({ output: classifierHead(builder, x, { classes: options.classes, bias, initializer }) });
}

const remembered = "arXiv:1803.10615 tables 1 and 3, quoted from memory";
const paperCounting =
  "the paper's MACs are ours plus one for each output element of a convolution; its parameters differ by up to 2 % also where the network is the authors' own";
const unitsGuessed = "the paper does not give the units per stage; ours are 1.5 (34) and 2 (44) times those of 23";
const unitsRemembered = "the units per stage are quoted from memory; only their sum, 21, is certain";
const widthInferred = "the authors released widths 1.0 and 2.0; 1.5 is by analogy";

/** Tables 1 and 3. Parameters and MACs in millions. */
const paperRows: readonly (readonly [
  options: { readonly width: number; readonly depth: SqueezeNextDepth; readonly groups?: number },
  published: Omit<PublishedFigures, "source">,
  reconstructed?: string,
])[] = [
  [
    { width: 1, depth: "23" },
    { parameters: 0.72e6, macs: 282e6, top1: 59.05, top5: 82.6 },
  ],
  [{ width: 1, depth: "34" }, { parameters: 1.0e6, top1: 61.39, top5: 84.31 }, unitsGuessed],
  [{ width: 1, depth: "44" }, { parameters: 1.2e6, top1: 62.64, top5: 85.15 }, unitsGuessed],
  [{ width: 1.5, depth: "23" }, { parameters: 1.4e6, top1: 63.52, top5: 85.66 }, widthInferred],
  [{ width: 1.5, depth: "34" }, { parameters: 2.1e6, top1: 66.0, top5: 87.4 }, unitsGuessed],
  [{ width: 1.5, depth: "44" }, { parameters: 2.6e6, top1: 67.28, top5: 88.15 }, unitsGuessed],
  [
    { width: 2, depth: "23" },
    { parameters: 2.4e6, macs: 749e6, top1: 67.18, top5: 88.17 },
  ],
  [{ width: 2, depth: "34" }, { parameters: 3.8e6, top1: 68.46, top5: 88.78 }, unitsGuessed],
  [{ width: 2, depth: "44" }, { parameters: 4.4e6, top1: 69.59, top5: 89.53 }, unitsGuessed],
  [
    { width: 1, depth: "23", groups: 2 },
    { parameters: 0.54e6, top1: 57.16, top5: 80.23 },
  ],
  [{ width: 1, depth: "v2" }, { parameters: 0.74e6, macs: 228e6, top1: 58.55, top5: 82.09 }, unitsRemembered],
  [{ width: 1, depth: "v3" }, { parameters: 0.74e6, macs: 228e6, top1: 58.18, top5: 81.96 }, unitsRemembered],
  [{ width: 1, depth: "v4" }, { parameters: 0.77e6, macs: 228e6, top1: 59.09, top5: 82.41 }, unitsRemembered],
  [
    { width: 1, depth: "v5" },
    { parameters: 0.94e6, macs: 228e6, top1: 59.24, top5: 82.41 },
  ],
  [{ width: 1.5, depth: "v5" }, {}, widthInferred],
  [{ width: 2, depth: "v4" }, { parameters: 2.56e6, macs: 708e6, top1: 66.95, top5: 87.89 }, unitsRemembered],
  [
    { width: 2, depth: "v5" },
    { parameters: 3.23e6, macs: 708e6, top1: 67.44, top5: 88.2 },
  ],
];

/** pytorchcv's README. MACs in millions. */
const pytorchcvRows: readonly (readonly [
  width: number,
  depth: SqueezeNextDepth,
  parameters: number,
  macs: number,
  top1: number,
  top5: number,
])[] = [
  [1, "23", 724_056, 287.28, 57.49, 80.94],
  [1, "v5", 921_816, 285.82, 59.23, 82.15],
  [1.5, "23", 1_511_824, 552.39, 65.11, 86.5],
  [1.5, "v5", 1_953_616, 550.97, 66.19, 86.99],
  [2, "23", 2_583_752, 898.48, 69.38, 89.0],
  [2, "v5", 3_366_344, 897.6, 70.37, 89.34],
];

/** The papers' `1.0-SqNxt-23v5` and `1.0-G-SqNxt-23` as our `squeezenext_1.0_23_v5` and `squeezenext_1.0_g_23`. */
function variantName(width: number, depth: SqueezeNextDepth, groups: number = 1): string {
  const depthName = depth.startsWith("v") ? `23_${depth}` : depth;
  return `squeezenext_${widthInName(width)}_${groups > 1 ? "g_" : ""}${depthName}`;
}

const variants: readonly Variant<Partial<SqueezeNextOptions>>[] = [
  ...paperRows.map(([options, published, reconstructed]) => ({
    name: variantName(options.width, options.depth, options.groups),
    options: { ...options, resolution: 227 },
    published: { ...published, source: remembered, difference: paperCounting },
    ...(reconstructed === undefined ? {} : { reconstructed }),
  })),
  ...pytorchcvRows.map(([width, depth, parameters, macs, top1, top5]) => ({
    name: `${variantName(width, depth)}_pytorchcv`,
    options: { width, depth, flavour: "pytorchcv", resolution: 224 } as const,
    published: {
      parameters,
      macs: macs * 1e6,
      top1,
      top5,
      source: "osmr/pytorchcv README",
      difference: "pytorchcv counts batch norm, activations, pools and biases among its MACs",
    },
  })),
  {
    name: "squeezenext_cifar",
    options: {
      width: 0.75,
      repeats: [1, 3, 1, 1],
      flavour: "pytorchcv",
      resolution: 32,
      classes: 10,
      smallStem: true,
      stemPool: false,
    },
    published: {
      source: "our adaptation to 32x32: 3x3 stem of stride 1, no pool, few and wide units; no published figures",
    },
  },
];

/** pytorchcv `sqnxt23_*`, whose names the reference uses for the authors' networks too. */
function pytorchcvNaming(options: SqueezeNextOptions): Naming {
  const modules = new Map([
    ["stem", "features.init_block.conv.conv"],
    ["stem/norm", "features.init_block.conv.bn"],
    [options.stemPool ? "stem/pool" : "stem/activation", "features.init_block"],
    ["final", "features.final_block.conv"],
    ["final/norm", "features.final_block.bn"],
    ["final/activation", "features.final_block"],
    ["classifier", "output"],
  ]);
  const setLayer = (ours: string, theirs: string): void => {
    modules.set(ours, `${theirs}.conv`);
    modules.set(`${ours}/norm`, `${theirs}.bn`);
  };
  for (const [stage, count] of unitsOf(options).entries()) {
    for (let unit = 1; unit <= count; unit++) {
      const ours = `stage${stage + 1}/unit${unit}`;
      const theirs = `features.stage${stage + 1}.unit${unit}`;
      if (unit === 1) setLayer(`${ours}/projection`, `${theirs}.identity_conv`);
      for (const part of ["conv1", "conv2", "conv3", "conv4", "conv5"])
        setLayer(`${ours}/${part}`, `${theirs}.${part}`);
      modules.set(ours, theirs);
    }
  }
  return { name: "pytorchcv", modules };
}

/** SqueezeNext: the paper's table and pytorchcv's networks. */
export const squeezeNext: Family<SqueezeNextOptions> = {
  name: "squeezenext",
  title: "SqueezeNext",
  paper:
    "A. Gholami, K. Kwon, B. Wu, Z. Tai, X. Yue, P. Jin, S. Zhao, K. Keutzer, SqueezeNext: Hardware-Aware Neural Network Design, CVPR workshops 2018, arXiv:1803.10615",
  defaults: {
    ...imageNetOptions,
    resolution: 227,
    width: 1,
    depth: "23",
    groups: 1,
    flavour: "authors",
    epsilon: 1e-5,
    smallStem: false,
    stemPool: true,
  },
  optionRules: {
    ...pictureRules,
    width: {
      kind: "number",
      description: "width of the four stages, a multiple of 0.125; published: 1, 1.5, 2; default 1",
    },
    depth: {
      kind: "choice",
      choices: ["23", "34", "44", "v2", "v3", "v4", "v5"],
      description: "units per stage by the paper's names; default 23",
    },
    repeats: { kind: "integers", description: "units of each stage, instead of the depth's" },
    groups: { kind: "integer", description: "groups of conv1, conv3 and conv4; 2 is the paper's G; default 1" },
    flavour: {
      kind: "choice",
      choices: ["authors", "pytorchcv"],
      description: "whose release: the authors' Caffe nets or pytorchcv's weights; default authors",
    },
    epsilon: epsilonRule,
    smallStem: smallStemRule,
    stemPool: { kind: "boolean", description: "a max pool of stride 2 after the stem; default true" },
  },
  variants,
  build: buildGraph,
  namings: (options) => [pytorchcvNaming(options)],
  preprocessing: (options) =>
    preprocessingFor(
      options.flavour === "pytorchcv" ? preprocessingPresets.torchvision : preprocessingPresets.caffeSqueezeNetBgr,
      options,
    ),
};
