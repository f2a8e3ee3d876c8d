import { FormatError, type Shape, type Tensor, UnsupportedError, verifyGraph } from "@depthwise/core";
import type { ForeignModel } from "../foreign_model.ts";
import { axesOf } from "../importer/axes.ts";
import { type ForeignValue, type View, viewOf } from "../importer/foreign_value.ts";
import { Importer } from "../importer/importer.ts";
import { namedErrors } from "../importer/named_errors.ts";
import { readOutput } from "../importer/outputs.ts";
import { type MemoryBudget, memoryBudget } from "../memory_budget.ts";
import { uniqueNames } from "../unique_names.ts";
import { decodeOnnxFile, type FileGraph, type FileNode, type FilePort } from "./decode_onnx_file.ts";
import { NodeReader } from "./node_reader.ts";
import { readOperation } from "./read_operations.ts";
import { constantOf, readTensor } from "./tensors.ts";

/** Options of `readOnnx`. */
export interface ReadOnnxOptions {
  /** The file's name, for messages. */
  readonly file?: string | undefined;
  /** Pictures in a batch, where the file leaves that open. Default 1. */
  readonly batch?: number | undefined;
}

/** Operator sets whose meaning is known: 7 brought today's broadcasting. */
const opsets = { first: 7, last: 25 } as const;

/**
 * Reads an ONNX model: any network made of operations that ours are, whatever framework wrote it.
 *
 * Pictures, `[N, C, H, W]` there, are `[N, H, W, C]` in the network, its inputs and outputs included. Transposes and reshapes are followed
 * as names of axes and cost nothing; what they do to the order of channels, as channel shuffles do, becomes a permutation. Half floats are
 * widened and quantised weights dequantised; of quantised activations the range remains where it does what an activation does. Nodes
 * are named after the file's.
 *
 * @throws {FormatError} if the bytes are not an ONNX model, or it contradicts itself
 * @throws {UnsupportedError} naming the node that no operation of ours is, or the file that holds the weights if they are elsewhere
 */
export function readOnnx(bytes: Uint8Array, options: ReadOnnxOptions = {}): ForeignModel {
  const { file, batch = 1 } = options;
  return namedErrors(undefined, file, () => {
    const budget = memoryBudget(bytes.length, file, true);
    const model = decodeOnnxFile(bytes, budget, file);
    const opset = model.opsets.get("") ?? model.opsets.get("ai.onnx");
    if (model.graph === undefined || opset === undefined) {
      throw new FormatError("Not a valid ONNX file: it has no graph, or names no set of operators.");
    }
    if (!(opset >= opsets.first && opset <= opsets.last)) {
      throw new UnsupportedError(`Operator set ${opset} is not read; ${opsets.first} to ${opsets.last} are.`);
    }
    return new OnnxGraphReader(model.graph, opset, batch, budget).read();
  });
}

class OnnxGraphReader {
  readonly #graph: FileGraph;
  readonly #opset: number;
  readonly #batch: number;
  readonly #budget: MemoryBudget;
  readonly #to: Importer;
  readonly #tensors = new Map<string, Tensor>();
  readonly #values = new Map<string, ForeignValue>();
  readonly #names = uniqueNames();

  constructor(graph: FileGraph, opset: number, batch: number, budget: MemoryBudget) {
    this.#graph = graph;
    this.#opset = opset;
    this.#batch = batch;
    this.#budget = budget;
    this.#to = new Importer(graph.name === "" ? "onnx" : graph.name, budget);
  }

