import {
  elementCount,
  type Graph,
  isNode,
  type Network,
  type Node,
  nodeOf,
  nodesOf,
  preprocessingPresets,
  UnsupportedError,
  verifyGraph,
  type Weights,
  withInputSize,
} from "@depthwise/core";
import type { FormatName } from "../foreign_model.ts";
import { uniqueNames } from "../unique_names.ts";
import { withoutSoftmax } from "./recognize_graph.ts";

/** A network of no family, with its weights. */
export interface PlainNetwork {
  readonly network: Network;
  readonly weights: Weights;
}

/**
 * A graph that is none of ours as a network: its input is called `input`, its output `output`, and gives what went into a softmax at its end.
 * How pictures go in no file says; it is taken as usual for the format, TensorFlow's −1 to 1 or torchvision's.
 *
 * @param name of the network
 * @throws {UnsupportedError} for a graph with several inputs or outputs, or whose input is no picture
 */
export function plainNetwork(graph: Graph, weights: Weights, name: string, format: FormatName): PlainNetwork {
  const inputs = nodesOf(graph, "input");
  const [input] = inputs;
  const [output] = graph.outputs;
  if (input === undefined || inputs.length !== 1 || output === undefined || graph.outputs.length !== 1) {
    throw new UnsupportedError(
      `${name} has ${inputs.length} inputs and ${graph.outputs.length} outputs; networks here have one of each.`,
    );
  }
  const [, height, width, channels] = input.shape;
  if (height === undefined || width === undefined || channels === undefined) {
    throw new UnsupportedError(`${name}: its input of shape ${input.shape.join("x")} is no picture [N, H, W, C].`);
  }
  const renamed = renamedEnds(withFlatOutput(withoutSoftmax(graph)), name);
  verifyGraph(renamed.graph);
  const isTensorFlow = format === "tflite" || format === "tfjs";
  const preset = withInputSize(preprocessingPresets[isTensorFlow ? "tensorflow" : "torchvision"], [height, width]);
  return {
    network: {
      name,
      family: undefined,
      options: {},
      graph: renamed.graph,
      classes: nodeOf(renamed.graph, (renamed.graph.outputs[0] as Graph["outputs"][number]).value).shape.at(-1) ?? 0,
      preprocessing: channels === 1 ? { ...preset, channelOrder: "grey" } : preset,
      namings: [],
    },
    weights: new Map([...weights].map(([parameter, tensor]) => [renamed.names.get(parameter) ?? parameter, tensor])),
  };
}

/** `[N, 1, 1, classes]` as `[N, classes]`. */
function withFlatOutput(graph: Graph): Graph {
  const [output] = graph.outputs as readonly [Graph["outputs"][number]];
  const { shape } = nodeOf(graph, output.value);
  const classes = shape.at(-1) ?? 0;
  if (shape.length !== 4 || elementCount(shape) !== (shape[0] ?? 1) * classes) return graph;
  const id = graph.nodes.length as Node["id"];
  const name = uniqueNames(graph.nodes.map((node) => node.name)).take("flatten");
  const flatten: Node = {
    id,
    name,
    operation: { op: "flatten" },
    inputs: [output.value],
    shape: [shape[0] ?? 1, classes],
  };
  return { ...graph, nodes: [...graph.nodes, flatten], outputs: [{ ...output, value: id }] };
}

/**
 * The graph under a name, its input called `input` and its output `output`. Names that are numbers only, which exporters give to what had
 * none, say the operation too.
 */
function renamedEnds(
  graph: Graph,
  name: string,
): { readonly graph: Graph; readonly names: ReadonlyMap<string, string> } {
  const taken = uniqueNames(["input"]);
  const names = new Map<string, string>();
  const nodes = graph.nodes.map((node) => {
    const isInput = isNode(node, "input");
    const readable = /^\d*$/.test(node.name) ? `${node.operation.op}_${node.name}` : node.name;
    const unique = isInput ? "input" : taken.take(readable);
    names.set(node.name, unique);
    return { ...node, name: unique };
  });
  return { graph: { name, nodes, outputs: graph.outputs.map(({ value }) => ({ name: "output", value })) }, names };
}
