import { WeightsError } from "../errors.ts";
import { nodesOf } from "../graph/graph.ts";
import type { Network } from "../networks/network.ts";
import { type DType, formatShape, type Tensor, tensor, toFloat32, type Weights } from "../tensor.ts";
import { toOurs } from "./exchange_layout.ts";
import { type ExpectedTensor, matchNames, type NameMatch } from "./match_names.ts";
import { checkOrigin } from "./model_metadata.ts";
import { readSafetensors } from "./read_safetensors.ts";

/** Options of `readWeights` and `loadWeights`. */
export interface ReadWeightsOptions {
  /** The file's name, for messages. */
  readonly file?: string | undefined;
  /** Whose names the file has: `depthwise` for ours, or one of `network.namings`. Default: those that fit best. */
  readonly naming?: string | undefined;
}

/**
 * A network's weights from a safetensors file, under our names or those of a framework that the network knows.
 *
 * float16, bfloat16 and float64 become float32, layouts become ours, PyTorch's `num_batches_tracked` are passed over. A file whose batch
 * norms are folded into biases is taken too: the norm becomes the identity with that bias (gamma 1, mean 0, variance 1 − epsilon).
 *
 * @returns every parameter of the graph, in its order; views of `bytes` where nothing had to be converted
 * @throws {FormatError} if the bytes are no safetensors file
 * @throws {WeightsError} with every tensor that is missing, unexpected, of another shape or type, or not finite; or if the file says that
 *   its weights belong to another wiring or padding of the same shapes
 * @throws {OptionError} for an unknown naming
 */
export function readWeights(bytes: Uint8Array, network: Network, options: ReadWeightsOptions = {}): Weights {
  const { tensors, metadata } = readSafetensors(bytes, { file: options.file });
  const weights = loadWeights(tensors, network, options);
  checkOrigin(metadata, network, options.file);
  return weights;
}

/**
 * The same from tensors that any reader brought.
 *
 * @throws {WeightsError | OptionError} as {@link readWeights}
 */
export function loadWeights(
  tensors: ReadonlyMap<string, Tensor>,
  network: Network,
  options: ReadWeightsOptions = {},
): Weights {
  const match = matchNames(tensors, network, options.naming)[0] as NameMatch;
  const read = new Map<string, Tensor<"f32">>();
  const notFloat: string[] = [];
  const notFinite: string[] = [];
  const take = (theirName: string): Float32Array | undefined => {
    const source = tensors.get(theirName);
    if (source === undefined) return undefined;
    if (!floatTypes.has(source.dtype)) notFloat.push(`${theirName}: ${source.dtype}`);
    const values = toFloat32(source);
    const problem = notFiniteElements(values);
    if (problem !== undefined) notFinite.push(`${theirName}: ${problem}`);
    return values;
  };
  const isMisshapen = new Set(match.misshapen);
  for (const each of match.expected) {
    const values = take(each.theirName);
    if (values === undefined || isMisshapen.has(each)) continue;
    read.set(each.ourParameter, tensor(each.ourShape, toOurs(values, each.ourShape, each.layout)));
  }
  for (const { parameters, epsilon, bias } of match.folded) {
    const beta = take(bias) as Float32Array;
    const filled = [1, beta, 0, 1 - epsilon].map((part) => (typeof part === "number" ? beta.map(() => part) : part));
    parameters.forEach((name, index) => void read.set(name, tensor([beta.length], filled[index] as Float32Array)));
  }
  const lists: ProblemLists = {
    missing: match.missing.map((each) => `${each.theirName} ${formatShape(each.theirShape)}${alias(each)}`),
    unexpected: match.unexpected.map((name) => `${name} ${formatShape((tensors.get(name) as Tensor).shape)}`),
    "of another shape": match.misshapen.map((each) => {
      const { shape } = tensors.get(each.theirName) as Tensor;
      return `${each.theirName}${alias(each)}: expected ${formatShape(each.theirShape)}, received ${formatShape(shape)}`;
    }),
    "not floating point": notFloat,
    "not finite": notFinite,
  };
  if (Object.values(lists).some((list) => list.length > 0))
    throw mismatch(match, lists, tensors, network, options.file);
  return new Map(nodesOf(network.graph, "parameter").map(({ name }) => [name, read.get(name) as Tensor]));
}

