import {
  build,
  graphBuilder,
  initializeWeights,
  interpret,
  nodesOf,
  runPasses,
  type Shape,
  type Tensor,
  tensor,
  toProgram,
  type Value,
} from "@depthwise/core";
import { describe, expect, it } from "vitest";
import { randomGraph } from "../../../core/src/testing/random_graph.ts";
import { readTfjsFiles } from "./read_tfjs.ts";
import { type TfjsFiles, writeTfjs } from "./write_tfjs.ts";

interface Written {
  readonly format: string;
  readonly signature: {
    readonly inputs: Readonly<Record<string, { name: string; tensorShape: { dim: { size: string }[] } }>>;
    readonly outputs: Readonly<Record<string, { name: string }>>;
  };
  readonly modelTopology: {
    readonly node: readonly { name: string; op: string; input: string[]; attr: Record<string, unknown> }[];
  };
  readonly weightsManifest: readonly { paths: string[]; weights: { name: string; shape: number[]; dtype: string }[] }[];
}

function decoded({ modelJson }: TfjsFiles): Written {
  return JSON.parse(new TextDecoder().decode(modelJson)) as Written;
}

/** The files of a graph with an input `x` of the given shape and one output `y`. */
function files(shape: Shape, body: (build: ReturnType<typeof graphBuilder>, x: Value) => Value): TfjsFiles {
  const builder = graphBuilder("small");
  const graph = builder.build({ y: body(builder, builder.input("x", shape)) });
  return writeTfjs(graph, initializeWeights(graph));
}

/** The operations that compute something, in order. */
function operations(written: Written): readonly string[] {
  return written.modelTopology.node
    .map(({ op }) => op)
    .filter((op) => !["Const", "Placeholder", "Identity"].includes(op));
}

/** Texts are base64 there. */
function textOf(attribute: unknown): string {
  return Buffer.from((attribute as { s: string }).s, "base64").toString();
}

describe("writeTfjs", () => {
  it("writes a graph model whose signature has our names and shapes", () => {
    const model = decoded(files([1, 4, 5, 3], (b, x) => b.activation("relu", x, "relu")));
    expect(model.format).toBe("graph-model");
    expect(model.signature.inputs.x?.tensorShape.dim.map(({ size }) => size)).toEqual(["1", "4", "5", "3"]);
    const output = model.signature.outputs.y?.name;
    expect(model.modelTopology.node.some(({ name }) => `${name}:0` === output)).toBe(true);
  });

  it("writes weights one after another, as the manifest lists them", () => {
    const written = files([1, 4, 4, 3], (b, x) => b.convolution("c", x, { channels: 2, kernel: 3, bias: true }));
    const [group] = decoded(written).weightsManifest;
    expect(group?.paths).toEqual(["weights.bin"]);
    expect(group?.weights).toEqual([
      { name: "c/kernel", shape: [3, 3, 3, 2], dtype: "float32" },
      { name: "c/bias", shape: [2], dtype: "float32" },
    ]);
    expect(written.weights).toHaveLength(4 * (54 + 2));
  });

  it("takes bias and activation along", () => {
    const model = decoded(
      files([1, 8, 8, 3], (b, x) => {
        const options = { channels: 4, kernel: 3, bias: true, padding: "same", activation: "relu6" } as const;
        return b.convolution("c", x, { ...options, stride: 2 });
      }),
    );
    expect(operations(model)).toEqual(["_FusedConv2D"]);
    const node = model.modelTopology.node.find(({ op }) => op === "_FusedConv2D");
    expect(textOf(node?.attr.padding)).toBe("SAME");
    const fused = (node?.attr.fused_ops as { list: { s: string[] } } | undefined)?.list.s ?? [];
    expect(fused.map((s) => Buffer.from(s, "base64").toString())).toEqual(["BiasAdd", "Relu6"]);
  });

  it("pads by cells where TensorFlow's rules give another padding", () => {
    const torch = files([1, 8, 8, 3], (b, x) =>
      b.convolution("c", x, { channels: 4, kernel: 3, stride: 2, padding: 1 }),
    );
    expect(operations(decoded(torch))).toEqual(["Pad", "Conv2D"]);
  });

  it("writes depthwise convolutions as such, and other groups as slices", () => {
    const depthwise = decoded(
      files([1, 5, 5, 4], (b, x) => b.convolution("d", x, { channels: 8, kernel: 3, groups: 4 })),
    );
    expect(operations(depthwise)).toEqual(["DepthwiseConv2dNative"]);
    expect(depthwise.weightsManifest[0]?.weights[0]).toMatchObject({ name: "d/kernel", shape: [3, 3, 4, 2] });
    const grouped = decoded(
      files([1, 5, 5, 4], (b, x) => b.convolution("g", x, { channels: 6, kernel: 3, groups: 2 })),
    );
    expect(operations(grouped)).toEqual(["Slice", "Conv2D", "Slice", "Conv2D", "ConcatV2"]);
  });

  it("spreads kernels that have both stride and dilation, which TensorFlow.js does not", () => {
    const options = { channels: 2, kernel: 3, stride: 2, dilation: 2, padding: 0 } as const;
    const model = decoded(files([1, 9, 9, 3], (b, x) => b.convolution("c", x, options)));
    const node = model.modelTopology.node.find(({ op }) => op === "Conv2D");
    expect(node?.attr.dilations).toEqual({ list: { i: ["1", "1", "1", "1"] } });
  });

  it("names its file of weights as asked, and gives the same bytes each time", () => {
    const builder = graphBuilder("small");
    const graph = builder.build({ y: builder.linear("l", builder.input("x", [1, 3]), { channels: 2 }) });
    const weights = initializeWeights(graph);
    const written = writeTfjs(graph, weights, { weightsFile: "w.bin" });
    expect(decoded(written).weightsManifest[0]?.paths).toEqual(["w.bin"]);
    expect(writeTfjs(graph, weights, { weightsFile: "w.bin" })).toEqual(written);
  });

  it("uses only letters that TensorFlow's names have, each name once", () => {
    const builder = graphBuilder("odd");
    const x = builder.input("a:0 b", [1, 2, 2, 3]);
    const graph = builder.build({
      "y:1": builder.activation("_é", x, "relu"),
      "": builder.activation("a_0_b", x, "relu"),
    });
    const { node } = decoded(writeTfjs(graph, new Map())).modelTopology;
    for (const { name } of node) expect(name).toMatch(/^[A-Za-z0-9.][A-Za-z0-9_.\-/]*$/);
    expect(new Set(node.map(({ name }) => name)).size).toBe(node.length);
  });
});

