/**
 * ShuffleNet v1: pointwise group convolutions and channel shuffle.
 * X. Zhang, X. Zhou, M. Lin, J. Sun, CVPR 2018, arXiv:1707.01083. Table 1 is the network, figure 2 the units, section 3.1 the
 * shuffle.
 *
 * Deviations
 * - The paper does not show batch norm and ReLU after conv1, nor whether the classifier has a bias; the authors' code
 *   (megvii-model/ShuffleNet-Series) has both norm and ReLU, and no bias, and so do we.
 * - The authors' PyTorch weights have another wiring than the paper's figure: the shuffle stands after the depthwise convolution, in
 *   every unit, and is the inverse permutation. Names and shapes of the weights are the same, so that nothing but the results tells a
 *   mistake: `wiring` says which, and only the `megvii` wiring takes the authors' weights.
 * - Widths other than the authors' (groups 3 and 8 at 0.5, 1, 1.5 and 2): stage 2 is the nearest multiple of 4g, conv1 has 12 channels
 *   below 1x, 24 below 2x, 48 above, raised to a multiple of g. 12 at 0.25x gives the published 13 million MACs; 6 would give 11.
 * - The squeeze-and-excitation and the 50-layer network are described in a line each; what the line leaves out is our reconstruction.
 * - For pictures of 32x32 conv1 has stride 1 and there is no max pool, the usual adaptation (weiaicunzai/pytorch-cifar100).
 */

import { OptionError } from "../errors.ts";
import { type GraphBuilder, graphBuilder, type Value } from "../graph/builder.ts";
import type { Graph } from "../graph/graph.ts";
import { preprocessingPresets } from "../pixels/preprocessing_presets.ts";
import { checkGroups, checkLength, checkResolution } from "./check_architecture.ts";
import { megviiNormal, normal } from "./initializers.ts";
import { channelsOf, classifierHead, normedConvolution } from "./layers.ts";
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
import { squeezeExcite } from "./squeeze_excite.ts";

/** Table 1. g: groups, c: output channels of stage 2; stages 3 and 4 have twice and four times as many. */
const table1: readonly (readonly [g: number, c: number])[] = [
  [1, 144],
  [2, 200],
  [3, 240],
  [4, 272],
  [8, 384],
];
/** Table 1: units of stages 2, 3 and 4, the first of each with stride 2. */
const table1Repeats: readonly number[] = [4, 8, 4];
const epsilon = 1e-5;
/** Squeeze-and-excitation: outputs of a unit over its hidden channels, the usual ratio. */
const squeezeRatio = 16;

/** Where the shuffle stands: as in the paper's figure 2, or as in the authors' PyTorch code. */
export type ShuffleNetV1Wiring = "paper" | "megvii";

/** Options of ShuffleNet v1. */
export interface ShuffleNetV1Options extends PictureOptions {
  /** The paper's *s*: multiplies the channels of table 1. */
  readonly width: number;
  /** The paper's *g*. */
  readonly groups: number;
  readonly wiring: ShuffleNetV1Wiring;
  /** Units of each stage, from stage 2 on. */
  readonly repeats: readonly number[];
  /** Stride of stage 2; the later stages have 2. */
  readonly firstStride: number;
  /** Outputs of a unit over the channels inside it. 1 is a unit without bottleneck. */
  readonly bottleneckRatio: number;
  /** Squeeze-and-excitation at the end of every branch. */
  readonly squeezeExcite: boolean;
  /** Both pointwise convolutions of the very first unit dense, not the first alone; for channels that groups do not divide there. */
  readonly denseEntry: boolean;
  /** Without the first two halvings, for pictures of 32x32. */
  readonly smallStem: boolean;
  /** Output channels of each stage, instead of table 1 times the width. */
  readonly channels?: readonly number[];
  /** Channels of conv1. Default: 12, 24 or 48, by the width. */
  readonly stemChannels?: number;
}

