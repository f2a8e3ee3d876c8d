import type { Tensor, Weights } from "../tensor.ts";
import { type Graph, type Node, verifyGraph } from "./graph.ts";
import { type InputNumbers, interpretNodes, type Precision } from "./interpret_nodes.ts";
import { type ComputedOperation, interpretOperation } from "./interpret_operation.ts";

/** Options of `interpret`. */
export interface InterpretOptions<P extends Precision = "f32"> {
  /** Names of nodes whose values are returned too. */
  readonly keep?: readonly string[];
  /** Called before each node is computed, parameters and inputs included. */
  readonly onNode?: (node: Node, index: number, count: number) => void;
  /** Default `f32`, as compiled networks store their values. `f64` keeps double between nodes, for checks of gradients. */
  readonly precision?: P;
}

/** What `interpret` returns. */
export interface Interpretation<P extends Precision = "f32"> {
  /** By output name. */
  readonly outputs: Record<string, Tensor<P>>;
  /** By node name, as asked for by `keep`. */
  readonly kept: Record<string, Tensor<P>>;
}

/**
 * Runs a graph by the plainest loops: the specification that compiled networks are tested against. Sums are double; NaN and infinity
 * go through as IEEE 754 says. A value's memory is let go after its last use. Neither weights nor inputs are changed or returned.
 *
 * @param weights numbers of every parameter, by name; more than the graph needs may be there
 * @param inputs numbers of every input, by node name
 * @throws {GraphError | ShapeError} if the graph does not verify
 * @throws {WeightsError} listing every missing or mis-shaped parameter
 * @throws {ShapeError} listing every missing, unknown or mis-shaped input
 * @throws {OptionError} if `keep` names no node
 */
export function interpret<P extends Precision = "f32">(
  graph: Graph,
  weights: Weights,
  inputs: Readonly<Record<string, InputNumbers>>,
  options: InterpretOptions<P> = {},
): Interpretation<P> {
  verifyGraph(graph);
  const { keep = [], onNode, precision = "f32" as P } = options;
  return interpretNodes(graph, weights, inputs, {
    precision,
    keep,
    onNode,
    // The nodes' numbers are given, not computed, for inputs and parameters.
    compute: (operation, operands, output) => interpretOperation(operation as ComputedOperation, operands, output),
  });
}
