/** Small models as TensorFlow's converters write them, whose outputs LiteRT has given: see `tflite.golden.json`. */
import { numbers } from "./onnx_cases.ts";
import type { OptionSpec, TfliteModelSpec, TfliteOperatorSpec, TfliteTensorSpec } from "./tflite_file.ts";

/** A case: a model of one input `x` and one output `y`, and how far LiteRT's numbers may be. */
export interface TfliteCase {
  readonly spec: TfliteModelSpec;
  /** Of the largest number; 1e-6 but where LiteRT computes with integers. */
  readonly tolerance: number;
}

const count = (shape: readonly number[]): number => shape.reduce((product, length) => product * length, 1);
const weights = (seed: number, ...shape: readonly number[]): TfliteTensorSpec => ({
  shape,
  values: numbers(count(shape), seed),
});
const ints = (shape: readonly number[], ...values: readonly number[]): TfliteTensorSpec => ({
  shape,
  values,
  type: "i32",
});
const list = (...values: readonly number[]): TfliteTensorSpec => ints([values.length], ...values);
/** Integers of −127 to 127. */
const bytes = (...shape: readonly number[]): readonly number[] =>
  Array.from({ length: count(shape) }, (_, i) => ((i * 53) % 255) - 127);

/** Conv2DOptions. */
const convolution = (same: boolean, stride: number, activation = 0): readonly OptionSpec[] => [
  [0, "int8", same ? 0 : 1],
  [1, "int32", stride],
  [2, "int32", stride],
  [3, "int8", activation],
];
/** Pool2DOptions. */
const pool = (same: boolean, stride: number, kernel: number): readonly OptionSpec[] => [
  [0, "int8", same ? 0 : 1],
  [1, "int32", stride],
  [2, "int32", stride],
  [3, "int32", kernel],
  [4, "int32", kernel],
];

function model(
  input: readonly number[],
  output: readonly number[],
  operators: readonly TfliteOperatorSpec[],
  tensors: Readonly<Record<string, TfliteTensorSpec>> = {},
  tolerance = 1e-6,
): TfliteCase {
  const spec = {
    tensors: { x: { shape: input }, ...tensors, y: { shape: output } },
    operators,
    inputs: ["x"],
    outputs: ["y"],
  };
  return { spec, tolerance };
}

const one = (
  code: number,
  inputs: readonly string[],
  optionsType = 0,
  options: readonly OptionSpec[] = [],
  version = 1,
) => [{ code, inputs, outputs: ["y"], optionsType, options, version }];
const values = (...shape: readonly number[]): TfliteTensorSpec => ({ shape });

const windows: Readonly<Record<string, TfliteCase>> = {
  "CONV_2D, SAME and ReLU6": model([1, 6, 5, 3], [1, 3, 3, 4], one(3, ["x", "w", "b"], 1, convolution(true, 2, 3)), {
    w: weights(1, 4, 3, 3, 3),
    b: weights(2, 4),
  }),
  "CONV_2D of two groups": model([1, 4, 5, 4], [1, 4, 5, 6], one(3, ["x", "w", "b"], 1, convolution(true, 1), 6), {
    w: weights(1, 6, 3, 3, 2),
    b: weights(2, 6),
  }),
  "DEPTHWISE_CONV_2D with a multiplier": model(
    [1, 6, 5, 2],
    [1, 3, 3, 4],
    one(4, ["x", "w", "b"], 2, [...convolution(true, 2).slice(0, 3), [3, "int32", 2], [4, "int8", 1]]),
    { w: weights(1, 1, 3, 3, 4), b: weights(2, 4) },
  ),
  "AVERAGE_POOL_2D, SAME": model([1, 5, 5, 2], [1, 3, 3, 2], one(1, ["x"], 5, pool(true, 2, 3))),
  "MAX_POOL_2D, SAME": model([1, 6, 6, 2], [1, 3, 3, 2], one(17, ["x"], 5, pool(true, 2, 3))),
  PAD: model([1, 3, 2, 2], [1, 6, 3, 2], one(34, ["x", "p"]), { p: ints([4, 2], 0, 0, 1, 2, 0, 1, 0, 0) }),
  "RESIZE_BILINEAR, half-pixel centres": model(
    [1, 3, 4, 2],
    [1, 5, 7, 2],
    one(23, ["x", "s"], 15, [[3, "int8", 1]], 3),
    { s: list(5, 7) },
  ),
  "RESIZE_NEAREST_NEIGHBOR, whole factors": model(
    [1, 2, 3, 2],
    [1, 4, 9, 2],
    one(97, ["x", "s"], 74, [[0, "int8", 0]]),
    {
      s: list(4, 9),
    },
  ),
};

