/** Small models in the dialects that frameworks write, whose outputs ONNX Runtime has given: see `onnx.golden.json`. */
import type { ModelSpec, NodeSpec, TensorSpec } from "./onnx_file.ts";

/** Numbers between −1 and 1, other ones for each seed. */
export function numbers(count: number, seed: number): number[] {
  return Array.from({ length: count }, (_, i) => Math.fround((((i + 1) * (37 + 2 * seed)) % 101) / 50 - 1));
}

/** The input of a case's model: 8-bit ones are bytes. */
export function caseInput(dims: readonly number[], seed = 5, inputType = 1): number[] {
  const values = numbers(
    dims.reduce((product, length) => product * length, 1),
    seed,
  );
  return inputType === 2 ? values.map((value) => Math.round((value + 1) * 127)) : values;
}

const weights = (seed: number, ...dims: readonly number[]): TensorSpec => ({
  dims,
  values: numbers(
    dims.reduce((product, length) => product * length, 1),
    seed,
  ),
});
const positive = (seed: number, ...dims: readonly number[]): TensorSpec => {
  const { values } = weights(seed, ...dims);
  return { dims, values: values.map((value) => Math.fround(value ** 2 + 0.5)) };
};
const ints = (...values: readonly number[]): TensorSpec => ({ dims: [values.length], values, type: "i64" });
const int = (value: number): TensorSpec => ({ dims: [], values: [value], type: "i64" });
const scalar = (value: number): TensorSpec => ({ dims: [], values: [Math.fround(value)] });

/** A model of one input `x` and one output `y`. */
function model(
  dims: readonly (number | string)[],
  nodes: readonly NodeSpec[],
  constants: Readonly<Record<string, TensorSpec>> = {},
  opset = 13,
  inputType = 1,
): ModelSpec {
  return { opset, inputs: { x: dims }, inputType, constants, nodes, outputs: ["y"] };
}

const picture = [1, 4, 6, 5] as const;
const one = (op: string, attributes: NodeSpec[3] = {}, inputs: readonly string[] = ["x"]): readonly NodeSpec[] => [
  [op, inputs, ["y"], attributes],
];
const conv = (
  attributes: NodeSpec[3],
  group = 1,
): readonly [readonly NodeSpec[], Readonly<Record<string, TensorSpec>>] => [
  one("Conv", { ...attributes, group: { int: group } }, ["x", "w"]),
  { w: weights(1, 6, 4 / group, 3, 3) },
];

const convolutions: Readonly<Record<string, ModelSpec>> = {
  "Conv without attributes": model(picture, one("Conv", {}, ["x", "w"]), { w: weights(1, 6, 4, 3, 3) }),
  "Conv, SAME_UPPER": model(picture, ...conv({ auto_pad: "SAME_UPPER", strides: [2, 2] })),
  "Conv, SAME_LOWER": model(picture, ...conv({ auto_pad: "SAME_LOWER", strides: [2, 2] })),
  "Conv, VALID": model(picture, ...conv({ auto_pad: "VALID", strides: [1, 2] })),
  "Conv with groups, holes, uneven padding and bias": model(
    picture,
    one("Conv", { group: { int: 2 }, dilations: [2, 1], pads: [2, 0, 1, 3] }, ["x", "w", "b"]),
    { w: weights(1, 6, 2, 3, 3), b: weights(2, 6) },
  ),
  "Conv, then Add of a constant": model(
    picture,
    [
      ["Conv", ["x", "w"], ["c"]],
      ["Add", ["c", "b"], ["y"]],
    ],
    { w: weights(1, 6, 4, 1, 1), b: weights(2, 1, 6, 1, 1) },
  ),
  "Conv, then Mul and Sub of constants": model(
    picture,
    [
      ["Conv", ["x", "w"], ["c"]],
      ["Mul", ["c", "s"], ["m"]],
      ["Sub", ["b", "m"], ["y"]],
    ],
    { w: weights(1, 6, 4, 1, 1), s: weights(3, 6, 1, 1), b: weights(2, 6, 1, 1) },
  ),
  "BatchNormalization of a picture and of a list": model(
    picture,
    [
      ["BatchNormalization", ["x", "g", "b", "m", "v"], ["n"], { epsilon: { float: 0.001 } }],
      ["GlobalAveragePool", ["n"], ["p"]],
      ["Flatten", ["p"], ["f"]],
      ["BatchNormalization", ["f", "b", "g", "m", "v"], ["y"]],
    ],
    { g: weights(1, 4), b: weights(2, 4), m: weights(3, 4), v: positive(4, 4) },
  ),
  "a kernel transposed from TensorFlow's layout": model(
    picture,
    [
      ["Transpose", ["w"], ["t"], { perm: [3, 2, 0, 1] }],
      ["Conv", ["x", "t"], ["y"]],
    ],
    { w: weights(1, 3, 3, 4, 6) },
  ),
};