type ProblemLists = Readonly<Record<string, readonly string[]>>;

const floatTypes: ReadonlySet<DType> = new Set<DType>(["f32", "f16", "bf16", "f64"]);

function notFiniteElements(values: Float32Array): string | undefined {
  let count = 0;
  for (let i = 0; i < values.length; i++) count += Number(!Number.isFinite(values[i]));
  if (count === 0) return undefined;
  const first = values.findIndex((value) => !Number.isFinite(value));
  return `${values[first]} at element ${first}, ${count} of ${values.length} elements`;
}

/** Our name, where theirs is another. */
function alias({ ourParameter, theirName }: ExpectedTensor): string {
  return ourParameter === theirName ? "" : ` (our ${ourParameter})`;
}

function mismatch(
  match: NameMatch,
  lists: ProblemLists,
  tensors: ReadonlyMap<string, Tensor>,
  network: Network,
  file: string | undefined,
): WeightsError {
  const found = match.expected.length - match.missing.length;
  const headline = `${file ?? "The weights"} do${file === undefined ? "" : "es"} not fit ${network.name}. The names of "${match.naming}" fit best: ${found} of ${match.expected.length} tensors found.`;
  const paragraphs = Object.entries(lists)
    .filter(([, list]) => list.length > 0)
    .map(([kind, list]) => [`${list.length} ${kind}:`, ...list.map((line) => `  ${line}`)].join("\n"));
  const hint = hintOf(match, tensors, network);
  return new WeightsError([headline, ...paragraphs].join("\n"), {
    ...(hint === undefined ? {} : { hint }),
    ...(file === undefined ? {} : { file }),
  });
}

/** What most likely went wrong, where the lists show it. */
function hintOf(match: NameMatch, tensors: ReadonlyMap<string, Tensor>, network: Network): string | undefined {
  const { expected, missing, misshapen, unexpected } = match;
  if (expected.length > 0 && missing.length === expected.length) {
    const theirs = [...tensors.keys()].slice(0, 3).join(", ");
    const ours = expected.slice(0, 3).map(({ theirName }) => theirName);
    return `No name of the file is known. It has ${theirs || "no tensors"}; ${match.naming} has ${ours.join(", ")}. Is it another network's file?`;
  }
  const classes = otherClasses(match, tensors, network);
  if (classes !== undefined) {
    return classes === network.classes + 1
      ? `The file has ${classes} classes, this network ${network.classes}: TensorFlow's files often have a background class before the others. Build the network with classes: ${classes}.`
      : `The file has ${classes} classes, this network ${network.classes}. Build the network with classes: ${classes}.`;
  }
  if (misshapen.length > expected.length / 4)
    return "Most shapes differ: the file is of another width or variant of this family.";
  if (missing.length > 0 && unexpected.length > 0)
    return "Names are missing and others too many: the file is of another variant or wiring.";
  return undefined;
}

/** The number of classes of the file, if that is all in which the shapes differ. */
function otherClasses(match: NameMatch, tensors: ReadonlyMap<string, Tensor>, network: Network): number | undefined {
  const counts = new Set<number | undefined>();
  for (const each of match.misshapen) {
    const { shape } = tensors.get(each.theirName) as Tensor;
    const classAxis = each.layout === "same" ? each.ourShape.length - 1 : 0;
    const isElsewhere = each.theirShape.some((length, axis) => axis !== classAxis && length !== shape[axis]);
    const isClasses =
      each.ourShape.at(-1) === network.classes && shape.length === each.theirShape.length && !isElsewhere;
    counts.add(isClasses ? shape[classAxis] : undefined);
  }
  return counts.size === 1 ? [...counts][0] : undefined;
}
