import {
  type ChannelOrder,
  OptionError,
  type PerChannel,
  type Preprocessing,
  type PreprocessingPreset,
  preprocessingPresets,
  withInputSize,
} from "@depthwise/core";
import { suggestion } from "@depthwise/core/networks";

/** What `classify` may be told of the pictures' way into the network; what is not said stays the model's own. */
export interface PreprocessingOptions {
  /** Name of a preset; its input size gives way to the network's. */
  readonly preprocessing?: string;
  /** `256`, or `none`. */
  readonly resize?: string;
  /** `224`, or `192x256`. */
  readonly crop?: string;
  readonly scale?: string;
  /** `0.485,0.456,0.406`, or one number for all. */
  readonly mean?: string;
  readonly std?: string;
  readonly channelOrder?: string;
}

/** @throws {OptionError} for a preset that there is not, or a value that is none; fields are checked when they are used */
export function overridePreprocessing(base: Preprocessing, options: PreprocessingOptions): Preprocessing {
  const start =
    options.preprocessing === undefined ? base : withInputSize(presetNamed(options.preprocessing), base.size);
  const { cropFraction: _, ...withoutFraction } = start;
  return {
    ...(options.crop === undefined ? start : { ...withoutFraction, crop: sidesOf("--crop", options.crop) }),
    ...(options.resize === undefined
      ? {}
      : { resizeShortSide: options.resize === "none" ? null : numberOf("--resize", options.resize) }),
    ...(options.scale === undefined ? {} : { scale: fractionOf("--scale", options.scale) }),
    ...(options.mean === undefined ? {} : { mean: channelsOf("--mean", options.mean) }),
    ...(options.std === undefined ? {} : { std: channelsOf("--std", options.std) }),
    ...(options.channelOrder === undefined ? {} : { channelOrder: options.channelOrder as ChannelOrder }),
  };
}

function presetNamed(name: string): Preprocessing {
  if (Object.hasOwn(preprocessingPresets, name)) return preprocessingPresets[name as PreprocessingPreset];
  const names = Object.keys(preprocessingPresets);
  throw new OptionError(`--preprocessing: there is no preset "${name}".`, {
    hint: suggestion(name, names) ?? `Presets: ${names.join(", ")}.`,
  });
}

function numberOf(flag: string, text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value))
    throw new OptionError(`${flag}: expected a number, received "${text}".`);
  return value;
}

/** A number, or a fraction such as `1/255`. */
function fractionOf(flag: string, text: string): number {
  const [numerator = "", denominator] = text.split("/");
  return numberOf(flag, numerator) / (denominator === undefined ? 1 : numberOf(flag, denominator));
}

function channelsOf(flag: string, text: string): PerChannel {
  const values = text.split(",").map((part) => numberOf(flag, part));
  const [red, green = red, blue = red] = values;
  if (red === undefined || green === undefined || blue === undefined || values.length === 2 || values.length > 3) {
    throw new OptionError(`${flag}: expected one number or three (red, green, blue), received "${text}".`);
  }
  return [red, green, blue];
}

function sidesOf(flag: string, text: string): readonly [height: number, width: number] {
  const sides = text.split("x").map((part) => numberOf(flag, part));
  const [height, width = height] = sides;
  if (height === undefined || width === undefined || sides.length > 2) {
    throw new OptionError(`${flag}: expected one side or HEIGHTxWIDTH, received "${text}".`);
  }
  return [height, width];
}
