/**
 * ShuffleNet V2: four guidelines, and the network that follows them.
 * N. Ma, X. Zhang, H.-T. Zheng, J. Sun, ECCV 2018, arXiv:1807.11164. Table 5 is the network, figure 3(c, d) the units; the appendix has
 * the large networks.
 *
 * Deviations
 * - Three wirings, not interchangeable. `paper`: figure 3, which torchvision builds; the split is at the start of a unit, the shuffle at
 *   its end. `megvii`: the authors' code (megvii-model/ShuffleNet-Series, ShuffleNetV2), which splits even and odd channels instead,
 *   never shuffles, gives the shortcut of a downsampling unit as many channels as it has inputs, and has no bias in the classifier. The
 *   published MACs are those of this code. `megvii_large`: the authors' ShuffleNetV2.Large, which also differs from the appendix.
 * - Table 5 has four widths. For others stage 2 has 116 times the width, to the nearest even number: our rule, not the paper's.
 * - ShuffleNetV2-50 and SE-ShuffleNetV2-164 are rows of a table in the appendix; details of their units are our reconstruction.
 * - Squeeze-and-excitation: its ratio is not given. As many hidden channels as the branch has, as in the authors' large network.
 * - ShuffleNetV2.Large subtracts a mean picture; our preprocessing subtracts its mean colour.
 * - For pictures of 32x32 the stem has stride 1 and there is no max pool, the usual adaptation (kuangliu/pytorch-cifar).
 */

import { OptionError } from "../errors.ts";
import { type GraphBuilder, graphBuilder, type Value } from "../graph/builder.ts";
import type { Graph } from "../graph/graph.ts";
import type { Preprocessing } from "../pixels/preprocessing.ts";
import { preprocessingPresets } from "../pixels/preprocessing_presets.ts";
import { checkGroups, checkLength, checkResolution } from "./check_architecture.ts";
import { type InitializerRule, megviiNormal, normal, torchDefault } from "./initializers.ts";
import { channelsOf, classifierHead, type LayerOptions, normedConvolution } from "./layers.ts";
import type { Family, Naming, PublishedFigures, Variant } from "./network.ts";
import {
  dropoutRule,
  imageNetOptions,
  type PictureOptions,
  pictureInput,
  pictureRules,
  preprocessingFor,
  smallStemRule,
} from "./picture_options.ts";
import { accuracyFromError, widthInName } from "./published.ts";
import { entryLayers, wiringNames } from "./shufflenet_v2_names.ts";
import { squeezeExcite } from "./squeeze_excite.ts";

/** Table 5. c: output channels of stage 2, stages 3 and 4 have twice and four times as many; last: channels of conv5. */
const table5: readonly (readonly [width: number, c: number, last: number])[] = [
  [0.5, 48, 1024],
  [1, 116, 1024],
  [1.5, 176, 1024],
  [2, 244, 2048],
];
/** Table 5: units of stages 2, 3 and 4, the first of each with stride 2. */
const table5Repeats: readonly number[] = [4, 8, 4];
/** Groups of the 3x3 convolutions in ShuffleNetV2.Large. */
const largeGroups = 8;

/** Which code's units: see the deviations. Weights need their own. */
export type ShuffleNetV2Wiring = "paper" | "megvii" | "megvii_large";

/** Options of ShuffleNet V2. */
export interface ShuffleNetV2Options extends PictureOptions {
  /** The multiplier of table 5. */
  readonly width: number;
  readonly wiring: ShuffleNetV2Wiring;
  /** Units of each stage, from stage 2 on. */
  readonly repeats: readonly number[];
  /** Stride of stage 2; the later stages have 2. */
  readonly firstStride: number;
  /** Channels of the stem's convolutions. The first has stride 2. */
  readonly stemChannels: readonly number[];
  /** Squeeze-and-excitation in every branch. */
  readonly squeezeExcite: boolean;
  /** An identity around the branch of units that do not downsample (appendix, figure of the large networks). */
  readonly residual: boolean;
  /** Before the classifier, in training. */
  readonly dropout: number;
  /** Without the first two halvings, for pictures of 32x32. */
  readonly smallStem: boolean;
  /** Output channels of each stage, instead of table 5. */
  readonly channels?: readonly number[];
  /** Channels of conv5, instead of table 5. */
  readonly finalChannels?: number;
}