const activations: Readonly<Record<string, ModelSpec>> = {
  "Clip by attributes": model(picture, one("Clip", { min: { float: 0 }, max: { float: 6 } }), {}, 7),
  "Clip by inputs": model(picture, one("Clip", {}, ["x", "zero", "six"]), { zero: scalar(0), six: scalar(6) }),
  "Clip from below": model(picture, one("Clip", {}, ["x", "zero"]), { zero: scalar(0) }),
  "Max and Min": model(
    picture,
    [
      ["Max", ["x", "zero"], ["r"]],
      ["Min", ["r", "six"], ["y"]],
    ],
    { zero: scalar(0), six: scalar(6) },
  ),
  HardSwish: model(picture, one("HardSwish"), {}, 14),
  HardSigmoid: model(picture, one("HardSigmoid")),
  "HardSigmoid of PyTorch": model(picture, one("HardSigmoid", { alpha: { float: 1 / 6 }, beta: { float: 0.5 } })),
  "hard swish, as PyTorch wrote it before operator set 14": model(
    picture,
    [
      ["Conv", ["x", "w"], ["c"]],
      ["Add", ["c", "b"], ["d"]],
      ["Add", ["d", "three"], ["t"]],
      ["Clip", ["t", "zero", "six"], ["r"]],
      ["Mul", ["d", "r"], ["m"]],
      ["Div", ["m", "six"], ["y"]],
    ],
    { w: weights(1, 5, 4, 1, 1), b: weights(2, 5, 1, 1), three: scalar(3), zero: scalar(0), six: scalar(6) },
  ),
  "hard swish, as TensorFlow writes it": model(
    picture,
    [
      ["Add", ["x", "three"], ["t"]],
      ["Relu", ["t"], ["p"]],
      ["Min", ["p", "six"], ["r"]],
      ["Mul", ["r", "sixth"], ["g"]],
      ["Mul", ["g", "x"], ["y"]],
    ],
    { three: scalar(3), six: scalar(6), sixth: scalar(1 / 6) },
  ),
  swish: model(picture, [
    ["Sigmoid", ["x"], ["s"]],
    ["Mul", ["s", "x"], ["y"]],
  ]),
  "Sum of three": model(picture, one("Sum", {}, ["x", "x", "x"])),
  "the mean and deviation of colours": model(
    [1, 3, 4, 4],
    [
      ["Sub", ["x", "m"], ["c"]],
      ["Div", ["c", "d"], ["y"]],
    ],
    { m: weights(1, 1, 3, 1, 1), d: positive(2, 3, 1, 1) },
  ),
  "Softmax of a list, operator set 11": model([2, 7], one("Softmax"), {}, 11),
  "Softmax of channels": model(picture, one("Softmax", { axis: { int: 1 } })),
};

