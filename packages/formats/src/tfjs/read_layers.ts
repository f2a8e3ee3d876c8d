import { FormatError, type Value } from "@depthwise/core";
import { axesOf } from "../importer/axes.ts";
import type { ImportedNetwork } from "../importer/drafts.ts";
import { type Constant, type ForeignValue, viewOf } from "../importer/foreign_value.ts";
import { Importer } from "../importer/importer.ts";
import { namedErrors } from "../importer/named_errors.ts";
import { readOutput } from "../importer/outputs.ts";
import type { MemoryBudget } from "../memory_budget.ts";
import { uniqueNames } from "../unique_names.ts";
import type { ForeignWeights } from "./foreign_weights.ts";
import { type JsonObject, objectField, textField } from "./json_value.ts";
import { KerasLayer } from "./keras_layer.ts";
import {
  batchShape,
  isModel,
  type KerasModel,
  type LayerEntry,
  parseKerasModel,
  type TensorReference,
} from "./keras_model.ts";
import { fixedShape } from "./read_graph.ts";
import { readKerasLayer } from "./read_keras_layers.ts";

/** Models within models. */
const deepest = 8;
/** Memory for a call of a layer while it is read, about. */
const callBytes = 600;

/**
 * The network of a layers model.
 *
 * @param model the whole `model.json`
 * @param names of all weights
 */
export function readLayersModel(
  model: JsonObject,
  names: Iterable<string>,
  weights: ForeignWeights,
  budget: MemoryBudget,
): ImportedNetwork {
  const topology = objectField(model, "modelTopology");
  // Some files have the model itself in its place.
  const config = Object.hasOwn(topology, "model_config") ? objectField(topology, "model_config") : topology;
  const reader = new LayersReader(new WeightNames(names, budget), weights, budget);
  return reader.read(parseKerasModel(textField(config, "class_name"), objectField(config, "config")));
}

class LayersReader {
  readonly #names: WeightNames;
  readonly #weights: ForeignWeights;
  readonly #budget: MemoryBudget;
  readonly #to: Importer;

  constructor(names: WeightNames, weights: ForeignWeights, budget: MemoryBudget) {
    this.#names = names;
    this.#weights = weights;
    this.#budget = budget;
    this.#to = new Importer("tfjs", budget);
  }

  read(model: KerasModel): ImportedNetwork {
    const values = this.#model(model, [], undefined);
    const names = uniqueNames();
    const outputs = model.outputs.map(({ layer }, i): readonly [string, Value] => {
      this.#to.current = layer;
      const value = namedErrors(`Output "${layer}"`, undefined, () => {
        return readOutput(this.#to, values[i] as ForeignValue, "NHWC");
      });
      return [names.take(layer), value];
    });
    if (outputs.length === 0) throw new FormatError("The model has no output.");
    return this.#to.finish(outputs);
  }

  /** The outputs of a model for the given inputs; of the outermost, which has none, its inputs become the network's. */
  #model(
    model: KerasModel,
    path: readonly string[],
    inputs: readonly ForeignValue[] | undefined,
  ): readonly ForeignValue[] {
    if (path.length > deepest) throw new FormatError(`Models are nested more than ${deepest} deep.`);
    const values = new Map<string, ForeignValue>();
    for (const [i, { layer }] of (inputs === undefined ? [] : model.inputs).entries()) {
      const input = inputs?.[i];
      if (input === undefined) throw new FormatError(`The model "${path.join("/")}" lacks its input "${layer}".`);
      values.set(keyOf({ layer, call: 0, output: 0 }), input);
    }
    for (const { layer, call } of callsInOrder(model)) {
      this.#budget.spend(callBytes, "The model's layers");
      if (values.has(keyOf({ layer: layer.name, call, output: 0 }))) continue;
      const reads = (layer.calls[call] ?? []).map((source) => tensorAt(values, source));
      const results = namedErrors(`${layer.className} "${layer.name}"`, undefined, () =>
        this.#layer(layer, path, reads),
      );
      for (const [output, value] of results.entries()) values.set(keyOf({ layer: layer.name, call, output }), value);
    }
    return model.outputs.map((output) => tensorAt(values, output));
  }