/** What a unit needs beside the options. */
interface UnitShape {
  readonly channels: number;
  readonly stride: number;
  /** The first of a stage: both branches see all channels (figure 3d). */
  readonly isFirst: boolean;
}

type Unit = (builder: GraphBuilder, x: Value, unit: UnitShape, options: ShuffleNetV2Options) => Value;

/** What one wiring has that the others have not. */
interface WiringRules {
  readonly unit: Unit;
  readonly epsilon: number;
  readonly initializer: InitializerRule;
  readonly stemInitializer: InitializerRule;
  readonly classifierInitializer: InitializerRule;
  readonly classifierBias: boolean;
  readonly finalKernel: number;
  /** Whether units have squeeze-and-excitation and residuals. */
  readonly extras: "optional" | "never" | "always";
}

const wirings: { readonly [K in ShuffleNetV2Wiring]: WiringRules } = {
  paper: {
    unit: paperUnit,
    epsilon: 1e-5,
    initializer: torchDefault,
    stemInitializer: torchDefault,
    classifierInitializer: torchDefault,
    classifierBias: true,
    finalKernel: 1,
    extras: "optional",
  },
  megvii: {
    unit: megviiUnit,
    epsilon: 1e-5,
    initializer: megviiNormal,
    stemInitializer: normal(0.01),
    classifierInitializer: normal(0.01),
    classifierBias: false,
    finalKernel: 1,
    extras: "never",
  },
  megvii_large: {
    unit: largeUnit,
    epsilon: 1e-9,
    initializer: megviiNormal,
    stemInitializer: normal(0.01),
    classifierInitializer: normal(0.01),
    classifierBias: true,
    finalKernel: 3,
    extras: "always",
  },
};

/**
 * Figure 3(c) and (d). First of a stage: two branches of half the outputs each, one of them depthwise and pointwise alone. Otherwise: the
 * first half of the channels passes, the second goes through the branch. Then both are concatenated and shuffled.
 *
 * @param x `[N, H, W, C']`
 * @returns `[N, ceil(H/stride), ceil(W/stride), channels]`
 */
function paperUnit(builder: GraphBuilder, x: Value, unit: UnitShape, options: ShuffleNetV2Options): Value {
  const { channels, stride, isFirst } = unit;
  const half = channels / 2;
  const layer = layerOf(builder, options);
  let passed: Value;
  if (isFirst) {
    passed = layer("branch1/depthwise", x, { channels: channelsOf(x), kernel: 3, stride, groups: channelsOf(x) });
    passed = layer("branch1/pointwise", passed, { channels: half, activation: "relu" });
  } else {
    passed = builder.slice("passed", x, 0, half);
  }
  const input = isFirst ? x : builder.slice("branch", x, half, half);
  const isResidual = options.residual && !isFirst;
  let y = layer("branch2/reduce", input, { channels: half, activation: "relu" });
  y = layer("branch2/depthwise", y, { channels: half, kernel: 3, stride, groups: half });
  y = layer("branch2/expand", y, { channels: half, activation: isResidual ? "none" : "relu" });
  if (options.squeezeExcite) y = squeezeExcite(builder, y, half);
  if (isResidual) y = builder.activation("activation", builder.add("add", input, y), "relu");
  return builder.permute("shuffle", builder.concatenate("concatenate", [passed, y]), { kind: "shuffle", groups: 2 });
}

