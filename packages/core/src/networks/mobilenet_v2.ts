/**
 * MobileNetV2: inverted residuals with linear bottlenecks.
 * M. Sandler, A. Howard, M. Zhu, A. Zhmoginov, L.-C. Chen, CVPR 2018, arXiv:1801.04381. Table 2 is the network, figure 3 the block.
 *
 * Deviations
 * - The paper writes ReLU6 and leaves open how channels are rounded; the authors' release (slim) rounds to multiples of 8, and so do we.
 * - Widths below 1 leave the last convolution at 1280 (paper, section 6.1; slim's `finegrain_classification_mode`).
 * - The paper counts 6.9 M parameters and 585 M MACs at width 1.4; the released network, ours too, has 6.1 M and 582 M.
 * - For pictures of 32x32 the stem and the 24-channel stage keep their resolution, the usual adaptation (IGCV3's baseline,
 *   kuangliu/pytorch-cifar); the paper has no CIFAR network.
 */

import { type GraphBuilder, graphBuilder, type Value } from "../graph/builder.ts";
import type { Graph } from "../graph/graph.ts";
import { preprocessingPresets } from "../pixels/preprocessing_presets.ts";
import { checkResolution } from "./check_architecture.ts";
import { channelsOf, classifierHead, normedConvolution, withoutHalvings } from "./layers.ts";
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
import { roundChannels } from "./round_channels.ts";

/** Table 2. t: expansion, c: output channels, n: repeats, s: stride of the first repeat. */
const table2: readonly (readonly [t: number, c: number, n: number, s: number])[] = [
  [1, 16, 1, 1],
  [6, 24, 2, 2],
  [6, 32, 3, 2],
  [6, 64, 4, 2],
  [6, 96, 3, 1],
  [6, 160, 3, 2],
  [6, 320, 1, 1],
];
const stemChannels = 32;
const stemStride = 2;
const finalChannels = 1280;
/** Stem and the 24-channel stage. */
const halvingsLeftOut = 2;

/** Options of MobileNetV2. */
export interface MobileNetV2Options extends PictureOptions {
  /** The paper's *α*: multiplies every channel count. */
  readonly width: number;
  readonly padding: PaddingConvention;
  /** Of the batch norms: 1e-5 for torchvision's and timm's weights, 1e-3 for TensorFlow's. */
  readonly epsilon: number;
  /** Before the classifier, in training. */
  readonly dropout: number;
  /** Without the first two halvings, for pictures of 32x32. */
  readonly smallStem: boolean;
  /** Channel counts are multiples of it: the release's `divisible_by`, torchvision's `round_nearest`. Smaller ones tell narrow widths apart. */
  readonly divisor: number;
  /** Channels of the last convolution. Default: 1280 times the width, but never less (section 6.1). */
  readonly finalChannels?: number;
}

/**
 * Figure 3(b): expand 1x1, depthwise 3x3, project 1x1 without activation; added to the input where shapes agree.
 *
 * @param x `[N, H, W, C]`
 * @returns `[N, ceil(H/stride), ceil(W/stride), channels]`
 */
function invertedResidual(
  builder: GraphBuilder,
  x: Value,
  expansion: number,
  channels: number,
  stride: number,
  options: MobileNetV2Options,
): Value {
  const { epsilon } = options;
  const hidden = expansion * channelsOf(x);
  const padding = paddingOption(options.padding);
  let y = x;
  if (expansion !== 1) y = normedConvolution(builder, "expand", y, { channels: hidden, epsilon, activation: "relu6" });
  y = normedConvolution(builder, "depthwise", y, {
    channels: hidden,
    kernel: 3,
    stride,
    padding,
    groups: hidden,
    epsilon,
    activation: "relu6",
  });
  y = normedConvolution(builder, "project", y, { channels, epsilon });
  return stride === 1 && channelsOf(x) === channels ? builder.add("add", x, y) : y;
}