/** What a unit needs beside the options. */
interface UnitShape {
  readonly channels: number;
  readonly stride: number;
  /** Groups of the first and of the second pointwise convolution. */
  readonly groups: readonly [first: number, second: number];
  /** Whether the shortcut is pooled and concatenated (figure 2c), not added (figure 2b). */
  readonly concatenates: boolean;
}

/**
 * Figure 2(b) and (c): reduce 1x1 in groups, shuffle, depthwise 3x3, expand 1x1 in groups; added to the input, or concatenated with its
 * average pool. The bottleneck is a quarter of the unit's outputs, shortcut included. No activation after the depthwise.
 *
 * @param x `[N, H, W, C]`
 * @returns `[N, ceil(H/stride), ceil(W/stride), channels]`
 */
function shuffleUnit(builder: GraphBuilder, x: Value, unit: UnitShape, options: ShuffleNetV1Options): Value {
  const { channels, stride, concatenates } = unit;
  const initializer = megviiNormal;
  const inside = channels / options.bottleneckRatio;
  const shuffle = (y: Value, groups: number) =>
    options.groups === 1 ? y : builder.permute("shuffle", y, { kind: "shuffle", groups });
  let y = normedConvolution(builder, "reduce", x, {
    channels: inside,
    groups: unit.groups[0],
    epsilon,
    activation: "relu",
    initializer,
  });
  if (options.wiring === "paper") y = shuffle(y, options.groups);
  y = normedConvolution(builder, "depthwise", y, {
    channels: inside,
    kernel: 3,
    stride,
    groups: inside,
    epsilon,
    initializer,
  });
  if (options.wiring === "megvii") y = shuffle(y, inside / options.groups);
  const outputs = concatenates ? channels - channelsOf(x) : channels;
  y = normedConvolution(builder, "expand", y, { channels: outputs, groups: unit.groups[1], epsilon, initializer });
  if (options.squeezeExcite) y = squeezeExcite(builder, y, channels / squeezeRatio);
  if (!concatenates) return builder.activation("activation", builder.add("add", x, y), "relu");
  const rectified = builder.activation("expand/activation", y, "relu"); // The pooled half is not negative: rectifying it changes nothing.
  const shortcut = stride === 1 ? x : builder.averagePool("pool", x, { kernel: 3, stride, padding: 1 });
  return builder.concatenate("concatenate", [shortcut, rectified]);
}

function buildGraph(options: ShuffleNetV1Options, name: string): Graph {
  const stages = stageChannels(options);
  checkArchitecture(options, stages);
  const builder = graphBuilder(name);
  let x = normedConvolution(builder, "stem", pictureInput(builder, options), {
    channels: stemChannels(options),
    kernel: 3,
    stride: options.smallStem ? 1 : 2,
    epsilon,
    activation: "relu",
    initializer: normal(0.01),
  });
  if (!options.smallStem) x = builder.maxPool("stem/pool", x, { kernel: 3, stride: 2, padding: 1 });
  for (const { path, unit } of unitsOf(options, stages)) {
    x = builder.scope(path, () => shuffleUnit(builder, x, unit, options));
  }
  return builder.build({ output: classifierHead(builder, x, { classes: options.classes, bias: false }) });
}

/** Path and shape of every unit, in order. */
function unitsOf(
  options: ShuffleNetV1Options,
  stages: readonly number[],
): readonly { readonly path: string; readonly unit: UnitShape }[] {
  const { groups } = options;
  return stages.flatMap((channels, stage) =>
    Array.from({ length: options.repeats[stage] ?? 0 }, (_, position) => {
      const isFirst = position === 0;
      const isEntry = isFirst && stage === 0;
      const unit: UnitShape = {
        channels,
        stride: isFirst ? (stage === 0 ? options.firstStride : 2) : 1,
        // Section 3.2: stage 2 begins with too few channels to be worth grouping.
        groups: [isEntry ? 1 : groups, isEntry && options.denseEntry ? 1 : groups],
        concatenates: isFirst,
      };
      return { path: `stage${stage + 2}/unit${position + 1}`, unit };
    }),
  );
}