/** The authors' code: even channels pass, odd ones go through the branch; no shuffle. A downsampling shortcut keeps its channels. */
function megviiUnit(builder: GraphBuilder, x: Value, unit: UnitShape, options: ShuffleNetV2Options): Value {
  const { channels, stride, isFirst } = unit;
  const half = channels / 2;
  const layer = layerOf(builder, options);
  let [passed, odd] = isFirst ? [x, x] : splitByParity(builder, x);
  if (isFirst) {
    const inputs = channelsOf(x);
    passed = layer("shortcut/depthwise", x, { channels: inputs, kernel: 3, stride, groups: inputs });
    passed = layer("shortcut/pointwise", passed, { channels: inputs, activation: "relu" });
  }
  let y = layer("branch/reduce", odd, { channels: half, activation: "relu" });
  y = layer("branch/depthwise", y, { channels: half, kernel: 3, stride, groups: half });
  y = layer("branch/expand", y, { channels: channels - channelsOf(passed), activation: "relu" });
  return builder.concatenate("concatenate", [passed, y]);
}

/**
 * ShuffleNetV2.Large: split by parity always; 1x1, 3x3 in 8 groups, 1x1, squeeze-and-excitation. The first unit of a stage projects the
 * even half by a dense 3x3, the others add the odd half to the branch. One ReLU over both; downsampling units mix them by a dense 1x1.
 */
function largeUnit(builder: GraphBuilder, x: Value, unit: UnitShape, options: ShuffleNetV2Options): Value {
  const { channels, stride, isFirst } = unit;
  const half = channels / 2;
  const layer = layerOf(builder, options);
  const [even, odd] = splitByParity(builder, x);
  let y = layer("branch/reduce", odd, { channels: half, activation: "relu" });
  y = layer("branch/spatial", y, { channels: half, kernel: 3, stride, groups: largeGroups, activation: "relu" });
  y = layer("branch/expand", y, { channels: half });
  y = squeezeExcite(builder, y, half);
  const passed = isFirst ? layer("project", even, { channels: half, kernel: 3, stride }) : even;
  if (!isFirst) y = builder.add("add", odd, y);
  y = builder.activation("activation", builder.concatenate("concatenate", [passed, y]), "relu");
  return stride === 1 ? y : layer("mix", y, { channels, activation: "relu" });
}

/** Even channels, odd channels. */
function splitByParity(builder: GraphBuilder, x: Value): readonly [even: Value, odd: Value] {
  const half = channelsOf(x) / 2;
  const sorted = builder.permute("parity", x, { kind: "shuffle", groups: half });
  return [builder.slice("even", sorted, 0, half), builder.slice("odd", sorted, half, half)];
}

function layerOf(
  builder: GraphBuilder,
  options: ShuffleNetV2Options,
): (name: string, x: Value, layer: LayerOptions) => Value {
  const { epsilon, initializer } = wirings[options.wiring];
  return (name, x, layer) => normedConvolution(builder, name, x, { epsilon, initializer, ...layer });
}

function buildGraph(options: ShuffleNetV2Options, name: string): Graph {
  const stages = stageChannels(options);
  checkArchitecture(options, stages);
  const { classes, dropout, smallStem, stemChannels } = options;
  const { unit: buildUnit, stemInitializer, finalKernel, ...rules } = wirings[options.wiring];
  const builder = graphBuilder(name);
  const layer = layerOf(builder, options);
  let x = pictureInput(builder, options);
  for (const [index, channels] of stemChannels.entries()) {
    const stride = index === 0 && !smallStem ? 2 : 1;
    x = layer(stemPath(index), x, { channels, kernel: 3, stride, activation: "relu", initializer: stemInitializer });
  }
  if (!smallStem) x = builder.maxPool("stem/pool", x, { kernel: 3, stride: 2, padding: 1 });
  for (const { path, unit } of unitsOf(options, stages)) {
    x = builder.scope(path, () => buildUnit(builder, x, unit, options));
  }
  x = layer("final", x, { channels: finalChannels(options), kernel: finalKernel, activation: "relu" });
  const head = { classes, dropout, bias: rules.classifierBias, initializer: rules.classifierInitializer };
  return builder.build({ output: classifierHead(builder, x, head) });
}

/** `stem`, `stem2`, `stem3`. */
function stemPath(index: number): string {
  return index === 0 ? "stem" : `stem${index + 1}`;
}

