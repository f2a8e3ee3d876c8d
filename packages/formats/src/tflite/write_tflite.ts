import { type Graph, isNode, runPasses, toProgram, verifyGraph, type Weights } from "@depthwise/core";
import { encodeTfliteModel } from "./encode_tflite_model.ts";
import { TfliteBuilder } from "./tflite_builder.ts";
import { writeOperation } from "./write_operations.ts";

/** Options of `writeTflite`. */
export interface TfliteWriteOptions {
  /** Name of the subgraph. Default: the graph's own. */
  readonly name?: string | undefined;
}

/**
 * Writes a graph and its weights as a TFLite model file of float32 operators, for inference: batch norms are folded into convolutions and
 * activations fused, as TensorFlow's converter does, for TFLite has no batch norm.
 *
 * Inputs and outputs keep their names, order and layout: pictures are `[N, H, W, C]` there too.
 *
 * @throws {WeightsError} listing every parameter that is missing or of another shape
 * @throws {UnsupportedError} for what TFLite cannot say: a computed kernel
 * @throws {GraphError | ShapeError} if the graph does not verify
 */
export function writeTflite(graph: Graph, weights: Weights, options: TfliteWriteOptions = {}): Uint8Array<ArrayBuffer> {
  verifyGraph(graph);
  const program = runPasses(toProgram(graph, weights));
  const builder = new TfliteBuilder(program.graph, program.weights);
  for (const node of program.graph.nodes) {
    if (isNode(node, "input")) builder.input(node);
    else if (!isNode(node, "parameter")) builder.node(node, () => writeOperation(builder, node, program.graph));
  }
  return encodeTfliteModel(builder.finish(options.name ?? graph.name));
}
