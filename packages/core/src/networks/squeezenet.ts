/**
 * SqueezeNet: fire modules.
 * F. Iandola, S. Han, M. Moskewicz, K. Ashraf, W. Dally, K. Keutzer, 2016, arXiv:1602.07360. Table 1 is SqueezeNet 1.0, figure 1 the
 * fire module, section 5 the metaparameters, figure 2 and table 3 the bypasses. 1.1: forresti/SqueezeNet, SqueezeNet_v1.1.
 *
 * Deviations
 * - Table 1 says 224x224, but its sizes (111, 55, 27, 13) need 227x227, which the authors' Caffe nets have. torchvision takes 224.
 * - Pools round their size up, as Caffe does; the paper does not say.
 * - The Caffe net of 1.0 pads conv10 by one cell, neither 1.1 nor torchvision does. `classifierPadding` is 0 unless one asks for it.
 * - Squeeze and expand counts of other metaparameters are rounded to the nearest whole number; the paper does not say.
 * - Complex bypass: the paper says a 1x1 convolution around fire2, 4, 6 and 8; bias and no activation are our choice.
 * - For pictures of 32x32 the stem is 3x3, stride 1, padded; the three pools stay. The paper has no CIFAR network. `batchNorm` is usual there
 *   (weiaicunzai/pytorch-cifar100): a norm for every bias but conv10's, which then has no ReLU. Without norms it stayed at chance at
 *   every rate of SGD and AdamW that was tried.
 */

import { OptionError } from "../errors.ts";
import { type GraphBuilder, graphBuilder, type Value } from "../graph/builder.ts";
import type { Graph } from "../graph/graph.ts";
import { preprocessingPresets } from "../pixels/preprocessing_presets.ts";
import { heUniform, normal } from "./initializers.ts";
import { biasedConvolution, channelsOf, type LayerOptions, normedConvolution } from "./layers.ts";
import type { Family, Naming, Variant } from "./network.ts";
import {
  dropoutRule,
  imageNetOptions,
  type PictureOptions,
  pictureInput,
  pictureRules,
  preprocessingFor,
  smallStemRule,
} from "./picture_options.ts";

/** Which of the authors' two layouts: they differ in the stem and in where the pools stand. */
export type SqueezeNetLayout = "1.0" | "1.1";

/** Stem and the fires that a max pool follows: table 1 of the paper for 1.0, the release's prototxt for 1.1. */
const layouts: {
  readonly [K in SqueezeNetLayout]: { readonly stem: LayerOptions; readonly poolsAfter: readonly number[] };
} = {
  "1.0": { stem: { channels: 96, kernel: 7, stride: 2, padding: "valid" }, poolsAfter: [4, 8] },
  "1.1": { stem: { channels: 64, kernel: 3, stride: 2, padding: "valid" }, poolsAfter: [3, 5] },
};
/** Of the batch norms: PyTorch's default. */
const epsilon = 1e-5;
/** Fires are numbered from 2, as in table 1. */
const fires: readonly number[] = [2, 3, 4, 5, 6, 7, 8, 9];

/** Options of SqueezeNet. */
export interface SqueezeNetOptions extends PictureOptions {
  readonly layout: SqueezeNetLayout;
  /** Expand filters of the first fire: the paper's *base_e*. */
  readonly baseExpand: number;
  /** Expand filters added every `frequency` fires: the paper's *incr_e*. */
  readonly expandIncrement: number;
  /** Share of the expand filters that are 3x3: the paper's *pct_3x3*, 0 to 1. */
  readonly share3x3: number;
  /** Fires between two increments: the paper's *freq*. */
  readonly frequency: number;
  /** Squeeze filters over expand filters: the paper's *SR*. */
  readonly squeezeRatio: number;
  /** Connections around the fires (figure 2): none, identities around every second, or convolutions around the others too. */
  readonly bypass: "none" | "simple" | "complex";
  /** Cells around conv10: 0, or 1 for the authors' Caffe weights of 1.0. */
  readonly classifierPadding: number;
  /** Before conv10, in training. */
  readonly dropout: number;
  /** A padded 3x3 stem of stride 1, for pictures of 32x32. */
  readonly smallStem: boolean;
  /** A batch norm after every convolution but conv10, which then has no ReLU. */
  readonly batchNorm: boolean;
}

