import { GraphError, ShapeError } from "../errors.ts";
import { elementCount, formatShape, type Shape } from "../tensor.ts";
import { type Graph, type Node, namedInferShape, type Output, type ValueId, verifyGraph } from "./graph.ts";
import {
  type Alternatives,
  boolean,
  choice,
  finite,
  list,
  type Members,
  number,
  type Read,
  record,
  refuse,
  tagged,
  whole,
  writeNumber,
} from "./json_readers.ts";
import { activations, type Initializer, type Operation, type Padding, type Pair, type Window } from "./operations.ts";
import type { Permutation } from "./permutation.ts";

/** How the document names itself, and its version. */
const format = "depthwise-graph";
const version = 1;

/** Bounds on what a document may hold, far above any network and far below what would hurt a reader. */
const limits = { nodes: 100_000, axes: 8, elements: 2 ** 31 - 1, nameLength: 512 } as const;

/** Names that some programs would take for an object's own machinery. */
const reservedNames: readonly string[] = ["__proto__", "constructor", "prototype"];

const size = whole(0, limits.elements);
const count = whole(1, limits.elements);
const shape = list(count, limits.axes);
const activation = choice(activations);
const padding: Read<Padding> = record({ top: size, bottom: size, left: size, right: size });

const pair: Read<Pair> = (value, path) => {
  const lengths = list(count, 2)(value, path);
  return lengths.length === 2 ? (lengths as unknown as Pair) : refuse(path, "a list of two", value);
};

const window: Members<Window> = { stride: pair, padding };

const initializer: Read<Initializer> = tagged("kind", {
  constant: { value: number },
  normal: { deviation: finite },
  truncated_normal: { deviation: finite },
  uniform: { bound: finite },
});

const permutation: Read<Permutation> = tagged("kind", {
  shuffle: { groups: count },
  explicit: { order: list(size, limits.elements) },
});

/** The attributes of every operation. */
const attributes: Alternatives<Operation, "op"> = {
  input: { shape },
  parameter: { shape, initializer, trainable: boolean },
  convolution: {
    ...window,
    dilation: pair,
    groups: count,
    bias: boolean,
    activation,
    residual: boolean,
    residualActivation: activation,
  },
  batch_norm: { epsilon: finite },
  activation: { activation },
  add: { activation },
  multiply: {},
  concatenate: {},
  slice: { start: size, count },
  permute: { permutation },
  max_pool: { ...window, kernel: pair, ceil: boolean },
  average_pool: { ...window, kernel: pair, ceil: boolean, countIncludePad: boolean },
  global_average_pool: {},
  linear: { bias: boolean, activation },
  softmax: {},
  flatten: {},
  dropout: { rate: finite },
  pad: { padding, value: number },
  resize: { height: count, width: count, mode: choice(["nearest", "bilinear"]) },
};

/** Letters of any script, but no control characters and no halves of surrogate pairs, which UTF-8 cannot hold. */
const name: Read<string> = (value, path) => {
  if (typeof value !== "string" || value === "") return refuse(path, "a name", value);
  if (value.length > limits.nameLength) return refuse(path, `a name of at most ${limits.nameLength} characters`, value);
  if (/[\p{Cc}\p{Cs}]/u.test(value)) return refuse(path, "a name of printable characters", value);
  if (reservedNames.includes(value)) return refuse(path, `a name other than ${reservedNames.join(", ")}`, value);
  return value;
};

interface GraphDocument {
  readonly format: typeof format;
  readonly version: number;
  readonly name: string;
  readonly nodes: readonly NodeDocument[];
  readonly outputs: readonly { readonly name: string; readonly value: number }[];
}

interface NodeDocument {
  readonly name: string;
  readonly operation: Operation;
  /** Positions in `nodes`. */
  readonly inputs: readonly number[];
}

const value = whole(0, limits.nodes - 1);

