import {
  elementCount,
  formatShape,
  type Graph,
  isNode,
  type Network,
  type Node,
  nodeOf,
  nodesOf,
  type Program,
  runPasses,
  type Shape,
  type Tensor,
  toFloat32,
  toProgram,
  type Weights,
} from "@depthwise/core";
import { familyOf } from "@depthwise/core/networks";
import { type Architecture, architectures, buildArchitecture, unseenChoices } from "./candidates.ts";
import { pairParameters } from "./pair_parameters.ts";
import { type Term, Terms } from "./terms.ts";
import { traceParameters } from "./trace_parameters.ts";

/** A network of ours with weights that a file brought. */
export interface RecognizedGraph {
  readonly network: Network;
  /** Every parameter of the network, under our names. */
  readonly weights: Weights;
}

/** Options of {@link recognizeGraph}. */
export interface RecognizeGraphOptions {
  /** A family's or a variant's name: only that is looked for. Default: every published network. */
  readonly only?: string | undefined;
}

/** What a graph shows of the options of the network that it may be. */
interface Facts {
  readonly changes: Readonly<Record<string, unknown>>;
  readonly kernels: string;
  /** Of its batch norms, if it has any and they agree. */
  readonly epsilon: number | undefined;
  readonly graph: Graph;
  readonly weights: Weights;
}

/**
 * Finds the published network that a graph is, whatever framework wrote it: the same convolutions, activations and connections, with batch
 * norms as they are or folded. Resolution, channels of the input, classes and batch are the graph's own; a softmax at the end is left out,
 * for our networks give logits.
 *
 * @param graph as a reader of this package gives it
 * @returns undefined for a graph that is none of them
 * @throws {OptionError} if `only` is no name of a network
 */
export function recognizeGraph(
  graph: Graph,
  weights: Weights,
  { only }: RecognizeGraphOptions = {},
): RecognizedGraph | undefined {
  const candidates = architectures(only);
  const facts = factsOf(graph, weights);
  if (facts === undefined) return undefined;
  let folded: FoldedFile | undefined;
  for (const architecture of candidates) {
    const first = buildArchitecture(architecture, facts.changes);
    if (first === undefined || kernelsOf(first.graph) !== facts.kernels) continue;
    const networks = choicesOf(architecture, facts);
    const found = firstFound(networks, (network) => sameParameters(network, facts));
    if (found !== undefined) return found;
    folded ??= foldFile(facts);
    const file = folded;
    const traced = firstFound(networks, (network) => traceParameters(network.graph, file));
    if (traced !== undefined) return traced;
  }
  return undefined;
}

/**
 * The same for one network with known options.
 *
 * @returns its weights, or undefined if the graph is another function
 */
export function matchGraph(network: Network, graph: Graph, weights: Weights): Weights | undefined {
  const facts = factsOf(graph, weights);
  if (facts === undefined || kernelsOf(network.graph) !== facts.kernels) return undefined;
  return sameParameters(network, facts) ?? traceParameters(network.graph, foldFile(facts));
}

function firstFound(
  networks: readonly Network[],
  weightsOf: (network: Network) => Weights | undefined,
): RecognizedGraph | undefined {
  for (const network of networks) {
    const weights = weightsOf(network);
    if (weights !== undefined) return { network, weights };
  }
  return undefined;
}

/** An architecture in every way that the graph may have it. */
function choicesOf(architecture: Architecture, { changes, epsilon }: Facts): readonly Network[] {
  const hasEpsilon = Object.hasOwn(familyOf(architecture.family).optionRules, "epsilon");
  const norms = epsilon === undefined || !hasEpsilon ? {} : { epsilon };
  return unseenChoices(architecture).flatMap((choice) => {
    return buildArchitecture(architecture, { ...changes, ...choice, ...norms }) ?? [];
  });
}