/** Filters of a fire module: the paper's *s1x1*, *e1x1* and *e3x3*. */
interface FireFilters {
  readonly squeeze: number;
  readonly expand1x1: number;
  readonly expand3x3: number;
}

/** Section 5.1: the filters of fire `fire`, from the metaparameters. */
function fireFilters(fire: number, options: SqueezeNetOptions): FireFilters {
  const { baseExpand, expandIncrement, share3x3, frequency, squeezeRatio } = options;
  const expand = baseExpand + expandIncrement * Math.floor((fire - 2) / frequency);
  const expand3x3 = Math.round(expand * share3x3);
  return { squeeze: Math.round(expand * squeezeRatio), expand1x1: expand - expand3x3, expand3x3 };
}

/** A convolution with PyTorch's initialisation of SqueezeNet, and a bias or a batch norm. */
type Convolution = (builder: GraphBuilder, name: string, x: Value, options: LayerOptions) => Value;

function convolutionOf({ batchNorm }: SqueezeNetOptions): Convolution {
  return (builder, name, x, options) =>
    batchNorm
      ? normedConvolution(builder, name, x, { initializer: heUniform, epsilon, ...options })
      : biasedConvolution(builder, name, x, { initializer: heUniform, ...options });
}

/**
 * Figure 1: squeeze 1x1, then expand 1x1 and expand 3x3 side by side.
 *
 * @param x `[N, H, W, C]`
 * @returns `[N, H, W, expand1x1 + expand3x3]`
 */
function fireModule(builder: GraphBuilder, x: Value, filters: FireFilters, convolution: Convolution): Value {
  const squeezed = convolution(builder, "squeeze", x, { channels: filters.squeeze, activation: "relu" });
  const expanded: Value[] = [];
  if (filters.expand1x1 > 0) {
    expanded.push(convolution(builder, "expand1x1", squeezed, { channels: filters.expand1x1, activation: "relu" }));
  }
  if (filters.expand3x3 > 0) {
    const expand3x3: LayerOptions = { channels: filters.expand3x3, kernel: 3, activation: "relu" };
    expanded.push(convolution(builder, "expand3x3", squeezed, expand3x3));
  }
  return builder.concatenate("concatenate", expanded);
}

/** Figure 2: what is added to a fire's output: its input around the odd fires, a convolution of it around the others. */
function bypassOf(builder: GraphBuilder, x: Value, fire: number, channels: number, convolution: Convolution): Value {
  if (fire % 2 === 0) return convolution(builder, "bypass", x, { channels });
  if (channelsOf(x) !== channels) {
    throw new OptionError(
      `SqueezeNet with bypass: the identity around fire${fire} goes from ${channelsOf(x)} to ${channels} channels, which must be equal.`,
      {
        hint: "Use frequency 2, so that every odd fire has as many filters as the one before it, or expandIncrement 0.",
      },
    );
  }
  return x;
}

/** A fire and its bypass, if it has one. */
function bypassedFire(builder: GraphBuilder, x: Value, fire: number, options: SqueezeNetOptions): Value {
  const convolution = convolutionOf(options);
  const fired = fireModule(builder, x, fireFilters(fire, options), convolution);
  const isBypassed = options.bypass === "complex" || (options.bypass === "simple" && fire % 2 === 1);
  return isBypassed ? builder.add("add", bypassOf(builder, x, fire, channelsOf(fired), convolution), fired) : fired;
}

function buildGraph(options: SqueezeNetOptions, name: string): Graph {
  const { stem, poolsAfter } = layouts[options.layout];
  const smallStem: LayerOptions = { channels: stem.channels, kernel: 3, stride: 1 };
  const builder = graphBuilder(name);
  const pool = (after: string, x: Value): Value =>
    builder.maxPool(after, x, { kernel: 3, stride: 2, padding: "valid", ceil: true });

  let x = pictureInput(builder, options);
  x = convolutionOf(options)(builder, "conv1", x, { ...(options.smallStem ? smallStem : stem), activation: "relu" });
  x = pool("pool1", x);
  for (const fire of fires) {
    x = builder.scope(`fire${fire}`, () => bypassedFire(builder, x, fire, options));
    if (poolsAfter.includes(fire)) x = pool(`pool${fire}`, x);
  }
  if (options.dropout > 0) x = builder.dropout("dropout", x, options.dropout);
  x = biasedConvolution(builder, "conv10", x, {
    channels: options.classes,
    padding: options.classifierPadding,
    activation: options.batchNorm ? "none" : "relu",
    initializer: normal(0.01),
  });
  return builder.build({ output: builder.flatten("flatten", builder.globalAveragePool("pool", x)) });
}

