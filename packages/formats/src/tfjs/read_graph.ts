import { FormatError, type Shape, UnsupportedError, type Value } from "@depthwise/core";
import { axesOf } from "../importer/axes.ts";
import type { ImportedNetwork } from "../importer/drafts.ts";
import { type ForeignValue, viewOf } from "../importer/foreign_value.ts";
import { Importer } from "../importer/importer.ts";
import { namedErrors } from "../importer/named_errors.ts";
import { readOutput } from "../importer/outputs.ts";
import type { MemoryBudget } from "../memory_budget.ts";
import { uniqueNames } from "../unique_names.ts";
import type { ForeignWeights } from "./foreign_weights.ts";
import { type FileNode, GraphNode, parseInput, parseNodes, shapeAttribute, shapeOfDims } from "./graph_node.ts";
import { field, type JsonObject, objectField, textField } from "./json_value.ts";
import { readOperation } from "./read_graph_operations.ts";

/** Operations that are no values of the network. */
const notValues: ReadonlySet<string> = new Set(["Const", "NoOp", "Placeholder"]);
/** Memory for a node while it is read, about. */
const nodeBytes = 500;

/**
 * The network of a graph model: a frozen GraphDef.
 *
 * @param model the whole `model.json`
 */
export function readGraphModel(model: JsonObject, weights: ForeignWeights, budget: MemoryBudget): ImportedNetwork {
  const reader = new GraphReader(model, weights, budget);
  return reader.read();
}

class GraphReader {
  readonly #nodes = new Map<string, FileNode>();
  readonly #values = new Map<string, readonly ForeignValue[]>();
  readonly #signature: JsonObject;
  readonly #weights: ForeignWeights;
  readonly #to: Importer;

  constructor(model: JsonObject, weights: ForeignWeights, budget: MemoryBudget) {
    const nodes = parseNodes(objectField(model, "modelTopology"));
    budget.spend(nodeBytes * nodes.length, "The graph's nodes");
    for (const node of nodes) {
      if (this.#nodes.has(node.name)) throw new FormatError(`Two nodes are named "${node.name}".`);
      this.#nodes.set(node.name, node);
    }
    const own = field(model, "signature") === undefined ? objectField(model, "userDefinedMetadata") : model;
    this.#signature = objectField(own, "signature");
    this.#weights = weights;
    this.#to = new Importer("tfjs", budget);
  }

  read(): ImportedNetwork {
    const outputs = this.#outputs();
    // Inputs first, in the file's order, so that they are the network's whatever reads them.
    const signed = signedShapes(this.#signature);
    for (const node of this.#nodes.values()) {
      if (node.op !== "Placeholder") continue;
      const dims = shapeAttribute(objectField(node.attributes, "shape")) ?? signed.get(node.name);
      const shape = fixedShape(node.name, dims);
      this.#values.set(node.name, [viewOf(this.#to.input(node.name, shape), axesOf(shape))]);
    }
    for (const node of this.#inOrder(outputs.map(([, value]) => parseInput(value)[0]))) this.#readNode(node);
    const taken = uniqueNames();
    const values = outputs.map(([name, source]): readonly [string, Value] => {
      const value = namedErrors(`Output "${name}"`, undefined, () => {
        this.#to.current = name;
        return readOutput(this.#to, this.#valueOf(source), "NHWC");
      });
      return [taken.take(name), value];
    });
    return this.#to.finish(values);
  }

  /** Names of the outputs and where they come from: as the signature says, or what nobody reads. */
  #outputs(): readonly (readonly [name: string, source: string])[] {
    const signed = objectField(this.#signature, "outputs");
    const names = Object.keys(signed);
    if (names.length > 0) {
      return names.map((name) => [withoutZero(name), textField(objectField(signed, name), "name", name)]);
    }
    const read = new Set(
      [...this.#nodes.values()].flatMap(({ inputs }) => inputs.map((input) => parseInput(input)[0])),
    );
    const last = [...this.#nodes.values()].filter(({ name, op }) => !read.has(name) && !notValues.has(op));
    if (last.length === 0) throw new FormatError("The graph has no output.");
    return last.map(({ name }) => [name, name]);
  }

  /** The nodes that the given ones depend on, each after its inputs. */
  #inOrder(names: readonly string[]): readonly FileNode[] {
    const order: FileNode[] = [];
    const states = new Map<string, "open" | "done">();
    const stack = [...names];
    while (stack.length > 0) {
      const name = stack.at(-1) as string;
      const node = this.#nodes.get(name);
      if (node === undefined) throw new FormatError(`"${name}" is read, but no node has that name.`);
      const state = states.get(name);
      if (state === undefined) {
        states.set(name, "open");
        for (const input of node.inputs) {
          const source = parseInput(input)[0];
          if (states.get(source) === "open") throw new FormatError(`Node "${source}" depends on itself.`);
          if (states.get(source) === undefined) stack.push(source);
        }
      } else {
        stack.pop();
        if (state === "open") order.push(node);
        states.set(name, "done");
      }
    }
    return order;
  }

  #readNode(node: FileNode): void {
    if (this.#values.has(node.name)) return;
    this.#to.current = node.name;
    const values = namedErrors(`${node.op} "${node.name}"`, undefined, () => {
      if (node.op !== "Const")
        return readOperation(
          new GraphNode(
            this.#to,
            node,
            node.inputs.map((input) => this.#valueOf(input)),
          ),
        );
      const constant = this.#weights.get(node.name);
      if (constant === undefined) throw new FormatError("has no numbers among the weights.");
      return [constant];
    });
    this.#values.set(node.name, values);
  }

  #valueOf(source: string): ForeignValue {
    const [name, output] = parseInput(source);
    const value = this.#values.get(name)?.[output];
    if (value !== undefined) return value;
    throw new FormatError(`"${source}" is read, but that node has no such output.`);
  }
}

/** What the signature says about the shapes of inputs, by their nodes. */
function signedShapes(signature: JsonObject): ReadonlyMap<string, readonly number[] | undefined> {
  const inputs = objectField(signature, "inputs");
  return new Map(
    Object.keys(inputs).map((key) => {
      const info = objectField(inputs, key);
      return [parseInput(textField(info, "name", key))[0], shapeOfDims(objectField(info, "tensorShape"))];
    }),
  );
}

/** `output:0` as `output`. */
function withoutZero(name: string): string {
  return name.endsWith(":0") && name.length > 2 ? name.slice(0, -2) : name;
}

/**
 * An input's shape with an open batch as 1.
 *
 * @throws {UnsupportedError} if more is open, or it is neither picture nor list
 */
export function fixedShape(name: string, dims: readonly (number | null)[] | undefined): Shape {
  const shape = dims?.map((length, axis) => (axis === 0 && (length === null || length < 1) ? 1 : length));
  const isFixed = shape?.every((length) => length !== null && Number.isSafeInteger(length) && length >= 1) === true;
  if (isFixed && (shape.length === 2 || shape.length === 4)) return shape as Shape;
  const text =
    dims === undefined
      ? "unknown"
      : dims
          .slice(0, 8)
          .map((length) => (length === null || length < 0 ? "?" : length))
          .join("x");
  throw new UnsupportedError(
    `Input "${name}" has shape ${text}; pictures of a fixed size, or lists [N, C], are read.`,
    {
      hint: "Convert the model with a fixed input size; the batch alone may be open.",
    },
  );
}
