import { describe, expect, it } from "vitest";
import { type Graph, isNode, type Node, nodeOf, nodesOf, usersOf, verifyGraph } from "../graph/graph.ts";
import { interpret } from "../graph/interpret.ts";
import {
  activations,
  type OperationName,
  type OperationOf,
  operationNames,
  type Padding,
} from "../graph/operations.ts";
import { elementCount } from "../tensor.ts";
import { randomGraph } from "./random_graph.ts";

const graphs = Array.from({ length: 500 }, (_, seed) => randomGraph(seed));

/** A graph's nodes of one operation, with what stands around them. */
interface Place<K extends OperationName> {
  readonly graph: Graph;
  readonly node: Node<OperationOf<K>>;
  readonly operation: OperationOf<K>;
  readonly inputs: readonly Node[];
  readonly users: readonly Node[];
  readonly isOutput: boolean;
}

/** In how many graphs some node of operation `op` satisfies `condition`. */
function graphsWith<K extends OperationName>(op: K, condition: (place: Place<K>) => boolean): number {
  return graphs.filter(({ graph }) => {
    const users = usersOf(graph);
    return nodesOf(graph, op).some((node) =>
      condition({
        graph,
        node,
        operation: node.operation,
        inputs: node.inputs.map((input) => nodeOf(graph, input)),
        users: users[node.id] as readonly Node[],
        isOutput: graph.outputs.some(({ value }) => value === node.id),
      }),
    );
  }).length;
}

const isAsymmetric = ({ top, bottom, left, right }: Padding): boolean => top !== bottom || left !== right;
const readsOp =
  (op: OperationName) =>
  (place: { readonly inputs: readonly Node[] }): boolean =>
    place.inputs.some((input) => isNode(input, op));
const kernelOf = ({ inputs }: Place<"convolution">): string => (inputs[1] as Node).shape.slice(0, 2).join("x");
const channelsOf = ({ inputs }: { readonly inputs: readonly Node[] }): number =>
  (inputs[0] as Node).shape.at(-1) as number;
const isView = (node: Node): boolean => isNode(node, "slice") || isNode(node, "permute") || isNode(node, "concatenate");

