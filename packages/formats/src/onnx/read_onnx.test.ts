import { compile, FormatError, interpret, load, nodesOf, type Shape, UnsupportedError } from "@depthwise/core";
import { describe, expect, it } from "vitest";
import { relativeError } from "../../../core/src/testing/differences.ts";
import golden from "../testing/onnx.golden.json" with { type: "json" };
import { caseInput, caseShape, numbers, onnxCases } from "../testing/onnx_cases.ts";
import { type ModelSpec, type NodeSpec, onnxFile, type TensorSpec } from "../testing/onnx_file.ts";
import { transpose } from "../transpose.ts";
import { readOnnx } from "./read_onnx.ts";

type Goldens = Readonly<Record<string, { readonly dims: readonly number[]; readonly values: readonly number[] }>>;
const goldens = golden as unknown as Goldens;

/** Float32's rounding over a few layers. */
const TOLERANCE = 2e-6;

function networkOf(spec: ModelSpec) {
  const { network } = readOnnx(onnxFile(spec));
  if (network === undefined) throw new TypeError("no network");
  return network;
}

/** Operations of the network's nodes, without inputs and parameters. */
function operationsOf(spec: ModelSpec): readonly string[] {
  return networkOf(spec)
    .graph.nodes.map(({ operation }) => operation.op)
    .filter((op) => op !== "input" && op !== "parameter");
}

/** Foreign pictures have channels second, unless their network's input has the file's shape. */
function inLayout(values: readonly number[], dims: Shape, axes: readonly number[]): Float32Array {
  const data = Float32Array.from(values);
  return dims.length === 4 ? transpose(data, dims, axes).data : data;
}

function one(
  op: string,
  dims: readonly number[],
  attributes: NodeSpec[3] = {},
  extra: Readonly<Record<string, TensorSpec>> = {},
): ModelSpec {
  return {
    opset: 13,
    inputs: { x: dims },
    nodes: [[op, ["x", ...Object.keys(extra)], ["y"], attributes]],
    constants: extra,
    outputs: ["y"],
  };
}

describe("readOnnx, against ONNX Runtime", () => {
  it("has a golden output of every case", () => {
    expect(Object.keys(onnxCases).toSorted()).toEqual(
      Object.keys(goldens)
        .filter((name) => name !== "source")
        .toSorted(),
    );
  });

  it.each(Object.keys(onnxCases))("gives its numbers for %s", (name) => {
    const spec = onnxCases[name] as ModelSpec;
    const { graph, weights } = networkOf(spec);
    const dims = caseShape(spec);
    const isLast = dims.length === 4 && dims.join() === nodesOf(graph, "input")[0]?.shape.join();
    const x = inLayout(caseInput(dims, 5, spec.inputType), dims, isLast ? [0, 1, 2, 3] : [0, 2, 3, 1]);
    const output = interpret(graph, weights, { x }).outputs.y;
    const expected = goldens[name] as Goldens[string];
    const isOutputLast = output?.shape.join() === expected.dims.join();
    const inOurs = inLayout(expected.values, expected.dims, isOutputLast ? [0, 1, 2, 3] : [0, 2, 3, 1]);
    expect(relativeError(output?.data ?? [], inOurs)).toBeLessThan(TOLERANCE);
  });
});

