import { type Graph, isNode, runPasses, toProgram, verifyGraph, type Weights } from "@depthwise/core";
import { TfjsBuilder } from "./tfjs_builder.ts";
import type { TfjsConstant } from "./tfjs_model.ts";
import { writeOperation } from "./write_graph_operations.ts";

/** Options of `writeTfjs`. */
export interface WriteTfjsOptions {
  /** Name of the file of the weights, which `model.json` has. Default `weights.bin`. */
  readonly weightsFile?: string | undefined;
}

/** The two files of a model. */
export interface TfjsFiles {
  /** `model.json`. */
  readonly modelJson: Uint8Array<ArrayBuffer>;
  /** `weights.bin`, or what it is called. */
  readonly weights: Uint8Array<ArrayBuffer>;
}

/**
 * Writes a graph and its weights as a TensorFlow.js graph model, for `tf.loadGraphModel`: float32, for inference. Batch norms are folded into
 * convolutions, biases and ReLUs fused, as TensorFlow's converter does.
 *
 * Inputs and outputs keep their names, order and layout: pictures are `[N, H, W, C]` there too. TensorFlow.js has no grouped convolution:
 * one is written as a slice for each group, their convolutions, and a concatenation, which is slow where there are many groups. Padding that
 * is neither `SAME` nor `VALID` is written as cells.
 *
 * @throws {WeightsError} listing every parameter that is missing or of another shape
 * @throws {GraphError | ShapeError} if the graph does not verify
 */
export function writeTfjs(graph: Graph, weights: Weights, options: WriteTfjsOptions = {}): TfjsFiles {
  const { weightsFile = "weights.bin" } = options;
  verifyGraph(graph);
  const program = runPasses(toProgram(graph, weights));
  const builder = new TfjsBuilder(program.graph, program.weights);
  for (const node of program.graph.nodes) {
    if (isNode(node, "input")) builder.input(node);
    else if (!isNode(node, "parameter")) builder.node(node, () => writeOperation(builder, node, program.graph));
  }
  const { nodes, constants, inputs, outputs } = builder.finish();
  const model = {
    format: "graph-model",
    generatedBy: "depthwise",
    convertedBy: null,
    signature: { inputs, outputs },
    modelTopology: { node: nodes, versions: { producer: oldestProducer, minConsumer: 12 } },
    weightsManifest: [{ paths: [weightsFile], weights: constants.map(manifestEntry) }],
  };
  return { modelJson: new TextEncoder().encode(JSON.stringify(model)), weights: bytesOf(constants) };
}

/** The version of TensorFlow's graphs that all operations written here have been in for long. */
const oldestProducer = 440;

function manifestEntry({ name, shape, data }: TfjsConstant): object {
  return { name, shape, dtype: data instanceof Float32Array ? "float32" : "int32" };
}

/** One after another, little-endian, as is every machine that WebAssembly engines run on. */
function bytesOf(constants: readonly TfjsConstant[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(constants.reduce((sum, { data }) => sum + data.byteLength, 0));
  let at = 0;
  for (const { data } of constants) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return bytes;
}