function buildGraph(options: MobileNetV2Options, name: string): Graph {
  const { width, epsilon, divisor } = options;
  const lastChannels = options.finalChannels ?? roundChannels(finalChannels * Math.max(1, width), divisor);
  const padding = paddingOption(options.padding);
  const allStrides = withoutHalvings(
    [stemStride, ...table2.map(([, , , s]) => s)],
    options.smallStem ? halvingsLeftOut : 0,
  );
  checkResolution("mobilenet_v2", options.resolution, allStrides);
  const [firstStride = stemStride, ...strides] = allStrides;
  const builder = graphBuilder(name);
  let x = normedConvolution(builder, "stem", pictureInput(builder, options), {
    channels: roundChannels(stemChannels * width, divisor),
    kernel: 3,
    stride: firstStride,
    padding,
    epsilon,
    activation: "relu6",
  });
  for (const [stage, [t, c, n]] of table2.entries()) {
    for (let unit = 1; unit <= n; unit++) {
      const stride = unit === 1 ? (strides[stage] ?? 1) : 1;
      x = builder.scope(`stage${stage + 1}/unit${unit}`, () =>
        invertedResidual(builder, x, t, roundChannels(c * width, divisor), stride, options),
      );
    }
  }
  x = normedConvolution(builder, "final", x, {
    channels: lastChannels,
    epsilon,
    activation: "relu6",
  });
  return builder.build({ output: classifierHead(builder, x, options) });
}

/** Published checkpoints: tensorflow/models research/slim/nets/mobilenet/README.md. Parameters and MACs in millions. */
const slimCheckpoints: readonly (readonly [
  width: number,
  resolution: number,
  parameters: number,
  macs: number,
  top1: number,
  top5: number,
])[] = [
  [1.4, 224, 6.06, 582, 75.0, 92.5],
  [1.3, 224, 5.34, 509, 74.4, 92.1],
  [1.0, 224, 3.47, 300, 71.8, 91.0],
  [1.0, 192, 3.47, 221, 70.7, 90.1],
  [1.0, 160, 3.47, 154, 68.8, 89.0],
  [1.0, 128, 3.47, 99, 65.3, 86.9],
  [1.0, 96, 3.47, 56, 60.3, 83.2],
  [0.75, 224, 2.61, 209, 69.8, 89.6],
  [0.75, 192, 2.61, 153, 68.7, 88.9],
  [0.75, 160, 2.61, 107, 66.4, 87.3],
  [0.75, 128, 2.61, 69, 63.2, 85.3],
  [0.75, 96, 2.61, 39, 58.8, 81.6],
  [0.5, 224, 1.95, 97, 65.4, 86.4],
  [0.5, 192, 1.95, 71, 63.9, 85.4],
  [0.5, 160, 1.95, 50, 61.0, 83.2],
  [0.5, 128, 1.95, 32, 57.7, 80.8],
  [0.5, 96, 1.95, 18, 51.2, 75.8],
  [0.35, 224, 1.66, 59, 60.3, 82.9],
  [0.35, 192, 1.66, 43, 58.2, 81.2],
  [0.35, 160, 1.66, 30, 55.7, 79.1],
  [0.35, 128, 1.66, 20, 50.8, 75.0],
  [0.35, 96, 1.66, 11, 45.5, 70.4],
];

const variants: readonly Variant<Partial<MobileNetV2Options>>[] = [
  ...slimCheckpoints.map(([width, resolution, parameters, macs, top1, top5]) => ({
    name: `mobilenet_v2_${widthInName(width)}_${resolution}`,
    options: { width, resolution },
    published: {
      parameters: parameters * 1e6,
      macs: macs * 1e6,
      top1,
      top5,
      source: "tensorflow/models research/slim/nets/mobilenet/README.md",
      difference:
        "the published parameters leave out batch norm's gamma and beta; the published MACs are cut off, not rounded",
    },
  })),
  {
    name: "mobilenet_v2_cifar",
    options: { width: 0.3, divisor: 4, finalChannels: 640, resolution: 32, classes: 10, smallStem: true },
    published: {
      source:
        "usual adaptation to 32x32: stem and 24-channel stage at stride 1 (kuangliu/pytorch-cifar); 0.3 as wide, 640 channels at the end, by our choice; no published figures",
    },
  },
];

