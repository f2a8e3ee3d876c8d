import type { GraphBuilder, PaddingOption, Value } from "../graph/builder.ts";
import { toPair } from "../graph/builder.ts";
import type { Pair } from "../graph/operations.ts";
import { type Preprocessing, withInputSize } from "../pixels/preprocessing.ts";
import { preprocessingPresets } from "../pixels/preprocessing_presets.ts";
import type { OptionRule } from "./network.ts";

/** Options that every family has: what comes in and what goes out. */
export interface PictureOptions {
  /** Rows and columns of the input, in pixels: one number for both, or `[height, width]`. */
  readonly resolution: number | Pair;
  /** Channels of the input: 3 for colour, 1 for grey. */
  readonly inputChannels: number;
  /** Length of the output. */
  readonly classes: number;
  /** Pictures at a time. */
  readonly batch: number;
}

/** How convolutions and pools of stride 2 pad: `torch` on both sides, `tf` (SAME) the odd cell after. Weights need one or the other. */
export type PaddingConvention = "torch" | "tf";

/** ImageNet's classes and channels, one picture at a time. */
export const imageNetOptions: Omit<PictureOptions, "resolution"> = { inputChannels: 3, classes: 1000, batch: 1 };

/** Rules of {@link PictureOptions}. */
export const pictureRules: { readonly [K in keyof PictureOptions]: OptionRule } = {
  resolution: { kind: "size", description: "rows and columns of the input: 224, or 192x256" },
  inputChannels: { kind: "integer", description: "channels of the input: 3 for colour, 1 for grey; default 3" },
  classes: { kind: "integer", description: "length of the output; default 1000" },
  batch: { kind: "integer", description: "pictures at a time; default 1" },
};

/** Rules that several families share. */
export const paddingRule: OptionRule = {
  kind: "choice",
  choices: ["torch", "tf"],
  description: "padding at stride 2: torch (both sides) or tf (SAME, the odd cell after); default torch",
};
export const epsilonRule: OptionRule = {
  kind: "number",
  description: "epsilon of the batch norms: 1e-5 for PyTorch's weights, 1e-3 for TensorFlow's; default 1e-5",
};
export const dropoutRule: OptionRule = {
  kind: "number",
  minimum: 0,
  maximum: 1,
  description: "rate of the dropout before the classifier, in training only",
};
export const smallStemRule: OptionRule = {
  kind: "boolean",
  description: "a stem without early halvings, for pictures of 32x32; default false",
};

/** The network's input `input` `[N, H, W, C]`. */
export function pictureInput(builder: GraphBuilder, options: PictureOptions): Value {
  const [height, width] = toPair(options.resolution);
  return builder.input("input", [options.batch, height, width, options.inputChannels]);
}

/** The convention as an option of the builder. */
export function paddingOption(convention: PaddingConvention): PaddingOption {
  return convention === "tf" ? "same" : "half";
}

/**
 * Preprocessing of the options' resolution and channels.
 *
 * @param preset of the best-known weights
 */
export function preprocessingFor(
  preset: Preprocessing,
  options: PictureOptions & { readonly smallStem?: boolean },
): Preprocessing {
  const base = options.smallStem === true ? preprocessingPresets.cifar10 : preset;
  const sized = withInputSize(base, toPair(options.resolution));
  return options.inputChannels === 1 ? { ...sized, channelOrder: "grey" } : sized;
}
