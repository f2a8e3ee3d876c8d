import { FormatError, OptionError } from "../errors.ts";
import { type ResizeFilter, resizeFilters } from "./resample_taps.ts";

/** Which numbers a network takes for a pixel, and in which order. */
export type ChannelOrder = "rgb" | "bgr" | "grey";

/** One number for each of red, green and blue, in this order whatever the {@link Preprocessing.channelOrder}. */
export type PerChannel = readonly [red: number, green: number, blue: number];

/**
 * How a picture becomes a network's input. In this order:
 *
 * 1. if `resizeShortSide` is a number, resize until the short side has so many pixels;
 * 2. cut `crop` (or the share `cropFraction`) out of the middle;
 * 3. if that is not `size`, resize it to `size`, which may change its proportions;
 * 4. `(value * scale - mean) / std` for every value, in `channelOrder`.
 *
 * Models carry it in their metadata as JSON: see {@link formatPreprocessing}, {@link parsePreprocessing}.
 */
export interface Preprocessing {
  /** Rows and columns of the network's input. */
  readonly size: readonly [height: number, width: number];
  /** Short side before the crop, in pixels; `null` leaves the picture as it is. */
  readonly resizeShortSide: number | null;
  /** Centre crop in pixels. Default: `size`. What a smaller picture lacks is black. */
  readonly crop?: readonly [height: number, width: number];
  /** Centre crop as a share of each side, over 0 and at most 1, instead of `crop`; 1 takes the whole picture. */
  readonly cropFraction?: number;
  /** For both resizes; antialiased. */
  readonly filter: ResizeFilter;
  /** First factor of every value; 1/255 brings bytes to 0..1. */
  readonly scale: number;
  /** Subtracted from the scaled value. */
  readonly mean: PerChannel;
  /** Divides what is left; none may be 0. */
  readonly std: PerChannel;
  /** `grey` is `0.299 R + 0.587 G + 0.114 B`, rounded to a byte: one channel, with the first of `mean` and `std`. */
  readonly channelOrder: ChannelOrder;
}

const channelOrders: readonly ChannelOrder[] = ["rgb", "bgr", "grey"];

/**
 * The same picture area for a network of another resolution: what would have been the input is resized to `size`.
 * So MobileNets at 128 get the 224 crop of the short side 256, made smaller.
 *
 * @param size rows and columns of the other input, or one number for both
 */
export function withInputSize(
  preprocessing: Preprocessing,
  size: number | readonly [height: number, width: number],
): Preprocessing {
  const newSize = typeof size === "number" ? ([size, size] as const) : size;
  if (newSize[0] === preprocessing.size[0] && newSize[1] === preprocessing.size[1]) return preprocessing;
  if (preprocessing.cropFraction !== undefined) return { ...preprocessing, size: newSize };
  return { ...preprocessing, size: newSize, crop: preprocessing.crop ?? preprocessing.size };
}

/**
 * JSON of a preprocessing, for a model file's metadata. {@link parsePreprocessing} reads it back to the same numbers.
 */
export function formatPreprocessing(preprocessing: Preprocessing): string {
  return JSON.stringify(checkPreprocessing(preprocessing));
}

/**
 * Reads what {@link formatPreprocessing} wrote. Nothing is guessed: every field must be there and no other.
 *
 * @throws {FormatError} naming the field, what it must be and what it is
 */
export function parsePreprocessing(json: string): Preprocessing {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw new FormatError("preprocessing: expected JSON.", { cause });
  }
  return checkFields(value, (message) => new FormatError(message));
}

/**
 * Checks a preprocessing that a caller made.
 *
 * @returns it, without fields that are `undefined`
 * @throws {OptionError} naming the field, what it must be and what it is
 */
export function checkPreprocessing(preprocessing: Preprocessing): Preprocessing {
  return checkFields(preprocessing, (message) => new OptionError(message));
}

interface FieldRule {
  readonly expected: string;
  readonly accepts: (value: unknown) => boolean;
  readonly isOptional?: boolean;
}

// 65536: no network's input comes near it, and a hostile file must not ask for terabytes.
const mostSide = 65536;
const sides: FieldRule = {
  expected: `[height, width] in whole pixels from 1 to ${mostSide}`,
  accepts: (value) => isTuple(value, 2, isSide),
};

const fieldRules: { readonly [field in keyof Preprocessing]-?: FieldRule } = {
  size: sides,
  resizeShortSide: {
    expected: `null or whole pixels from 1 to ${mostSide}`,
    accepts: (value) => value === null || isSide(value),
  },
  crop: { ...sides, isOptional: true },
  cropFraction: {
    expected: "a number over 0 and at most 1",
    accepts: (value) => isFiniteNumber(value) && value > 0 && value <= 1,
    isOptional: true,
  },
  filter: oneOf(resizeFilters),
  scale: { expected: "a number other than 0", accepts: isDivisor },
  mean: { expected: "three numbers [red, green, blue]", accepts: (value) => isTuple(value, 3, isFiniteNumber) },
  std: { expected: "three numbers [red, green, blue] other than 0", accepts: (value) => isTuple(value, 3, isDivisor) },
  channelOrder: oneOf(channelOrders),
};

function checkFields(value: unknown, newError: (message: string) => Error): Preprocessing {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw newError(`preprocessing: expected an object but received ${show(value)}.`);
  }
  const given = new Map(Object.entries(value).filter(([, field]) => field !== undefined));
  for (const name of given.keys()) {
    if (!Object.hasOwn(fieldRules, name)) {
      throw newError(
        `preprocessing: unknown field ${show(name)}. The fields are ${Object.keys(fieldRules).join(", ")}.`,
      );
    }
  }
  for (const [name, rule] of Object.entries(fieldRules)) {
    if (!given.has(name) && rule.isOptional) continue;
    if (!rule.accepts(given.get(name))) {
      throw newError(`preprocessing, field ${name}: expected ${rule.expected} but received ${show(given.get(name))}.`);
    }
  }
  if (given.has("crop") && given.has("cropFraction")) {
    throw newError("preprocessing: expected either crop or cropFraction but received both.");
  }
  return Object.fromEntries(given) as unknown as Preprocessing; // every field was checked above
}

function oneOf(names: readonly string[]): FieldRule {
  return { expected: names.map(show).join(" or "), accepts: (value) => names.includes(value as string) };
}

function isTuple(value: unknown, length: number, accepts: (item: unknown) => boolean): boolean {
  return Array.isArray(value) && value.length === length && value.every(accepts);
}

function isFiniteNumber(value: unknown): value is number {
  return Number.isFinite(value);
}

function isDivisor(value: unknown): boolean {
  return isFiniteNumber(value) && value !== 0;
}

function isSide(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= mostSide;
}

/** A value for a message; long ones cut. */
function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