  #layer(
    { name, className, config }: LayerEntry,
    path: readonly string[],
    inputs: readonly ForeignValue[],
  ): readonly ForeignValue[] {
    const { current } = this.#to;
    if (isModel(className)) return this.#model(parseKerasModel(className, config), [...path, name], inputs);
    this.#to.current = [...path, name].join("/");
    if (className === "InputLayer") return [this.#input(config)];
    const weightOf = (part: string): Constant | undefined =>
      this.#weights.get(this.#names.find(path, name, part) ?? "");
    const value = readKerasLayer(className, new KerasLayer(this.#to, config, inputs, weightOf));
    this.#to.current = current;
    return [value];
  }

  #input(config: JsonObject): ForeignValue {
    const dims = batchShape(config);
    const shape = fixedShape(this.#to.current, Array.isArray(dims) ? (dims as readonly (number | null)[]) : undefined);
    return viewOf(this.#to.input(this.#to.current, shape), axesOf(shape));
  }
}

function keyOf({ layer, call, output }: TensorReference): string {
  return `${layer}\n${call}\n${output}`;
}

function tensorAt(values: ReadonlyMap<string, ForeignValue>, source: TensorReference): ForeignValue {
  const value = values.get(keyOf(source));
  if (value !== undefined) return value;
  throw new FormatError(`Nothing gives output ${source.output} of call ${source.call} of layer "${source.layer}".`);
}

interface LayerCall {
  readonly layer: LayerEntry;
  readonly call: number;
}

/** All calls of the layers, each after those that it reads. */
function callsInOrder({ layers }: KerasModel): readonly LayerCall[] {
  const calls = new Map<string, LayerCall>();
  for (const layer of layers) {
    for (let call = 0; call < Math.max(layer.calls.length, 1); call++) {
      const key = `${layer.name}\n${call}`;
      if (calls.has(key)) throw new FormatError(`Two layers are named "${layer.name}".`);
      calls.set(key, { layer, call });
    }
  }
  const waiting = new Map<string, number>();
  const readers = new Map<string, string[]>();
  for (const [key, { layer, call }] of calls) {
    const sources = (layer.calls[call] ?? []).map((source) => `${source.layer}\n${source.call}`);
    waiting.set(key, sources.length);
    for (const source of sources) {
      const list = readers.get(source) ?? [];
      list.push(key);
      readers.set(source, list);
    }
  }
  const ready = [...calls.keys()].filter((key) => waiting.get(key) === 0);
  for (const key of ready) {
    for (const reader of readers.get(key) ?? []) {
      const left = (waiting.get(reader) as number) - 1;
      waiting.set(reader, left);
      if (left === 0) ready.push(reader);
    }
  }
  if (ready.length < calls.size) {
    const stuck = [...calls].find(([key]) => (waiting.get(key) ?? 0) > 0)?.[1];
    throw new FormatError(`Layer "${stuck?.layer.name}" depends on itself, or on a layer that is not there.`);
  }
  return ready.map((key) => calls.get(key) as LayerCall);
}

/** Finds a layer's weights: versions of Keras put the names of models, or the layer's own once more, before `layer/kernel`. */
class WeightNames {
  /** For each pair of a part of a name and its last part, the names that have them. */
  readonly #byParts = new Map<string, string[]>();
  readonly #names: ReadonlySet<string>;

  constructor(names: Iterable<string>, budget: MemoryBudget) {
    this.#names = new Set(names);
    for (const name of this.#names) {
      const parts = name.split("/");
      budget.spend(2 * name.length + 200 * parts.length, "The weights' names");
      const last = parts.pop() as string;
      for (const part of new Set(parts)) {
        const key = `${part}\n${last}`;
        const list = this.#byParts.get(key) ?? [];
        list.push(name);
        this.#byParts.set(key, list);
      }
    }
  }

  find(path: readonly string[], layer: string, part: string): string | undefined {
    const exact = [`${[...path, layer].join("/")}/${part}`, `${layer}/${part}`].find((name) => this.#names.has(name));
    if (exact !== undefined) return exact;
    const similar = this.#byParts.get(`${layer}\n${part}`) ?? [];
    return similar.length === 1 ? similar[0] : undefined;
  }
}
