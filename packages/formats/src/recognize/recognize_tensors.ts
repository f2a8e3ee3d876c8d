import {
  type ExpectedTensor,
  loadWeights,
  matchNames,
  type NameMatch,
  type Network,
  type Tensor,
  type Weights,
} from "@depthwise/core";
import { type Architecture, architectures, buildArchitecture } from "./candidates.ts";

/** A network of ours whose weights a file's tensors are. */
export interface RecognizedTensors {
  readonly network: Network;
  /** Every parameter of the network, under our names. */
  readonly weights: Weights;
  /** Whose names the tensors have: `depthwise`, or one of `network.namings`. */
  readonly naming: string;
  /** Names of all published networks that the tensors fit as well: they differ in resolution, or in what no tensor shows. */
  readonly alike: readonly string[];
}

/** The published network that tensors fit best, though not entirely. */
export interface NearestNetwork {
  readonly name: string;
  readonly naming: string;
  /** Tensors of the network that are there, in the right shape. */
  readonly found: number;
  /** Tensors of the network. */
  readonly expected: number;
  /** Tensors for which it has no place. */
  readonly unexpected: number;
}

/** Options of {@link recognizeTensors}. */
export interface RecognizeTensorsOptions {
  /** A family's or a variant's name: only that is looked for. Default: every published network. */
  readonly only?: string | undefined;
  /** Whose names are looked for. Default: all that the networks know. */
  readonly naming?: string | undefined;
  /** The file's name, for messages. */
  readonly file?: string | undefined;
}

/** What the tensors of a file are. */
export type TensorRecognition = { readonly recognized: RecognizedTensors } | { readonly nearest: NearestNetwork };

/** Names that say more than names: conversions of TFLite's networks keep its padding. */
const impliedOptions: Readonly<Record<string, Readonly<Record<string, unknown>>>> = { folded: { padding: "tf" } };

/**
 * Finds the published network whose weights a file's tensors are, by names and shapes. Classes and channels of the input are the file's own.
 *
 * @returns the first that fits entirely, in the order of the papers' tables, those with the file's number of classes before others; else the
 *   nearest
 * @throws {OptionError} if `only` is no name of a network
 * @throws {WeightsError} for numbers that are not finite or not floating point
 */
export function recognizeTensors(
  tensors: ReadonlyMap<string, Tensor>,
  { only, naming, file }: RecognizeTensorsOptions = {},
): TensorRecognition {
  const entire: (readonly [architecture: Architecture, fit: Fit])[] = [];
  let nearest: (NearestNetwork & { readonly score: number }) | undefined;
  for (const architecture of architectures(only)) {
    const fit = fitOf(tensors, architecture, naming);
    if (fit === undefined) continue;
    if (isEntire(fit.match)) entire.push([architecture, fit]);
    const rated = rate(architecture, fit.match);
    if (nearest === undefined || rated.score > nearest.score) nearest = rated;
  }
  const fits = entire.toSorted(([, a], [, b]) => doubtOf(a) - doubtOf(b));
  const [best] = fits;
  if (best === undefined) {
    const { score: _, ...rest } = nearest ?? {
      score: 0,
      name: only ?? "",
      naming: "",
      found: 0,
      expected: 0,
      unexpected: tensors.size,
    };
    return { nearest: rest };
  }
  const { network, match } = best[1];
  const weights = loadWeights(tensors, network, { naming: match.naming, file });
  const alike = fits.flatMap(([{ variants }]) => variants.map(({ name }) => name));
  return { recognized: { network, weights, naming: match.naming, alike } };
}

interface Fit {
  readonly network: Network;
  readonly match: NameMatch;
  /** Whether classes and channels of the input are the published ones. */
  readonly isPublished: boolean;
}

/** Names of our own making, which no published file has. */
const unpublishedNaming = "pytorch";

/** Fits with less of it come first. */
function doubtOf({ isPublished, match }: Fit): number {
  return 2 * Number(!isPublished) + Number(match.naming === unpublishedNaming);
}

