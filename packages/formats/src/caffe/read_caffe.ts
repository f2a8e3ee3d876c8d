import { elementCount, FormatError, type Shape, type Tensor } from "@depthwise/core";
import type { ForeignModel } from "../foreign_model.ts";
import { type MemoryBudget, memoryBudget } from "../memory_budget.ts";
import { type CaffeBlob, type CaffeLayer, decodeCaffeModel } from "./caffe_model.ts";

/** Options of `readCaffe`. */
export interface ReadCaffeOptions {
  /** The file's name, for messages. */
  readonly file?: string | undefined;
}

/**
 * Reads the weights of a `.caffemodel` file: the current format and V1.
 *
 * Tensors are named after their layers: `conv1.weight` (`[out, in/groups, kh, kw]`) and `conv1.bias`; of an InnerProduct `[out, in]`. Caffe
 * has a norm in two layers: they are put together under the BatchNorm's name, as `weight`, `bias`, `running_mean` and `running_var`, the last
 * two divided by the factor that Caffe keeps beside them.
 *
 * Caffe's networks of pictures take BGR: the first kernel's input channels are blue, green, red, so that pictures must be prepared with
 * `channelOrder: "bgr"`. There is no `network`: what is connected with what stands in a prototxt file, which is text for training and
 * differs from how it is deployed.
 *
 * @throws {FormatError} naming what is wrong, for anything but such a file
 */
export function readCaffe(bytes: Uint8Array, options: ReadCaffeOptions = {}): ForeignModel {
  const { file } = options;
  if (isPrototxt(bytes)) {
    throw invalid("it is text.", file, "A prototxt file holds no weights: read the .caffemodel beside it.");
  }
  const budget = memoryBudget(bytes.length, file);
  const layers = decodeCaffeModel(bytes, budget, file);
  const tensors = new Map<string, Tensor>();
  const ignored: string[] = [];
  for (const [name, tensor] of layers.flatMap(namesOf(layers, budget))) {
    if (tensor === undefined) ignored.push(name);
    else if (tensors.has(name)) throw invalid(`two tensors are named "${name}".`, file);
    else tensors.set(name, tensor);
  }
  if (tensors.size === 0) throw invalid("no layer of it has weights.", file);
  return { format: "caffe", tensors, ...(ignored.length === 0 ? {} : { ignored }) };
}

type Named = readonly [name: string, tensor: Tensor | undefined];

/** Gives the tensors of a layer. Of blobs without numbers, the name alone. */
function namesOf(layers: readonly CaffeLayer[], budget: MemoryBudget): (layer: CaffeLayer) => readonly Named[] {
  const norms = normsOfScales(layers);
  return (layer) => {
    const owner = norms.get(layer) ?? layer.name;
    const isNorm = layer.type === "BatchNorm";
    const [, , factor] = layer.blobs;
    const scale = isNorm && factor !== undefined ? inverse(factor.data[0]) : 1;
    return layer.blobs.flatMap((blob, position): Named[] => {
      if (isNorm && position === 2) return [];
      const part = (isNorm ? statistics : parameters)[position] ?? `blob${position}`;
      const name = `${owner}.${part}`;
      if (blob.data.length === 0) return [[name, undefined]];
      const shape = part === "weight" && isLayer(layer) ? kernelShape(blob, layer.type) : [blob.data.length];
      return [[name, { dtype: "f32", shape, data: scale === 1 ? blob.data : scaled(blob.data, scale, budget) }]];
    });
  };
}

const statistics: readonly string[] = ["running_mean", "running_var"];
const parameters: readonly string[] = ["weight", "bias"];
/** Layers that scale channels: their weights are lists. */
const listTypes: ReadonlySet<string> = new Set(["Scale", "Bias", "PReLU"]);

function isLayer({ type }: CaffeLayer): boolean {
  return !listTypes.has(type);
}

/** Older files have four axes for everything: of an InnerProduct the last two count. */
function kernelShape({ shape }: CaffeBlob, type: string): Shape {
  const isMatrix = type === "InnerProduct" && shape.length === 4 && elementCount(shape.slice(0, 2)) === 1;
  return isMatrix ? shape.slice(2) : shape;
}

/** For each Scale that comes right after a BatchNorm, the norm's name. */
function normsOfScales(layers: readonly CaffeLayer[]): ReadonlyMap<CaffeLayer, string> {
  const producers = new Map<string, CaffeLayer>();
  const norms = new Map<CaffeLayer, string>();
  for (const layer of layers) {
    const before = producers.get(layer.bottoms[0] ?? "");
    if (layer.type === "Scale" && layer.bottoms.length === 1 && before?.type === "BatchNorm") {
      norms.set(layer, before.name);
    }
    for (const top of layer.tops) producers.set(top, layer);
  }
  return norms;
}

/** Caffe's rule: sums over a factor, zeros while there is none. */
function inverse(factor: number | undefined): number {
  return factor === undefined || factor === 0 ? 0 : 1 / factor;
}

function scaled(data: Float32Array, scale: number, budget: MemoryBudget): Float32Array {
  budget.spend(data.byteLength, "The norms");
  return data.map((value) => value * scale);
}

/** Whether the file begins as a prototxt file: such texts lie beside the weights. */
function isPrototxt(bytes: Uint8Array): boolean {
  const start = new TextDecoder().decode(bytes.subarray(0, 64));
  return /^[\s\x20-\x7e]*$/.test(start) && /^\s*(name|layers?|input|#)/.test(start);
}

function invalid(problem: string, file: string | undefined, hint?: string): FormatError {
  return new FormatError(`Not a valid .caffemodel file: ${problem}`, {
    ...(hint === undefined ? {} : { hint }),
    ...(file === undefined ? {} : { file }),
  });
}