const document: Read<GraphDocument> = record<GraphDocument>({
  format: choice([format]),
  version: whole(version, version),
  name,
  nodes: list(
    record<NodeDocument>({ name, operation: tagged("op", attributes), inputs: list(value, limits.nodes) }),
    limits.nodes,
  ),
  outputs: list(record<GraphDocument["outputs"][number]>({ name, value }), limits.nodes),
});

/**
 * The graph as a value for `JSON.stringify`: `{ format, version, name, nodes: [{ name, operation: { op, ... }, inputs }], outputs:
 * [{ name, value }] }`. Inputs and outputs are positions in `nodes`. Shapes follow from the operations and are left out.
 */
export function graphToJson(graph: Graph): unknown {
  return {
    format,
    version,
    name: graph.name,
    nodes: graph.nodes.map(({ name, operation, inputs }) => ({
      name,
      operation: toJson(operation),
      inputs: [...inputs],
    })),
    outputs: graph.outputs.map(({ name, value }) => ({ name, value })),
  };
}

function toJson(part: unknown): unknown {
  if (typeof part === "number") return writeNumber(part);
  if (Array.isArray(part)) return part.map(toJson);
  if (typeof part !== "object" || part === null) return part;
  return Object.fromEntries(Object.entries(part).map(([key, member]) => [key, toJson(member)]));
}

/**
 * The graph that `graphToJson` wrote. Nothing about the value is trusted: every member is checked, unknown ones are refused, and the
 * graph verifies.
 *
 * @param json what `JSON.parse` gave
 * @throws {FormatError} that says where a member is missing, unknown or of the wrong type: `nodes[3].operation.stride: ...`
 * @throws {GraphError} that says which node makes no sense: shapes that do not fit, an input that does not come before, a name used twice
 */
export function graphFromJson(json: unknown): Graph {
  const { name, nodes: documents, outputs } = document(json, "");
  const nodes: Node[] = [];
  const positions = new Map<string, number>();
  for (const [position, node] of documents.entries()) {
    const twin = positions.get(node.name);
    if (twin !== undefined) {
      throw new GraphError(`nodes[${position}].name: "${node.name}" is the name of nodes[${twin}] already.`);
    }
    positions.set(node.name, position);
    nodes.push(nodeFrom(node, nodes));
  }
  const graph: Graph = { name, nodes, outputs: outputs.map((output, index) => outputFrom(output, index, nodes)) };
  verifyGraph(graph);
  return graph;
}

function nodeFrom({ name, operation, inputs }: NodeDocument, before: readonly Node[]): Node {
  const position = before.length;
  for (const [index, input] of inputs.entries()) {
    if (input >= position) {
      throw new GraphError(
        `nodes[${position}].inputs[${index}]: "${name}" reads value ${input}, which does not come before it.`,
      );
    }
  }
  const shape = shapeOf(
    `nodes[${position}]`,
    name,
    operation,
    inputs.map((input) => (before[input] as Node).shape),
  );
  return { id: position as ValueId, name, operation, inputs: inputs as readonly ValueId[], shape };
}

function shapeOf(path: string, name: string, operation: Operation, inputs: readonly Shape[]): Shape {
  let shape: Shape;
  try {
    shape = namedInferShape(name, operation, inputs);
  } catch (error) {
    if (error instanceof ShapeError) throw new GraphError(`${path}: ${error.message}`, { cause: error });
    throw error;
  }
  if (elementCount(shape) > limits.elements) {
    throw new GraphError(`${path}: "${name}" gives ${formatShape(shape)}, more than ${limits.elements} elements.`);
  }
  return shape;
}

function outputFrom({ name, value }: { name: string; value: number }, index: number, nodes: readonly Node[]): Output {
  if (value >= nodes.length) {
    throw new GraphError(`outputs[${index}].value: "${name}" is value ${value}, but there are ${nodes.length} nodes.`);
  }
  return { name, value: value as ValueId };
}
