/**
 * IGCV3: interleaved low-rank group convolutions.
 * K. Sun, M. Li, D. Liu, J. Wang, BMVC 2018, arXiv:1806.00178. Networks: the authors' code, homles11/IGCV3 (`symbols/igcv3*.py` and the
 * released symbol file).
 *
 * A unit is MobileNetV2's inverted residual with its pointwise convolutions in groups, which buys twice the depth. The condition that
 * every input reaches every output holds for super-channels (branches), so that several paths join two channels: e/(G1·G2) of them.
 *
 * Deviations
 * - The authors' figure has a second permutation; their code leaves it out, and so does the released graph, and so do we.
 * - No ReLU after the expansion: the authors took it out so that twice the depth has MobileNetV2's number of ReLUs.
 * - Their code has a slip at widths other than 1: units that begin a stage expand from channels that are multiplied by the width twice.
 *   We expand from the channels that there are. The published 0.7 and 1.4 are met by neither.
 * - Names of modules are those of xxradon/IGCV3-pytorch, the known PyTorch port. The port is another function: it has the ReLU and the
 *   second permutation. Weights trained there do not belong here.
 * - For pictures of 32x32 the stem and the 24-channel stage have stride 1 (that port's setting; the paper's was not readable).
 */

import { OptionError } from "../errors.ts";
import { type GraphBuilder, graphBuilder, type Value } from "../graph/builder.ts";
import type { Graph } from "../graph/graph.ts";
import { preprocessingPresets } from "../pixels/preprocessing_presets.ts";
import { checkLength, checkResolution } from "./check_architecture.ts";
import { heNormalForward } from "./initializers.ts";
import { channelsOf, classifierHead, normedConvolution, withoutHalvings } from "./layers.ts";
import type { Family, Naming, PublishedFigures, Variant } from "./network.ts";
import {
  imageNetOptions,
  type PictureOptions,
  pictureInput,
  pictureRules,
  preprocessingFor,
  smallStemRule,
} from "./picture_options.ts";
import { accuracyFromError, widthInName } from "./published.ts";

/** IGCV3-D (`igcv3.py`), MobileNetV2 with repeats doubled. t: expansion, c: output channels, n: repeats, s: stride of the first. */
const deeperTable: readonly (readonly [t: number, c: number, n: number, s: number])[] = [
  [1, 16, 1, 1],
  [6, 24, 4, 2],
  [6, 32, 6, 2],
  [6, 64, 8, 2],
  [6, 96, 6, 1],
  [6, 160, 6, 2],
  [6, 320, 1, 1],
];
/** IGCV3-W (`igcv3_wider.py`): MobileNetV2's repeats, twice the channels. Expansions and strides are those of IGCV3-D. */
const widerChannels: readonly number[] = [32, 48, 64, 128, 192, 320, 640];
const widerRepeats: readonly number[] = [1, 2, 3, 4, 3, 3, 1];
const stemStride = 2;
/** Stem and the 24-channel stage. */
const halvingsLeftOut = 2;
const epsilon = 1e-5;
const initializer = heNormalForward;

/** Options of IGCV3. */
export interface Igcv3Options extends PictureOptions {
  /** Multiplies the channels of stem and stages; those after the last stage too, if above 1. */
  readonly width: number;
  /** Groups of the expanding and of the projecting convolution, the paper's *G1* and *G2*. */
  readonly groups: readonly number[];
  /** Output channels of each stage at width 1. */
  readonly channels: readonly number[];
  /** Units of each stage. On CIFAR the authors' 0.7 and 0.5 are fewer units, not fewer channels. */
  readonly repeats: readonly number[];
  /** Channels inside a unit over its input channels, from stage 2 on; stage 1 has 1. */
  readonly expansion: number;
  /** Channels of the stem at width 1. */
  readonly stemChannels: number;
  /** Channels of the last convolution at width 1 and below. */
  readonly finalChannels: number;
  /** Without the first two halvings, for pictures of 32x32. */
  readonly smallStem: boolean;
}

/** What a unit needs beside its input. */
interface UnitShape {
  readonly channels: number;
  readonly expansion: number;
  readonly stride: number;
  readonly groups: readonly [expand: number, project: number];
  /** Units after the first of a stage, and no others, even where shapes agree. */
  readonly hasShortcut: boolean;
}

/**
 * Expand 1x1 in groups without activation, shuffle, depthwise 3x3, project 1x1 in groups without activation.
 *
 * @param x `[N, H, W, C]`
 * @returns `[N, ceil(H/stride), ceil(W/stride), channels]`
 */
function lowRankUnit(builder: GraphBuilder, x: Value, unit: UnitShape): Value {
  const { channels, stride, groups, hasShortcut } = unit;
  const inside = unit.expansion * channelsOf(x);
  let y = normedConvolution(builder, "expand", x, { channels: inside, groups: groups[0], epsilon, initializer });
  if (groups[0] > 1) y = builder.permute("shuffle", y, { kind: "shuffle", groups: groups[0] });
  y = normedConvolution(builder, "depthwise", y, {
    channels: inside,
    kernel: 3,
    stride,
    groups: inside,
    epsilon,
    activation: "relu6",
    initializer,
  });
  y = normedConvolution(builder, "project", y, { channels, groups: groups[1], epsilon, initializer });
  return hasShortcut ? builder.add("add", x, y) : y;
}

