import {
  build,
  type Graph,
  graphBuilder,
  initializeWeights,
  interpret,
  isNode,
  type Network,
  runPasses,
  type Tensor,
  tensor,
  toFloat32,
  toProgram,
  type Weights,
} from "@depthwise/core";
import { listVariants } from "@depthwise/core/networks";
import { describe, expect, test } from "vitest";
import { readOnnx } from "../onnx/read_onnx.ts";
import { writeOnnx } from "../onnx/write_onnx.ts";
import { dropBackground } from "./drop_background.ts";
import { plainNetwork } from "./plain_network.ts";
import { matchGraph, pictureOptionsOf, recognizeGraph } from "./recognize_graph.ts";

interface FileGraph {
  readonly graph: Graph;
  readonly weights: Weights;
}

/** The smallest network of every family. */
const small: readonly string[] = [
  "shufflenet_v1_cifar",
  "igcv1_cifar",
  "igcv2_cifar",
  "igcv3_cifar",
  "shufflenet_v2_cifar",
  "mobilenet_v1_cifar",
  "mobilenet_v2_cifar",
  "squeezenet_cifar",
  "squeezenext_cifar",
  "xception_cifar",
];

/** Weights whose norms do something: drawn ones are the identity. */
function trainedWeights({ graph }: Network): Weights {
  return new Map(
    [...initializeWeights(graph, 1)].map(([name, { shape, data }]) => {
      const numbers = data as Float32Array;
      const change = /(gamma|variance)$/.test(name)
        ? (_: number, i: number) => 0.5 + ((i * 7) % 10) / 10
        : (x: number, i: number) => x + Math.sin(i) / 10;
      return [name, tensor(shape, /(gamma|beta|mean|variance)$/.test(name) ? numbers.map(change) : numbers)];
    }),
  );
}

/** As an exporter without names would write it. */
function nameless({ graph, weights }: FileGraph): FileGraph {
  const nodes = graph.nodes.map((node) => ({ ...node, name: isNode(node, "input") ? "data" : String(node.id) }));
  const named = graph.nodes.filter((node) => isNode(node, "parameter"));
  return {
    graph: { ...graph, nodes },
    weights: new Map(named.map(({ id, name }) => [String(id), weights.get(name) as Tensor])),
  };
}

/** As an exporter that folds would write it. */
function folded({ graph, weights }: FileGraph): FileGraph {
  const program = runPasses(toProgram(graph, weights));
  const shapes = new Map(program.graph.nodes.map(({ name, shape }) => [name, shape]));
  return {
    graph: program.graph,
    weights: new Map([...program.weights].map(([name, data]) => [name, tensor(shapes.get(name) ?? [], data)])),
  };
}

function withSoftmax({ graph, weights }: FileGraph): FileGraph {
  const [output] = graph.outputs as readonly [Graph["outputs"][number]];
  const last = graph.nodes[output.value] as Graph["nodes"][number];
  const id = graph.nodes.length as typeof last.id;
  const softmax = { ...last, id, name: "softmax", operation: { op: "softmax" } as const, inputs: [last.id] };
  return { graph: { ...graph, nodes: [...graph.nodes, softmax], outputs: [{ name: "prob", value: id }] }, weights };
}

/** The largest difference of two networks' outputs, over the largest absolute value. */
function difference(a: FileGraph, b: FileGraph): number {
  const run = ({ graph, weights }: FileGraph): Float32Array => {
    const input = graph.nodes.find((node) => isNode(node, "input")) as Graph["nodes"][number];
    const size = input.shape.reduce((product, length) => product * length, 1);
    const x = Float32Array.from({ length: size }, (_, i) => Math.sin(i / 7));
    return Object.values(interpret(graph, weights, { [input.name]: x }).outputs)[0]?.data as Float32Array;
  };
  const [left, right] = [run(a), run(b)];
  const largest = left.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return left.reduce((most, value, i) => Math.max(most, Math.abs(value - (right[i] as number))), 0) / largest;
}

describe.each(small)("recognizeGraph knows %s", (name) => {
  const network = build(name);
  const file = { graph: network.graph, weights: trainedWeights(network) };

  test("written as ONNX, and gives the same numbers under our names", () => {
    const { network: read } = readOnnx(writeOnnx(file.graph, file.weights));
    const found = recognizeGraph((read as FileGraph).graph, (read as FileGraph).weights);
    expect([found?.network.name, found?.network.family]).toEqual([name, network.family]);
    expect([...(found?.weights.keys() ?? [])]).toEqual([...file.weights.keys()]);
    for (const [parameter, { data }] of file.weights) {
      expect(toFloat32(found?.weights.get(parameter) as Tensor), parameter).toEqual(data);
    }
  });

  test("with its batch norms folded, as the same function", () => {
    const { graph, weights } = nameless(folded(file));
    const found = recognizeGraph(graph, weights);
    expect(found?.network.name).toBe(name);
    // Kernels are rounded once when the file folds them.
    expect(difference(file, { graph: network.graph, weights: found?.weights as Weights })).toBeLessThan(2e-5);
  });
});

