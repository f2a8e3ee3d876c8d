import { OptionError } from "../errors.ts";
import { isNode, type Node, nodesOf, usersOf } from "../graph/graph.ts";
import { type ExchangeName, exchangeNames } from "../networks/exchange_names.ts";
import { suggestion } from "../networks/nearest_name.ts";
import type { Network } from "../networks/network.ts";
import { type Shape, sameShape, type Tensor } from "../tensor.ts";
import { theirShape } from "./exchange_layout.ts";

/** The naming of our own files: parameters under their names in the graph, in our layouts. */
export const ownNaming = "depthwise";

/** A convolution whose batch norm is folded into its bias in the file. */
export interface FoldedNorm {
  /** Names of the parameters of our batch norm: gamma, beta, mean, variance. */
  readonly parameters: readonly [gamma: string, beta: string, mean: string, variance: string];
  readonly epsilon: number;
  /** Name in the file of the convolution's bias, which becomes beta. */
  readonly bias: string;
}

/** One parameter of the network and where the file should have it. */
export interface ExpectedTensor extends ExchangeName {
  /** In the graph. */
  readonly ourShape: Shape;
  /** In the file. */
  readonly theirShape: Shape;
}

/** How a file's tensors fit a network under one naming. */
export interface NameMatch {
  readonly naming: string;
  /** Tensors that the file should have, batch norms folded there left out. */
  readonly expected: readonly ExpectedTensor[];
  readonly folded: readonly FoldedNorm[];
  /** Of `expected`, those that the file lacks. */
  readonly missing: readonly ExpectedTensor[];
  /** Of `expected`, those that the file has in another shape. */
  readonly misshapen: readonly ExpectedTensor[];
  /** Tensors of the file that the network has no place for. PyTorch's `num_batches_tracked` are not counted. */
  readonly unexpected: readonly string[];
}

/** Names by which a network's weights may be read and written: our own, then those of other frameworks. */
export function namingNames(network: Network): readonly string[] {
  return [ownNaming, ...network.namings.map((naming) => naming.name)];
}

/**
 * Every parameter under a naming's names.
 *
 * @throws {OptionError} for a naming that the network does not have
 */
export function expectedTensors(network: Network, naming: string): readonly ExpectedTensor[] {
  const shapes = new Map(nodesOf(network.graph, "parameter").map((node) => [node.name, node.shape]));
  const withShapes = (row: ExchangeName): ExpectedTensor => {
    const ourShape = shapes.get(row.ourParameter) ?? [];
    return { ...row, ourShape, theirShape: theirShape(ourShape, row.layout) };
  };
  if (naming === ownNaming) {
    return [...shapes.keys()].map((name) => withShapes({ ourParameter: name, theirName: name, layout: "same" }));
  }
  const known = network.namings.find((each) => each.name === naming);
  if (known === undefined) {
    const names = namingNames(network);
    throw new OptionError(`${network.name} has no naming "${naming}".`, {
      hint: suggestion(naming, names) ?? `It has ${names.join(", ")}.`,
    });
  }
  return exchangeNames(network.graph, known).map(withShapes);
}

/** The match under each naming of the network, or under the given one alone, best first. */
export function matchNames(
  tensors: ReadonlyMap<string, Tensor>,
  network: Network,
  naming?: string,
): readonly NameMatch[] {
  const names = naming === undefined ? namingNames(network) : [naming];
  return names.map((name) => matchNaming(tensors, network, name)).toSorted((a, b) => fitOf(b) - fitOf(a));
}

/** Tensors that are there, plus those that also have the right shape. */
function fitOf({ expected, missing, misshapen }: NameMatch): number {
  return 2 * (expected.length - missing.length) - misshapen.length;
}

function matchNaming(tensors: ReadonlyMap<string, Tensor>, network: Network, naming: string): NameMatch {
  const all = expectedTensors(network, naming);
  const folded = foldedNorms(tensors, network, all);
  const filled = new Set(folded.flatMap(({ parameters }) => parameters));
  const expected = all.filter(({ ourParameter }) => !filled.has(ourParameter));
  const known = new Set([...expected.map(({ theirName }) => theirName), ...folded.map(({ bias }) => bias)]);
  return {
    naming,
    expected,
    folded,
    missing: expected.filter(({ theirName }) => !tensors.has(theirName)),
    misshapen: expected.filter((each) => {
      const found = tensors.get(each.theirName);
      return found !== undefined && !sameShape(found.shape, each.theirShape);
    }),
    unexpected: [...tensors.keys()].filter((name) => !known.has(name) && !isBookkeeping(name)),
  };
}

/** PyTorch's count of batches, which no network needs. */
function isBookkeeping(name: string): boolean {
  return /(^|\.)num_batches_tracked$/.test(name);
}

/**
 * Batch norms that the file has folded: nothing of the norm is there, but the convolution before it has a bias of the right length though
 * ours has none.
 */
function foldedNorms(
  tensors: ReadonlyMap<string, Tensor>,
  { graph }: Network,
  expected: readonly ExpectedTensor[],
): readonly FoldedNorm[] {
  const rows = new Map(expected.map((row) => [row.ourParameter, row]));
  const users = usersOf(graph);
  return nodesOf(graph, "batch_norm").flatMap((norm): FoldedNorm[] => {
    const [x, ...statistics] = norm.inputs.map((id) => graph.nodes[id] as Node);
    if (x === undefined || !isNode(x, "convolution") || x.operation.bias || users[x.id]?.length !== 1) return [];
    const [gamma = "", beta = "", mean = "", variance = ""] = statistics.map((node) => node.name);
    const kernel = rows.get(graph.nodes[x.inputs[1] as number]?.name ?? "")?.theirName ?? "";
    const bias = kernel.replace(/(weight|kernel)$/, "bias");
    const found = tensors.get(bias);
    const hasNorm = [gamma, beta, mean, variance].some((name) => tensors.has(rows.get(name)?.theirName ?? ""));
    if (bias === kernel || hasNorm || found === undefined || !sameShape(found.shape, [norm.shape.at(-1) ?? 0]))
      return [];
    return [{ parameters: [gamma, beta, mean, variance], epsilon: norm.operation.epsilon, bias }];
  });
}