function buildGraph(options: Igcv3Options, name: string): Graph {
  const units = unitsOf(options);
  checkArchitecture(options, units);
  const builder = graphBuilder(name);
  let x = normedConvolution(builder, "stem", pictureInput(builder, options), {
    channels: scaled(options.stemChannels, options),
    kernel: 3,
    stride: strides(options)[0] ?? stemStride,
    epsilon,
    activation: "relu6",
    initializer,
  });
  for (const { path, unit } of units) x = builder.scope(path, () => lowRankUnit(builder, x, unit));
  x = normedConvolution(builder, "final", x, {
    channels: Math.trunc(options.finalChannels * Math.max(1, options.width)),
    epsilon,
    activation: "relu6",
    initializer,
  });
  return builder.build({ output: classifierHead(builder, x, { classes: options.classes, initializer }) });
}

/** Path and shape of every unit, in order. */
function unitsOf(options: Igcv3Options): readonly { readonly path: string; readonly unit: UnitShape }[] {
  const { channels, repeats, expansion } = options;
  const [, ...stageStrides] = strides(options);
  return channels.flatMap((c, stage) =>
    Array.from({ length: repeats[stage] ?? 0 }, (_, position) => ({
      path: `stage${stage + 1}/unit${position + 1}`,
      unit: {
        channels: scaled(c, options),
        expansion: stage === 0 ? (deeperTable[0]?.[0] ?? 1) : expansion,
        stride: position === 0 ? (stageStrides[stage] ?? 1) : 1,
        groups: groupPair(options),
        hasShortcut: position > 0,
      },
    })),
  );
}

/** Strides of the stem and of each stage. */
function strides({ channels, smallStem }: Igcv3Options): readonly number[] {
  const all = [stemStride, ...deeperTable.slice(0, channels.length).map(([, , , s]) => s)];
  return withoutHalvings(all, smallStem ? halvingsLeftOut : 0);
}

/** The authors' rule: `c·a` rounded, then up to an even number (`igcv3_g2g4.py`: a multiple of 4), so that the groups divide it. */
function scaled(channels: number, options: Igcv3Options): number {
  const multiple = leastCommonMultiple(...groupPair(options));
  return Math.max(multiple, Math.ceil(Math.round(channels * options.width) / multiple) * multiple);
}

function groupPair({ groups }: Igcv3Options): readonly [expand: number, project: number] {
  checkLength("igcv3", "groups", groups, 2, "of the expanding and of the projecting convolution");
  return [groups[0] ?? 1, groups[1] ?? 1];
}

function leastCommonMultiple(a: number, b: number): number {
  let multiple = a;
  while (multiple % b !== 0) multiple += a;
  return multiple;
}

function checkArchitecture(options: Igcv3Options, units: ReturnType<typeof unitsOf>): void {
  const { channels, repeats, resolution } = options;
  checkLength("igcv3", "repeats", repeats, channels.length, `channels has ${channels.length} stages`);
  if (channels.length < 1 || channels.length > deeperTable.length) {
    throw new OptionError(
      `igcv3: channels has ${channels.length} stages; the table of strides is for 1 to ${deeperTable.length}.`,
    );
  }
  let inputs = scaled(options.stemChannels, options);
  for (const { path, unit } of units) {
    const [expand, project] = unit.groups;
    const inside = inputs * unit.expansion;
    if (inside < expand * project) {
      throw new OptionError(
        `igcv3 ${path}: the ${inside} = ${inputs} * ${unit.expansion} channels inside are fewer than ${expand} * ${project} = ${expand * project}: some branch of the projection would lack channels from some branch of the expansion.`,
        { hint: "Use fewer groups, or more channels." },
      );
    }
    inputs = unit.channels;
  }
  checkResolution("igcv3", resolution, strides(options));
}

/** What the authors print of IGCV3-D on ImageNet: parameters and MACs in millions, top-1 error in percent. */
const imageNetPublished: readonly (readonly [width: number, published: PublishedFigures])[] = [
  [0.5, { source: "no published figures" }],
  [
    0.7,
    published(
      2.8,
      210,
      31.5,
      "neither the released code (2.44 million, 166 million MACs) nor ours reaches the published figures",
    ),
  ],
  [
    1,
    published(
      3.5,
      318,
      27.8,
      "published in tenths of a million; 318 million MACs published, 313.0 computed: not explained",
    ),
  ],
  [
    1.4,
    published(
      7.2,
      610,
      25.5,
      "neither the released code (6.32 million, 633 million MACs) nor ours reaches the published figures",
    ),
  ],
];

function published(parameters: number, macs: number, error: number, difference: string): PublishedFigures {
  return {
    parameters: parameters * 1e6,
    macs: macs * 1e6,
    top1: accuracyFromError(error),
    source: "arXiv:1806.00178 (parameters at 0.7 and 1.4 quoted from memory); MACs: arXiv:1807.11164, table 8",
    difference,
  };
}