describe("recognizeGraph", () => {
  const network = build("mobilenet_v1", { width: 0.25, resolution: 64, classes: 3, padding: "tf", inputChannels: 1 });
  const file = { graph: network.graph, weights: trainedWeights(network) };

  test("finds padding, input and classes of its own, behind a softmax", () => {
    const { graph, weights } = nameless(withSoftmax(folded(file)));
    expect(pictureOptionsOf(graph)).toEqual({ resolution: 64, inputChannels: 1, classes: 3, batch: 1 });
    const found = recognizeGraph(graph, weights);
    expect(found?.network.name).toBe("mobilenet_v1");
    expect(found?.network.options).toMatchObject({ width: 0.25, padding: "tf", resolution: 64, classes: 3 });
    expect(found?.network.graph.outputs).toEqual(network.graph.outputs);
  });

  test("keeps batch norms as they are, with the file's epsilon", () => {
    const other = build("mobilenet_v2", { width: 0.35, resolution: 96, epsilon: 1e-3 });
    const weights = trainedWeights(other);
    const found = recognizeGraph(other.graph, weights);
    expect(found?.network.name).toBe("mobilenet_v2_0.35_96");
    expect(found?.network.options.epsilon).toBe(1e-3);
    expect(found?.weights.get("stem/norm/mean")).toEqual(weights.get("stem/norm/mean"));
  });

  test("looks for one family or variant only, where it is told to", () => {
    expect(recognizeGraph(file.graph, file.weights, { only: "mobilenet_v1" })?.network.family).toBe("mobilenet_v1");
    expect(recognizeGraph(file.graph, file.weights, { only: "mobilenet_v2" })).toBeUndefined();
    expect(() => recognizeGraph(file.graph, file.weights, { only: "mobilenet_v9" })).toThrow(/no network/);
  });

  test("is not taken in by one activation, stride or connection that is another", () => {
    const change = (pick: RegExp, operation: object): Graph => ({
      ...file.graph,
      nodes: file.graph.nodes.map((node) =>
        pick.test(node.name)
          ? { ...node, operation: { ...node.operation, ...operation } as typeof node.operation }
          : node,
      ),
    });
    expect(
      recognizeGraph(change(/^stage3\/unit1\/pointwise\/activation$/, { activation: "swish" }), file.weights),
    ).toBeUndefined();
    const shifted = { padding: { top: 1, bottom: 0, left: 0, right: 1 } };
    expect(recognizeGraph(change(/^stem$/, shifted), file.weights)).toBeUndefined();
    const { graph } = build("shufflenet_v2_cifar");
    const weights = trainedWeights(build("shufflenet_v2_cifar"));
    const wired = graph.nodes.map((node) =>
      isNode(node, "permute")
        ? // Undoes the shuffle of two groups.
          {
            ...node,
            operation: {
              op: "permute",
              permutation: { kind: "shuffle", groups: (node.shape.at(-1) as number) / 2 },
            } as const,
          }
        : node,
    );
    expect(recognizeGraph({ ...graph, nodes: wired }, weights)).toBeUndefined();
  });

  test("tells every published variant from the others", () => {
    // Each family's first and last; all of them are compared by `npm run test:data`.
    const names = listVariants().map(({ name }) => name);
    for (const name of names.filter((each) => /^(mobilenet_v2_0.35|squeezenet_1.[01]|shufflenet_v2_0.5)/.test(each))) {
      const each = build(name);
      expect(recognizeGraph(each.graph, initializeWeights(each.graph, 1))?.network.name).toBe(name);
    }
  });

  test("matchGraph gives a named network's weights, or none", () => {
    expect(matchGraph(network, file.graph, file.weights)).toEqual(file.weights);
    const torch = build("mobilenet_v1", { ...network.options, padding: "torch" });
    expect(matchGraph(torch, file.graph, file.weights)).toBeUndefined();
  });
});

test("dropBackground leaves out the first class and nothing else", () => {
  const network = { ...build("squeezenet_cifar", { classes: 11 }), labels: [..."background".padEnd(11, "-")] };
  const weights = trainedWeights(network);
  const smaller = dropBackground(network, weights);
  expect(smaller.network.classes).toBe(10);
  expect(smaller.network.labels).toHaveLength(10);
  const run = ({ graph }: Network, numbers: Weights): readonly number[] => {
    const x = Float32Array.from({ length: 32 * 32 * 3 }, (_, i) => Math.cos(i));
    const { outputs } = interpret(graph, numbers, { input: x });
    return [...(outputs.output as Tensor<"f32">).data];
  };
  expect(run(smaller.network, smaller.weights)).toEqual(run(network, weights).slice(1));
});

describe("plainNetwork", () => {
  test("calls what comes in `input` and what goes out `output`, and gives logits", () => {
    const builder = graphBuilder("file");
    const x = builder.convolution("12", builder.input("data:0", [1, 8, 8, 1]), {
      channels: 5,
      kernel: 8,
      padding: "valid",
    });
    const graph = builder.build({ "Identity:0": builder.softmax("13", x) });
    const weights = initializeWeights(graph, 1);
    const { network, weights: named } = plainNetwork(graph, weights, "thing", "onnx");
    expect([network.name, network.family, network.classes]).toEqual(["thing", undefined, 5]);
    expect(network.preprocessing).toMatchObject({ size: [8, 8], channelOrder: "grey" });
    expect(network.graph.nodes.map(({ name }) => name)).toEqual([
      "input",
      "12/kernel",
      "convolution_12",
      "softmax_13",
      "flatten",
    ]);
    const input = new Float32Array(64).fill(0.5);
    const { outputs } = interpret(network.graph, named, { input });
    expect(outputs.output?.shape).toEqual([1, 5]);
    const kernel = named.get("12/kernel")?.data as Float32Array;
    const first = kernel.filter((_, i) => i % 5 === 0).reduce((sum, value) => sum + value / 2, 0);
    expect(outputs.output?.data[0]).toBeCloseTo(first, 5);
  });

  test("refuses graphs of two outputs", () => {
    const builder = graphBuilder("two");
    const x = builder.input("x", [1, 4, 4, 3]);
    const graph = builder.build({ a: builder.globalAveragePool("a", x), b: x });
    expect(() => plainNetwork(graph, new Map(), "two", "onnx")).toThrow(/1 inputs and 2 outputs/);
  });
});
