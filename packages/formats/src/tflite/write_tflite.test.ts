import {
  build,
  type GraphBuilder,
  graphBuilder,
  initializeWeights,
  type Shape,
  tensor,
  type Value,
} from "@depthwise/core";
import { describe, expect, it } from "vitest";
import { randomGraph } from "../../../core/src/testing/random_graph.ts";
import { type DecodedTflite, decodeTflite } from "../testing/decode_tflite.ts";
import { writeTflite } from "./write_tflite.ts";

/** The file of a graph with an input `x` of the given shape and one output `y`, weights 0, 1, 2, ... in each parameter. */
function written(shape: Shape, body: (build: GraphBuilder, x: Value) => Value): DecodedTflite {
  const builder = graphBuilder("small");
  const graph = builder.build({ y: body(builder, builder.input("x", shape)) });
  const weights = [...initializeWeights(graph)].map(([name, { shape, data }]) => {
    return [
      name,
      tensor(
        shape,
        Float32Array.from({ length: data.length }, (_, i) => i),
      ),
    ] as const;
  });
  return decodeTflite(writeTflite(graph, new Map(weights)));
}

/** Operators as `code(inputs) -> outputs`, codes as in schema.fbs. */
function linesOf({ operators }: DecodedTflite): readonly string[] {
  return operators.map(({ code, inputs, outputs }) => `${code}(${inputs.join(", ")}) -> ${outputs.join(", ")}`);
}

function tensorOf({ tensors }: DecodedTflite, name: string) {
  const found = tensors.find((each) => each.name === name);
  if (found === undefined)
    throw new Error(`No tensor is named "${name}" among ${tensors.map((each) => each.name).join(", ")}.`);
  return found;
}

