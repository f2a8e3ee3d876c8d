/**
 * MobileNet (V1): depthwise separable convolutions.
 * A. Howard, M. Zhu, B. Chen, D. Kalenichenko, W. Wang, T. Weyand, M. Andreetto, H. Adam, 2017, arXiv:1704.04861. Table 1 is the network,
 * figure 3 the block, tables 6 and 7 the widths and resolutions, table 5 the shallow variant.
 *
 * Deviations
 * - Table 1 gives the last block stride 2; its 7x7 size, and the authors' release, say 1.
 * - The paper writes ReLU; the release (slim), Keras and timm have ReLU6, and so do we. `activation` chooses, for shicai's Caffe weights.
 * - Channels of other widths are cut to whole numbers, at least 8, as slim does.
 * - For pictures of 32x32 the stem keeps the resolution, the usual adaptation (kuangliu/pytorch-cifar); with `firstStride` 1 stage 2 does too,
 *   as in MobileNet V2 there. The paper has no CIFAR network.
 */

import { type GraphBuilder, graphBuilder, type Value } from "../graph/builder.ts";
import type { Graph } from "../graph/graph.ts";
import { preprocessingPresets } from "../pixels/preprocessing_presets.ts";
import { checkResolution } from "./check_architecture.ts";
import { timmClassifier } from "./initializers.ts";
import { channelsOf, classifierHead, normedConvolution } from "./layers.ts";
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
import { widthInName } from "./published.ts";
import { truncateChannels } from "./round_channels.ts";

/** Table 1 by stages. c: output channels, n: blocks, s: stride of the first. */
const table1: readonly (readonly [c: number, n: number, s: number])[] = [
  [64, 1, 1],
  [128, 2, 2],
  [256, 2, 2],
  [512, 6, 2],
  [1024, 2, 2],
];
/** Table 5: the five blocks of 512 channels at 14x14 are left out. */
const shallowTable: typeof table1 = table1.map(([c, n, s]) => [c, c === 512 ? 1 : n, s]);
/** Index of the first stage that halves: stage 2. */
const firstHalving = 1;
const stemChannels = 32;

/** Options of MobileNet V1. */
export interface MobileNetV1Options extends PictureOptions {
  /** The paper's *α*: multiplies every channel count. */
  readonly width: number;
  /** Without the five blocks of 512 channels at 14x14 (table 5). */
  readonly shallow: boolean;
  readonly activation: "relu6" | "relu";
  readonly padding: PaddingConvention;
  /** Of the batch norms: 1e-5 for timm's weights, 1e-3 for TensorFlow's. */
  readonly epsilon: number;
  /** Before the classifier, in training. */
  readonly dropout: number;
  /** A stem of stride 1, for pictures of 32x32. */
  readonly smallStem: boolean;
  /** Of stage 2: 2 in the paper. */
  readonly firstStride: number;
}

/**
 * Figure 3, right: depthwise 3x3, then pointwise 1x1, each with norm and activation. There is no residual.
 *
 * @param x `[N, H, W, C]`
 * @returns `[N, ceil(H/stride), ceil(W/stride), channels]`
 */
function separableBlock(
  builder: GraphBuilder,
  x: Value,
  channels: number,
  stride: number,
  options: MobileNetV1Options,
): Value {
  const { epsilon, activation } = options;
  const filtered = normedConvolution(builder, "depthwise", x, {
    channels: channelsOf(x),
    kernel: 3,
    stride,
    padding: paddingOption(options.padding),
    groups: channelsOf(x),
    epsilon,
    activation,
  });
  return normedConvolution(builder, "pointwise", filtered, { channels, epsilon, activation });
}

function buildGraph(options: MobileNetV1Options, name: string): Graph {
  const { width, epsilon, activation } = options;
  const stemStride = options.smallStem ? 1 : 2;
  const table = tableOf(options);
  checkResolution("mobilenet_v1", options.resolution, [stemStride, ...table.map(([, , s]) => s)]);
  const builder = graphBuilder(name);
  let x = normedConvolution(builder, "stem", pictureInput(builder, options), {
    channels: truncateChannels(stemChannels * width),
    kernel: 3,
    stride: stemStride,
    padding: paddingOption(options.padding),
    epsilon,
    activation,
  });
  for (const [stage, [c, n, s]] of table.entries()) {
    for (let unit = 1; unit <= n; unit++) {
      x = builder.scope(`stage${stage + 1}/unit${unit}`, () =>
        separableBlock(builder, x, truncateChannels(c * width), unit === 1 ? s : 1, options),
      );
    }
  }
  return builder.build({ output: classifierHead(builder, x, { ...options, initializer: timmClassifier }) });
}