/** Our path and the table's row of every inverted residual. */
function units(): readonly {
  readonly path: string;
  readonly stage: number;
  readonly unit: number;
  readonly t: number;
}[] {
  return table2.flatMap(([t, , n], stage) =>
    Array.from({ length: n }, (_, unit) => ({ path: `stage${stage + 1}/unit${unit + 1}`, stage, unit, t })),
  );
}

/** torchvision `mobilenet_v2`: `features.k`, k counting the units. */
function torchvisionNaming(): Naming {
  const modules = new Map([
    ["stem", "features.0.0"],
    ["stem/norm", "features.0.1"],
    ["stem/activation", "features.0"],
    ["final", "features.18.0"],
    ["final/norm", "features.18.1"],
    ["final/activation", "features.18"],
    ["classifier", "classifier.1"],
  ]);
  for (const [index, { path, t }] of units().entries()) {
    const theirs = `features.${index + 1}`;
    const parts = t === 1 ? ["depthwise"] : ["expand", "depthwise"];
    for (const [position, part] of parts.entries()) {
      modules.set(`${path}/${part}`, `${theirs}.conv.${position}.0`);
      modules.set(`${path}/${part}/norm`, `${theirs}.conv.${position}.1`);
    }
    modules.set(`${path}/project`, `${theirs}.conv.${parts.length}`);
    modules.set(`${path}/project/norm`, `${theirs}.conv.${parts.length + 1}`);
    modules.set(path, theirs);
  }
  return { name: "torchvision", modules };
}

/** timm `mobilenetv2_*`: `blocks.stage.unit`. */
function timmNaming(): Naming {
  const modules = new Map([
    ["stem", "conv_stem"],
    ["stem/norm", "bn1"],
    ["final", "conv_head"],
    ["final/norm", "bn2"],
    ["classifier", "classifier"],
  ]);
  for (const { path, stage, unit, t } of units()) {
    const theirs = `blocks.${stage}.${unit}`;
    const parts: readonly (readonly [ours: string, theirs: string])[] =
      t === 1
        ? [
            ["depthwise", "conv_dw"],
            ["project", "conv_pw"],
          ]
        : [
            ["expand", "conv_pw"],
            ["depthwise", "conv_dw"],
            ["project", "conv_pwl"],
          ];
    for (const [position, [part, theirPart]] of parts.entries()) {
      modules.set(`${path}/${part}`, `${theirs}.${theirPart}`);
      modules.set(`${path}/${part}/norm`, `${theirs}.bn${position + 1}`);
    }
    modules.set(path, theirs);
  }
  return { name: "timm", modules };
}

/** MobileNetV2 and its 22 published variants. */
export const mobileNetV2: Family<MobileNetV2Options> = {
  name: "mobilenet_v2",
  title: "MobileNetV2",
  paper:
    "M. Sandler, A. Howard, M. Zhu, A. Zhmoginov, L.-C. Chen, MobileNetV2: Inverted Residuals and Linear Bottlenecks, CVPR 2018, arXiv:1801.04381",
  defaults: {
    ...imageNetOptions,
    resolution: 224,
    width: 1,
    padding: "torch",
    epsilon: 1e-5,
    dropout: 0.2,
    smallStem: false,
    divisor: 8,
  },
  optionRules: {
    ...pictureRules,
    width: {
      kind: "number",
      description: "width multiplier, the paper's alpha; published: 0.35, 0.5, 0.75, 1, 1.3, 1.4; default 1",
    },
    padding: paddingRule,
    epsilon: epsilonRule,
    dropout: dropoutRule,
    smallStem: smallStemRule,
    divisor: { kind: "integer", description: "channel counts are multiples of it; default 8" },
    finalChannels: {
      kind: "integer",
      description: "channels of the last convolution; default 1280, and as many times more as the width is above 1",
    },
  },
  variants,
  build: buildGraph,
  namings: () => [torchvisionNaming(), timmNaming()],
  preprocessing: (options) =>
    preprocessingFor(
      options.padding === "tf" ? preprocessingPresets.tensorflow : preprocessingPresets.torchvision,
      options,
    ),
};
