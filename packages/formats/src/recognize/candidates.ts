import { build, type Network, OptionError } from "@depthwise/core";
import { type FamilyName, familyOf, type ListedVariant, listVariants } from "@depthwise/core/networks";

/** Published networks that differ in more than what comes in: one of them, and the variants that it stands for. */
export interface Architecture {
  readonly family: FamilyName;
  /** The first variant's options without its resolution. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly variants: readonly ListedVariant[];
}

/**
 * Every published architecture, in the order of the papers' tables.
 *
 * @param only a family's or a variant's name: no others
 * @throws {OptionError} for an unknown name
 */
export function architectures(only?: string): readonly Architecture[] {
  const all = new Map<string, { family: FamilyName; options: Record<string, unknown>; variants: ListedVariant[] }>();
  for (const variant of variantsOf(only)) {
    const { resolution: _, ...options } = variant.options;
    const key = JSON.stringify([variant.family, Object.entries(options).sort()]);
    const known = all.get(key);
    if (known === undefined) all.set(key, { family: variant.family, options, variants: [variant] });
    else known.variants.push(variant);
  }
  return [...all.values()];
}

function variantsOf(only: string | undefined): readonly ListedVariant[] {
  if (only === undefined) return listVariants();
  const family = familyOf(only).name;
  const variants = listVariants(family);
  return only === family ? variants : variants.filter(({ name }) => name === only);
}

/**
 * An architecture with some options changed, under the name of the variant that has its resolution, else under its family's.
 *
 * @returns undefined for options that make no network of it
 */
export function buildArchitecture(
  { family, options, variants }: Architecture,
  changes: Readonly<Record<string, unknown>>,
): Network | undefined {
  const { defaults } = familyOf(family);
  const resolutionOf = (variant: ListedVariant): string =>
    JSON.stringify(variant.options.resolution ?? defaults.resolution);
  const wanted = JSON.stringify(changes.resolution);
  const variant = variants.find((each) => wanted === undefined || resolutionOf(each) === wanted);
  try {
    return build(variant?.name ?? family, { ...options, ...changes });
  } catch (error) {
    if (error instanceof OptionError) return undefined;
    throw error;
  }
}

/** Options that leave every shape of a parameter as it is, and what they may be; the family's own choice first. */
const unseenOptions: Readonly<Record<string, readonly unknown[]>> = {
  padding: ["torch", "tf"],
  activation: ["relu6", "relu"],
  classifierPadding: [0, 1],
};

/** Every choice of the options that shapes do not tell, in a family that has them. */
export function unseenChoices({ family, options }: Architecture): readonly Readonly<Record<string, unknown>>[] {
  const rules: Readonly<Record<string, unknown>> = familyOf(family).optionRules;
  let choices: readonly Readonly<Record<string, unknown>>[] = [{}];
  for (const [name, values] of Object.entries(unseenOptions)) {
    if (!Object.hasOwn(rules, name) || Object.hasOwn(options, name)) continue;
    choices = choices.flatMap((choice) => values.map((value) => ({ ...choice, [name]: value })));
  }
  return choices;
}