/** The options' table. */
function tableOf({ shallow, firstStride }: MobileNetV1Options): typeof table1 {
  const table = shallow ? shallowTable : table1;
  return table.map(([c, n, s], stage) => [c, n, stage === firstHalving ? firstStride : s]);
}

const slimSource = "tensorflow/models research/slim/nets/mobilenet_v1.md";
const slimParameters = "slim's parameters are of 1001 classes and rounded up";
const slimHalf = `${slimParameters}; its 150 M MACs are 149.5 rounded up, the paper prints 149`;
const slimMacs =
  "slim's table prints 317, 233, 162 and 104 M for width 0.75 and 34 M for 0.25 at 192; its own layers add up to our numbers";

/** Published checkpoints: slim's table of 2018. Parameters and MACs in millions. */
const slimCheckpoints: readonly (readonly [
  width: number,
  resolution: number,
  parameters: number,
  macs: number,
  top1: number,
  top5: number,
  difference?: string,
])[] = [
  [1.0, 224, 4.24, 569, 70.9, 89.9, slimParameters],
  [1.0, 192, 4.24, 418, 70.0, 89.2, slimParameters],
  [1.0, 160, 4.24, 291, 68.0, 87.7, slimParameters],
  [1.0, 128, 4.24, 186, 65.2, 85.8, slimParameters],
  [0.75, 224, 2.59, 317, 68.4, 88.2, slimMacs],
  [0.75, 192, 2.59, 233, 67.2, 87.3, slimMacs],
  [0.75, 160, 2.59, 162, 65.3, 86.0, slimMacs],
  [0.75, 128, 2.59, 104, 62.1, 83.9, slimMacs],
  [0.5, 224, 1.34, 150, 63.3, 84.9, slimHalf],
  [0.5, 192, 1.34, 110, 61.7, 83.6, slimParameters],
  [0.5, 160, 1.34, 77, 59.1, 81.9, slimParameters],
  [0.5, 128, 1.34, 49, 56.3, 79.4, slimParameters],
  [0.25, 224, 0.47, 41, 49.8, 74.2],
  [0.25, 192, 0.47, 34, 47.7, 72.3, slimMacs],
  [0.25, 160, 0.47, 21, 45.5, 70.3],
  [0.25, 128, 0.47, 14, 41.5, 66.3],
];

const variants: readonly Variant<Partial<MobileNetV1Options>>[] = [
  ...slimCheckpoints.map(([width, resolution, parameters, macs, top1, top5, difference]) => ({
    name: `mobilenet_v1_${widthInName(width)}_${resolution}`,
    options: { width, resolution },
    published: {
      parameters: parameters * 1e6,
      macs: macs * 1e6,
      top1,
      top5,
      source: slimSource,
      ...(difference === undefined ? {} : { difference }),
    },
  })),
  {
    name: "mobilenet_v1_1.0_224_shallow",
    options: { width: 1, resolution: 224, shallow: true },
    published: { parameters: 2.9e6, macs: 307e6, top1: 65.3, source: "arXiv:1704.04861 table 5" },
  },
  {
    name: "mobilenet_v1_cifar",
    options: { width: 0.235, resolution: 32, classes: 10, smallStem: true, firstStride: 1 },
    published: {
      source:
        "usual adaptation to 32x32: stem at stride 1 (kuangliu/pytorch-cifar); stage 2 too, and 0.235 as wide, by our choice; no published figures",
    },
  },
];

/** timm `mobilenetv1_*`: `blocks.stage.unit`. */
function timmNaming(options: MobileNetV1Options): Naming {
  const modules = new Map([
    ["stem", "conv_stem"],
    ["stem/norm", "bn1"],
    ["classifier", "classifier"],
  ]);
  for (const [stage, [, n]] of tableOf(options).entries()) {
    for (let unit = 0; unit < n; unit++) {
      const ours = `stage${stage + 1}/unit${unit + 1}`;
      const theirs = `blocks.${stage}.${unit}`;
      modules.set(`${ours}/depthwise`, `${theirs}.conv_dw`);
      modules.set(`${ours}/depthwise/norm`, `${theirs}.bn1`);
      modules.set(`${ours}/pointwise`, `${theirs}.conv_pw`);
      modules.set(`${ours}/pointwise/norm`, `${theirs}.bn2`);
      modules.set(ours, theirs);
    }
  }
  return { name: "timm", modules };
}

