import { OptionError, ShapeError } from "../errors.ts";
import { toPair } from "../graph/builder.ts";
import type { Graph } from "../graph/graph.ts";
import type { Pair } from "../graph/operations.ts";
import { checkOptions } from "./check_options.ts";
import { families } from "./families.ts";
import { suggestion } from "./nearest_name.ts";
import type { Family, FamilyName, Network, PublishedFigures, Variant } from "./network.ts";
import type { PictureOptions } from "./picture_options.ts";

/** Any family, its options known by name only. */
export type AnyFamily = Family<PictureOptions>;

/** A published network, as {@link listVariants} gives it. */
export interface ListedVariant {
  /** What {@link build} takes. */
  readonly name: string;
  readonly family: FamilyName;
  /** What differs from the family's defaults. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly published: PublishedFigures;
  /** Why this is our reconstruction, where it is. */
  readonly reconstructed?: string;
}

/**
 * Builds a network by name.
 *
 * @param name of a variant (`mobilenet_v2_0.5_160`) or of a family (`mobilenet_v2`, with its default options)
 * @param options override the variant's or the family's; `familyOf(name).optionRules` says which there are
 * @throws {OptionError} for a name or an option that is not known (with the nearest one that is), a value out of its range, or options
 *   that make no network (with the arithmetic)
 * @example
 * ```ts
 * build("mobilenet_v2_0.5_160").graph;
 * build("mobilenet_v2", { width: 0.5, resolution: 160, classes: 10 }).classes; // 10
 * ```
 */
export function build(name: string, options: Readonly<Record<string, unknown>> = {}): Network {
  const { family, variant } = resolve(name);
  checkOptions(name, family.optionRules, options);
  const complete = { ...family.defaults, ...variant?.options, ...options } as PictureOptions;
  return {
    name,
    family: family.name,
    options: { ...complete },
    graph: buildGraph(family, complete, name),
    classes: complete.classes,
    preprocessing: family.preprocessing(complete),
    namings: family.namings(complete),
  };
}

/**
 * The family of a variant's or a family's name.
 *
 * @throws {OptionError} for an unknown name, with the nearest one
 */
export function familyOf(name: string): AnyFamily {
  return resolve(name).family;
}

/** Every variant that {@link build} knows, of one family or of all, in the order of the papers' tables. */
export function listVariants(family?: FamilyName): readonly ListedVariant[] {
  const chosen = family === undefined ? allFamilies() : [familyOf(family)];
  return chosen.flatMap((each) => each.variants.map((variant) => ({ family: each.name, ...variant })));
}

function allFamilies(): readonly AnyFamily[] {
  // A family takes its own options only; `checkOptions` sees to that before any is built.
  return Object.values(families) as unknown as readonly AnyFamily[];
}

function resolve(name: string): {
  readonly family: AnyFamily;
  readonly variant: Variant<Partial<PictureOptions>> | undefined;
} {
  for (const family of allFamilies()) {
    const variant = family.variants.find((each) => each.name === name);
    if (variant !== undefined || family.name === name) return { family, variant };
  }
  const names = allFamilies().flatMap((family) => [family.name, ...family.variants.map((variant) => variant.name)]);
  throw new OptionError(`There is no network "${name}".`, {
    hint: suggestion(name, names) ?? `Families: ${Object.keys(families).join(", ")}.`,
  });
}

/** The family's graph; shapes that do not fit are the options' fault, and are reported so. */
function buildGraph(family: AnyFamily, options: PictureOptions, name: string): Graph {
  try {
    return family.build(options, name);
  } catch (error) {
    if (!(error instanceof ShapeError)) throw error;
    const smallest = smallestInput(family, options);
    if (smallest === undefined)
      throw new OptionError(`${name}: these options make no network. ${error.message}`, { cause: error });
    const [height, width] = toPair(options.resolution);
    throw new OptionError(
      `${name}: an input of ${height}x${width} is too small, the smallest is ${smallest.join("x")}. ${error.message}`,
      { cause: error },
    );
  }
}

/** A larger input that the network takes while one pixel less does not fit, or undefined if size is not what is wrong. */
function smallestInput(family: AnyFamily, options: PictureOptions): Pair | undefined {
  const [height, width] = toPair(options.resolution);
  const fits = (resolution: Pair): boolean => {
    try {
      family.build({ ...options, resolution }, family.name);
      return true;
    } catch (error) {
      if (error instanceof ShapeError || error instanceof OptionError) return false;
      throw error;
    }
  };
  // Every network here takes 1024x1024 if it takes anything.
  const large = 1024;
  if (!fits([Math.max(height, large), Math.max(width, large)])) return undefined;
  const smallestAlong = (size: number, at: (size: number) => Pair): number => {
    let tooSmall = size - 1;
    let enough = Math.max(size, large);
    while (enough - tooSmall > 1) {
      const middle = Math.floor((tooSmall + enough) / 2);
      if (fits(at(middle))) enough = middle;
      else tooSmall = middle;
    }
    return enough;
  };
  const rows = smallestAlong(height, (size) => [size, Math.max(width, large)]);
  return [rows, smallestAlong(width, (size) => [rows, size])];
}
