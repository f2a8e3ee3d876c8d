import {
  build,
  type GraphBuilder,
  graphBuilder,
  initializeWeights,
  plainConvolution,
  type Shape,
  tensor,
  type Value,
  type Weights,
} from "@depthwise/core";
import { describe, expect, it } from "vitest";
import { randomGraph } from "../../../core/src/testing/random_graph.ts";
import { decodeOnnx, initializerOf, onnxLines } from "../testing/decode_onnx.ts";
import { writeOnnx } from "./write_onnx.ts";

/** The file of a graph with an input `x` of the given shape and one output `y`, weights 0, 1, 2, ... in each parameter. */
function written(shape: Shape, body: (build: GraphBuilder, x: Value) => Value) {
  const builder = graphBuilder("small");
  const graph = builder.build({ y: body(builder, builder.input("x", shape)) });
  return decodeOnnx(writeOnnx(graph, counting(initializeWeights(graph))));
}

function counting(weights: Weights): Weights {
  return new Map(
    [...weights].map(([name, { shape, data }]) => [
      name,
      tensor(
        shape,
        Float32Array.from({ length: data.length }, (_, i) => i),
      ),
    ]),
  );
}

function linesOf(shape: Shape, body: (build: GraphBuilder, x: Value) => Value): readonly string[] {
  return onnxLines(written(shape, body));
}