const gate = (last: readonly NodeSpec[]): readonly NodeSpec[] => [
  ...last,
  ["Sigmoid", ["z"], ["g"]],
  ["Mul", ["x", "g"], ["y"]],
];
const excitations: Readonly<Record<string, ModelSpec>> = {
  "squeeze and excitation by convolutions": model(
    [2, 4, 6, 5],
    gate([
      ["ReduceMean", ["x"], ["p"], { axes: [2, 3] }],
      ["Conv", ["p", "w"], ["h"]],
      ["Relu", ["h"], ["r"]],
      ["Conv", ["r", "v"], ["z"]],
    ]),
    { w: weights(1, 3, 4, 1, 1), v: weights(2, 4, 3, 1, 1) },
  ),
  "squeeze and excitation by Gemm and Reshape": model(
    ["batch", 4, 6, 5],
    gate([
      ["GlobalAveragePool", ["x"], ["p"]],
      ["Flatten", ["p"], ["f"]],
      ["Gemm", ["f", "w", "b"], ["h"], { transB: { int: 1 } }],
      ["Relu", ["h"], ["r"]],
      ["Gemm", ["r", "v"], ["l"], { transB: { int: 1 } }],
      ["Reshape", ["l", "s"], ["z"]],
    ]),
    { w: weights(1, 3, 4), b: weights(4, 3), v: weights(2, 4, 3), s: ints(-1, 4, 1, 1) },
  ),
  "squeeze and excitation by MatMul and Unsqueeze": model(
    [1, 4, 6, 5],
    gate([
      ["ReduceMean", ["x"], ["p"], { axes: [-1, -2], keepdims: { int: 0 } }],
      ["MatMul", ["p", "w"], ["m"]],
      ["Add", ["m", "b"], ["l"]],
      ["Unsqueeze", ["l", "axes"], ["z"]],
    ]),
    { w: weights(1, 4, 4), b: weights(4, 4), axes: ints(2, 3) },
  ),
};

