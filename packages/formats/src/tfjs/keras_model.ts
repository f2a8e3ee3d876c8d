import { FormatError } from "@depthwise/core";
import { field, type JsonObject, objectField, objectsField, shown, textField } from "./json_value.ts";

/** An output of a call of a layer. */
export interface TensorReference {
  readonly layer: string;
  /** Which of the layer's calls. */
  readonly call: number;
  /** Which of its outputs. */
  readonly output: number;
}

/** A layer of a model, and the tensors that each call of it reads. */
export interface LayerEntry {
  readonly name: string;
  readonly className: string;
  readonly config: JsonObject;
  readonly calls: readonly (readonly TensorReference[])[];
}

/** A model of layers: what is called `Model` or `Functional`, or a `Sequential` put into the same form. */
export interface KerasModel {
  readonly layers: readonly LayerEntry[];
  readonly inputs: readonly TensorReference[];
  readonly outputs: readonly TensorReference[];
}

const modelClasses: ReadonlySet<string> = new Set(["Model", "Functional", "Sequential"]);

/** Whether a layer is a model itself. */
export function isModel(className: string): boolean {
  return modelClasses.has(className);
}

/** The layers of a model and how they are connected. */
export function parseKerasModel(className: string, config: JsonObject): KerasModel {
  return className === "Sequential" ? sequential(config) : functional(config);
}

function functional(config: JsonObject): KerasModel {
  return withCallsFromZero({
    layers: objectsField(config, "layers").map((layer) => ({
      name: textField(layer, "name", nameOf(layer)),
      className: textField(layer, "class_name"),
      config: objectField(layer, "config"),
      calls: parseCalls(field(layer, "inbound_nodes")),
    })),
    inputs: references(field(config, "input_layers")),
    outputs: references(field(config, "output_layers")),
  });
}

/**
 * Models that are layers count their calls from 1 in most files, for making them was a call too. References to such are put down by one, as
 * all others count.
 */
function withCallsFromZero(model: KerasModel): KerasModel {
  const references = [...model.layers.flatMap(({ calls }) => calls.flat()), ...model.outputs];
  const models = new Set(model.layers.filter(({ className }) => isModel(className)).map(({ name }) => name));
  for (const { layer, call } of references) if (call === 0) models.delete(layer);
  const moved = (reference: TensorReference): TensorReference => {
    return models.has(reference.layer) ? { ...reference, call: reference.call - 1 } : reference;
  };
  return {
    ...model,
    layers: model.layers.map((layer) => ({ ...layer, calls: layer.calls.map((call) => call.map(moved)) })),
    outputs: model.outputs.map(moved),
  };
}

/** A chain: each layer reads the one before. Very old files have the layers in place of the configuration. */
function sequential(config: JsonObject): KerasModel {
  const layers = objectsField(config, "layers");
  const entries = layers.map((layer, i): LayerEntry => {
    const before = layers[i - 1];
    return {
      name: nameOf(layer),
      className: textField(layer, "class_name"),
      config: objectField(layer, "config"),
      calls: before === undefined ? [] : [[{ layer: nameOf(before), call: 0, output: 0 }]],
    };
  });
  const [first] = entries;
  const last = entries.at(-1);
  if (first === undefined || last === undefined) throw new FormatError("A Sequential model has no layers.");
  const implied =
    first.className === "InputLayer"
      ? entries
      : [inputFor(first), { ...first, calls: [[inputReference]] }, ...entries.slice(1)];
  const inputName = (implied[0] as LayerEntry).name;
  return {
    layers: implied,
    inputs: [{ layer: inputName, call: 0, output: 0 }],
    outputs: [{ layer: last.name, call: 0, output: 0 }],
  };
}

const inputReference: TensorReference = { layer: "input", call: 0, output: 0 };

/** The input that a Sequential's first layer implies by the shape that it has, or its own first layer, if it is a model. */
function inputFor({ className, config }: LayerEntry): LayerEntry {
  let shape = batchShape(config);
  for (let inner = config, depth = 0; shape === undefined && isModel(className) && depth < 8; depth++) {
    const [first] = objectsField(inner, "layers");
    if (first === undefined) break;
    inner = objectField(first, "config");
    shape = batchShape(inner);
  }
  return { name: inputReference.layer, className: "InputLayer", config: { batch_input_shape: shape }, calls: [] };
}

/** The shape of an input, its batch included. */
export function batchShape(config: JsonObject): unknown {
  return field(config, "batch_input_shape") ?? field(config, "batch_shape");
}

function nameOf(layer: JsonObject): string {
  return textField(objectField(layer, "config"), "name", textField(layer, "name", "layer"));
}

/** `[["layer", 0, 0], ...]`, of one tensor without the outer list. */
function references(value: unknown): readonly TensorReference[] {
  if (!Array.isArray(value)) return [];
  return (typeof value[0] === "string" ? [value] : value).map(reference);
}

function reference(value: unknown): TensorReference {
  if (Array.isArray(value)) {
    const [layer, call, output] = value as readonly unknown[];
    if (typeof layer === "string" && Number.isSafeInteger(call) && Number.isSafeInteger(output)) {
      return { layer, call: call as number, output: output as number };
    }
  }
  throw new FormatError(`A layer is connected to ${shown(value)}, which is no ["name", 0, 0].`);
}

/** For each call its tensors: `[[["layer", 0, 0, {}], ...], ...]`, of one tensor in older files without the inner list. Keras 3 has objects. */
function parseCalls(value: unknown): readonly (readonly TensorReference[])[] {
  if (!Array.isArray(value)) return [];
  return value.map((call) => (Array.isArray(call) ? references(call) : kerasTensors(call)));
}

/** Keras 3: the tensors among a call's arguments, each with its `keras_history`. */
function kerasTensors(call: unknown): readonly TensorReference[] {
  const found: TensorReference[] = [];
  const look = (value: unknown, depth: number): void => {
    if (typeof value !== "object" || value === null || depth > 6) return;
    const history = Array.isArray(value) ? undefined : field(value as JsonObject, "keras_history");
    if (history !== undefined) found.push(reference(history));
    else for (const inner of Object.values(value)) look(inner, depth + 1);
  };
  look(typeof call === "object" && call !== null ? field(call as JsonObject, "args") : undefined, 0);
  return found;
}
