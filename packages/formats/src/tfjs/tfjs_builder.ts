import { type Graph, isNode, type Node, nodeOf, type Shape, type ValueId } from "@depthwise/core";
import { type UniqueNames, uniqueNames } from "../unique_names.ts";
import {
  float,
  int32,
  type TfjsAttribute,
  type TfjsConstant,
  type TfjsNode,
  type TfjsPort,
  tfjsShape,
} from "./tfjs_model.ts";

/** A graph that was written. */
interface WrittenGraph {
  readonly nodes: readonly TfjsNode[];
  readonly constants: readonly TfjsConstant[];
  readonly inputs: Readonly<Record<string, TfjsPort>>;
  readonly outputs: Readonly<Record<string, TfjsPort>>;
}

/** The TensorFlow graph while it is being written. Values of our graph are known by their ids, nodes of theirs by name. */
export class TfjsBuilder {
  readonly #graph: Graph;
  readonly #numbers: ReadonlyMap<string, Float32Array>;
  readonly #nodes: TfjsNode[] = [];
  readonly #constants = new Map<string, TfjsConstant>();
  readonly #inputs: [string, TfjsPort][] = [];
  readonly #names: UniqueNames = uniqueNames();
  readonly #values = new Map<ValueId, string>();
  #current: Node | undefined;

  constructor(graph: Graph, numbers: ReadonlyMap<string, Float32Array>) {
    this.#graph = graph;
    this.#numbers = numbers;
  }

  /** A value's shape. */
  shape(value: ValueId): Shape {
    return nodeOf(this.#graph, value).shape;
  }

  /** The node of a value. */
  read(value: ValueId): string {
    const node = nodeOf(this.#graph, value);
    if (!isNode(node, "parameter")) return this.#values.get(value) as string;
    return this.readAs(value, node.shape);
  }

  /** A value under another shape of as many elements; of a parameter its numbers, of what is computed a Reshape. */
  readAs(value: ValueId, shape: Shape): string {
    const node = nodeOf(this.#graph, value);
    if (!isNode(node, "parameter")) return this.reshape(this.read(value), shape);
    return this.#constant("parameter", node.name, shape, () => this.#numbers.get(node.name) as Float32Array);
  }

  /** The numbers of a parameter, or undefined of what is computed. */
  numbers(value: ValueId): Float32Array | undefined {
    const node = nodeOf(this.#graph, value);
    return isNode(node, "parameter") ? this.#numbers.get(node.name) : undefined;
  }

  /** A constant. Of those with the same name and shape, the first one's numbers are written. */
  constant(name: string, shape: Shape, data: () => Float32Array | Int32Array): string {
    return this.#constant("constant", name, shape, data);
  }

  /** Whole numbers as a constant list. */
  integers(...values: readonly number[]): string {
    return this.constant(`integers/${values.join(",")}`, [values.length], () => Int32Array.from(values));
  }

  /** A whole number as a constant. */
  integer(value: number): string {
    return this.constant(`integer/${value}`, [], () => Int32Array.of(value));
  }

  /** A number as a constant. */
  scalar(value: number): string {
    return this.constant(`scalar/${value}`, [], () => Float32Array.of(value));
  }

  /** A constant of the node that is being written: its name is put before. */
  ownConstant(name: string, shape: Shape, data: () => Float32Array): string {
    return this.constant(`${this.#current?.name}/${name}`, shape, data);
  }

  reshape(x: string, shape: Shape): string {
    return this.emit("Reshape", [x, this.integers(...shape)], { Tshape: int32 });
  }

  /** Adds a node for the node of ours that is being written; returns its name. */
  emit(op: string, inputs: readonly string[], attributes: Readonly<Record<string, TfjsAttribute>> = {}): string {
    const name = this.#take(`${this.#current?.name ?? "output"}/${op}`);
    this.#nodes.push({ name, op, input: inputs, attr: { T: float, ...attributes } });
    return name;
  }

  /** An input of the graph. */
  input({ id, name, shape }: Node): void {
    const node = this.#take(name);
    this.#values.set(id, node);
    this.#nodes.push({
      name: node,
      op: "Placeholder",
      input: [],
      attr: { dtype: float, shape: { shape: tfjsShape(shape) } },
    });
    this.#inputs.push([name, { name: `${node}:0`, dtype: "DT_FLOAT", tensorShape: tfjsShape(shape) }]);
  }

  /** Writes one node by `write`, which returns the name of its value. */
  node(node: Node, write: () => string): void {
    this.#current = node;
    this.#values.set(node.id, write());
    this.#current = undefined;
  }

  /** The graph. Each output is a node of its own, which nobody reads: so they are found without the signature too. */
  finish(): WrittenGraph {
    const outputs = this.#graph.outputs.map(({ name, value }): [string, TfjsPort] => {
      const node = this.#take(name);
      this.#nodes.push({ name: node, op: "Identity", input: [this.read(value)], attr: { T: float } });
      return [name, { name: `${node}:0`, dtype: "DT_FLOAT", tensorShape: tfjsShape(this.shape(value)) }];
    });
    return {
      nodes: this.#nodes,
      constants: [...this.#constants.values()],
      inputs: Object.fromEntries(this.#inputs),
      outputs: Object.fromEntries(outputs),
    };
  }

  #constant(kind: "parameter" | "constant", name: string, shape: Shape, data: () => TfjsConstant["data"]): string {
    const key = `${kind} ${name} ${shape.join("x")}`;
    const known = this.#constants.get(key);
    if (known !== undefined) return known.name;
    const constant: TfjsConstant = { name: this.#take(name), shape, data: data() };
    this.#constants.set(key, constant);
    const dtype = constant.data instanceof Float32Array ? float : int32;
    this.#nodes.push({ name: constant.name, op: "Const", input: [], attr: { dtype } });
    return constant.name;
  }

  /** A name of its own, of the letters that TensorFlow's names have. */
  #take(name: string): string {
    const allowed = name.replace(/[^A-Za-z0-9_.\-/]/g, "_").replace(/^[^A-Za-z0-9.]/, ".");
    return this.#names.take(allowed === "" ? "node" : allowed);
  }
}
