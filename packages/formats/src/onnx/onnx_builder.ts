import { type Graph, isNode, type Node, nodeOf, type Shape, UnsupportedError, type ValueId } from "@depthwise/core";
import { transpose } from "../transpose.ts";
import { type UniqueNames, uniqueNames } from "../unique_names.ts";
import type { OnnxAttribute, OnnxGraph, OnnxNode, OnnxTensor, OnnxValueInfo } from "./onnx_model.ts";

/** Axes of `[N, H, W, C]` in ONNX's order. */
const nchw = [0, 3, 1, 2] as const;
/** Axes of `[kh, kw, in/groups, out]` in ONNX's order. */
const oihw = [3, 2, 0, 1] as const;

/** A shape of ours as ONNX has it: pictures `[N, C, H, W]`, anything else as it is. */
export function onnxShape(shape: Shape): Shape {
  return shape.length === 4 ? nchw.map((axis) => shape[axis] as number) : shape;
}

/** The ONNX graph while it is being written. Values of our graph are known by their ids, values of theirs by name. */
export class OnnxBuilder {
  readonly #graph: Graph;
  readonly #numbers: ReadonlyMap<string, Float32Array>;
  readonly #nodes: OnnxNode[] = [];
  readonly #initializers = new Map<string, OnnxTensor>();
  readonly #inputs: OnnxValueInfo[] = [];
  readonly #valueNames: UniqueNames;
  readonly #nodeNames: UniqueNames = uniqueNames();
  /** Names of the values that are written already. */
  readonly #values = new Map<ValueId, string>();
  /** Names of the parameters and constants that are written already, by what they are. */
  readonly #constants = new Map<string, string>();
  #current: Node | undefined;

  constructor(graph: Graph, numbers: ReadonlyMap<string, Float32Array>) {
    this.#graph = graph;
    this.#numbers = numbers;
    const reserved = [...graph.nodes.filter((node) => isNode(node, "input")), ...graph.outputs].map(({ name }) => name);
    const twice = reserved.find((name, position) => reserved.indexOf(name) !== position);
    if (twice !== undefined) {
      throw new UnsupportedError(
        `Graph "${graph.name}" has an input and an output named "${twice}": ONNX has one space of names.`,
      );
    }
    this.#valueNames = uniqueNames(reserved);
  }

  /** A value's shape in our order. */
  shape(value: ValueId): Shape {
    return nodeOf(this.#graph, value).shape;
  }

  /** The axis of a value's channels in ONNX's order. */
  channelAxis(value: ValueId): number {
    const rank = this.shape(value).length;
    return rank === 4 ? 1 : rank - 1;
  }

  /** A name for the value in ONNX's order. */
  read(value: ValueId): string {
    const node = nodeOf(this.#graph, value);
    if (!isNode(node, "parameter")) return this.#values.get(value) as string;
    return node.shape.length === 4 ? this.#parameter(node, nchw) : this.#parameter(node);
  }

  /**
   * The name of a convolution's kernel, `[out, in/groups, kh, kw]`.
   *
   * @throws {UnsupportedError} if it is computed
   */
  readKernel(value: ValueId): string {
    const node = nodeOf(this.#graph, value);
    if (isNode(node, "parameter")) return this.#parameter(node, oihw);
    throw new UnsupportedError(
      `convolution "${this.#current?.name}": its kernel is computed by "${node.name}"; ONNX files are written with kernels that are parameters.`,
    );
  }

  /** A list of whole numbers as a constant. */
  integers(...values: readonly number[]): string {
    return this.#constant(`integers ${values.join(",")}`, "integers", () => ({
      dims: [values.length],
      data: BigInt64Array.from(values, BigInt),
    }));
  }

  /** A number as a constant. */
  scalar(value: number): string {
    return this.#constant(`scalar ${value}`, "scalar", () => ({ dims: [], data: Float32Array.of(value) }));
  }

  /** Adds an ONNX node for the node of ours that is being written; returns the name of its output. */
  emit(opType: string, inputs: readonly string[], attributes: Readonly<Record<string, OnnxAttribute>> = {}): string {
    const ours = this.#current?.name ?? "output";
    const output = this.#valueNames.take(`${ours}/${opType}`);
    this.#nodes.push({ name: this.#nodeNames.take(`${ours}/${opType}`), opType, inputs, output, attributes });
    return output;
  }

  /** An input of the graph. */
  input({ id, name, shape }: Node): void {
    this.#values.set(id, name);
    this.#inputs.push({ name, dims: onnxShape(shape) });
  }

  /** Writes one node by `write`, which returns the name of its value. */
  node(node: Node, write: () => string): void {
    this.#current = node;
    const before = this.#nodes.length;
    const value = write();
    const last = this.#nodes.at(-1);
    if (this.#nodes.length > before && last?.output === value) {
      const output =
        this.#graph.outputs.find((each) => each.value === node.id)?.name ?? this.#valueNames.take(node.name);
      this.#nodes[this.#nodes.length - 1] = { ...last, output };
      this.#values.set(node.id, output);
    } else {
      this.#values.set(node.id, value); // nothing to compute: another name for a value that is there
    }
    this.#current = undefined;
  }

  /** The graph, its outputs in order. */
  finish(name: string): OnnxGraph {
    const outputs = this.#graph.outputs.map((output): OnnxValueInfo => {
      const value = this.read(output.value);
      if (value !== output.name) this.#nodes.push(identity(this.#nodeNames, value, output.name));
      return { name: output.name, dims: onnxShape(this.shape(output.value)) };
    });
    return { name, nodes: this.#nodes, initializers: [...this.#initializers.values()], inputs: this.#inputs, outputs };
  }

  #parameter({ name, shape }: Node, axes?: readonly number[]): string {
    return this.#constant(`parameter ${axes?.join("") ?? ""} ${name}`, name, () => {
      const data = this.#numbers.get(name) as Float32Array;
      const ordered = axes === undefined ? { data, shape } : transpose(data, shape, axes);
      return { dims: ordered.shape, data: ordered.data };
    });
  }

  #constant(key: string, name: string, tensor: () => Omit<OnnxTensor, "name">): string {
    const known = this.#constants.get(key);
    if (known !== undefined) return known;
    const unique = this.#valueNames.take(name);
    this.#constants.set(key, unique);
    this.#initializers.set(unique, { name: unique, ...tensor() });
    return unique;
  }
}

function identity(names: UniqueNames, from: string, to: string): OnnxNode {
  return { name: names.take(`${to}/Identity`), opType: "Identity", inputs: [from], output: to, attributes: {} };
}
