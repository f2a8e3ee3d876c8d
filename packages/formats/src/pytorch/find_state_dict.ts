import { FormatError } from "@depthwise/core";
import { ofKind, type PickleDict, type PickleValue } from "./pickle_values.ts";
import type { TensorRef } from "./torch_values.ts";

/** The tensors of a checkpoint, and the names of the rest. */
export interface StateDict {
  readonly tensors: ReadonlyMap<string, TensorRef>;
  readonly ignored: readonly string[];
}

/** Where training scripts put a network's weights, most telling name first. */
const usualKeys: readonly string[] = [
  "state_dict",
  "model_state_dict",
  "model_state",
  "model",
  "net",
  "network",
  "weights",
  "params",
  "state_dict_ema",
  "model_ema",
];

/** What wrappers of networks put before every name. */
const wrapperPrefixes: readonly string[] = ["module.", "_orig_mod.", "model.", "net."];

/** Dicts that are looked through. */
const mostDicts = 64;

/**
 * The state dict of a checkpoint: a dict within it that is named for being that, or the object itself, or the only dict of tensors within
 * it. A prefix that every name has is taken off. The rest (the optimiser's state, epochs, settings) is listed.
 *
 * @throws {FormatError} if there is none
 */
export function findStateDict(root: PickleValue, file?: string): StateDict {
  const path = pathOfWeights(root, new Set());
  if (path === undefined) throw noTensors(root, file);
  const ignored: string[] = [];
  let dict = ofKind(root, "dict") as PickleDict;
  let prefix = "";
  for (const key of path) {
    for (const other of dict.keys) if (other !== key && isName(other)) ignored.push(`${prefix}${other}`);
    prefix = `${prefix}${key}.`;
    dict = entryOf(dict, key) as PickleDict;
  }
  const own = tensorsOf(dict, prefix);
  return { tensors: withoutPrefix(own.tensors), ignored: [...ignored, ...own.ignored] };
}

/** Keys that lead to the weights. */
function pathOfWeights(value: PickleValue | undefined, looked: Set<PickleDict>): readonly string[] | undefined {
  const dict = ofKind(value, "dict");
  // The same dict may be there many times, and within itself.
  if (dict === undefined || looked.has(dict) || looked.size > mostDicts) return undefined;
  looked.add(dict);
  for (const key of usualKeys) {
    const inner = pathOfWeights(entryOf(dict, key), looked);
    if (inner !== undefined) return [key, ...inner];
  }
  if (holdsTensors(dict)) return [];
  const inner = new Map<PickleDict, string>();
  for (const [i, key] of dict.keys.entries()) {
    const entry = ofKind(dict.values[i], "dict");
    if (typeof key === "string" && entry !== undefined && !inner.has(entry)) inner.set(entry, key);
  }
  const withTensors = [...inner].filter(([entry]) => holdsTensors(entry));
  return withTensors.length === 1 ? [(withTensors[0] as [PickleDict, string])[1]] : undefined;
}

/** A dict in a dict: the last that was set. */
function entryOf({ keys, values }: PickleDict, key: string): PickleDict | undefined {
  return ofKind(values[keys.lastIndexOf(key)], "dict");
}

function holdsTensors(dict: PickleDict): boolean {
  return dict.values.some((each) => ofKind(each, "tensor") !== undefined);
}

function tensorsOf({ keys, values }: PickleDict, path: string): StateDict {
  const tensors = new Map<string, TensorRef>();
  const ignored: string[] = [];
  for (const [i, key] of keys.entries()) {
    if (!isName(key)) continue;
    const tensor = ofKind(values[i], "tensor");
    if (tensor === undefined) ignored.push(`${path}${key}`);
    else tensors.set(String(key), tensor);
  }
  return { tensors, ignored };
}

function isName(key: PickleValue): key is string | number {
  return typeof key === "string" || typeof key === "number";
}

function withoutPrefix(tensors: ReadonlyMap<string, TensorRef>): ReadonlyMap<string, TensorRef> {
  let names = [...tensors.keys()];
  for (let known = true; known; ) {
    const prefix = wrapperPrefixes.find((each) => names.every((name) => name.startsWith(each) && name !== each));
    known = prefix !== undefined && names.length > 0;
    if (known) names = names.map((name) => name.slice((prefix as string).length));
  }
  return new Map([...tensors.values()].map((tensor, i) => [names[i] as string, tensor]));
}

function noTensors(root: PickleValue, file: string | undefined): FormatError {
  const dict = ofKind(root, "dict");
  const names = dict?.keys.filter(isName).slice(0, 8).join(", ");
  const what = dict === undefined ? "no dict" : `a dict of ${names || "nothing"}`;
  return new FormatError(`The file holds ${what}: no state dict (names with tensors) is among it.`, {
    hint: "Save the network's weights in Python: torch.save(model.state_dict(), path).",
    ...(file === undefined ? {} : { file }),
  });
}