/** Parameters one by one, if the graph has the same ones as the network. */
function sameParameters(network: Network, { graph, weights }: Facts): Weights | undefined {
  const terms = new Terms();
  const pairs = pairParameters(outputTerm(terms, network.graph), outputTerm(terms, graph));
  if (pairs === undefined) return undefined;
  const found = nodesOf(network.graph, "parameter").map(({ name, shape }): readonly [string, Tensor] | undefined => {
    const theirs = weights.get(pairs.get(name) ?? "");
    return theirs === undefined ? undefined : [name, { dtype: "f32", shape, data: toFloat32(theirs).slice() }];
  });
  return found.includes(undefined) ? undefined : new Map(found as readonly (readonly [string, Tensor])[]);
}

interface FoldedFile {
  readonly program: Program;
  readonly terms: Terms;
  readonly output: Term;
}

function foldFile({ graph, weights }: Facts): FoldedFile {
  const program = runPasses(toProgram(graph, weights));
  const terms = new Terms();
  return { program, terms, output: outputTerm(terms, program.graph) };
}

function outputTerm(terms: Terms, graph: Graph): Term {
  return terms.ofGraph(graph)[graph.outputs[0]?.value as number] as Term;
}

/**
 * What a graph shows of a network's options: `resolution`, `inputChannels`, `classes` and `batch`.
 *
 * @returns undefined if it is no network from one picture to one row of numbers
 */
export function pictureOptionsOf(graph: Graph): Readonly<Record<string, unknown>> | undefined {
  return factsOf(graph, new Map())?.changes;
}

function factsOf(file: Graph, weights: Weights): Facts | undefined {
  const graph = withoutSoftmax(file);
  const inputs = nodesOf(graph, "input");
  const [output, ...others] = graph.outputs;
  const [input] = inputs;
  if (input === undefined || inputs.length > 1 || output === undefined || others.length > 0) return undefined;
  const [batch, height, width, inputChannels] = input.shape;
  if (input.shape.length !== 4 || inputChannels === undefined) return undefined;
  const result = nodeOf(graph, output.value).shape;
  const classes = result.at(-1) ?? 0;
  if (elementCount(result) !== classes * (batch ?? 1)) return undefined;
  const resolution = height === width ? height : [height, width];
  const epsilons = new Set(nodesOf(graph, "batch_norm").map(({ operation }) => operation.epsilon));
  return {
    changes: { resolution, inputChannels, classes, batch },
    kernels: kernelsOf(graph),
    // Files hold it as float32; options are written in ten's powers.
    epsilon: epsilons.size === 1 ? Number([...epsilons][0]?.toPrecision(6)) : undefined,
    graph,
    weights,
  };
}

/** The graph whose output is what went into a softmax at its end, be it flattened after it or not. */
export function withoutSoftmax(graph: Graph): Graph {
  const outputs = graph.outputs.map(({ name, value }) => ({
    name,
    value: beforeSoftmax(graph, nodeOf(graph, value)).id,
  }));
  return outputs.every(({ value }, i) => value === graph.outputs[i]?.value) ? graph : { ...graph, outputs };
}

function beforeSoftmax(graph: Graph, output: Node): Node {
  const source = (node: Node): Node => nodeOf(graph, node.inputs[0] as Node["id"]);
  const isOnePixel = ({ shape }: Node): boolean => shape.slice(1, -1).every((length) => length === 1);
  let found = output;
  for (let node = output; ; ) {
    if (isNode(node, "softmax")) {
      node = source(node);
      found = node; // a flattening alone stays
    } else if (isNode(node, "flatten") && isOnePixel(source(node))) node = source(node);
    else return found;
  }
}

/** Shapes of all kernels, in an order that does not depend on who wrote the graph. */
function kernelsOf(graph: Graph): string {
  const shapes = graph.nodes.flatMap((node) => {
    if (!isNode(node, "convolution") && !isNode(node, "linear")) return [];
    const { shape } = nodeOf(graph, node.inputs[1] as Node["id"]);
    return [formatShape(shape.length === 2 ? ([1, 1, ...shape] as Shape) : shape)];
  });
  return shapes.sort().join(" ");
}
