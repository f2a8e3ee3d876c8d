import { readFileSync } from "node:fs";
import { findNode, type Graph } from "../graph/graph.ts";
import { exchangeNames } from "../networks/exchange_names.ts";
import type { Naming } from "../networks/network.ts";
import { readSafetensors } from "../safetensors/read_safetensors.ts";
import { type Tensor, tensor, toFloat32, type Weights } from "../tensor.ts";
import { sharedPath } from "./shared_data.ts";

/** A small network's weights, an input, and what an independent implementation made of it in double precision. */
export interface GoldenFile {
  /** Everything in the file that is a weight, under the framework's names. */
  readonly checkpoint: ReadonlyMap<string, Tensor>;
  /** `[1, H, W, 3]` */
  readonly input: Tensor;
  /** Logits `[1, classes]`. */
  readonly output: Tensor;
  /** Outputs `[N, H, W, C]` of modules, by module path. */
  readonly taps: ReadonlyMap<string, Tensor>;
}

/** Reads a file of `reference/golden`. */
export function readGolden(name: string): GoldenFile {
  const { tensors, metadata } = readSafetensors(readFileSync(sharedPath("reference", "golden", `${name}.safetensors`)));
  // One half of the files lists its taps, because MobileNet V1's own parameters start with `blocks.` too.
  const tapNames: string[] =
    metadata.taps === undefined
      ? [...tensors.keys()].filter((key) => key.startsWith("blocks."))
      : JSON.parse(metadata.taps);
  const taps = new Map(tapNames.map((key) => [key.slice("blocks.".length), tensors.get(key) as Tensor]));
  const input = tensors.get("input") as Tensor;
  const output = tensors.get("output") as Tensor;
  const checkpoint = new Map(tensors);
  for (const key of ["input", "output", ...tapNames]) checkpoint.delete(key);
  return { checkpoint, input, output, taps };
}

/** The checkpoint under our names and in our layouts, by the naming's table. */
export function weightsFrom(checkpoint: ReadonlyMap<string, Tensor>, graph: Graph, naming: Naming): Weights {
  const weights = new Map<string, Tensor>();
  for (const { ourParameter, theirName, layout } of exchangeNames(graph, naming)) {
    const theirs = checkpoint.get(theirName);
    if (theirs === undefined) throw new TypeError(`the golden file has no ${theirName} (${ourParameter})`);
    const ours = layout === "same" ? theirs : reversedAxes(theirs);
    // A checkpoint's linear layer may be our 1x1 convolution of one pixel: squeeze-and-excite.
    const shape = findNode(graph, ourParameter)?.shape ?? ours.shape;
    weights.set(ourParameter, ours.shape.join() === shape.slice(2).join() ? { ...ours, shape } : ours);
  }
  return weights;
}

/** `[out, in, kh, kw]` as `[kh, kw, in, out]`, or `[out, in]` as `[in, out]`: out goes last, in last but one. */
function reversedAxes(source: Tensor): Tensor {
  const [out = 1, inputs = 1, ...window] = source.shape;
  const area = window.reduce((product, length) => product * length, 1);
  const from = toFloat32(source);
  const to = new Float32Array(from.length);
  for (let o = 0; o < out; o++)
    for (let i = 0; i < inputs; i++)
      for (let cell = 0; cell < area; cell++) {
        to[(cell * inputs + i) * out + o] = from[(o * inputs + i) * area + cell] as number;
      }
  return tensor([...window, inputs, out], to);
}

/** The largest difference between two tensors' elements, as a share of the largest absolute value expected. */
export function relativeDifference(actual: Tensor, expected: Tensor): number {
  if (actual.shape.join() !== expected.shape.join()) return Number.POSITIVE_INFINITY;
  const a = toFloat32(actual);
  const b = toFloat32(expected);
  let difference = 0;
  let largest = 0;
  for (let i = 0; i < b.length; i++) {
    const each = Math.abs((a[i] as number) - (b[i] as number));
    if (!(each <= difference)) difference = each; // NaN too
    largest = Math.max(largest, Math.abs(b[i] as number));
  }
  return difference / largest;
}
