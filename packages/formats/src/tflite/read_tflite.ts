import { FormatError, nodeOf, type Tensor, UnsupportedError, type Value, verifyGraph } from "@depthwise/core";
import type { ForeignModel } from "../foreign_model.ts";
import { axesOf } from "../importer/axes.ts";
import type { ImportedNetwork } from "../importer/drafts.ts";
import { type ForeignValue, viewOf } from "../importer/foreign_value.ts";
import { Importer } from "../importer/importer.ts";
import { namedErrors } from "../importer/named_errors.ts";
import { readOutput } from "../importer/outputs.ts";
import { rangeActivated } from "../importer/quantization.ts";
import { type MemoryBudget, memoryBudget } from "../memory_budget.ts";
import { uniqueNames } from "../unique_names.ts";
import { decodeTfliteFile, type FileModel, type FileOperator, type FileTensor } from "./decode_tflite_file.ts";
import { OperatorReader } from "./operator_reader.ts";
import { readLabels } from "./read_labels.ts";
import { operatorName, readOperator } from "./read_operators.ts";
import { constantOf, readTensor } from "./tensors.ts";

/** Options of `readTflite`. */
export interface ReadTfliteOptions {
  /** The file's name, for messages. */
  readonly file?: string | undefined;
}

/**
 * Reads a TFLite model, of floats, of half floats, or quantised.
 *
 * Quantised weights are dequantised, and the network computes with floats: its inputs and outputs are the numbers that the file's integers
 * stand for, `scale·(integer − zero point)`. Of quantised activations the range remains where it does what an activation does. Classes
 * are those of the file, a background class included. Nodes are named after the file's tensors.
 *
 * @throws {FormatError} if the bytes are not a TFLite model, or it contradicts itself
 * @throws {UnsupportedError} naming the operator that no operation of ours is
 */
export function readTflite(bytes: Uint8Array, options: ReadTfliteOptions = {}): ForeignModel {
  const { file } = options;
  return namedErrors(undefined, file, () => {
    const budget = memoryBudget(bytes.length, file, true);
    const model = new TfliteModelReader(decodeTfliteFile(bytes, budget), budget).read();
    const { graph } = model.network;
    const [output] = graph.outputs;
    const classes = output === undefined ? 0 : (nodeOf(graph, output.value).shape.at(-1) ?? 0);
    return { ...model, ...readLabels(bytes, classes, budget) };
  });
}

class TfliteModelReader {
  readonly #model: FileModel;
  readonly #budget: MemoryBudget;
  readonly #to: Importer;
  readonly #stored = new Map<FileTensor, Tensor>();
  readonly #values = new Map<FileTensor, ForeignValue>();

  constructor(model: FileModel, budget: MemoryBudget) {
    this.#model = model;
    this.#budget = budget;
    this.#to = new Importer(model.name === "" ? "tflite" : model.name, budget);
  }