const caffeSource = "arXiv:1602.07360; forresti/SqueezeNet README";

const variants: readonly Variant<Partial<SqueezeNetOptions>>[] = [
  {
    name: "squeezenet_1.0",
    options: { layout: "1.0", resolution: 227 },
    published: {
      parameters: 1.25e6,
      macs: 860e6,
      top1: 57.5,
      top5: 80.3,
      source: caffeSource,
      difference:
        "860 M are half of the published 1.72 GFLOPS: the Caffe net pads conv10 by one cell, 13x13 to 15x15 (classifierPadding 1), which gives 861.3 M",
    },
  },
  {
    name: "squeezenet_1.1",
    options: { layout: "1.1", resolution: 227 },
    published: {
      macs: 360e6,
      top5: 80.3,
      source: caffeSource,
      difference:
        "360 M are half of the published 0.72 GFLOPS, which lie between pools rounded down (352.5 M) and up (387.7 M, as Caffe computes)",
    },
  },
  {
    name: "squeezenet_1.0_simple_bypass",
    options: { layout: "1.0", resolution: 227, bypass: "simple" },
    published: { top1: 60.4, top5: 82.5, source: "arXiv:1602.07360 table 3; songhan/SqueezeNet-Residual" },
  },
  {
    name: "squeezenet_1.0_complex_bypass",
    options: { layout: "1.0", resolution: 227, bypass: "complex" },
    published: {
      top1: 58.8,
      top5: 82.0,
      source: "arXiv:1602.07360 table 3",
      difference: "the paper prints 7.7 MB; the network as its text reads has 1,589,672 parameters, 6.06 MiB",
    },
    reconstructed: "the paper describes the 1x1 convolutions in words only, and its 7.7 MB are more than they need",
  },
  {
    name: "squeezenet_1.0_224",
    options: { layout: "1.0", resolution: 224 },
    published: { parameters: 1_248_424, top1: 58.092, top5: 80.42, source: "torchvision 0.14 squeezenet1_0" },
  },
  {
    name: "squeezenet_1.1_224",
    options: { layout: "1.1", resolution: 224 },
    published: { parameters: 1_235_496, top1: 58.178, top5: 80.624, source: "torchvision 0.14 squeezenet1_1" },
  },
  {
    name: "squeezenet_cifar",
    options: {
      layout: "1.1",
      resolution: 32,
      classes: 10,
      smallStem: true,
      baseExpand: 80,
      expandIncrement: 80,
      bypass: "simple",
      dropout: 0,
      batchNorm: true,
    },
    published: {
      source:
        "usual adaptation to 32x32: 3x3 stem of stride 1, batch norm (weiaicunzai/pytorch-cifar100); 80 expand filters for 128 and simple bypass are our choice; no published figures",
    },
  },
];

/** torchvision `squeezenet1_0`, `squeezenet1_1`: stem, its ReLU, then fires and pools counted in one list. */
function torchvisionNaming(options: SqueezeNetOptions): Naming {
  const modules = new Map([
    ["conv1", "features.0"],
    ["conv1/activation", "features.1"],
    ["pool1", "features.2"],
    ["conv10", "classifier.1"],
    ["conv10/activation", "classifier.2"],
  ]);
  let position = 3;
  for (const fire of fires) {
    const theirs = `features.${position++}`;
    modules.set(`fire${fire}`, theirs);
    for (const part of ["squeeze", "expand1x1", "expand3x3"]) modules.set(`fire${fire}/${part}`, `${theirs}.${part}`);
    // torchvision has no bypass: the name is ours, as in the golden files of the reference.
    if (options.bypass === "complex" && fire % 2 === 0) modules.set(`fire${fire}/bypass`, `${theirs}.bypass`);
    if (layouts[options.layout].poolsAfter.includes(fire)) modules.set(`pool${fire}`, `features.${position++}`);
  }
  return { name: "torchvision", modules };
}

/**
 * Layers of the authors' Caffe nets (forresti/SqueezeNet). Their first kernel reads BGR: pictures for it are prepared as
 * `preprocessingPresets.caffeSqueezeNetBgr` says.
 */