describe("five hundred random graphs", () => {
  it("verify, and are interpreted to finite numbers of moderate size", () => {
    for (const { graph, weights, inputs } of graphs) {
      verifyGraph(graph);
      const { outputs } = interpret(graph, weights, inputs);
      for (const { name } of graph.outputs) {
        const data = outputs[name]?.data ?? new Float32Array([Number.NaN]);
        const largest = data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
        expect(largest, `${graph.name} ${name}`).toBeLessThan(1e4); // false for NaN too
      }
    }
  });

  it("are the same every time, and differ from seed to seed", () => {
    expect(randomGraph(17)).toEqual(graphs[17]);
    expect(randomGraph(18).graph.nodes).not.toEqual(graphs[17]?.graph.nodes);
  });

  it("stay small", () => {
    for (const { graph } of graphs) {
      const nodes = graph.nodes.filter((node) => !isNode(node, "parameter"));
      expect(nodes.length, graph.name).toBeGreaterThanOrEqual(2);
      expect(nodes.length, graph.name).toBeLessThanOrEqual(20);
      const macs = nodesOf(graph, "convolution").reduce((sum, node) => {
        const kernel = nodeOf(graph, node.inputs[1] as never).shape;
        return sum + elementCount(node.shape) * elementCount(kernel.slice(0, 3));
      }, 0);
      expect(macs, graph.name).toBeLessThan(2e6);
    }
  });

  it.each(operationNames)("have %s often enough", (name) => {
    expect(graphsWith(name, () => true)).toBeGreaterThanOrEqual(20);
  });

  it.each(activations)("have the activation %s alone and fused", (activation) => {
    expect(graphsWith("activation", ({ operation }) => operation.activation === activation)).toBeGreaterThanOrEqual(10);
    expect(graphsWith("convolution", ({ operation }) => operation.activation === activation)).toBeGreaterThanOrEqual(5);
  });

  it.each(["1x1", "3x3", "1x3", "3x1", "5x5", "2x2", "7x7"])("have %s kernels", (kernel) => {
    expect(graphsWith("convolution", (place) => kernelOf(place) === kernel)).toBeGreaterThanOrEqual(5);
  });

  it.each(Array.from({ length: 37 }, (_, i) => i + 1))("have convolutions of %d channels", (channels) => {
    expect(graphsWith("convolution", (place) => channelsOf(place) === channels)).toBeGreaterThanOrEqual(1);
  });

  const features: Record<string, () => number> = {
    "stride 2": () => graphsWith("convolution", ({ operation }) => operation.stride[0] === 2),
    "stride 3": () => graphsWith("convolution", ({ operation }) => operation.stride[1] === 3),
    "unequal strides": () => graphsWith("convolution", ({ operation }) => operation.stride[0] !== operation.stride[1]),
    dilation: () => graphsWith("convolution", (place) => place.operation.dilation[0] > 1 && kernelOf(place) !== "1x1"),
    "asymmetric padding": () => graphsWith("convolution", ({ operation }) => isAsymmetric(operation.padding)),
    "asymmetric padding of pools": () => graphsWith("max_pool", ({ operation }) => isAsymmetric(operation.padding)),
    "grouped convolutions": () =>
      graphsWith("convolution", (p) => p.operation.groups > 1 && p.operation.groups < channelsOf(p)),
    "depthwise convolutions": () =>
      graphsWith(
        "convolution",
        (p) => p.operation.groups === channelsOf(p) && p.node.shape[3] === channelsOf(p) && channelsOf(p) > 1,
      ),
    "depthwise convolutions with several outputs a channel": () =>
      graphsWith(
        "convolution",
        (p) => p.operation.groups === channelsOf(p) && (p.node.shape[3] as number) > channelsOf(p) && channelsOf(p) > 1,
      ),
    "convolutions of one pixel": () =>
      graphsWith("convolution", ({ inputs }) => inputs[0]?.shape[1] === 1 && inputs[0]?.shape[2] === 1),
    "convolutions with bias": () => graphsWith("convolution", ({ operation }) => operation.bias),
    "fused residuals": () => graphsWith("convolution", ({ operation }) => operation.residual),
    "fused residual activations": () =>
      graphsWith("convolution", ({ operation }) => operation.residualActivation !== "none"),
    "parameters of two convolutions": () => graphsWith("parameter", ({ users }) => users.length > 1),
    "ceil-mode max pools": () => graphsWith("max_pool", ({ operation }) => operation.ceil),
    "ceil-mode average pools, padding counted": () =>
      graphsWith("average_pool", ({ operation }) => operation.ceil && operation.countIncludePad),
    "ceil-mode average pools, padding not counted": () =>
      graphsWith("average_pool", ({ operation }) => operation.ceil && !operation.countIncludePad),
    "concatenations of slices of permutations": () =>
      graphsWith("concatenate", ({ graph, inputs }) =>
        inputs.some((input) => isNode(input, "slice") && isNode(nodeOf(graph, input.inputs[0] as never), "permute")),
      ),
    "explicit permutations": () => graphsWith("permute", ({ operation }) => operation.permutation.kind === "explicit"),
    shuffles: () =>
      graphsWith(
        "permute",
        ({ operation }) => operation.permutation.kind === "shuffle" && operation.permutation.groups > 1,
      ),
    "permutations of permutations": () => graphsWith("permute", readsOp("permute")),
    "a value concatenated with itself": () =>
      graphsWith("concatenate", ({ node }) => new Set(node.inputs).size < node.inputs.length),
    "sums of permuted values": () => graphsWith("add", readsOp("permute")),
    "sums of concatenated values": () => graphsWith("add", readsOp("concatenate")),
    "a value added to itself": () => graphsWith("add", ({ node }) => node.inputs[0] === node.inputs[1]),
    "values used several times": () => graphsWith("convolution", ({ users }) => users.length > 1),
    "scales of channels": () =>
      graphsWith("multiply", ({ inputs }) => inputs[1]?.shape[1] === 1 && (inputs[0]?.shape[1] as number) > 1),
    "products of equal shapes": () =>
      graphsWith("multiply", ({ inputs }) => inputs[1]?.shape[1] === inputs[0]?.shape[1]),
    "batch norm after a convolution": () => graphsWith("batch_norm", readsOp("convolution")),
    "batch norm after a permutation": () => graphsWith("batch_norm", readsOp("permute")),
    "batch norm after a concatenation": () => graphsWith("batch_norm", readsOp("concatenate")),
    "batch norm after an activation": () => graphsWith("batch_norm", readsOp("activation")),
    "batch norm of an input": () => graphsWith("batch_norm", readsOp("input")),
    "batch norm before a convolution": () => graphsWith("convolution", readsOp("batch_norm")),
    "batch norm of rows": () => graphsWith("batch_norm", ({ node }) => node.shape.length === 2),
    "flattened pictures larger than a pixel": () =>
      graphsWith("flatten", ({ inputs }) => (inputs[0]?.shape[1] as number) > 1),
    "linear layers without bias": () => graphsWith("linear", ({ operation }) => !operation.bias),
    "padding with zero": () => graphsWith("pad", ({ operation }) => operation.value === 0),
    "padding with another value": () => graphsWith("pad", ({ operation }) => operation.value !== 0),
    "nearest resizing": () => graphsWith("resize", ({ operation }) => operation.mode === "nearest"),
    "bilinear resizing": () => graphsWith("resize", ({ operation }) => operation.mode === "bilinear"),
    "several outputs": () => graphs.filter(({ graph }) => graph.outputs.length > 1).length,
    "one value under two output names": () =>
      graphs.filter(({ graph }) => new Set(graph.outputs.map(({ value }) => value)).size < graph.outputs.length).length,
    "outputs used inside": () => graphsWith("convolution", ({ isOutput, users }) => isOutput && users.length > 0),
    "outputs that are views": () =>
      graphs.filter(({ graph }) => graph.outputs.some(({ value }) => isView(nodeOf(graph, value)))).length,
    "outputs that are inputs": () => graphsWith("input", ({ isOutput }) => isOutput),
    "several inputs": () => graphs.filter(({ graph }) => nodesOf(graph, "input").length > 1).length,
    "dead nodes": () => graphsWith("slice", ({ isOutput, users }) => !isOutput && users.length === 0),
    "batches of two": () => graphsWith("input", ({ node }) => node.shape[0] === 2),
    "batches of three": () => graphsWith("input", ({ node }) => node.shape[0] === 3),
  };

  it.each(Object.keys(features))("have %s", (feature) => {
    expect(features[feature]?.()).toBeGreaterThanOrEqual(5);
  });
});