/**
 * Files whose norms are folded into biases (conversions of the TFLite models): the blocks counted through, `blocks.0` to `blocks.12`, and
 * no norms. The reader makes them from the biases, so that their names here only say what would be missing.
 */
function foldedNaming(options: MobileNetV1Options): Naming {
  const modules = new Map([
    ["stem", "stem"],
    ["stem/norm", "stem.norm"],
    ["classifier", "classifier"],
  ]);
  let block = 0;
  for (const [stage, [, n]] of tableOf(options).entries()) {
    for (let unit = 1; unit <= n; unit++, block++) {
      for (const part of ["depthwise", "pointwise"]) {
        modules.set(`stage${stage + 1}/unit${unit}/${part}`, `blocks.${block}.${part}`);
        modules.set(`stage${stage + 1}/unit${unit}/${part}/norm`, `blocks.${block}.${part}.norm`);
      }
    }
  }
  return { name: "folded", modules };
}

/**
 * Layers of shicai/MobileNet-Caffe, whose norms the reader names after their first layer. It has ReLU and symmetric padding, takes BGR
 * (`preprocessingPresets.caffeMobileNet`), and its classifier is a 1x1 convolution.
 */
function caffeNaming(options: MobileNetV1Options): Naming {
  const modules = new Map([
    ["stem", "conv1"],
    ["stem/norm", "conv1/bn"],
    ["classifier", "fc7"],
  ]);
  const units = tableOf(options).flatMap(([, n], stage) =>
    Array.from({ length: n }, (_, unit) => [stage + 1, unit + 1]),
  );
  for (const [block, [stage, unit]] of units.entries()) {
    // conv2_1, 2_2, 3_1, 3_2, 4_1, 4_2, then 5_1 up to the one before the last, conv6.
    const fifth = `conv5_${block - 5}`;
    const theirs =
      block < 6 ? `conv${2 + Math.floor(block / 2)}_${1 + (block % 2)}` : block === units.length - 1 ? "conv6" : fifth;
    for (const [part, name] of [
      ["depthwise", "dw"],
      ["pointwise", "sep"],
    ]) {
      modules.set(`stage${stage}/unit${unit}/${part}`, `${theirs}/${name}`);
      modules.set(`stage${stage}/unit${unit}/${part}/norm`, `${theirs}/${name}/bn`);
    }
  }
  return { name: "caffe", modules, pointwise: new Set(["classifier"]) };
}

/** MobileNet V1: 16 widths and resolutions, and the shallow variant. */
export const mobileNetV1: Family<MobileNetV1Options> = {
  name: "mobilenet_v1",
  title: "MobileNet V1",
  paper:
    "A. Howard, M. Zhu, B. Chen, D. Kalenichenko, W. Wang, T. Weyand, M. Andreetto, H. Adam, MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications, 2017, arXiv:1704.04861",
  defaults: {
    ...imageNetOptions,
    resolution: 224,
    width: 1,
    shallow: false,
    activation: "relu6",
    padding: "torch",
    epsilon: 1e-5,
    dropout: 0.001,
    smallStem: false,
    firstStride: 2,
  },
  optionRules: {
    ...pictureRules,
    width: {
      kind: "number",
      description: "width multiplier, the paper's alpha; published: 0.25, 0.5, 0.75, 1; default 1",
    },
    shallow: { kind: "boolean", description: "without the five blocks of 512 channels at 14x14; default false" },
    activation: {
      kind: "choice",
      choices: ["relu6", "relu"],
      description: "relu6 as released, relu as in the paper; default relu6",
    },
    padding: paddingRule,
    epsilon: epsilonRule,
    dropout: dropoutRule,
    smallStem: smallStemRule,
    firstStride: { kind: "integer", maximum: 2, description: "stride of stage 2; default 2" },
  },
  variants,
  build: buildGraph,
  namings: (options) => [timmNaming(options), foldedNaming(options), caffeNaming(options)],
  preprocessing: (options) =>
    preprocessingFor(
      options.padding === "tf" ? preprocessingPresets.tensorflow : preprocessingPresets.timmMobileNetV1,
      options,
    ),
};
