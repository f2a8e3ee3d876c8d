import {
  elementCount,
  type Graph,
  isNode,
  type Node,
  nodesOf,
  type Program,
  runPasses,
  type Tensor,
  type ValueId,
} from "@depthwise/core";
import { pairParameters } from "./pair_parameters.ts";
import type { Terms } from "./terms.ts";

/**
 * A network's weights from a file in which its batch norms are folded, or folded otherwise.
 *
 * Both go through the passes that make a network ready for inference. What they do to the parameters is not written down twice: ours go
 * through them with the addresses of their elements in place of numbers, so that every number of the file finds its place. A norm that is
 * folded in the file becomes the identity with that bias (gamma 1, mean 0, variance 1 − epsilon).
 *
 * @param theirs the file's program after `runPasses`
 * @param theirTerms its output and the terms it is among
 * @returns undefined if the two are not the same function of their parameters
 */
export function traceParameters(
  network: Graph,
  theirs: { readonly program: Program; readonly terms: Terms; readonly output: ReturnType<Terms["ofGraph"]>[number] },
): ReadonlyMap<string, Tensor> | undefined {
  const addresses = addressesOf(network);
  const parameters = runPasses({ graph: network, weights: addresses.parameter });
  const ours = theirs.terms.ofGraph(parameters.graph)[parameters.graph.outputs[0]?.value ?? 0];
  const pairs = ours === undefined ? undefined : pairParameters(ours, theirs.output);
  if (pairs === undefined) return undefined;
  const elements = runPasses({ graph: network, weights: addresses.element });
  const found = new Map([...addresses.defaults].map(([name, values]) => [name, values.slice()]));
  const left = new Set(addresses.traced);
  for (const [ourName, theirName] of pairs) {
    const numbers = theirs.program.weights.get(theirName);
    if (numbers === undefined) return undefined;
    const untouched = addresses.defaults.get(ourName);
    if (untouched !== undefined) {
      found.set(ourName, numbers.slice());
      left.delete(ourName);
      continue;
    }
    const origins = parameters.weights.get(ourName);
    const places = elements.weights.get(ourName);
    if (origins === undefined || places === undefined) return undefined;
    const named = spread(numbers, origins, places, addresses.names, found);
    if (named === undefined) return undefined;
    for (const name of named) left.delete(name);
  }
  if (left.size > 0) return undefined;
  return new Map(
    nodesOf(network, "parameter").map(({ name, shape }) => [
      name,
      { dtype: "f32", shape, data: found.get(name) as Float32Array },
    ]),
  );
}

/**
 * Puts each number where its address says.
 *
 * @param origins addresses of the parameters, `places` of the elements in them
 * @returns the parameters written to, or undefined if an address is none
 */
function spread(
  numbers: Float32Array,
  origins: Float32Array,
  places: Float32Array,
  names: readonly string[],
  found: ReadonlyMap<string, Float32Array>,
): ReadonlySet<string> | undefined {
  const written = new Set<string>();
  let origin = 0;
  let target: Float32Array | undefined;
  for (let i = 0; i < numbers.length; i++) {
    // A number that passed through a norm may be off by a rounding.
    const next = Math.round(origins[i] as number);
    if (next !== origin) {
      origin = next;
      const name = names[origin - 1];
      target = name === undefined ? undefined : found.get(name);
      if (name !== undefined) written.add(name);
    }
    const place = Math.round(places[i] as number) - 1;
    if (target === undefined || !(place >= 0 && place < target.length)) return undefined;
    target[place] = numbers[i] as number;
  }
  return written;
}

interface Addresses {
  /** Each number is its parameter's place in `names`, from 1. */
  readonly parameter: ReadonlyMap<string, Float32Array>;
  /** Each number is its place in the parameter, from 1. */
  readonly element: ReadonlyMap<string, Float32Array>;
  readonly names: readonly string[];
  /** What a parameter is if the file does not say. */
  readonly defaults: ReadonlyMap<string, Float32Array>;
  /** The parameters that the file must say. */
  readonly traced: readonly string[];
}

/**
 * Addresses pass through batch norms unchanged: gamma and variance make them the identity (1 − epsilon is rounded to float32, which is
 * too little to change a whole number below 2^24). A bias before a norm is 0, for it would be added to the norm's beta.
 */
function addressesOf(network: Graph): Addresses {
  const constants = new Map<string, number>();
  for (const norm of nodesOf(network, "batch_norm")) {
    const [, gamma, , mean, variance] = norm.inputs.map((id) => (network.nodes[id] as Node).name);
    constants.set(gamma as string, 1);
    constants.set(mean as string, 0);
    constants.set(variance as string, 1 - norm.operation.epsilon);
  }
  for (const name of normedBiases(network)) constants.set(name, 0);
  const nodes = nodesOf(network, "parameter");
  const fill = (number: (parameter: number, element: number) => number) =>
    new Map(
      nodes.map(({ name, shape }, parameter) => {
        const constant = constants.get(name);
        const data = new Float32Array(elementCount(shape));
        for (let i = 0; i < data.length; i++) data[i] = constant ?? number(parameter, i);
        return [name, data];
      }),
    );
  const names = nodes.map(({ name }) => name);
  return {
    parameter: fill((parameter) => parameter + 1),
    element: fill((_, element) => element + 1),
    names,
    defaults: fill(() => 0),
    traced: names.filter((name) => !constants.has(name)),
  };
}

/** Biases of convolutions and linear layers whose value goes into a batch norm, and nowhere else. */
function normedBiases(network: Graph): readonly string[] {
  const readers = network.nodes.map(() => [] as Node[]);
  for (const node of network.nodes) for (const input of node.inputs) readers[input]?.push(node);
  const isNormed = (id: ValueId): boolean => {
    const [reader, ...others] = readers[id] as readonly Node[];
    if (reader === undefined || others.length > 0) return false;
    if (isNode(reader, "batch_norm")) return true;
    return (isNode(reader, "permute") || isNode(reader, "concatenate")) && isNormed(reader.id);
  };
  return network.nodes.flatMap((node) => {
    const hasBias = (isNode(node, "convolution") || isNode(node, "linear")) && node.operation.bias;
    return hasBias && isNormed(node.id) ? [(network.nodes[node.inputs[2] as number] as Node).name] : [];
  });
}