describe("writeTflite", () => {
  it("writes the identifier, the schema's version, names, and aligned weights", () => {
    const model = written([1, 3], (b, x) => b.linear("l", x, { channels: 5 }));
    expect(model).toMatchObject({ identifier: "TFL3", schemaVersion: 3, name: "small", inputs: ["x"], outputs: ["y"] });
    for (const { dataOffset } of model.tensors) expect((dataOffset ?? 0) % 16).toBe(0);
  });

  it("writes a grouped convolution that SAME pads, its kernel as OHWI", () => {
    const model = written([1, 9, 9, 4], (b, x) =>
      b.convolution("c", x, { channels: 6, kernel: [3, 1], groups: 2, bias: true, stride: [2, 1] }),
    );
    expect(linesOf(model)).toEqual(["3(x, c/kernel/3012, c/bias) -> y"]);
    const [convolution] = model.operators;
    expect(convolution?.version).toBe(6);
    expect(convolution?.optionsType).toBe(1);
    const int32 = (position: number) => convolution?.option(position, "int32", -1);
    expect([int32(1), int32(2)], "stride_w, stride_h").toEqual([1, 2]);
    expect(convolution?.option(0, "int8", 0), "SAME").toBe(0);
    expect(convolution?.option(3, "int8", 0), "no activation").toBe(0);
    // HWIO [3, 1, 2, 6] counts 0 to 35: element (h, 0, i, o) is 12h + 6i + o.
    const kernel = tensorOf(model, "c/kernel/3012");
    expect(kernel.shape).toEqual([6, 3, 1, 2]);
    expect(kernel.values?.slice(0, 12)).toEqual([0, 6, 12, 18, 24, 30, 1, 7, 13, 19, 25, 31]);
  });

  it("pads with cells where neither rule gives the padding, and leaves out those that no window reaches", () => {
    // PyTorch's padding of 1 at stride 2 and an even size: SAME would put its only cell after.
    const model = written([1, 8, 8, 2], (b, x) => b.convolution("c", x, { channels: 4, kernel: 3, stride: 2 }));
    expect(linesOf(model)).toEqual([
      "34(x, paddings/0,0,1,0,1,0,0,0) -> c/PAD",
      "3(c/PAD, c/kernel/3012, zeros/4) -> y",
    ]);
    expect(tensorOf(model, "c/PAD").shape).toEqual([1, 9, 9, 2]);
    expect(tensorOf(model, "paddings/0,0,1,0,1,0,0,0")).toMatchObject({
      shape: [4, 2],
      type: 2,
      values: [0, 0, 1, 0, 1, 0, 0, 0],
    });
    expect(model.operators[1]?.option(0, "int8", 0), "VALID").toBe(1);
  });

  it("writes a depthwise convolution with its multiplier, dilation and activation", () => {
    const model = written([1, 9, 9, 3], (b, x) =>
      b.activation("a", b.convolution("d", x, { channels: 6, kernel: 3, groups: 3, dilation: [2, 1] }), "relu6"),
    );
    expect(linesOf(model)).toEqual(["4(x, d/kernel/0123, zeros/6) -> y"]);
    const [convolution] = model.operators;
    expect(convolution?.version, "dilation came with version 2").toBe(2);
    expect(convolution?.option(3, "int32", 0), "depth_multiplier").toBe(2);
    expect(convolution?.option(4, "int8", 0), "RELU6").toBe(3);
    expect([convolution?.option(5, "int32", 1), convolution?.option(6, "int32", 1)], "dilation_w, dilation_h").toEqual([
      1, 2,
    ]);
    expect(tensorOf(model, "d/kernel/0123").shape).toEqual([1, 3, 3, 6]);
  });

  it("folds batch norms and fuses activations", () => {
    const model = written([1, 4, 4, 3], (b, x) => {
      const sum = b.convolution("c", x, { channels: 3 });
      return b.add("s", b.activation("a", b.batchNorm("n", sum), "relu"), x);
    });
    expect(model.operators.map(({ code }) => code)).toEqual([3, 0]);
    expect(model.operators[0]?.option(3, "int8", 0), "RELU").toBe(1);
  });

  it("writes a batch norm that stands alone as a factor and an offset for each channel", () => {
    const model = written([1, 2, 2, 3], (b, x) => b.batchNorm("n", x, { epsilon: 1 }));
    // gamma = beta = mean = variance = 0, 1, 2
    expect(linesOf(model)).toEqual(["18(x, n/scale) -> n/MUL", "0(n/MUL, n/shift) -> y"]);
    expect(tensorOf(model, "n/scale").values?.map((value) => value.toFixed(4))).toEqual(["0.0000", "0.7071", "1.1547"]);
    expect(tensorOf(model, "n/shift").values?.map((value) => value.toFixed(4))).toEqual([
      "0.0000",
      "0.2929",
      "-0.3094",
    ]);
  });

  it.each<[string, Shape, (b: GraphBuilder, x: Value) => Value, string[]]>([
    ["relu", [1, 4], (b, x) => b.activation("a", x, "relu"), ["19(x) -> y"]],
    ["relu6", [1, 4], (b, x) => b.activation("a", x, "relu6"), ["21(x) -> y"]],
    ["sigmoid", [1, 4], (b, x) => b.activation("a", x, "sigmoid"), ["14(x) -> y"]],
    ["swish", [1, 4], (b, x) => b.activation("a", x, "swish"), ["14(x) -> a/LOGISTIC", "18(x, a/LOGISTIC) -> y"]],
    ["hard swish", [1, 4], (b, x) => b.activation("a", x, "hard_swish"), ["117(x) -> y"]],
    [
      "hard sigmoid",
      [1, 4],
      (b, x) => b.activation("a", x, "hard_sigmoid"),
      ["0(x, scalar/3) -> a/ADD", "18(a/ADD, scalar/sixth) -> y"],
    ],
    ["concatenation", [1, 2, 2, 3], (b, x) => b.concatenate("j", [x, x]), ["2(x, x) -> y"]],
    ["a slice", [1, 2, 2, 5], (b, x) => b.slice("s", x, 1, 3), ["65(x, integers/0,0,0,1, integers/1,2,2,3) -> y"]],
    [
      "a shuffle",
      [2, 3, 5, 6],
      (b, x) => b.permute("p", x, { kind: "shuffle", groups: 2 }),
      [
        "22(x, integers/2,15,2,3) -> p/RESHAPE",
        "39(p/RESHAPE, integers/0,1,3,2) -> p/TRANSPOSE",
        "22(p/TRANSPOSE, integers/2,3,5,6) -> y",
      ],
    ],
    [
      "an explicit permutation",
      [1, 1, 1, 4],
      (b, x) => b.permute("p", x, { kind: "explicit", order: [2, 0, 3, 1] }),
      ["36(x, integers/2,0,3,1) -> y"],
    ],
    ["a max pool that SAME pads", [1, 7, 7, 1], (b, x) => b.maxPool("p", x, { kernel: 3, stride: 2 }), ["17(x) -> y"]],
    [
      "rounding up as SAME",
      [1, 8, 8, 1],
      (b, x) => b.maxPool("p", x, { kernel: 3, stride: 2, padding: 0, ceil: true }),
      ["17(x) -> y"],
    ],
    [
      "a max pool over cells of the least number",
      [1, 8, 8, 1],
      (b, x) => b.maxPool("p", x, { kernel: 3, stride: 2 }),
      ["60(x, paddings/0,0,1,0,1,0,0,0, scalar/-3.4028234663852886e+38) -> p/PADV2", "17(p/PADV2) -> y"],
    ],
    [
      "a max pool over zeros, where no value is below",
      [1, 8, 8, 1],
      (b, x) => b.maxPool("p", b.activation("r", x, "relu"), { kernel: 3, stride: 2 }),
      ["19(x) -> r", "34(r, paddings/0,0,1,0,1,0,0,0) -> p/PAD", "17(p/PAD) -> y"],
    ],
    [
      "an average that does not count padding",
      [1, 7, 7, 1],
      (b, x) => b.averagePool("p", x, { kernel: 3, countIncludePad: false }),
      ["1(x) -> y"],
    ],
    [
      "an average that counts padding",
      [1, 7, 7, 1],
      (b, x) => b.averagePool("p", x, { kernel: 3 }),
      ["34(x, paddings/0,0,1,1,1,1,0,0) -> p/PAD", "1(p/PAD) -> y"],
    ],
    ["a global average", [1, 7, 7, 2], (b, x) => b.globalAveragePool("g", x), ["40(x, integers/1,2) -> y"]],
    ["a linear layer", [1, 3], (b, x) => b.linear("l", x, { channels: 2 }), ["9(x, l/kernel/10, l/bias) -> y"]],
    ["softmax", [1, 3], (b, x) => b.softmax("s", x), ["25(x) -> y"]],
    ["flattening", [1, 2, 3, 4], (b, x) => b.flatten("f", x), ["22(x, integers/1,24) -> y"]],
    ["resizing", [1, 2, 2, 1], (b, x) => b.resize("r", x, 5, 7, "bilinear"), ["23(x, integers/5,7) -> y"]],
    [
      "resizing to the nearest",
      [1, 2, 2, 1],
      (b, x) => b.resize("r", x, 5, 7, "nearest"),
      ["97(x, integers/5,7) -> y"],
    ],
    ["an input that is an output", [1, 3], (_, x) => x, ["22(x, integers/1,3) -> y"]],
  ])("writes %s", (_, shape, body, lines) => {
    expect(linesOf(written(shape, body))).toEqual(lines);
  });

  it("scales the windows of an average that counts its padding, but not what it rounds up", () => {
    // 8 + 2 cells, windows of 3 at 0, 2, 4, 6 and 8: the last holds two cells.
    const model = written([1, 8, 8, 1], (b, x) =>
      b.averagePool("p", x, {
        kernel: [3, 1],
        stride: [2, 1],
        padding: { top: 1, bottom: 1, left: 0, right: 0 },
        ceil: true,
      }),
    );
    expect(linesOf(model).at(-1)).toBe("18(p/AVERAGE_POOL_2D, p/scales) -> y");
    const { shape, values } = tensorOf(model, "p/scales");
    expect(shape).toEqual([1, 5, 8, 1]);
    expect(values?.slice(24, 32)).toEqual(Array(8).fill(1));
    expect(values?.slice(32)).toEqual(Array(8).fill(1.5));
  });

  it("names every tensor once and reads only what is there, in random graphs and in a network", () => {
    const network = build("mobilenet_v2_0.35_96");
    const graphs = Array.from({ length: 100 }, (_, seed) => randomGraph(seed));
    for (const { graph, weights } of [...graphs, { graph: network.graph, weights: initializeWeights(network.graph) }]) {
      const model = decodeTflite(writeTflite(graph, weights));
      const names = model.tensors.map(({ name }) => name);
      expect(new Set(names).size, graph.name).toBe(names.length);
      expect(model.outputs, graph.name).toEqual(graph.outputs.map(({ name }) => name));
      const known = new Set([...model.inputs, ...model.tensors.filter(({ values }) => values).map(({ name }) => name)]);
      for (const { inputs, outputs } of model.operators) {
        for (const name of inputs) expect(known.has(name), `${graph.name} reads ${name}`).toBe(true);
        for (const name of outputs) {
          expect(known.has(name), `${graph.name} gives ${name} again`).toBe(false);
          known.add(name);
        }
      }
      for (const name of model.outputs) expect(known.has(name), `${graph.name} gives ${name}`).toBe(true);
    }
  });

  it("lists every weight that does not fit, and refuses what TFLite cannot say", () => {
    const b = graphBuilder("weights");
    const graph = b.build({ y: b.linear("l", b.input("x", [1, 3]), { channels: 4 }) });
    expect(() => writeTflite(graph, new Map([["l/kernel", tensor([4, 3])]]))).toThrow(
      /l\/kernel has shape 4x3[\s\S]*l\/bias is missing/,
    );
    const p = graphBuilder("pad");
    const sides = { top: 1, bottom: 1, left: 1, right: 1 };
    const infinite = p.build({ y: p.pad("p", p.input("x", [1, 3, 3, 1]), sides, Number.NEGATIVE_INFINITY) });
    expect(() => writeTflite(infinite, new Map())).toThrow(/pad "p": .* finite value/);
  });
});
