import type { Graph, Tensor } from "@depthwise/core";

/** The formats that can be read. */
export type FormatName = "safetensors" | "pytorch" | "onnx" | "tflite" | "tfjs" | "caffe";

/** What a file of another tool holds. */
export interface ForeignModel {
  readonly format: FormatName;
  /** The file's tensors under its own names, in its own layouts. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** The network, from formats that hold one: a verified graph in our layouts, with float32 weights of every parameter. */
  readonly network?: { readonly graph: Graph; readonly weights: ReadonlyMap<string, Tensor> };
  /** Where the file takes pictures as integers: for a byte of a picture the network is given `scale·byte + offset`. */
  readonly pixels?: { readonly scale: number; readonly offset: number };
  /** Names of the classes in order, where the file has them. */
  readonly labels?: readonly string[];
  /** Names of what was in the file but has no meaning here (training state, unknown metadata): for the caller to report. */
  readonly ignored?: readonly string[];
}