/** Path and shape of every unit, in order. */
function unitsOf(
  options: ShuffleNetV2Options,
  stages: readonly number[],
): readonly { readonly path: string; readonly stage: number; readonly position: number; readonly unit: UnitShape }[] {
  return stages.flatMap((channels, stage) =>
    Array.from({ length: options.repeats[stage] ?? 0 }, (_, position) => {
      const isFirst = position === 0;
      const stride = isFirst ? (stage === 0 ? options.firstStride : 2) : 1;
      return { path: `stage${stage + 2}/unit${position + 1}`, stage, position, unit: { channels, stride, isFirst } };
    }),
  );
}

/** Output channels of each stage: table 5, or our rule for widths that it does not have. */
function stageChannels({ channels, width, repeats }: ShuffleNetV2Options): readonly number[] {
  if (channels !== undefined) return channels;
  const atWidth1 = table5.find(([tableWidth]) => tableWidth === 1)?.[1] ?? 0;
  const first =
    table5.find(([tableWidth]) => tableWidth === width)?.[1] ?? 2 * Math.max(1, Math.round((atWidth1 * width) / 2));
  return repeats.map((_, stage) => first * 2 ** stage);
}

function finalChannels({ finalChannels, width }: ShuffleNetV2Options): number {
  return finalChannels ?? table5.findLast(([tableWidth]) => tableWidth <= width)?.[2] ?? 1024;
}

function checkArchitecture(options: ShuffleNetV2Options, stages: readonly number[]): void {
  const { wiring, repeats, stemChannels } = options;
  checkLength("shufflenet_v2", "repeats", repeats, stages.length, `channels has ${stages.length} stages`);
  checkExtras(options);
  let inputs = stemChannels.at(-1);
  if (inputs === undefined)
    throw new OptionError("shufflenet_v2: stemChannels is empty. Give the channels of at least one convolution.");
  for (const { path, unit } of unitsOf(options, stages)) {
    const where = `shufflenet_v2 ${path}`;
    const { channels } = unit;
    checkGroups(where, 2, channels, `the ${channels} channels (its two branches)`);
    if (wiring === "megvii" && unit.isFirst && channels <= inputs) {
      throw new OptionError(
        `${where}: the shortcut keeps its ${inputs} channels; ${channels} - ${inputs} = ${channels - inputs} are left for the branch.`,
      );
    }
    if (wiring === "megvii_large") {
      checkGroups(where, 2, inputs, `the ${inputs} input channels (even and odd)`);
      checkGroups(where, largeGroups, channels / 2, `the ${channels} / 2 = ${channels / 2} channels of the branch`);
    }
    inputs = channels;
  }
  const stem = options.smallStem ? [] : [2, 2];
  checkResolution("shufflenet_v2", options.resolution, [
    ...stem,
    ...stages.map((_, stage) => (stage === 0 ? options.firstStride : 2)),
  ]);
}

function checkExtras({ wiring, squeezeExcite, residual }: ShuffleNetV2Options): void {
  const { extras } = wirings[wiring];
  if (extras === "optional" || (squeezeExcite === (extras === "always") && residual === (extras === "always"))) return;
  throw new OptionError(
    `shufflenet_v2: the ${wiring} wiring ${extras} has squeezeExcite and residual; received ${squeezeExcite} and ${residual}. Set both to ${extras === "always"}, or use the paper's wiring.`,
  );
}

const rounded = "MACs published in whole millions, parameters in tenths of a million";
const authorsUnit =
  "the published MACs are those of the authors' code (the megvii variants), whose first unit of stage 2 is wider";

/** Table 8 and the authors' repository: parameters and MACs in millions, top-1 errors in percent. */
const table8: readonly (readonly [
  width: number,
  parameters: number,
  macs: number,
  error: number,
  megviiError: number,
])[] = [
  [0.5, 1.4, 41, 39.7, 38.9],
  [1, 2.3, 146, 30.6, 30.6],
  [1.5, 3.5, 299, 27.4, 27.4],
  [2, 7.4, 591, 25.1, 25.0],
];

function publishedAt(
  parameters: number,
  macs: number,
  error: number,
  source: string,
  difference: string,
): PublishedFigures {
  return { parameters: parameters * 1e6, macs: macs * 1e6, top1: accuracyFromError(error), source, difference };
}