  read(): ForeignModel & { readonly network: ImportedNetwork } {
    const { inputs, outputs, tensors } = this.#model;
    for (const source of tensors) {
      const stored = readTensor(source, this.#budget);
      if (stored !== undefined) this.#stored.set(source, stored);
    }
    const inputNames = uniqueNames();
    for (const position of inputs)
      this.#readInput(this.#tensor(position), inputNames.take(this.#tensor(position).name));
    for (const operator of this.#neededOperators()) this.#readOperator(operator);
    const outputNames = uniqueNames();
    const read = outputs.map((position) => {
      const { name } = this.#tensor(position);
      return [outputNames.take(name), this.#readOutput(this.#tensor(position))] as const;
    });
    if (read.length === 0) throw new FormatError("The model has no output.");
    const network = this.#to.finish(read);
    verifyGraph(network.graph);
    return { format: "tflite", tensors: this.#namedTensors(), network, ...this.#pixels() };
  }

  /** How bytes become what the integers of a picture stand for: signed ones are bytes less 128. */
  #pixels(): Pick<ForeignModel, "pixels"> {
    const picture = this.#model.inputs
      .map((position) => this.#tensor(position))
      .find(({ shape }) => shape.length === 4);
    const { scales, zeroPoints } = picture?.quantization ?? {};
    const [scale] = scales ?? [];
    const range = integerRanges.get(picture?.type ?? 0);
    if (scale === undefined || range === undefined) return {};
    return { pixels: { scale, offset: scale * (range[0] - (zeroPoints?.[0] ?? 0)) } };
  }

  #namedTensors(): ReadonlyMap<string, Tensor> {
    const names = uniqueNames();
    return new Map(Array.from(this.#stored, ([{ name }, tensor]) => [names.take(name), tensor]));
  }

  #neededOperators(): readonly FileOperator[] {
    const needed = new Set(this.#model.outputs);
    const operators: FileOperator[] = [];
    for (const operator of this.#model.operators.toReversed()) {
      if (!operator.outputs.some((output) => needed.has(output))) continue;
      for (const input of operator.inputs) needed.add(input);
      operators.push(operator);
    }
    return operators.toReversed();
  }

  #tensor(position: number): FileTensor {
    const tensor = this.#model.tensors[position];
    if (tensor !== undefined) return tensor;
    throw new FormatError(`There is no tensor ${position}; the model has ${this.#model.tensors.length}.`);
  }

  #readInput(tensor: FileTensor, name: string): void {
    const { shape } = tensor;
    if (!shape.every((length) => length >= 1) || ![2, 4].includes(shape.length)) {
      const text = shape.slice(0, 8).join("x");
      throw new UnsupportedError(`Input "${name}" has shape ${text}; pictures [N, H, W, C] or lists [N, C] are read.`);
    }
    this.#values.set(tensor, viewOf(this.#to.input(name, shape), axesOf(shape)));
  }

  #readOperator(operator: FileOperator): void {
    const { code, customCode, inputs, outputs } = operator;
    const [first, ...others] = outputs.map((output) => this.#tensor(output));
    // Converters join the names of what they fuse.
    const name = first?.name.split(";", 1)[0] ?? "";
    this.#to.current = name === "" ? operatorName(code, customCode) : name;
    const { count } = this.#to;
    namedErrors(`${operatorName(code, customCode)} "${name}"`, undefined, () => {
      const operands = inputs.map((input) => (input === -1 ? undefined : this.#value(this.#tensor(input))));
      const values = readOperator(new OperatorReader(this.#to, operator, operands));
      for (const [i, tensor] of [first, ...others].entries()) {
        const value = values[i];
        if (value !== undefined && tensor !== undefined)
          this.#values.set(tensor, this.#to.named(this.#inRange(value, tensor), count));
      }
    });
  }

  /** The value with the activation that its integers' range does. */
  #inRange(value: ForeignValue, { type, quantization }: FileTensor): ForeignValue {
    const range = integerRanges.get(type);
    if (value.kind === "constant" || range === undefined || quantization?.scales.length !== 1) return value;
    const [scale = 1] = quantization.scales;
    const [least, greatest] = range;
    return rangeActivated(this.#to, value, { scale, zeroPoint: quantization.zeroPoints[0] ?? 0, least, greatest });
  }

  #value(tensor: FileTensor): ForeignValue {
    const known = this.#values.get(tensor);
    if (known !== undefined) return known;
    const stored = this.#stored.get(tensor);
    if (stored === undefined) throw new FormatError(`reads "${tensor.name}", which nothing before it gives.`);
    const constant = constantOf(tensor, stored, this.#budget);
    this.#values.set(tensor, constant);
    return constant;
  }

  #readOutput(tensor: FileTensor): Value {
    this.#to.current = tensor.name;
    return namedErrors(`Output "${tensor.name}"`, undefined, () => readOutput(this.#to, this.#value(tensor), "NHWC"));
  }
}

/** The integers of each TensorType that values are quantised to. */
const integerRanges: ReadonlyMap<number, readonly [least: number, greatest: number]> = new Map([
  [3, [0, 255]],
  [9, [-128, 127]],
]);
