import { type Graph, isNode, toProgram, verifyGraph, type Weights } from "@depthwise/core";
import { encodeOnnxModel } from "./encode_onnx_model.ts";
import { OnnxBuilder } from "./onnx_builder.ts";
import { writeOperation } from "./write_operations.ts";

/** Options of `writeOnnx`. */
export interface OnnxOptions {
  /** Name of the ONNX graph. Default: the graph's own. */
  readonly name?: string | undefined;
}

/** The operator set of the files that we write. 17 is read by everything since 2022. */
const OPSET = 17;
/** The format version that came with that operator set. */
const IR_VERSION = 8;

/**
 * Writes a graph and its weights as an ONNX model file: float32, operator set 17.
 *
 * The graph's inputs and outputs keep their names. Pictures are `[N, C, H, W]` there, as ONNX has them, in the file's inputs and
 * outputs too: transpose what you feed and what you get; `[N, C]` stays. ONNX nodes are named after ours: `stage3/unit2/depthwise/Conv`.
 *
 * @throws {WeightsError} listing every parameter that is missing or of another shape
 * @throws {UnsupportedError} for what ONNX cannot say: a computed kernel, an input and an output of one name
 * @throws {GraphError | ShapeError} if the graph does not verify
 */
export function writeOnnx(graph: Graph, weights: Weights, options: OnnxOptions = {}): Uint8Array<ArrayBuffer> {
  verifyGraph(graph);
  const builder = new OnnxBuilder(graph, toProgram(graph, weights).weights);
  for (const node of graph.nodes) {
    if (isNode(node, "input")) builder.input(node);
    else if (!isNode(node, "parameter")) builder.node(node, () => writeOperation(builder, node));
  }
  return encodeOnnxModel({
    irVersion: IR_VERSION,
    opset: OPSET,
    producerName: "depthwise",
    graph: builder.finish(options.name ?? graph.name),
  });
}