/** Output channels of each stage: table 1 times the width, the nearest multiple of what the groups and the bottleneck need. */
function stageChannels(options: ShuffleNetV1Options): readonly number[] {
  if (options.channels !== undefined) return options.channels;
  const row = table1.find(([g]) => g === options.groups);
  if (row === undefined) {
    throw new OptionError(
      `shufflenet_v1: table 1 has channels for ${table1.map(([g]) => g).join(", ")} groups, not for ${options.groups}. Use one of these, or give channels.`,
    );
  }
  const multiple = options.bottleneckRatio * options.groups;
  const first = Math.max(multiple, Math.floor((row[1] * options.width) / multiple + 0.5) * multiple);
  return options.repeats.map((_, stage) => first * 2 ** stage);
}

function stemChannels({ stemChannels, width, groups }: ShuffleNetV1Options): number {
  if (stemChannels !== undefined) return stemChannels;
  const channels = width < 1 ? 12 : width < 2 ? 24 : 48;
  return Math.ceil(channels / groups) * groups;
}

function checkArchitecture(options: ShuffleNetV1Options, stages: readonly number[]): void {
  const { groups, bottleneckRatio, repeats } = options;
  checkLength("shufflenet_v1", "repeats", repeats, stages.length, `channels has ${stages.length} stages`);
  let inputs = stemChannels(options);
  for (const { path, unit } of unitsOf(options, stages)) {
    const where = `shufflenet_v1 ${path}`;
    const { channels } = unit;
    const outputs = unit.concatenates ? channels - inputs : channels;
    const arithmetic = unit.concatenates ? `${channels} - ${inputs} = ${outputs}` : `${outputs}`;
    if (outputs < 1) {
      throw new OptionError(
        `${where}: the shortcut brings ${inputs} of the ${channels} channels; ${arithmetic} are left for the branch.`,
      );
    }
    checkGroups(where, bottleneckRatio, channels, `the ${channels} channels (the ratio of the bottleneck)`);
    const inside = channels / bottleneckRatio;
    checkGroups(where, unit.groups[0], inputs, `the ${inputs} input channels`);
    checkGroups(where, groups, inside, `the ${channels} / ${bottleneckRatio} = ${inside} channels inside`);
    checkGroups(where, unit.groups[1], outputs, `the ${arithmetic} channels of the expanding convolution`);
    if (options.squeezeExcite)
      checkGroups(where, squeezeRatio, channels, `the ${channels} channels (the ratio of the squeeze)`);
    inputs = channels;
  }
  const stem = options.smallStem ? [] : [2, 2];
  checkResolution("shufflenet_v1", options.resolution, [
    ...stem,
    ...stages.map((_, stage) => (stage === 0 ? options.firstStride : 2)),
  ]);
}

/** Top-1 errors of the paper's table 2, in percent, and MACs in millions of tables 1 and 2. */
const table2: readonly (readonly [width: number, groups: number, macs: number, error: number])[] = [
  [0.25, 1, 13, 57.1],
  [0.25, 2, 13, 56.8],
  [0.25, 3, 13, 55.0],
  [0.25, 4, 13, 54.2],
  [0.25, 8, 13, 52.7],
  [0.5, 1, 38, 45.1],
  [0.5, 2, 38, 44.4],
  [0.5, 3, 38, 43.2],
  [0.5, 4, 38, 41.6],
  [0.5, 8, 38, 42.3],
  [1, 1, 143, 33.6],
  [1, 2, 140, 32.7],
  [1, 3, 137, 32.6],
  [1, 4, 133, 32.8],
  [1, 8, 137, 32.4],
];

/** megvii-model/ShuffleNet-Series, ShuffleNetV1: parameters and MACs in millions, top-1 error in percent. */
const megviiCheckpoints: readonly (readonly [
  width: number,
  groups: number,
  parameters: number,
  macs: number,
  error: number,
])[] = [
  [0.5, 3, 0.7, 38, 42.7],
  [0.5, 8, 1.0, 40, 41.2],
  [1, 3, 1.9, 138, 32.2],
  [1, 8, 2.4, 138, 32.0],
  [1.5, 3, 3.4, 292, 28.4],
  [1.5, 8, 4.3, 290, 29.0],
  [2, 3, 5.4, 524, 25.9],
  [2, 8, 6.5, 522, 27.1],
];

