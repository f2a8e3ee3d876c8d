import { type Graph, isNode, type Node, nodeOf } from "../graph/graph.ts";
import { elementCount, type Shape } from "../tensor.ts";

/** A convolution or linear layer of a graph, counted independently of the cost room: for tests against published counts. */
export interface LayerRow {
  readonly name: string;
  readonly op: "convolution" | "linear";
  readonly kernel: readonly number[];
  readonly stride: readonly number[];
  readonly groups: number;
  readonly input: Shape;
  readonly output: Shape;
  readonly parameters: number;
  readonly macs: number;
}

/** Convolutions and linear layers in order. MACs: output elements times kernel area times input channels of one group. */
export function layerRows(graph: Graph): readonly LayerRow[] {
  return graph.nodes.flatMap((node): LayerRow[] => {
    if (!isNode(node, "convolution") && !isNode(node, "linear")) return [];
    const [input, kernel, bias] = node.inputs.map((value) => nodeOf(graph, value).shape);
    const perOutput = elementCount((kernel as Shape).slice(0, -1));
    const isConvolution = isNode(node, "convolution");
    return [
      {
        name: node.name,
        op: isConvolution ? "convolution" : "linear",
        kernel: isConvolution ? (kernel as Shape).slice(0, 2) : [],
        stride: isConvolution ? node.operation.stride : [],
        groups: isConvolution ? node.operation.groups : 1,
        input: input as Shape,
        output: node.shape,
        parameters: elementCount(kernel as Shape) + (node.operation.bias ? elementCount(bias as Shape) : 0),
        macs: elementCount(node.shape) * perOutput,
      },
    ];
  });
}

/** Numbers that training changes: weights, biases, gamma and beta. */
export function countParameters(graph: Graph): number {
  const isTrained = (node: Node): boolean => node.operation.op === "parameter" && node.operation.trainable;
  return graph.nodes.filter(isTrained).reduce((sum, node) => sum + elementCount(node.shape), 0);
}

/** MACs of all convolutions and linear layers. */
export function countMacs(graph: Graph): number {
  return layerRows(graph).reduce((sum, row) => sum + row.macs, 0);
}