const variants: readonly Variant<Partial<ShuffleNetV2Options>>[] = [
  ...table8.map(([width, parameters, macs, error]) => ({
    name: `shufflenet_v2_${widthInName(width)}`,
    options: { width },
    published: publishedAt(parameters, macs, error, "arXiv:1807.11164, table 8", width === 0.5 ? rounded : authorsUnit),
  })),
  ...table8.map(
    ([width, parameters, macs, , error]): Variant<Partial<ShuffleNetV2Options>> => ({
      name: `shufflenet_v2_${widthInName(width)}_megvii`,
      options: { width, wiring: "megvii", dropout: width === 2 ? 0.2 : 0 },
      published: publishedAt(parameters, macs, error, "megvii-model/ShuffleNet-Series, ShuffleNetV2", rounded),
    }),
  ),
  {
    name: "shufflenet_v2_2.0_se",
    options: { width: 2, squeezeExcite: true },
    published: {
      macs: 597e6,
      top1: accuracyFromError(24.6),
      source: "arXiv:1807.11164, table 8",
      difference:
        "the paper's squeeze ratio is not given: 6 million MACs published for it, 3 million computed; and the authors' wider unit",
    },
    reconstructed: "place and ratio of the squeeze-and-excitation are not given",
  },
  {
    name: "shufflenet_v2_50",
    options: {
      channels: [244, 488, 976, 1952],
      repeats: [3, 4, 6, 3],
      stemChannels: [64],
      firstStride: 1,
      finalChannels: 2048,
    },
    published: {
      macs: 2.3e9,
      top1: accuracyFromError(22.8),
      source: "arXiv:1807.11164, appendix",
      difference: "published in tenths of a billion",
    },
    reconstructed:
      "the appendix gives widths and repeats; the first stage's units with two branches at stride 1 are our choice",
  },
  {
    name: "shufflenet_v2_164_se",
    options: {
      channels: [340, 680, 1360, 2720],
      repeats: [10, 10, 23, 10],
      stemChannels: [64, 64, 128],
      firstStride: 1,
      finalChannels: 2048,
      squeezeExcite: true,
      residual: true,
    },
    published: {
      macs: 12.7e9,
      top1: accuracyFromError(18.56),
      source: "arXiv:1807.11164, appendix",
      difference: "12.7 billion published, 12.60 computed: details of the units are not given",
    },
    reconstructed:
      "the appendix gives widths and repeats; squeeze ratio, and where the residual is added, are our choice",
  },
  {
    name: "shufflenet_v2_large_megvii",
    options: {
      wiring: "megvii_large",
      channels: [256, 512, 1024, 2048],
      repeats: [10, 10, 23, 10],
      stemChannels: [64, 64, 128],
      firstStride: 1,
      finalChannels: 1280,
      squeezeExcite: true,
      residual: true,
      dropout: 0.2,
    },
    published: {
      parameters: 140.7e6,
      macs: 12.7e9,
      top1: accuracyFromError(18.56),
      source: "megvii-model/ShuffleNet-Series, ShuffleNetV2.Large",
      difference: "the published parameters count three heads that only training has (140,685,664 with them)",
    },
  },
  {
    name: "shufflenet_v2_cifar",
    options: {
      channels: [58, 116, 234],
      finalChannels: 264,
      squeezeExcite: true,
      residual: true,
      resolution: 32,
      classes: 10,
      smallStem: true,
    },
    published: {
      source:
        "usual adaptation to 32x32: stem at stride 1, no max pool (kuangliu/pytorch-cifar); squeeze-and-excitation and residuals as the paper's largest network has them, channels our choice; no published figures",
    },
    reconstructed: "place and ratio of the squeeze-and-excitation are not given",
  },
];