const channels: Readonly<Record<string, ModelSpec>> = {
  "a shuffle of five axes, its shape computed": model(
    ["batch", 6, 3, 2],
    [
      ["Shape", ["x"], ["s"]],
      ["Gather", ["s", "i0"], ["n"], { axis: { int: 0 } }],
      ["Gather", ["s", "i2"], ["h"], { axis: { int: 0 } }],
      ["Gather", ["s", "i3"], ["w"], { axis: { int: 0 } }],
      ["Unsqueeze", ["n", "first"], ["n1"]],
      ["Unsqueeze", ["h", "first"], ["h1"]],
      ["Unsqueeze", ["w", "first"], ["w1"]],
      ["Gather", ["s", "i1"], ["c"], { axis: { int: 0 } }],
      ["Div", ["c", "two"], ["half"]],
      ["Cast", ["half"], ["half64"], { to: { int: 7 } }],
      ["Unsqueeze", ["half64", "first"], ["c1"]],
      ["Concat", ["n1", "twos", "c1", "h1", "w1"], ["five"], { axis: { int: 0 } }],
      ["Reshape", ["x", "five"], ["r"]],
      ["Transpose", ["r"], ["t"], { perm: [0, 2, 1, 3, 4] }],
      ["Concat", ["n1", "rest", "h1", "w1"], ["four"], { axis: { int: 0 } }],
      ["Reshape", ["t", "four"], ["y"]],
    ],
    { i0: int(0), i1: int(1), i2: int(2), i3: int(3), first: ints(0), two: int(2), twos: ints(2), rest: ints(-1) },
  ),
  "a shuffle with the batch baked in": model(
    [1, 6, 3, 2],
    [
      ["Reshape", ["x", "five"], ["r"]],
      ["Transpose", ["r"], ["t"], { perm: [0, 2, 1, 3, 4] }],
      ["Reshape", ["t", "four"], ["y"]],
    ],
    { five: ints(1, 3, 2, 3, 2), four: ints(1, 6, 3, 2) },
  ),
  "a shuffle of four axes": model(
    [2, 6, 3, 2],
    [
      ["Reshape", ["x", "matrix"], ["r"]],
      ["Transpose", ["r"], ["t"], { perm: [0, 2, 1, 3] }],
      ["Reshape", ["t", "four"], ["y"]],
    ],
    { matrix: ints(2, 2, 3, 6), four: ints(0, -1, 3, 2) },
  ),
  "the split of ShuffleNet V2's release": model(
    [1, 6, 3, 2],
    [
      ["Reshape", ["x", "three"], ["r"]],
      ["Transpose", ["r"], ["t"], { perm: [1, 0, 2] }],
      ["Reshape", ["t", "five"], ["f"]],
      ["Gather", ["f", "i0"], ["a"], { axis: { int: 0 } }],
      ["Gather", ["f", "i1"], ["b"], { axis: { int: 0 } }],
      ["Relu", ["b"], ["br"]],
      ["Concat", ["br", "a"], ["y"], { axis: { int: 1 } }],
    ],
    { three: ints(3, 2, 6), five: ints(2, -1, 3, 3, 2), i0: int(0), i1: int(1) },
  ),
  "two shuffles, one after the other, and a split": model(
    [1, 12, 2, 3],
    [
      ["Reshape", ["x", "a"], ["r"]],
      ["Transpose", ["r"], ["t"], { perm: [0, 2, 1, 3, 4] }],
      ["Reshape", ["t", "b"], ["f"]],
      ["Transpose", ["f"], ["u"], { perm: [0, 2, 1, 3, 4] }],
      ["Reshape", ["u", "four"], ["v"]],
      ["Split", ["v", "parts"], ["p", "q"], { axis: { int: 1 } }],
      ["Sigmoid", ["q"], ["s"]],
      ["Concat", ["s", "p"], ["y"], { axis: { int: 1 } }],
    ],
    { a: ints(1, 3, 4, 2, 3), b: ints(1, 2, 6, 2, 3), four: ints(1, 12, 2, 3), parts: ints(5, 7) },
  ),
  "Split by attributes": model(
    [1, 6, 2, 2],
    [
      ["Split", ["x"], ["a", "b", "c"], { axis: { int: 1 }, split: [1, 2, 3] }],
      ["Concat", ["c", "a", "b"], ["y"], { axis: { int: 1 } }],
    ],
    {},
    11,
  ),
  "Slice by attributes": model([1, 6, 2, 2], one("Slice", { starts: [1], ends: [5], axes: [1] }), {}, 9),
  "Slice of all axes": model([1, 6, 2, 2], one("Slice", {}, ["x", "s", "e"]), {
    s: ints(0, 2, 0, 0),
    e: ints(1, -1, 2 ** 53, 2),
  }),
  "Slice in steps": model([1, 6, 2, 2], one("Slice", {}, ["x", "s", "e", "a", "t"]), {
    s: ints(1),
    e: ints(6),
    a: ints(1),
    t: ints(2),
  }),
  "Slice backwards": model([1, 6, 2, 2], one("Slice", {}, ["x", "s", "e", "a", "t"]), {
    s: ints(-1),
    e: ints(-7),
    a: ints(-3),
    t: ints(-1),
  }),
  "Gather as a permutation": model([1, 5, 2, 2], one("Gather", { axis: { int: 1 } }, ["x", "i"]), {
    i: ints(3, 0, -1, 1, 2),
  }),
  "Gather of some": model([1, 5, 2, 2], one("Gather", { axis: { int: 1 } }, ["x", "i"]), { i: ints(3, 0, 2) }),
};