const shuffle: readonly TfliteOperatorSpec[] = [
  { code: 22, inputs: ["x", "five"], outputs: ["r"] },
  { code: 39, inputs: ["r", "order"], outputs: ["t"] },
  { code: 22, inputs: ["t", "four"], outputs: ["y"] },
];
const channels: Readonly<Record<string, TfliteCase>> = {
  "a channel shuffle": model([1, 2, 3, 6], [1, 2, 3, 6], shuffle, {
    five: list(1, 2, 3, 3, 2),
    r: values(1, 2, 3, 3, 2),
    order: list(0, 1, 2, 4, 3),
    t: values(1, 2, 3, 2, 3),
    four: list(1, 2, 3, 6),
  }),
  "SPLIT and CONCATENATION": model(
    [1, 2, 3, 6],
    [1, 2, 3, 6],
    [
      { code: 49, inputs: ["axis", "x"], outputs: ["a", "b"], optionsType: 35, options: [[0, "int32", 2]] },
      {
        code: 2,
        inputs: ["b", "a"],
        outputs: ["y"],
        optionsType: 10,
        options: [[0, "int32", -1]],
      },
    ],
    { axis: ints([], 3), a: values(1, 2, 3, 3), b: values(1, 2, 3, 3) },
  ),
  "STRIDED_SLICE of channels": model(
    [1, 2, 3, 6],
    [1, 2, 3, 3],
    one(45, ["x", "begin", "end", "step"], 32, [
      [0, "int32", 7],
      [1, "int32", 15],
    ]),
    { begin: list(0, 0, 0, 1), end: list(0, 0, 0, 0), step: list(1, 1, 1, 2) },
  ),
  SLICE: model([1, 2, 3, 6], [1, 2, 3, 3], one(65, ["x", "begin", "size"]), {
    begin: list(0, 0, 0, 2),
    size: list(-1, -1, -1, 3),
  }),
  GATHER: model([1, 2, 3, 4], [1, 2, 3, 3], one(36, ["x", "i"], 23, [[0, "int32", 3]]), { i: list(3, 0, 2) }),
};