const widthRule = "widths of stages and conv1 are not given for this scale and these groups; rounded by our rule";

/** What the paper says of 1.5x and 2x: table 5 has groups 3 alone. */
function largerVariant(width: number, groups: number): Variant<Partial<ShuffleNetV1Options>> {
  const name = `shufflenet_v1_${widthInName(width)}_g${groups}`;
  const options = { width, groups };
  if (groups === 3) {
    const [macs, error] = width === 1.5 ? [292e6, 28.5] : [524e6, 26.3];
    return { name, options, published: { macs, top1: accuracyFromError(error), source: "arXiv:1707.01083, table 5" } };
  }
  const published = { source: "no published figures for these groups in the paper's wiring" };
  return groups === 8 ? { name, options, published } : { name, options, published, reconstructed: widthRule };
}

const variants: readonly Variant<Partial<ShuffleNetV1Options>>[] = [
  ...table2.map(([width, groups, macs, error]): Variant<Partial<ShuffleNetV1Options>> => {
    const isAuthors = width === 1 || (width === 0.5 && (groups === 3 || groups === 8));
    return {
      name: `shufflenet_v1_${widthInName(width)}_g${groups}`,
      options: { width, groups },
      published: {
        macs: macs * 1e6,
        top1: accuracyFromError(error),
        source: `arXiv:1707.01083, ${width === 1 ? "tables 1 and 2" : "table 2"}`,
        difference:
          width === 1
            ? "table 1 leaves out the classifier, and cuts the rest off or rounds it"
            : "the paper prints one figure for all groups at this scale",
      },
      ...(isAuthors ? {} : { reconstructed: widthRule }),
    };
  }),
  ...[1.5, 2].flatMap((width) => table1.map(([groups]) => largerVariant(width, groups))),
  ...megviiCheckpoints.map(
    ([width, groups, parameters, macs, error]): Variant<Partial<ShuffleNetV1Options>> => ({
      name: `shufflenet_v1_${widthInName(width)}_g${groups}_megvii`,
      options: { width, groups, wiring: "megvii" },
      published: {
        parameters: parameters * 1e6,
        macs: macs * 1e6,
        top1: accuracyFromError(error),
        source: "megvii-model/ShuffleNet-Series, ShuffleNetV1",
        difference: "published in whole millions of MACs and tenths of a million parameters",
      },
    }),
  ),
  {
    name: "shufflenet_v1_2.0_g3_se",
    options: { width: 2, groups: 3, squeezeExcite: true },
    published: {
      macs: 527e6,
      top1: accuracyFromError(24.7),
      source: "arXiv:1707.01083, table 5",
      difference: "rounded to whole millions",
    },
    reconstructed: "place, ratio (16) and biases of the squeeze-and-excitation are not given",
  },
  {
    name: "shufflenet_v1_50_g3",
    options: {
      groups: 3,
      channels: [360, 720, 1440, 2880],
      repeats: [3, 4, 6, 3],
      stemChannels: 64,
      firstStride: 1,
      bottleneckRatio: 2,
      denseEntry: true,
    },
    published: {
      macs: 2.3e9,
      top1: accuracyFromError(25.2),
      source: "arXiv:1807.11164, appendix, table 9",
      difference:
        "2.3 billion printed, 2.40 computed: the bottleneck's ratio is not given; 1:4 would give 1.21, 1:2 comes nearest",
    },
    reconstructed:
      "bottleneck ratio (1:2) and the dense convolution of the first unit, where 3 groups do not divide 360 - 64 channels",
  },
  {
    name: "shufflenet_v1_cifar",
    options: { width: 0.5, groups: 3, resolution: 32, classes: 10, smallStem: true },
    published: {
      source:
        "usual adaptation to 32x32: conv1 at stride 1, no max pool (weiaicunzai/pytorch-cifar100); no published figures",
    },
  },
];