/** The largest difference as a share of the largest value. */
function difference(expected: Readonly<Record<string, Tensor>>, received: Readonly<Record<string, Tensor>>): number {
  return Math.max(
    ...Object.entries(expected).map(([name, { data }]) => {
      const other = received[name]?.data as Float32Array;
      const values = Array.from(data as Float32Array);
      const largest = Math.max(...values.map(Math.abs), 1e-6);
      return Math.max(...values.map((value, i) => Math.abs(value - (other[i] as number)))) / largest;
    }),
  );
}

function readBack({ modelJson, weights }: TfjsFiles) {
  const { network } = readTfjsFiles(modelJson, new Map([["weights.bin", weights]]));
  if (network === undefined) throw new Error("no network");
  return network;
}

/** The writer is checked against TensorFlow.js itself by `npm run check` in bench; here, that the reader takes what it writes. */
describe("written models, read again", () => {
  it("compute the same: random graphs", { timeout: 120_000 }, () => {
    let read = 0;
    for (let seed = 0; seed < 120; seed++) {
      const { graph, weights, inputs } = randomGraph(seed);
      const written = writeTfjs(graph, weights);
      let network: ReturnType<typeof readBack>;
      try {
        network = readBack(written);
      } catch (error) {
        // The one thing that is written and not read: averages of which only a part of the padding counts.
        expect((error as Error).message).toMatch(/one number for each channel/);
        continue;
      }
      read++;
      const expected = interpret(graph, weights, inputs).outputs;
      expect(difference(expected, interpret(network.graph, network.weights, inputs).outputs)).toBeLessThan(1e-5);
    }
    expect(read).toBeGreaterThan(110);
  });

  it.each(["mobilenet_v2", "shufflenet_v1", "shufflenet_v2", "squeezenet", "squeezenext"])(
    "compute the same: %s",
    (name) => {
      const { graph } = build(name, { resolution: 32, classes: 10 });
      const weights = initializeWeights(graph);
      const network = readBack(writeTfjs(graph, weights));
      const input = { input: Float32Array.from({ length: 32 * 32 * 3 }, (_, i) => Math.sin(i)) };
      // Folding norms rounds weights: what is written is the folded network.
      const folded = runPasses(toProgram(graph, weights));
      const numbers = new Map(
        nodesOf(folded.graph, "parameter").map(({ name: parameter, shape }) => [
          parameter,
          tensor(shape, folded.weights.get(parameter)),
        ]),
      );
      const expected = interpret(folded.graph, numbers, input).outputs;
      expect(difference(expected, interpret(network.graph, network.weights, input).outputs)).toBeLessThan(1e-6);
    },
  );
});