describe("readOnnx", () => {
  it.each([
    "a shuffle of five axes, its shape computed",
    "a shuffle with the batch baked in",
    "a shuffle of four axes",
  ])("reads %s as a permutation by a formula", (name) => {
    const { graph } = networkOf(onnxCases[name] as ModelSpec);
    expect(nodesOf(graph, "permute").map(({ operation }) => operation.permutation)).toEqual([
      { kind: "shuffle", groups: name.includes("batch") ? 3 : 2 },
    ]);
    expect(graph.nodes).toHaveLength(2);
  });

  it.each<[string, readonly string[]]>([
    ["swish", ["activation"]],
    ["hard swish, as TensorFlow writes it", ["activation"]],
    ["hard swish, as PyTorch wrote it before operator set 14", ["convolution", "activation"]],
    ["Conv, then Add of a constant", ["convolution"]],
    ["Conv, then Mul and Sub of constants", ["convolution", "batch_norm"]],
    ["Flatten of pixels, then Gemm", ["flatten", "linear"]],
    ["channels last, then a mean and a dense layer", ["convolution", "global_average_pool", "flatten", "linear"]],
    ["a dense layer of each pixel", ["activation", "convolution"]],
    [
      "squeeze and excitation by Gemm and Reshape",
      ["global_average_pool", "convolution", "activation", "convolution", "activation", "multiply"],
    ],
  ])("reads %s as so many operations", (name, operations) => {
    expect(operationsOf(onnxCases[name] as ModelSpec)).toEqual(operations);
  });

  it("names nodes and weights after the file's, and keeps the file's tensors", () => {
    const spec: ModelSpec = {
      opset: 17,
      inputs: { picture: ["n", 3, 4, 4] },
      nodes: [["Conv", ["picture", "features.0.weight", "features.0.bias"], ["out"]]],
      constants: {
        "features.0.weight": { dims: [2, 3, 1, 1], values: [1, 2, 3, 4, 5, 6] },
        "features.0.bias": { dims: [2], values: [7, 8] },
      },
      outputs: ["out"],
    };
    const { network, tensors, format } = readOnnx(onnxFile(spec), { batch: 2 });
    expect(format).toBe("onnx");
    expect([...tensors.keys()]).toEqual(["features.0.weight", "features.0.bias"]);
    expect(tensors.get("features.0.weight")).toMatchObject({ dtype: "f32", shape: [2, 3, 1, 1] });
    expect(network?.graph.outputs.map(({ name }) => name)).toEqual(["out"]);
    expect(network?.graph.nodes.map(({ name, shape }) => [name, shape])).toEqual([
      ["picture", [2, 4, 4, 3]],
      ["out/kernel", [1, 1, 3, 2]],
      ["out/bias", [2]],
      ["out", [2, 4, 4, 2]],
    ]);
    expect(network?.weights.get("out/kernel")?.data).toEqual(Float32Array.of(1, 4, 2, 5, 3, 6));
  });

  it.each<[string, TensorSpec]>([
    ["raw_data", { dims: [2], values: [1.5, -2] }],
    ["float_data", { dims: [2], values: [1.5, -2], storage: "typed" }],
    ["double_data", { dims: [2], values: [1.5, -2], type: "f64", storage: "typed" }],
    ["raw doubles", { dims: [2], values: [1.5, -2], type: "f64" }],
    ["half floats in int32_data", { dims: [2], values: [0x3e00, 0xc000], type: "f16", storage: "typed" }],
    ["raw half floats", { dims: [2], values: [0x3e00, 0xc000], type: "f16" }],
  ])("reads numbers stored as %s", (_, spec) => {
    const { network } = readOnnx(onnxFile(one("Add", [1, 2], {}, { b: spec })));
    const { outputs } = interpret(network!.graph, network!.weights, { x: Float32Array.of(10, 20) });
    expect([...(outputs.y?.data ?? [])]).toEqual([11.5, 18]);
  });

  it("reads what an output needs, and nothing else", () => {
    const spec = one("Relu", [1, 3]);
    const { network } = readOnnx(onnxFile({ ...spec, nodes: [...spec.nodes, ["Loop", ["x"], ["unused"]]] }));
    expect(network?.graph.nodes).toHaveLength(2);
  });

  it("takes the range of quantised values for the activation that a tool left to it", () => {
    const q = (zero: number, scale: number): ModelSpec => ({
      opset: 13,
      inputs: { x: [1, 1, 1, 4] },
      nodes: [
        ["Conv", ["x", "w"], ["c"]],
        ["QuantizeLinear", ["c", "s", "z"], ["q"]],
        ["DequantizeLinear", ["q", "s", "z"], ["y"]],
      ],
      constants: {
        w: { dims: [1, 1, 1, 1], values: [1] },
        s: { dims: [], values: [scale] },
        z: { dims: [], values: [zero], type: "u8" },
      },
      outputs: ["y"],
    });
    expect(operationsOf(q(128, 0.05))).toEqual(["convolution"]);
    const activationOf = (spec: ModelSpec) => nodesOf(networkOf(spec).graph, "activation")[0]?.operation.activation;
    expect(activationOf(q(0, 0.05))).toBe("relu");
    expect(activationOf(q(0, 6 / 255))).toBe("relu6");
  });

  it("is compiled to the same numbers", async () => {
    const spec = onnxCases["two shuffles, one after the other, and a split"] as ModelSpec;
    const { graph, weights } = networkOf(spec);
    const dims = caseShape(spec);
    const x = inLayout(caseInput(dims), dims, [0, 2, 3, 1]);
    using model = await load(compile(graph, { weights }));
    const expected = goldens["two shuffles, one after the other, and a split"] as Goldens[string];
    const inOurs = inLayout(expected.values, expected.dims, [0, 2, 3, 1]);
    expect(relativeError(model.run({ x }).y ?? [], inOurs)).toBeLessThan(TOLERANCE);
  });
});