const pools: Readonly<Record<string, ModelSpec>> = {
  "MaxPool, rounded up": model(
    [1, 2, 8, 7],
    one("MaxPool", { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: { int: 1 } }),
  ),
  "MaxPool, SAME_UPPER": model(
    [1, 2, 8, 7],
    one("MaxPool", { kernel_shape: [3, 3], strides: [2, 2], auto_pad: "SAME_UPPER" }),
  ),
  "AveragePool that counts padding": model(
    [1, 2, 7, 7],
    one("AveragePool", { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1], count_include_pad: { int: 1 } }),
  ),
  "AveragePool that does not count padding": model(
    [1, 2, 7, 7],
    one("AveragePool", { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }),
  ),
  "AveragePool of all": model([1, 2, 7, 5], one("AveragePool", { kernel_shape: [7, 5] })),
  GlobalMaxPool: model([1, 2, 7, 5], one("GlobalMaxPool")),
  "Pad by attributes": model(picture, one("Pad", { pads: [0, 0, 1, 2, 0, 0, 0, 3], value: { float: 0.5 } }), {}, 9),
  "Pad by inputs": model(picture, one("Pad", {}, ["x", "p"]), { p: ints(0, 0, 1, 1, 0, 0, 2, 0) }),
  "Pad of some axes": model(
    picture,
    one("Pad", {}, ["x", "p", "v", "a"]),
    { p: ints(1, 2), v: scalar(2), a: ints(3) },
    18,
  ),
  "Resize by whole factors": model(
    picture,
    one("Resize", { mode: "nearest", coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" }, [
      "x",
      "",
      "s",
    ]),
    { s: { dims: [4], values: [1, 1, 2, 3] } },
  ),
  "Resize, linear": model(picture, one("Resize", { mode: "linear" }, ["x", "", "", "s"]), { s: ints(1, 4, 9, 7) }),
  "Upsample of operator set 9": model(
    picture,
    one("Upsample", {}, ["x", "s"]),
    { s: { dims: [4], values: [1, 1, 2, 2] } },
    9,
  ),
};

const lists: Readonly<Record<string, ModelSpec>> = {
  "Flatten of pixels, then Gemm": model(
    [2, 3, 4, 2],
    [
      ["Flatten", ["x"], ["f"]],
      ["Gemm", ["f", "w", "b"], ["y"], { transB: { int: 1 }, alpha: { float: 0.5 }, beta: { float: 2 } }],
    ],
    { w: weights(1, 5, 24), b: weights(2, 5) },
  ),
  "Flatten of pixels": model([2, 3, 4, 2], one("Flatten")),
  "Flatten of shuffled pixels, then MatMul and Add": model(
    [1, 4, 3, 2],
    [
      ["Reshape", ["x", "five"], ["r"]],
      ["Transpose", ["r"], ["t"], { perm: [0, 2, 1, 3, 4] }],
      ["Reshape", ["t", "flat"], ["f"]],
      ["MatMul", ["f", "w"], ["m"]],
      ["Add", ["b", "m"], ["y"]],
    ],
    { five: ints(1, 2, 2, 3, 2), flat: ints(1, -1), w: weights(1, 24, 5), b: weights(2, 5) },
  ),
  "two heads that share their pooled features": model(
    [1, 4, 3, 2],
    [
      ["GlobalAveragePool", ["x"], ["p"]],
      ["Squeeze", ["p", "axes"], ["q"]],
      ["Gemm", ["q", "w"], ["a"]],
      ["Gemm", ["q", "v"], ["b"]],
      ["Concat", ["a", "b"], ["y"], { axis: { int: -1 } }],
    ],
    { axes: ints(2, 3), w: weights(1, 4, 3), v: weights(2, 4, 2) },
  ),
};