const elements: Readonly<Record<string, TfliteCase>> = {
  HARD_SWISH: model([1, 2, 3, 4], [1, 2, 3, 4], one(117, ["x"])),
  "ADD of a constant for each channel, with ReLU": model(
    [1, 2, 3, 4],
    [1, 2, 3, 4],
    one(0, ["x", "c"], 11, [[0, "int8", 1]]),
    { c: weights(2, 4) },
  ),
  "a gate by MEAN, FULLY_CONNECTED and LOGISTIC": model(
    [1, 3, 3, 4],
    [1, 3, 3, 4],
    [
      { code: 40, inputs: ["x", "axes"], outputs: ["m"], optionsType: 27, options: [[0, "int8", 0]] },
      { code: 9, inputs: ["m", "w", "b"], outputs: ["f"], optionsType: 8, options: [[0, "int8", 0]] },
      { code: 22, inputs: ["f", "s"], outputs: ["r"] },
      { code: 14, inputs: ["r"], outputs: ["g"] },
      { code: 18, inputs: ["x", "g"], outputs: ["y"], optionsType: 21, options: [[0, "int8", 0]] },
    ],
    {
      axes: list(1, 2),
      m: values(1, 4),
      w: weights(1, 4, 4),
      b: weights(2, 4),
      f: values(1, 4),
      s: list(1, 1, 1, 4),
      r: values(1, 1, 1, 4),
      g: values(1, 1, 1, 4),
    },
  ),
  "FULLY_CONNECTED of pixels, then SOFTMAX": model(
    [1, 2, 2, 3],
    [1, 5],
    [
      { code: 22, inputs: ["x", "s"], outputs: ["r"] },
      { code: 9, inputs: ["r", "w", ""], outputs: ["f"], optionsType: 8, options: [[0, "int8", 1]] },
      { code: 25, inputs: ["f"], outputs: ["y"], optionsType: 9, options: [[0, "float32", 2]] },
    ],
    { s: list(-1, 12), r: values(1, 12), w: weights(1, 5, 12), f: values(1, 5) },
  ),
  "half floats, dequantised": model(
    [1, 2, 2, 2],
    [1, 2, 2, 1],
    [
      { code: 6, inputs: ["h"], outputs: ["w"] },
      { code: 3, inputs: ["x", "w", "b"], outputs: ["y"], optionsType: 1, options: convolution(false, 1) },
    ],
    // 1 and −2 as half floats.
    { h: { shape: [1, 1, 1, 2], values: [0x3c00, 0xc000], type: "f16" }, w: values(1, 1, 1, 2), b: weights(2, 1) },
  ),
};

const input = { scale: [1 / 128], zeroPoint: [0], type: "i8" } as const;
const quantized = (
  code: number,
  kernel: TfliteTensorSpec,
  channelsOut: number,
  options: readonly OptionSpec[],
  scale: number,
  zeroPoint: number,
): TfliteCase =>
  model(
    [1, 5, 5, 2],
    [1, 3, 3, channelsOut],
    [
      { code: 114, inputs: ["x"], outputs: ["q"] },
      { code, inputs: ["q", "w", "b"], outputs: ["c"], optionsType: code === 3 ? 1 : 2, options, version: 3 },
      { code: 6, inputs: ["c"], outputs: ["y"], version: 2 },
    ],
    {
      q: { shape: [1, 5, 5, 2], ...input },
      w: kernel,
      b: {
        shape: [channelsOut],
        type: "i32",
        values: bytes(channelsOut).map((value) => 8 * value),
        scale: (kernel.scale ?? []).map((each) => each / 128),
        zeroPoint: (kernel.scale ?? []).map(() => 0),
      },
      c: { shape: [1, 3, 3, channelsOut], type: "i8", scale: [scale], zeroPoint: [zeroPoint] },
    },
    // One step of the output's integers, and what those of the input lose.
    0.02,
  );
const quantizations: Readonly<Record<string, TfliteCase>> = {
  "8 bits, a scale for each channel": quantized(
    3,
    {
      shape: [3, 3, 3, 2],
      type: "i8",
      values: bytes(3, 3, 3, 2),
      scale: [0.01, 0.004, 0.02],
      zeroPoint: [0, 0, 0],
      axis: 0,
    },
    3,
    convolution(false, 1),
    0.06,
    4,
  ),
  "8 bits, depthwise, with a range from zero on for a ReLU": quantized(
    4,
    {
      shape: [1, 3, 3, 4],
      type: "i8",
      values: bytes(1, 3, 3, 4),
      scale: [0.01, 0.004, 0.02, 0.015],
      zeroPoint: [0, 0, 0, 0],
      axis: 3,
    },
    4,
    [...convolution(false, 1).slice(0, 3), [3, "int32", 2], [4, "int8", 0]],
    0.04,
    -128,
  ),
};

/** By name. */
export const tfliteCases: Readonly<Record<string, TfliteCase>> = {
  ...windows,
  ...channels,
  ...elements,
  ...quantizations,
};
