import { type Graph, isNode, type Node, nodeOf, type Shape, UnsupportedError, type ValueId } from "@depthwise/core";
import { transpose } from "../transpose.ts";
import { type UniqueNames, uniqueNames } from "../unique_names.ts";
import type { OperatorName, TfliteModel, TfliteOperator, TfliteOptions, TfliteTensor } from "./tflite_model.ts";

/** The position of a tensor in the file. */
export type TensorIndex = number;

/** The TFLite model while it is being written. Values of our graph are known by their ids, tensors of theirs by position. */
export class TfliteBuilder {
  readonly #graph: Graph;
  readonly #numbers: ReadonlyMap<string, Float32Array>;
  readonly #tensors: TfliteTensor[] = [];
  readonly #operators: TfliteOperator[] = [];
  readonly #inputs: TensorIndex[] = [];
  readonly #names: UniqueNames;
  readonly #values = new Map<ValueId, TensorIndex>();
  /** Parameters and constants that are written already, by what they are. */
  readonly #constants = new Map<string, TensorIndex>();
  #current: Node | undefined;

  constructor(graph: Graph, numbers: ReadonlyMap<string, Float32Array>) {
    this.#graph = graph;
    this.#numbers = numbers;
    this.#names = uniqueNames(graph.outputs.map((output) => output.name));
  }

  /** A value's shape. */
  shape(value: ValueId): Shape {
    return nodeOf(this.#graph, value).shape;
  }

  /** The tensor of a value. */
  read(value: ValueId): TensorIndex {
    const node = nodeOf(this.#graph, value);
    if (!isNode(node, "parameter")) return this.#values.get(value) as TensorIndex;
    return this.constant(node.name, node.shape, () => this.#numbers.get(node.name) as Float32Array);
  }

  /**
   * A parameter with its axes in another order, then viewed as `shape`.
   *
   * @throws {UnsupportedError} if the value is computed
   */
  readTransposed(value: ValueId, axes: readonly number[], shape: Shape): TensorIndex {
    const { name } = this.#parameterNode(value);
    return this.constant(`${name}/${axes.join("")}`, shape, () => {
      const ordered = transpose(this.#numbers.get(name) as Float32Array, this.shape(value), axes);
      return ordered.data;
    });
  }

  /**
   * The numbers of a parameter.
   *
   * @throws {UnsupportedError} if the value is computed
   */
  numbers(value: ValueId): Float32Array {
    return this.#numbers.get(this.#parameterNode(value).name) as Float32Array;
  }

  /** A constant. Of those with the same name and shape, the first one's numbers are written. */
  constant(name: string, shape: Shape, data: () => Float32Array | Int32Array): TensorIndex {
    const key = `${name} ${shape.join("x")}`;
    const known = this.#constants.get(key);
    if (known !== undefined) return known;
    const index = this.#tensor({ name: this.#names.take(name), shape, data: data() });
    this.#constants.set(key, index);
    return index;
  }

  /** Whole numbers as a constant list. */
  integers(...values: readonly number[]): TensorIndex {
    return this.constant(`integers/${values.join(",")}`, [values.length], () => Int32Array.from(values));
  }

  /** A constant of the node that is being written: its name is put before. */
  ownConstant(name: string, shape: Shape, data: () => Float32Array | Int32Array): TensorIndex {
    return this.constant(`${this.#current?.name}/${name}`, shape, data);
  }

  /** Adds an operator for the node that is being written; returns its output. */
  emit(
    operator: OperatorName,
    inputs: readonly TensorIndex[],
    shape: Shape,
    options?: TfliteOptions,
    version = 1,
  ): TensorIndex {
    const output = this.#tensor({
      name: this.#names.take(`${this.#current?.name}/${operator}`),
      shape,
      data: undefined,
    });
    this.#operators.push({ operator, version, inputs, output, options });
    return output;
  }

  /** An input of the graph. */
  input({ id, name, shape }: Node): void {
    const index = this.#tensor({ name: this.#names.take(name), shape, data: undefined });
    this.#values.set(id, index);
    this.#inputs.push(index);
  }

  /** Writes one node by `write`, which returns its tensor. */
  node(node: Node, write: () => TensorIndex): void {
    this.#current = node;
    const before = this.#operators.length;
    const index = write();
    this.#values.set(node.id, index);
    if (this.#operators.length > before && this.#operators.at(-1)?.output === index) {
      const name = this.#graph.outputs.find((each) => each.value === node.id)?.name ?? this.#names.take(node.name);
      this.#tensors[index] = { ...(this.#tensors[index] as TfliteTensor), name };
    }
    this.#current = undefined;
  }

  /** The model, its outputs in order. */
  finish(name: string): TfliteModel {
    const outputs = this.#graph.outputs.map((output) => {
      const index = this.read(output.value);
      if (this.#tensors[index]?.name === output.name && !this.#inputs.includes(index)) return index;
      return this.#copy(index, output.name);
    });
    return { name, tensors: this.#tensors, operators: this.#operators, inputs: this.#inputs, outputs };
  }

  /** The same numbers under another name: there is no operator that does nothing, so it is viewed as what it is. */
  #copy(from: TensorIndex, name: string): TensorIndex {
    const { shape } = this.#tensors[from] as TfliteTensor;
    const output = this.#tensor({ name, shape, data: undefined });
    const inputs = [from, this.integers(...shape)];
    this.#operators.push({ operator: "RESHAPE", version: 1, inputs, output, options: undefined });
    return output;
  }

  #tensor(tensor: TfliteTensor): TensorIndex {
    this.#tensors.push(tensor);
    return this.#tensors.length - 1;
  }

  #parameterNode(value: ValueId): Node {
    const node = nodeOf(this.#graph, value);
    if (isNode(node, "parameter")) return node;
    const { name = "", operation } = this.#current ?? {};
    throw new UnsupportedError(
      `${operation?.op} "${name}": "${node.name}" is computed; TFLite files are written with kernels and statistics that are parameters.`,
    );
  }
}