describe("writeOnnx", () => {
  it("writes the format's and the operator set's version, and inputs and outputs with channels second", () => {
    const model = written([2, 5, 7, 3], (b, x) => b.activation("relu", x, "relu"));
    expect(model.irVersion).toBe(8n);
    expect(model.opsetImport.map(({ domain, version }) => [domain, version])).toEqual([["", 17n]]);
    expect(model.producerName).toBe("depthwise");
    expect(model.graph?.name).toBe("small");
    const portOf = (port: NonNullable<typeof model.graph>["input"][number] | undefined) => {
      const type = port?.type?.value;
      if (type?.case !== "tensorType") throw new Error("expected a tensor");
      return [port?.name, type.value.elemType, type.value.shape?.dim.map(({ value }) => Number(value.value))];
    };
    expect(portOf(model.graph?.input[0])).toEqual(["x", 1, [2, 3, 5, 7]]);
    expect(portOf(model.graph?.output[0])).toEqual(["y", 1, [2, 3, 5, 7]]);
  });

  it("takes another name for the graph", () => {
    const builder = graphBuilder("small");
    const graph = builder.build({ y: builder.activation("relu", builder.input("x", [1, 3]), "relu") });
    expect(decodeOnnx(writeOnnx(graph, new Map(), { name: "renamed" })).graph?.name).toBe("renamed");
  });

  it("writes a grouped convolution with every attribute, its kernel as OIHW", () => {
    const model = written([1, 9, 9, 4], (b, x) =>
      b.convolution("stage/c", x, {
        channels: 6,
        kernel: [3, 1],
        groups: 2,
        bias: true,
        stride: [2, 1],
        dilation: [2, 1],
        padding: { top: 1, bottom: 2, left: 3, right: 0 },
      }),
    );
    expect(onnxLines(model)).toEqual([
      "y = Conv(x, stage/c/kernel, stage/c/bias) {dilations=[2, 1], group=2, kernel_shape=[3, 1], pads=[1, 3, 2, 0], strides=[2, 1]} # stage/c/Conv",
    ]);
    // HWIO [3, 1, 2, 6] counts 0 to 35: element (h, 0, i, o) is 12h + 6i + o.
    const { dims, values } = initializerOf(model, "stage/c/kernel");
    expect(dims).toEqual([6, 2, 3, 1]);
    expect(values.slice(0, 12)).toEqual([0, 12, 24, 6, 18, 30, 1, 13, 25, 7, 19, 31]);
    expect(initializerOf(model, "stage/c/bias")).toEqual({ dims: [6], values: [0, 1, 2, 3, 4, 5] });
  });

  it("writes what is fused into a convolution as nodes of their own", () => {
    const lines = linesOf([1, 4, 4, 2], (b, x) => {
      const kernel = b.parameter("k", [1, 1, 2, 2], { kind: "constant", value: 1 });
      const operation = {
        ...plainConvolution,
        activation: "relu6",
        residual: true,
        residualActivation: "relu",
      } as const;
      return b.node("fused", operation, [x, kernel, x]);
    });
    expect(lines).toEqual([
      "fused/Conv = Conv(x, k) {dilations=[1, 1], group=1, kernel_shape=[1, 1], pads=[0, 0, 0, 0], strides=[1, 1]} # fused/Conv",
      "fused/Clip = Clip(fused/Conv, scalar, scalar_2) # fused/Clip",
      "fused/Add = Add(fused/Clip, x) # fused/Add",
      "y = Relu(fused/Add) # fused/Relu",
    ]);
  });

  it.each([
    ["relu", ["y = Relu(x) # a/Relu"]],
    ["relu6", ["y = Clip(x, scalar, scalar_2) # a/Clip"]],
    ["sigmoid", ["y = Sigmoid(x) # a/Sigmoid"]],
    ["swish", ["a/Sigmoid = Sigmoid(x) # a/Sigmoid", "y = Mul(x, a/Sigmoid) # a/Mul"]],
    ["hard_sigmoid", ["y = HardSigmoid(x) {alpha=0.1667, beta=0.5000} # a/HardSigmoid"]],
    ["hard_swish", ["y = HardSwish(x) # a/HardSwish"]],
    ["none", ["y = Identity(x) # y/Identity"]],
  ] as const)("writes the activation %s", (activation, lines) => {
    expect(linesOf([1, 4], (b, x) => b.activation("a", x, activation))).toEqual(lines);
  });

  it("clips relu6 at 0 and 6", () => {
    const model = written([1, 4], (b, x) => b.activation("a", x, "relu6"));
    expect(initializerOf(model, "scalar")).toEqual({ dims: [], values: [0] });
    expect(initializerOf(model, "scalar_2")).toEqual({ dims: [], values: [6] });
  });

  it.each<[string, Shape, (b: GraphBuilder, x: Value) => Value, string[]]>([
    [
      "batch norm",
      [1, 2, 2, 3],
      (b, x) => b.batchNorm("n", x, { epsilon: 0.001 }),
      ["y = BatchNormalization(x, n/gamma, n/beta, n/mean, n/variance) {epsilon=0.001000} # n/BatchNormalization"],
    ],
    ["addition", [1, 2, 2, 3], (b, x) => b.add("s", x, x), ["y = Add(x, x) # s/Add"]],
    [
      "a scale for each channel",
      [1, 2, 2, 3],
      (b, x) => b.multiply("m", x, b.globalAveragePool("g", x)),
      ["g = GlobalAveragePool(x) # g/GlobalAveragePool", "y = Mul(x, g) # m/Mul"],
    ],
    [
      "concatenation of pictures",
      [1, 2, 2, 3],
      (b, x) => b.concatenate("j", [x, x]),
      ["y = Concat(x, x) {axis=1} # j/Concat"],
    ],
    [
      "concatenation of vectors",
      [1, 3],
      (b, x) => b.concatenate("j", [x, x]),
      ["y = Concat(x, x) {axis=1} # j/Concat"],
    ],
    [
      "a slice",
      [1, 2, 2, 5],
      (b, x) => b.slice("s", x, 1, 3),
      ["y = Slice(x, integers, integers_2, integers) # s/Slice"],
    ],
    [
      "a shuffle of a picture",
      [2, 3, 5, 6],
      (b, x) => b.permute("p", x, { kind: "shuffle", groups: 2 }),
      [
        "p/Reshape = Reshape(x, integers) # p/Reshape",
        "p/Transpose = Transpose(p/Reshape) {perm=[0, 2, 1, 3]} # p/Transpose",
        "y = Reshape(p/Transpose, integers_2) # p/Reshape_2",
      ],
    ],
    [
      "an explicit permutation",
      [1, 1, 1, 3],
      (b, x) => b.permute("p", x, { kind: "explicit", order: [2, 0, 1] }),
      ["y = Gather(x, integers) {axis=1} # p/Gather"],
    ],
    [
      "a max pool",
      [1, 8, 8, 1],
      (b, x) => b.maxPool("p", x, { kernel: 3, stride: 2, padding: { top: 1, bottom: 0, left: 2, right: 1 } }),
      ["y = MaxPool(x) {kernel_shape=[3, 3], pads=[1, 2, 0, 1], strides=[2, 2]} # p/MaxPool"],
    ],
    [
      "rounding up as padding",
      [1, 8, 6, 1],
      (b, x) => b.maxPool("p", x, { kernel: 3, stride: 2, padding: 0, ceil: true }),
      ["y = MaxPool(x) {kernel_shape=[3, 3], pads=[0, 0, 1, 1], strides=[2, 2]} # p/MaxPool"],
    ],
    [
      "an average pool that counts padding",
      [1, 8, 8, 1],
      (b, x) => b.averagePool("p", x, { kernel: 3 }),
      [
        "y = AveragePool(x) {count_include_pad=1, kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[1, 1]} # p/AveragePool",
      ],
    ],
    [
      "an average pool that does not",
      [1, 8, 8, 1],
      (b, x) => b.averagePool("p", x, { kernel: 3, countIncludePad: false }),
      [
        "y = AveragePool(x) {count_include_pad=0, kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[1, 1]} # p/AveragePool",
      ],
    ],
    [
      "an average pool that counts its padding, but not what it rounds up",
      [1, 8, 8, 1],
      (b, x) => b.averagePool("p", x, { kernel: 3, stride: 2, padding: 1, ceil: true }),
      // 8 + 2 cells, windows of 3 at 0, 2, 4, 6 and 8: the last reaches one cell beyond the padding.
      [
        "p/Pad = Pad(x, integers) # p/Pad",
        "y = AveragePool(p/Pad) {count_include_pad=0, kernel_shape=[3, 3], pads=[0, 0, 1, 1], strides=[2, 2]} # p/AveragePool",
      ],
    ],
    [
      "a linear layer with a kernel [in, out]",
      [2, 3],
      (b, x) => b.linear("l", x, { channels: 4 }),
      ["y = Gemm(x, l/kernel, l/bias) # l/Gemm"],
    ],
    ["softmax over channels", [1, 2, 2, 3], (b, x) => b.softmax("s", x), ["y = Softmax(x) {axis=1} # s/Softmax"]],
    [
      "flattening in the order H, W, C",
      [1, 2, 3, 4],
      (b, x) => b.flatten("f", x),
      ["f/Transpose = Transpose(x) {perm=[0, 2, 3, 1]} # f/Transpose", "y = Flatten(f/Transpose) {axis=1} # f/Flatten"],
    ],
    ["flattening one pixel", [2, 1, 1, 4], (b, x) => b.flatten("f", x), ["y = Flatten(x) {axis=1} # f/Flatten"]],
    [
      "dropout as nothing",
      [1, 4],
      (b, x) => b.activation("r", b.dropout("d", x, 0.5), "relu"),
      ["y = Relu(x) # r/Relu"],
    ],
    [
      "padding with a value",
      [1, 2, 2, 1],
      (b, x) => b.pad("p", x, { top: 1, bottom: 2, left: 3, right: 4 }, -1),
      ["y = Pad(x, integers, scalar) # p/Pad"],
    ],
    [
      "resizing",
      [1, 2, 2, 1],
      (b, x) => b.resize("r", x, 5, 7, "bilinear"),
      ["y = Resize(x, , , integers) {coordinate_transformation_mode=half_pixel, mode=linear} # r/Resize"],
    ],
  ])("writes %s", (_, shape, body, lines) => {
    expect(linesOf(shape, body)).toEqual(lines);
  });

  it("gives whole-number arguments as constants", () => {
    const shuffle = written([2, 3, 5, 6], (b, x) => b.permute("p", x, { kind: "shuffle", groups: 2 }));
    expect(initializerOf(shuffle, "integers")).toEqual({ dims: [4], values: [2, 2, 3, 15] });
    expect(initializerOf(shuffle, "integers_2")).toEqual({ dims: [4], values: [2, 6, 3, 5] });
    const slice = written([1, 2, 2, 5], (b, x) => b.slice("s", x, 1, 3));
    expect(initializerOf(slice, "integers").values, "start and axis").toEqual([1]);
    expect(initializerOf(slice, "integers_2").values, "end").toEqual([4]);
    const pad = written([1, 2, 2, 1], (b, x) => b.pad("p", x, { top: 1, bottom: 2, left: 3, right: 4 }, -1));
    expect(initializerOf(pad, "integers").values).toEqual([0, 0, 1, 3, 0, 0, 2, 4]);
    const resize = written([1, 2, 2, 3], (b, x) => b.resize("r", x, 5, 7, "nearest"));
    expect(initializerOf(resize, "integers").values).toEqual([1, 3, 5, 7]);
  });

  it("writes a parameter that several nodes read once", () => {
    const model = written([1, 2, 2, 3], (b, x) => {
      const scale = b.parameter("scale", [1, 1, 1, 3], { kind: "constant", value: 1 });
      return b.multiply("m2", b.multiply("m1", x, scale), scale);
    });
    expect(model.graph?.initializer.map(({ name, dims }) => [name, dims.map(Number)])).toEqual([
      ["scale", [1, 3, 1, 1]],
    ]);
  });

  it("gives outputs their names where a value is an input, a parameter, or given twice", () => {
    const b = graphBuilder("names");
    const x = b.input("x", [1, 3]);
    const p = b.parameter("p", [1, 3], { kind: "constant", value: 1 });
    const sum = b.add("y1", x, p);
    const graph = b.build({ same: x, p2: p, y2: sum, y3: sum, y1: b.activation("r", sum, "relu") });
    const model = decodeOnnx(writeOnnx(graph, initializeWeights(graph)));
    expect(onnxLines(model)).toEqual([
      "y2 = Add(x, p) # y1/Add",
      "y1 = Relu(y2) # r/Relu",
      "same = Identity(x) # same/Identity",
      "p2 = Identity(p) # p2/Identity",
      "y3 = Identity(y2) # y3/Identity",
    ]);
    expect(model.graph?.output.map(({ name }) => name)).toEqual(["same", "p2", "y2", "y3", "y1"]);
  });

  it("names every value once and reads only what is there, in random graphs and in a network", () => {
    const network = build("squeezenet_1.1");
    const graphs = Array.from({ length: 100 }, (_, seed) => randomGraph(seed));
    for (const { graph, weights } of [...graphs, { graph: network.graph, weights: initializeWeights(network.graph) }]) {
      const model = decodeOnnx(writeOnnx(graph, weights)).graph;
      const known = new Set([...(model?.input ?? []), ...(model?.initializer ?? [])].map(({ name }) => name));
      expect(known.size, graph.name).toBe((model?.input.length ?? 0) + (model?.initializer.length ?? 0));
      for (const { input, output } of model?.node ?? []) {
        for (const name of input) expect(name === "" || known.has(name), `${graph.name} reads ${name}`).toBe(true);
        for (const name of output) {
          expect(known.has(name), `${graph.name} gives ${name} again`).toBe(false);
          known.add(name);
        }
      }
      for (const { name } of model?.output ?? []) expect(known.has(name), `${graph.name} gives ${name}`).toBe(true);
      const names = model?.node.map(({ name }) => name) ?? [];
      expect(new Set(names).size, `${graph.name}: nodes of one name`).toBe(names.length);
    }
  });

  it("lists every weight that does not fit", () => {
    const b = graphBuilder("weights");
    const graph = b.build({ y: b.linear("l", b.input("x", [1, 3]), { channels: 4 }) });
    expect(() => writeOnnx(graph, new Map([["l/kernel", tensor([4, 3])]]))).toThrow(
      /l\/kernel has shape 4x3, expected 3x4\s+l\/bias is missing/,
    );
  });

  it("refuses what ONNX cannot say", () => {
    const computed = graphBuilder("computed");
    const x = computed.input("x", [1, 3, 3, 1]);
    const operation = plainConvolution;
    const y = computed.node("c", operation, [x, computed.input("k", [3, 3, 1, 1])]);
    expect(() => writeOnnx(computed.build({ y }), new Map())).toThrow(/convolution "c": its kernel is computed by "k"/);
    const same = graphBuilder("same");
    expect(() =>
      writeOnnx(same.build({ x: same.activation("r", same.input("x", [1, 3]), "relu") }), new Map()),
    ).toThrow(/an input and an output named "x"/);
    const norm = graphBuilder("norm");
    const graph = norm.build({ y: norm.batchNorm("n", norm.input("x", [1, 5, 3])) });
    expect(() => writeOnnx(graph, initializeWeights(graph))).toThrow(/batch_norm "n": ONNX has channels second/);
  });
});