describe("readOnnx, of what it does not read", () => {
  it.each<[string, ModelSpec, RegExp]>([
    ["an operator of none of ours", one("LogSoftmax", [1, 3]), /LogSoftmax "y": no operation of ours is LogSoftmax/],
    ["other limits", one("Clip", [1, 3], {}, { a: { dims: [], values: [-1] } }), /between -1 and Infinity/],
    [
      "a crop",
      one(
        "Slice",
        [1, 3, 4, 4],
        {},
        {
          s: { dims: [1], values: [1], type: "i64" },
          e: { dims: [1], values: [3], type: "i64" },
          a: { dims: [1], values: [2], type: "i64" },
        },
      ),
      /a part of axis 2/,
    ],
    ["a mean of rows", one("ReduceMean", [1, 3, 4, 4], { axes: [2] }), /averages over axes 2/],
    ["an old operator set", { ...one("Relu", [1, 3]), opset: 6 }, /Operator set 6/],
    [
      "an input of open size",
      { ...one("Relu", [1, 3]), inputs: { x: ["n", 3, "h", "w"] } },
      /Input "x" has shape \?x3x\?x\?/,
    ],
    [
      "a number for each pixel",
      one("Add", [1, 1, 2, 2], {}, { b: { dims: [2, 2], values: [1, 2, 3, 4] } }),
      /one number for each channel/,
    ],
    [
      "corners aligned",
      one("Upsample", [1, 1, 2, 2], { mode: "linear" }, { s: { dims: [4], values: [1, 1, 2, 2] } }),
      /another rule/,
    ],
    [
      "a reshape across pixels and channels",
      one("Reshape", [1, 3, 5, 2], {}, { s: { dims: [4], values: [1, 2, 3, 5], type: "i64" } }),
      /cuts across/,
    ],
  ])("refuses %s", (_, spec, message) => {
    const opset = spec.nodes[0]?.[0] === "Upsample" ? 9 : spec.opset;
    const read = () => readOnnx(onnxFile({ ...spec, opset }), { file: "net.onnx" });
    expect(read).toThrow(UnsupportedError);
    expect(read).toThrow(message);
    expect(read).toThrow(expect.objectContaining({ file: "net.onnx" }));
  });

  it.each<[string, ModelSpec, RegExp]>([
    [
      "a missing input",
      { ...one("Relu", [1, 3]), nodes: [["Relu", ["z"], ["y"]]] },
      /reads "z", which nothing before it gives/,
    ],
    ["an output that nothing gives", { ...one("Relu", [1, 3]), outputs: ["z"] }, /Output "z": reads "z"/],
    [
      "shapes that do not fit",
      one("Conv", [1, 3, 4, 4], {}, { w: { dims: [2, 4, 1, 1], values: numbers(8, 1) } }),
      /reads 4 channels, but the input has 3/,
    ],
    [
      "too few numbers",
      one("Add", [1, 3], {}, { b: { dims: [3], values: [1, 2] } }),
      /needs 3 numbers; the file has 2/,
    ],
  ])("calls %s a broken file", (_, spec, message) => {
    expect(() => readOnnx(onnxFile(spec))).toThrow(FormatError);
    expect(() => readOnnx(onnxFile(spec))).toThrow(message);
  });
});