  read(): ForeignModel {
    const { initializers, inputs, outputs } = this.#graph;
    for (const source of initializers) {
      if (this.#tensors.has(source.name)) throw new FormatError(`Two tensors are named "${source.name}".`);
      this.#tensors.set(source.name, readTensor(source, this.#budget));
    }
    const nodes = this.#neededNodes();
    const isPictureLast = pictureInputsLast(nodes);
    for (const input of inputs) if (!this.#tensors.has(input.name)) this.#readInput(input, isPictureLast(input.name));
    for (const node of nodes) this.#readNode(node);
    const read = outputs.map((output) => [output.name, this.#readOutput(output.name)] as const);
    if (read.length === 0) throw new FormatError("The graph has no output.");
    const network = this.#to.finish(read);
    verifyGraph(network.graph);
    return { format: "onnx", tensors: this.#tensors, network };
  }

  /** Nodes that an output depends on, in the file's order. */
  #neededNodes(): readonly FileNode[] {
    const needed = new Set(this.#graph.outputs.map(({ name }) => name));
    const nodes: FileNode[] = [];
    for (const node of this.#graph.nodes.toReversed()) {
      if (!node.outputs.some((output) => output !== "" && needed.has(output))) continue;
      for (const input of node.inputs) needed.add(input);
      nodes.push(node);
    }
    return nodes.toReversed();
  }

  #readInput({ name, dims }: FilePort, isPictureLast: boolean): void {
    const fixed = dims?.map((length, axis) =>
      axis === 0 && !(length !== undefined && length > 0) ? this.#batch : length,
    );
    if (
      fixed === undefined ||
      !fixed.every((length) => length !== undefined && length > 0) ||
      ![2, 4].includes(fixed.length)
    ) {
      const shape =
        dims
          ?.map((length) => length ?? "?")
          .slice(0, 8)
          .join("x") ?? "unknown";
      throw new UnsupportedError(
        `Input "${name}" has shape ${shape}; pictures of a fixed size, or lists [N, C], are read.`,
        {
          hint: "Export the model with a fixed input size; the batch alone may be open.",
        },
      );
    }
    this.#values.set(name, this.#inputView(this.#names.take(name), fixed as Shape, isPictureLast));
  }

  #inputView(name: string, shape: Shape, isPictureLast: boolean): View {
    if (shape.length !== 4) return viewOf(this.#to.input(name, shape), axesOf(shape));
    const layout = isPictureLast ? "NHWC" : "NCHW";
    const ours = [..."NHWC"].map((axis) => shape[layout.indexOf(axis)] as number);
    return this.#to.fromPicture(this.#to.input(name, ours), layout);
  }

  #readNode(node: FileNode): void {
    const title = node.name === "" ? (node.outputs[0] ?? "") : node.name;
    this.#to.current = nodeName(title, node.opType);
    const { count } = this.#to;
    const values = namedErrors(`${node.opType} "${title}"`, undefined, () => {
      const inputs = node.inputs.map((input) => (input === "" ? undefined : this.#value(input)));
      return readOperation(new NodeReader(this.#to, node, this.#opset, inputs));
    });
    for (const [i, output] of node.outputs.entries()) {
      const value = values[i];
      if (value !== undefined && output !== "") this.#values.set(output, this.#to.named(value, count));
    }
  }

  #value(name: string): ForeignValue {
    const known = this.#values.get(name);
    if (known !== undefined) return known;
    const tensor = this.#tensors.get(name);
    if (tensor === undefined) throw new FormatError(`reads "${name}", which nothing before it gives.`);
    const constant = constantOf(tensor, this.#budget);
    this.#values.set(name, constant);
    return constant;
  }

  #readOutput(name: string) {
    this.#to.current = name;
    return namedErrors(`Output "${name}"`, undefined, () => readOutput(this.#to, this.#value(name), "NCHW"));
  }
}

/** `/features/features.0/Conv` as `features/features.0`: what the node does is said by its operation. */
function nodeName(title: string, opType: string): string {
  const name = title.replace(/^\/+/, "");
  const suffix = `/${opType}`;
  // Of several in one place exporters number all but the first.
  const withoutNumber = name.replace(/_\d{1,6}$/, "");
  const isSuffixed = withoutNumber.endsWith(suffix) && withoutNumber.length > suffix.length;
  return isSuffixed ? withoutNumber.slice(0, -suffix.length) : name || opType;
}

/** Operators that leave the shape as it is, for what comes before the first transpose. */
const shapeKeepers: ReadonlySet<string> = new Set(
  "Identity Cast QuantizeLinear DequantizeLinear Add Sub Mul Div Pad".split(" "),
);
/** How many of them are looked through. */
const LONGEST_PROLOGUE = 12;

/** Says of an input whether its pictures have channels last: whether they are transposed to have them second before all else. */
function pictureInputsLast(nodes: readonly FileNode[]): (input: string) => boolean {
  const firstReader = new Map<string, FileNode>();
  for (const node of nodes) {
    for (const input of node.inputs) if (!firstReader.has(input)) firstReader.set(input, node);
  }
  return (input) => {
    let node = firstReader.get(input);
    for (let i = 0; i < LONGEST_PROLOGUE && node !== undefined && shapeKeepers.has(node.opType); i++) {
      node = firstReader.get(node.outputs[0] ?? "");
    }
    return node?.opType === "Transpose" && node.attributes.get("perm")?.ints.join() === "0,3,1,2";
  };
}