/** torchvision's module paths for the paper's wiring, the authors' for theirs: no table fits the weights of another wiring. */
function naming(options: ShuffleNetV2Options): Naming {
  const theirs = wiringNames[options.wiring];
  const modules = new Map<string, string>([["classifier", theirs.classifier]]);
  const linear = new Set<string>();
  const setLayer = (ours: string, convolution: string, norm: string): void => {
    modules.set(ours, convolution);
    modules.set(`${ours}/norm`, norm);
  };
  for (const index of options.stemChannels.keys()) {
    const [convolution, norm, module] = theirs.stem(index);
    setLayer(stemPath(index), convolution, norm);
    modules.set(`${stemPath(index)}/activation`, module);
  }
  if (!options.smallStem) modules.set("stem/pool", "maxpool");
  for (const [index, { path, stage, position, unit }] of unitsOf(options, stageChannels(options)).entries()) {
    const module = theirs.unit(stage, position, index);
    for (const [ours, convolution, norm] of theirs.layers) {
      const isThere = ours === "mix" ? unit.stride > 1 : unit.isFirst || !entryLayers.has(ours);
      if (isThere) setLayer(`${path}/${ours}`, `${module}.${convolution}`, `${module}.${norm}`);
    }
    if (options.squeezeExcite) {
      modules.set(`${path}/squeeze_excite/reduce`, `${module}.${theirs.squeezeExcite[0]}`);
      modules.set(`${path}/squeeze_excite/expand`, `${module}.${theirs.squeezeExcite[1]}`);
      for (const part of ["reduce", "expand"]) linear.add(`${path}/squeeze_excite/${part}`);
    }
    modules.set(path, module);
    if (theirs.stage !== undefined) modules.set(`stage${stage + 2}`, theirs.stage(stage));
  }
  setLayer("final", theirs.final[0], theirs.final[1]);
  modules.set("final/activation", theirs.final[2]);
  return { name: theirs.name, modules, linear };
}

/** How the wiring's weights want their pictures. torchvision trained the two larger networks by its newer recipe. */
function presetOf({ wiring, width }: ShuffleNetV2Options): Preprocessing {
  const { torchvision, torchvision232, megvii } = preprocessingPresets;
  if (wiring === "megvii") return megvii;
  // The mean colour of ImageNet, in place of the authors' mean picture.
  if (wiring === "megvii_large") return { ...megvii, mean: [123, 117, 104] };
  return width >= 1.5 ? torchvision232 : torchvision;
}

/** ShuffleNet V2: table 5 in the paper's and in the authors' wiring, and the large networks. */
export const shuffleNetV2: Family<ShuffleNetV2Options> = {
  name: "shufflenet_v2",
  title: "ShuffleNet V2",
  paper:
    "N. Ma, X. Zhang, H.-T. Zheng, J. Sun, ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design, ECCV 2018, arXiv:1807.11164",
  defaults: {
    ...imageNetOptions,
    resolution: 224,
    width: 1,
    wiring: "paper",
    repeats: table5Repeats,
    firstStride: 2,
    stemChannels: [24],
    squeezeExcite: false,
    residual: false,
    dropout: 0,
    smallStem: false,
  },
  optionRules: {
    ...pictureRules,
    width: { kind: "number", description: "multiplier of table 5; published: 0.5, 1, 1.5, 2; default 1" },
    wiring: {
      kind: "choice",
      choices: ["paper", "megvii", "megvii_large"],
      description:
        "whose units: the paper's (torchvision's weights), or the authors' code, for their weights; default paper",
    },
    repeats: { kind: "integers", description: "units of each stage; default 4,8,4" },
    firstStride: { kind: "integer", maximum: 2, description: "stride of stage 2; default 2" },
    stemChannels: { kind: "integers", description: "channels of the stem's convolutions; default 24" },
    squeezeExcite: { kind: "boolean", description: "squeeze-and-excitation in every branch; default false" },
    residual: {
      kind: "boolean",
      description: "an identity around the branch of units that keep their size; default false",
    },
    dropout: dropoutRule,
    smallStem: smallStemRule,
    channels: { kind: "integers", description: "output channels of each stage; default: table 5 of the paper" },
    finalChannels: {
      kind: "integer",
      description: "channels of the last convolution; default 1024, or 2048 from width 2 on",
    },
  },
  variants,
  build: buildGraph,
  namings: (options) => [naming(options)],
  preprocessing: (options) => preprocessingFor(presetOf(options), options),
};