/** The best match of an architecture, its classes and channels of the input those of the tensors. */
function fitOf(
  tensors: ReadonlyMap<string, Tensor>,
  architecture: Architecture,
  naming: string | undefined,
): Fit | undefined {
  const built = withMatch(tensors, architecture, naming, {});
  if (built === undefined || isEntire(built.match) || built.match.missing.length > 0)
    return implied(tensors, architecture, built);
  const changes = endsOf(tensors, built);
  const changed = changes === undefined ? undefined : withMatch(tensors, architecture, built.match.naming, changes);
  return implied(tensors, architecture, changed ?? built, changes);
}

function implied(
  tensors: ReadonlyMap<string, Tensor>,
  architecture: Architecture,
  fit: Fit | undefined,
  changes: Readonly<Record<string, unknown>> = {},
): Fit | undefined {
  const more = fit === undefined ? undefined : impliedOptions[fit.match.naming];
  if (fit === undefined || more === undefined) return fit;
  return withMatch(tensors, architecture, fit.match.naming, { ...changes, ...more }) ?? fit;
}

function withMatch(
  tensors: ReadonlyMap<string, Tensor>,
  architecture: Architecture,
  naming: string | undefined,
  changes: Readonly<Record<string, unknown>>,
): Fit | undefined {
  const [variant] = architecture.variants;
  const resolution = variant?.options.resolution;
  const network = buildArchitecture(architecture, { ...(resolution === undefined ? {} : { resolution }), ...changes });
  const isKnown =
    naming === undefined || naming === "depthwise" || network?.namings.some(({ name }) => name === naming);
  if (network === undefined || !isKnown) return undefined;
  const isPublished = !("classes" in changes || "inputChannels" in changes);
  return { network, match: matchNames(tensors, network, naming)[0] as NameMatch, isPublished };
}

function isEntire({ missing, misshapen, unexpected }: NameMatch): boolean {
  return missing.length + misshapen.length + unexpected.length === 0;
}

/** Classes and channels of the input as the tensors have them, where nothing else is in the way. */
function endsOf(
  tensors: ReadonlyMap<string, Tensor>,
  { network, match }: Fit,
): Readonly<Record<string, number>> | undefined {
  const changes: Record<string, number> = {};
  for (const each of match.misshapen) {
    const { shape } = tensors.get(each.theirName) as Tensor;
    const axis = differingAxis(each, shape);
    const [inputAxis, classAxis] = axesOf(each);
    if (axis === classAxis && each.ourShape.at(-1) === network.classes) changes.classes = shape[axis] as number;
    else if (axis === inputAxis && each.ourShape.at(-2) === network.options.inputChannels) {
      changes.inputChannels = shape[axis] as number;
    } else return undefined;
  }
  return changes;
}

/** The one axis in which a tensor's shape is not the expected one. */
function differingAxis({ theirShape }: ExpectedTensor, shape: Tensor["shape"]): number | undefined {
  if (shape.length !== theirShape.length) return undefined;
  const axes = shape.flatMap((length, axis) => (length === theirShape[axis] ? [] : [axis]));
  return axes.length === 1 ? axes[0] : undefined;
}

/** Where in the file's tensor the input's channels and the output's are. */
function axesOf({ ourShape, layout }: ExpectedTensor): readonly [input: number, output: number] {
  return layout === "same" ? [ourShape.length - 2, ourShape.length - 1] : [1, 0];
}

function rate(architecture: Architecture, match: NameMatch): NearestNetwork & { readonly score: number } {
  const expected = match.expected.length;
  const found = expected - match.missing.length - match.misshapen.length;
  const unexpected = match.unexpected.length;
  return {
    name: architecture.variants[0]?.name ?? architecture.family,
    naming: match.naming,
    found,
    expected,
    unexpected,
    score: found / Math.max(1, expected + unexpected),
  };
}
