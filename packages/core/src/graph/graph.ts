import { GraphError, ShapeError } from "../errors.ts";
import { formatShape, type Shape, sameShape } from "../tensor.ts";
import { inferShape, type Operation, type OperationName, type OperationOf } from "./operations.ts";

declare const valueIdBrand: unique symbol;
/** Which node's output: its position in `graph.nodes`. */
export type ValueId = number & { readonly [valueIdBrand]: true };

/** One operation of a graph, and the value it gives. */
export interface Node<O extends Operation = Operation> {
  /** Position in `graph.nodes`. */
  readonly id: ValueId;
  /** Unique in the graph. A path: `stage3/unit2/depthwise`. A parameter's name is the key of its numbers in `Weights`. */
  readonly name: string;
  readonly operation: O;
  readonly inputs: readonly ValueId[];
  /** Shape of the output. */
  readonly shape: Shape;
}

/** A value that the graph gives to its caller. */
export interface Output {
  readonly name: string;
  readonly value: ValueId;
}

/** A network: nodes in topological order. Immutable; passes build new ones. */
export interface Graph {
  readonly name: string;
  readonly nodes: readonly Node[];
  readonly outputs: readonly Output[];
}

/** The node of a value. */
export function nodeOf(graph: Graph, value: ValueId): Node {
  const node = graph.nodes[value];
  if (node === undefined)
    throw new GraphError(`Graph "${graph.name}" has no value ${value}; it has ${graph.nodes.length} nodes.`);
  return node;
}

/** Whether the node is one of the operation `op`; narrows its type. */
export function isNode<K extends OperationName>(node: Node, op: K): node is Node<OperationOf<K>> {
  return node.operation.op === op;
}

/** The graph's nodes of one operation, in order. */
export function nodesOf<K extends OperationName>(graph: Graph, op: K): readonly Node<OperationOf<K>>[] {
  return graph.nodes.filter((node): node is Node<OperationOf<K>> => isNode(node, op));
}

/** The node of the given name, or undefined. */
export function findNode(graph: Graph, name: string): Node | undefined {
  return graph.nodes.find((node) => node.name === name);
}

/** For each value, the nodes that read it. Outputs of the graph are not listed. */
export function usersOf(graph: Graph): readonly (readonly Node[])[] {
  const users: Node[][] = graph.nodes.map(() => []);
  for (const node of graph.nodes) for (const input of new Set(node.inputs)) users[input]?.push(node);
  return users;
}

/**
 * Checks everything a graph must be: ids that are positions, unique names, inputs that come earlier, shapes that follow from the
 * operations, at least one input and one output.
 *
 * @throws {GraphError | ShapeError} naming the node
 */
export function verifyGraph(graph: Graph): void {
  const names = new Set<string>();
  for (const [position, node] of graph.nodes.entries()) {
    if (node.id !== position) throw new GraphError(`Node "${node.name}" has id ${node.id} at position ${position}.`);
    if (names.has(node.name)) throw new GraphError(`Two nodes are named "${node.name}".`);
    names.add(node.name);
    const shapes = node.inputs.map((input) => {
      if (!(Number.isInteger(input) && input >= 0 && input < position)) {
        throw new GraphError(`Node "${node.name}" reads value ${input}, which does not come before it.`);
      }
      return (graph.nodes[input] as Node).shape;
    });
    const expected = namedInferShape(node.name, node.operation, shapes);
    if (!sameShape(expected, node.shape)) {
      throw new ShapeError(
        `Node "${node.name}" says shape ${formatShape(node.shape)}, but it gives ${formatShape(expected)}.`,
      );
    }
  }
  if (nodesOf(graph, "input").length === 0) throw new GraphError(`Graph "${graph.name}" has no input.`);
  if (graph.outputs.length === 0) throw new GraphError(`Graph "${graph.name}" has no output.`);
  const outputNames = new Set<string>();
  for (const { name, value } of graph.outputs) {
    nodeOf(graph, value);
    if (outputNames.has(name)) throw new GraphError(`Two outputs are named "${name}".`);
    outputNames.add(name);
  }
}

/** `inferShape` whose errors name the node. */
export function namedInferShape(name: string, operation: Operation, inputs: readonly Shape[]): Shape {
  try {
    return inferShape(operation, inputs);
  } catch (error) {
    if (error instanceof ShapeError) {
      throw new ShapeError(`${operation.op} "${name}": ${error.message}${error.message.endsWith(".") ? "" : "."}`, {
        cause: error,
      });
    }
    throw error;
  }
}