/**
 * Module paths of megvii-model/ShuffleNet-Series, ShuffleNetV1. The paper's wiring has the same names and shapes but is another
 * function, so that its naming is called otherwise: nobody should load the authors' weights into it by mistake.
 */
function naming(options: ShuffleNetV1Options): Naming {
  const linear = new Set<string>();
  const modules = new Map([
    ["stem", "first_conv.0"],
    ["stem/norm", "first_conv.1"],
    ["stem/activation", "first_conv"],
    ["classifier", "classifier.0"],
  ]);
  if (!options.smallStem) modules.set("stem/pool", "maxpool");
  for (const [index, { path }] of unitsOf(options, stageChannels(options)).entries()) {
    const theirs = `features.${index}`;
    modules.set(`${path}/reduce`, `${theirs}.branch_main_1.0`);
    modules.set(`${path}/reduce/norm`, `${theirs}.branch_main_1.1`);
    modules.set(`${path}/depthwise`, `${theirs}.branch_main_1.3`);
    modules.set(`${path}/depthwise/norm`, `${theirs}.branch_main_1.4`);
    modules.set(`${path}/expand`, `${theirs}.branch_main_2.0`);
    modules.set(`${path}/expand/norm`, `${theirs}.branch_main_2.1`);
    if (options.squeezeExcite) {
      modules.set(`${path}/squeeze_excite/reduce`, `${theirs}.se.fc1`);
      modules.set(`${path}/squeeze_excite/expand`, `${theirs}.se.fc2`);
      for (const part of ["reduce", "expand"]) linear.add(`${path}/squeeze_excite/${part}`);
    }
    modules.set(path, theirs);
  }
  return { name: options.wiring === "megvii" ? "megvii" : "pytorch", modules, linear };
}

/** ShuffleNet v1, its published variants, and the authors' wiring of eight of them. */
export const shuffleNetV1: Family<ShuffleNetV1Options> = {
  name: "shufflenet_v1",
  title: "ShuffleNet v1",
  paper:
    "X. Zhang, X. Zhou, M. Lin, J. Sun, ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile Devices, CVPR 2018, arXiv:1707.01083",
  defaults: {
    ...imageNetOptions,
    resolution: 224,
    width: 1,
    groups: 3,
    wiring: "paper",
    repeats: table1Repeats,
    firstStride: 2,
    bottleneckRatio: 4,
    squeezeExcite: false,
    denseEntry: false,
    smallStem: false,
  },
  optionRules: {
    ...pictureRules,
    width: { kind: "number", description: "scale factor, the paper's s; published: 0.25, 0.5, 1, 1.5, 2; default 1" },
    groups: {
      kind: "integer",
      description: "groups of the pointwise convolutions, the paper's g: 1, 2, 3, 4 or 8; default 3",
    },
    wiring: {
      kind: "choice",
      choices: ["paper", "megvii"],
      description:
        "where the shuffle stands: as in the paper's figure, or as in the authors' code, for their weights; default paper",
    },
    repeats: { kind: "integers", description: "units of each stage; default 4,8,4" },
    firstStride: { kind: "integer", maximum: 2, description: "stride of stage 2; default 2" },
    bottleneckRatio: { kind: "integer", description: "outputs of a unit over the channels inside it; default 4" },
    squeezeExcite: { kind: "boolean", description: "squeeze-and-excitation in every unit; default false" },
    denseEntry: { kind: "boolean", description: "no groups in the first unit; default false" },
    smallStem: smallStemRule,
    channels: {
      kind: "integers",
      description: "output channels of each stage; default: table 1 of the paper times the width",
    },
    stemChannels: { kind: "integer", description: "channels of conv1; default 12, 24 or 48 by the width" },
  },
  variants,
  build: buildGraph,
  namings: (options) => [naming(options)],
  preprocessing: (options) =>
    preprocessingFor(
      options.wiring === "megvii" ? preprocessingPresets.megvii : preprocessingPresets.torchvision,
      options,
    ),
};