/** The CIFAR networks: share of the depth, repeats, published parameters in millions, CIFAR-10 error in percent. */
const cifarNetworks: readonly (readonly [
  suffix: string,
  repeats: readonly number[],
  parameters: number,
  error: number,
])[] = [
  ["", deeperTable.map(([, , n]) => n), 2.4, 5.04],
  ["_0.7", [1, 3, 4, 6, 4, 4, 1], 1.7, 5.08],
  ["_0.5", [1, 2, 3, 4, 3, 2, 1], 1.2, 5.27],
];

const variants: readonly Variant<Partial<Igcv3Options>>[] = [
  ...imageNetPublished.map(([width, figures]) => ({
    name: `igcv3_d_${widthInName(width)}`,
    options: { width },
    published: figures,
  })),
  {
    name: "igcv3_d_g2g4",
    options: { groups: [2, 4] },
    published: { source: "homles11/IGCV3, symbols/igcv3_g2g4.py; no published figures" },
  },
  {
    name: "igcv3_w_1.0",
    options: { channels: widerChannels, repeats: widerRepeats },
    published: { source: "homles11/IGCV3, symbols/igcv3_wider.py; no published figures" },
  },
  ...cifarNetworks.map(
    ([suffix, repeats, parameters, error]): Variant<Partial<Igcv3Options>> => ({
      name: `igcv3_d_cifar${suffix}`,
      options: { repeats, resolution: 32, classes: 10, smallStem: true },
      published: {
        parameters: parameters * 1e6,
        top1: accuracyFromError(error),
        source: "arXiv:1806.00178, table of CIFAR results; accuracy on CIFAR-10",
        difference:
          suffix === ""
            ? "published for 100 classes (2.34 million here), and rounded up"
            : "published in tenths of a million",
      },
      ...(suffix === "" ? {} : { reconstructed: "the paper drops units; which ones is not published" }),
    }),
  ),
  {
    name: "igcv3_cifar",
    options: { width: 0.4, repeats: [1, 2, 3, 4, 3, 2, 1], resolution: 32, classes: 10, smallStem: true },
    published: {
      source:
        "the CIFAR network of half depth (igcv3_d_cifar_0.5) at width 0.4, for a small budget; no published figures",
    },
    reconstructed: "the paper drops units; which ones is not published",
  },
];

/** xxradon/IGCV3-pytorch: `features.k`, k counting the units. Its names, not its function: see the deviations. */
function naming(options: Igcv3Options): Naming {
  const units = unitsOf(options);
  const last = units.length + 1;
  const modules = new Map([
    ["stem", "features.0.0"],
    ["stem/norm", "features.0.1"],
    ["stem/activation", "features.0"],
    ["final", `features.${last}.0`],
    ["final/norm", `features.${last}.1`],
    ["final/activation", `features.${last}`],
    ["classifier", "classifier.1"],
  ]);
  const positions = { expand: 0, depthwise: 4, project: 7 };
  for (const [index, { path }] of units.entries()) {
    const theirs = `features.${index + 1}`;
    for (const [part, position] of Object.entries(positions)) {
      modules.set(`${path}/${part}`, `${theirs}.conv.${position}`);
      modules.set(`${path}/${part}/norm`, `${theirs}.conv.${position + 1}`);
    }
    modules.set(path, theirs);
  }
  return { name: "pytorch", modules };
}

/** IGCV3-D at four widths, its wider and its 2-and-4-branch versions, and the CIFAR networks. */
export const igcv3: Family<Igcv3Options> = {
  name: "igcv3",
  title: "IGCV3",
  paper:
    "K. Sun, M. Li, D. Liu, J. Wang, IGCV3: Interleaved Low-Rank Group Convolutions for Efficient Deep Neural Networks, BMVC 2018, arXiv:1806.00178",
  defaults: {
    ...imageNetOptions,
    resolution: 224,
    width: 1,
    groups: [2, 2],
    channels: deeperTable.map(([, c]) => c),
    repeats: deeperTable.map(([, , n]) => n),
    expansion: 6,
    stemChannels: 32,
    finalChannels: 1280,
    smallStem: false,
  },
  optionRules: {
    ...pictureRules,
    width: { kind: "number", description: "width multiplier; published: 0.7, 1, 1.4; default 1" },
    groups: { kind: "integers", description: "groups of the expanding and the projecting convolution; default 2,2" },
    channels: {
      kind: "integers",
      description: "output channels of each stage at width 1; default 16,24,32,64,96,160,320",
    },
    repeats: { kind: "integers", description: "units of each stage; default 1,4,6,8,6,6,1" },
    expansion: { kind: "integer", description: "channels inside a unit over its inputs, the paper's t; default 6" },
    stemChannels: { kind: "integer", description: "channels of the stem at width 1; default 32" },
    finalChannels: { kind: "integer", description: "channels of the last convolution; default 1280" },
    smallStem: smallStemRule,
  },
  variants,
  build: buildGraph,
  namings: (options) => [naming(options)],
  preprocessing: (options) => preprocessingFor(preprocessingPresets.igcv3, options),
};
