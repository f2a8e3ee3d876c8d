/** The part of an ONNX model that we write: plain records, named as in the specification (onnx.proto). */

/** An attribute of a node. ONNX keeps whole numbers and fractions apart. */
export type OnnxAttribute =
  | { readonly int: number }
  | { readonly float: number }
  | { readonly ints: readonly number[] }
  | { readonly text: string };

/** NodeProto. An empty input name is an optional input that is not there. */
export interface OnnxNode {
  readonly name: string;
  readonly opType: string;
  readonly inputs: readonly string[];
  readonly output: string;
  readonly attributes: Readonly<Record<string, OnnxAttribute>>;
}

/** TensorProto: float32 or int64. */
export interface OnnxTensor {
  readonly name: string;
  readonly dims: readonly number[];
  readonly data: Float32Array | BigInt64Array;
}

/** ValueInfoProto of a float32 tensor. */
export interface OnnxValueInfo {
  readonly name: string;
  readonly dims: readonly number[];
}

/** GraphProto. */
export interface OnnxGraph {
  readonly name: string;
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly OnnxTensor[];
  readonly inputs: readonly OnnxValueInfo[];
  readonly outputs: readonly OnnxValueInfo[];
}

/** ModelProto. */
export interface OnnxModel {
  readonly irVersion: number;
  readonly opset: number;
  readonly producerName: string;
  readonly graph: OnnxGraph;
}