const last = (nodes: readonly NodeSpec[]): readonly NodeSpec[] => [
  ["Transpose", ["x"], ["t"], { perm: [0, 3, 1, 2] }],
  ...nodes,
];
const tensorFlow: Readonly<Record<string, ModelSpec>> = {
  "channels last, between transposes": model(
    ["batch", 6, 5, 4],
    last([
      ["Conv", ["t", "w"], ["c"], { auto_pad: "SAME_UPPER" }],
      ["Transpose", ["c"], ["u"], { perm: [0, 2, 3, 1] }],
      ["Add", ["u", "b"], ["d"]],
      ["Relu", ["d"], ["r"]],
      ["Pad", ["r", "p"], ["e"]],
      ["Transpose", ["e"], ["v"], { perm: [0, 3, 1, 2] }],
      ["MaxPool", ["v"], ["m"], { kernel_shape: [2, 2], strides: [2, 2] }],
      ["Transpose", ["m"], ["y"], { perm: [0, 2, 3, 1] }],
    ]),
    { w: weights(1, 6, 4, 3, 3), b: weights(2, 6), p: ints(0, 0, 1, 0, 0, 1, 1, 0) },
  ),
  "channels last, then a mean and a dense layer": model(
    ["batch", 6, 5, 4],
    last([
      ["Conv", ["t", "w"], ["c"]],
      ["Transpose", ["c"], ["u"], { perm: [0, 2, 3, 1] }],
      ["ReduceMean", ["u"], ["m"], { axes: [1, 2], keepdims: { int: 0 } }],
      ["MatMul", ["m", "v"], ["l"]],
      ["Add", ["l", "b"], ["y"]],
    ]),
    { w: weights(1, 6, 4, 3, 3), v: weights(2, 6, 3), b: weights(3, 3) },
  ),
  "channels last, flattened": model(
    [1, 3, 2, 4],
    last([
      ["Relu", ["t"], ["c"]],
      ["Transpose", ["c"], ["u"], { perm: [0, 2, 3, 1] }],
      ["Reshape", ["u", "s"], ["f"]],
      ["MatMul", ["f", "v"], ["y"]],
    ]),
    { s: ints(-1, 24), v: weights(2, 24, 3) },
  ),
  "a dense layer of each pixel": model(
    [1, 3, 2, 4],
    last([
      ["Relu", ["t"], ["c"]],
      ["Transpose", ["c"], ["u"], { perm: [0, 2, 3, 1] }],
      ["MatMul", ["u", "v"], ["l"]],
      ["Transpose", ["l"], ["y"], { perm: [0, 3, 1, 2] }],
    ]),
    { v: weights(2, 4, 3) },
  ),
};

const quantizedWeights: TensorSpec = {
  dims: [6, 4, 1, 1],
  values: Array.from({ length: 24 }, (_, i) => ((i * 53) % 255) - 127),
  type: "i8",
};
const zeros = (count: number): TensorSpec => ({ dims: [count], values: Array<number>(count).fill(0), type: "i8" });
const quantized: Readonly<Record<string, ModelSpec>> = {
  "weights of 8 bits, a scale for each channel": model(
    picture,
    [
      ["DequantizeLinear", ["q", "s", "z"], ["w"], { axis: { int: 0 } }],
      ["Conv", ["x", "w"], ["y"]],
    ],
    { q: quantizedWeights, s: { ...positive(3, 6), values: [0.01, 0.02, 0.005, 0.03, 0.01, 0.015] }, z: zeros(6) },
  ),
  "weights of 8 bits, one scale": model(
    picture,
    [
      ["DequantizeLinear", ["q", "s", "z"], ["w"]],
      ["Conv", ["x", "w"], ["y"]],
    ],
    { q: quantizedWeights, s: scalar(0.01), z: { dims: [], values: [3], type: "i8" } },
  ),
  "bytes, scaled by the model": model(
    picture,
    [
      ["DequantizeLinear", ["x", "s", "z"], ["d"]],
      ["Conv", ["d", "w"], ["y"]],
    ],
    { s: scalar(1 / 128), z: { dims: [], values: [128], type: "u8" }, w: weights(1, 6, 4, 3, 3) },
    13,
    2,
  ),
  "half floats, cast": model(
    picture,
    [
      ["Cast", ["h"], ["w"], { to: { int: 1 } }],
      ["Conv", ["x", "w"], ["y"]],
    ],
    // 1, −2, 0.5 and 6.1e-5 as half floats.
    { h: { dims: [1, 4, 1, 1], values: [0x3c00, 0xc000, 0x3800, 0x0400], type: "f16" } },
  ),
};

/** By name. */
export const onnxCases: Readonly<Record<string, ModelSpec>> = {
  ...convolutions,
  ...activations,
  ...excitations,
  ...channels,
  ...pools,
  ...lists,
  ...tensorFlow,
  ...quantized,
};

/** Lengths of a case's input, an open batch being 1. */
export function caseShape({ inputs }: ModelSpec): readonly number[] {
  return (inputs.x ?? []).map((length) => (typeof length === "number" ? length : 1));
}