function caffeNaming(options: SqueezeNetOptions): Naming {
  const modules = new Map([
    ["conv1", "conv1"],
    ["pool1", "pool1"],
    ["conv10", "conv10"],
  ]);
  for (const fire of fires) {
    modules.set(`fire${fire}/squeeze`, `fire${fire}/squeeze1x1`);
    for (const part of ["expand1x1", "expand3x3"]) modules.set(`fire${fire}/${part}`, `fire${fire}/${part}`);
    modules.set(`fire${fire}/concatenate`, `fire${fire}/concat`);
    // No Caffe net of theirs has convolutions around fires: the name is ours.
    if (options.bypass === "complex" && fire % 2 === 0) modules.set(`fire${fire}/bypass`, `fire${fire}/bypass`);
    if (layouts[options.layout].poolsAfter.includes(fire)) modules.set(`pool${fire}`, `pool${fire}`);
  }
  return { name: "caffe", modules };
}

/** With batch norms: as weiaicunzai/pytorch-cifar100 has it, each convolution and its norm a sequence of their own. */
function normedNaming(options: SqueezeNetOptions): Naming {
  const modules = new Map([["conv10", "conv10"]]);
  const add = (ours: string, theirs: string) => {
    modules.set(ours, `${theirs}.0`).set(`${ours}/norm`, `${theirs}.1`).set(`${ours}/activation`, `${theirs}.2`);
  };
  add("conv1", "stem");
  for (const fire of fires) {
    add(`fire${fire}/squeeze`, `fire${fire}.squeeze`);
    add(`fire${fire}/expand1x1`, `fire${fire}.expand_1x1`);
    add(`fire${fire}/expand3x3`, `fire${fire}.expand_3x3`);
    // There is no bypass: the name is ours.
    if (options.bypass === "complex" && fire % 2 === 0) add(`fire${fire}/bypass`, `fire${fire}.bypass`);
  }
  return { name: "pytorch", modules };
}

/** SqueezeNet, its two published layouts and their bypasses. */
export const squeezeNet: Family<SqueezeNetOptions> = {
  name: "squeezenet",
  title: "SqueezeNet",
  paper:
    "F. Iandola, S. Han, M. Moskewicz, K. Ashraf, W. Dally, K. Keutzer, SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size, 2016, arXiv:1602.07360",
  defaults: {
    ...imageNetOptions,
    resolution: 224,
    layout: "1.1",
    baseExpand: 128,
    expandIncrement: 128,
    share3x3: 0.5,
    frequency: 2,
    squeezeRatio: 0.125,
    bypass: "none",
    classifierPadding: 0,
    dropout: 0.5,
    smallStem: false,
    batchNorm: false,
  },
  optionRules: {
    ...pictureRules,
    layout: {
      kind: "choice",
      choices: ["1.0", "1.1"],
      description: "stem and pools of the authors' 1.0 or 1.1; default 1.1",
    },
    baseExpand: { kind: "integer", description: "expand filters of the first fire, the paper's base_e; default 128" },
    expandIncrement: {
      kind: "integer",
      minimum: 0,
      description: "expand filters added every `frequency` fires, the paper's incr_e; default 128",
    },
    share3x3: {
      kind: "number",
      minimum: 0,
      maximum: 1,
      description: "share of 3x3 among the expand filters, the paper's pct_3x3, 0 to 1; default 0.5",
    },
    frequency: { kind: "integer", description: "fires between two increments, the paper's freq; default 2" },
    squeezeRatio: { kind: "number", description: "squeeze over expand filters, the paper's SR; default 0.125" },
    bypass: {
      kind: "choice",
      choices: ["none", "simple", "complex"],
      description: "connections around the fires; default none",
    },
    classifierPadding: {
      kind: "integer",
      minimum: 0,
      maximum: 1,
      description: "cells around conv10: 1 for the authors' Caffe weights of 1.0; default 0",
    },
    dropout: dropoutRule,
    smallStem: smallStemRule,
    batchNorm: {
      kind: "boolean",
      description: "a batch norm after every convolution but conv10, which then has no ReLU; default false",
    },
  },
  variants,
  build: buildGraph,
  namings: (options) =>
    options.batchNorm ? [normedNaming(options)] : [torchvisionNaming(options), caffeNaming(options)],
  preprocessing: (options) =>
    preprocessingFor(
      options.resolution === 227 ? preprocessingPresets.caffeSqueezeNet : preprocessingPresets.torchvision,
      options,
    ),
};
