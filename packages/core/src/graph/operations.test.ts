import { describe, expect, it } from "vitest";
import { ShapeError } from "../errors.ts";
import type { Shape } from "../tensor.ts";
import {
  activations,
  dilatedSize,
  inferShape,
  type Operation,
  type OperationName,
  type OperationOf,
  operationNames,
  type Padding,
  plainConvolution,
} from "./operations.ts";

const none: Padding = { top: 0, bottom: 0, left: 0, right: 0 };
const ones: Padding = { top: 1, bottom: 1, left: 1, right: 1 };

function convolution(attributes: Partial<OperationOf<"convolution">> = {}): Operation {
  return { ...plainConvolution, ...attributes };
}

function pool(
  attributes: Partial<Omit<OperationOf<"average_pool">, "op">> = {},
): Omit<OperationOf<"average_pool">, "op"> {
  return { kernel: [3, 3], stride: [2, 2], padding: none, ceil: false, countIncludePad: true, ...attributes };
}

const maxPool = (attributes: Parameters<typeof pool>[0] = {}): Operation => {
  const { countIncludePad: _, ...rest } = pool(attributes);
  return { op: "max_pool", ...rest };
};

const normal = { kind: "normal", deviation: 1 } as const;
const picture: Shape = [2, 5, 7, 6];

/** What every operation gives from inputs of the listed shapes. */
const accepted: Record<OperationName, readonly [operation: Operation, inputs: readonly Shape[], output: Shape][]> = {
  input: [
    [{ op: "input", shape: [1, 2, 3, 4] }, [], [1, 2, 3, 4]],
    [{ op: "input", shape: [] }, [], []],
  ],
  parameter: [[{ op: "parameter", shape: [3], initializer: normal, trainable: true }, [], [3]]],
  convolution: [
    [convolution(), [picture, [1, 1, 6, 10]], [2, 5, 7, 10]],
    [convolution(), [picture, [3, 3, 6, 10]], [2, 3, 5, 10]],
    [convolution({ padding: ones }), [picture, [3, 3, 6, 10]], [2, 5, 7, 10]],
    [convolution({ padding: ones, stride: [2, 2] }), [picture, [3, 3, 6, 10]], [2, 3, 4, 10]],
    [convolution({ padding: { ...none, bottom: 1 }, stride: [2, 1] }), [picture, [3, 1, 6, 1]], [2, 2, 7, 1]],
    [convolution({ dilation: [2, 3] }), [picture, [3, 3, 6, 1]], [2, 1, 1, 1]],
    [convolution({ groups: 3 }), [picture, [1, 1, 2, 9]], [2, 5, 7, 9]],
    [convolution({ groups: 6 }), [picture, [1, 1, 1, 12]], [2, 5, 7, 12]],
    [convolution({ bias: true, residual: true }), [picture, [1, 1, 6, 4], [4], [2, 5, 7, 4]], [2, 5, 7, 4]],
    [convolution({ residual: true }), [picture, [1, 1, 6, 4], [2, 5, 7, 4]], [2, 5, 7, 4]],
    // A window may lie in the padding alone: its sum is the bias.
    [convolution({ padding: { ...none, left: 3 } }), [picture, [1, 1, 6, 4]], [2, 5, 10, 4]],
  ],
  batch_norm: [
    [{ op: "batch_norm", epsilon: 1e-5 }, [picture, [6], [6], [6], [6]], picture],
    [{ op: "batch_norm", epsilon: 0 }, [[2, 3], [3], [3], [3], [3]], [2, 3]],
  ],
  activation: [[{ op: "activation", activation: "swish" }, [picture], picture]],
  add: [[{ op: "add", activation: "relu" }, [picture, picture], picture]],
  multiply: [
    [{ op: "multiply" }, [picture, picture], picture],
    [{ op: "multiply" }, [picture, [2, 1, 1, 6]], picture],
    [
      { op: "multiply" },
      [
        [2, 6],
        [2, 6],
      ],
      [2, 6],
    ],
  ],
  concatenate: [
    [{ op: "concatenate" }, [picture, [2, 5, 7, 1], picture], [2, 5, 7, 13]],
    [
      { op: "concatenate" },
      [
        [2, 3],
        [2, 4],
      ],
      [2, 7],
    ],
    [{ op: "concatenate" }, [picture], picture],
  ],
  slice: [
    [{ op: "slice", start: 2, count: 4 }, [picture], [2, 5, 7, 4]],
    [{ op: "slice", start: 0, count: 1 }, [[2, 3]], [2, 1]],
  ],
  permute: [
    [{ op: "permute", permutation: { kind: "shuffle", groups: 3 } }, [picture], picture],
    [{ op: "permute", permutation: { kind: "explicit", order: [1, 0] } }, [[4, 2]], [4, 2]],
  ],
  max_pool: [
    [maxPool(), [[1, 112, 112, 64]], [1, 55, 55, 64]],
    [maxPool({ ceil: true }), [[1, 112, 112, 64]], [1, 56, 56, 64]],
    [maxPool({ padding: ones }), [[1, 112, 112, 64]], [1, 56, 56, 64]],
    // The window that would start beyond the picture is left out.
    [maxPool({ kernel: [2, 2], stride: [3, 3], ceil: true }), [[1, 3, 3, 1]], [1, 1, 1, 1]],
    [maxPool({ kernel: [2, 3], stride: [1, 2] }), [[1, 5, 7, 1]], [1, 4, 3, 1]],
  ],
  average_pool: [
    [{ op: "average_pool", ...pool({ padding: ones, ceil: true }) }, [[1, 4, 4, 3]], [1, 3, 3, 3]],
    [{ op: "average_pool", ...pool({ padding: ones }) }, [[1, 4, 4, 3]], [1, 2, 2, 3]],
  ],
  global_average_pool: [[{ op: "global_average_pool" }, [picture], [2, 1, 1, 6]]],
  linear: [
    [{ op: "linear", bias: true, activation: "none" }, [[2, 6], [6, 10], [10]], [2, 10]],
    [
      { op: "linear", bias: false, activation: "relu" },
      [
        [2, 6],
        [6, 10],
      ],
      [2, 10],
    ],
  ],
  softmax: [[{ op: "softmax" }, [[2, 6]], [2, 6]]],
  flatten: [[{ op: "flatten" }, [picture], [2, 210]]],
  dropout: [[{ op: "dropout", rate: 0.2 }, [picture], picture]],
  pad: [
    [
      { op: "pad", padding: { top: 1, bottom: 2, left: 3, right: 4 }, value: Number.NEGATIVE_INFINITY },
      [picture],
      [2, 8, 14, 6],
    ],
  ],
  resize: [[{ op: "resize", height: 1, width: 9, mode: "nearest" }, [picture], [2, 1, 9, 6]]],
};

/** Attributes and shapes that do not fit, and what the message says. */
const refused: readonly [operation: Operation, inputs: readonly Shape[], message: string][] = [
  [{ op: "input", shape: [1] }, [[1]], "expects no inputs, received 1"],
  [{ op: "input", shape: [1, 0, 3, 3] }, [], "lengths must be whole numbers of at least 1, received 1x0x3x3"],
  [{ op: "input", shape: [1, 1.5] }, [], "lengths must be whole numbers of at least 1, received 1x1.5"],
  [{ op: "input", shape: [2 ** 30, 2 ** 30] }, [], "1073741824x1073741824 has too many elements"],
  [
    { op: "parameter", shape: [1], initializer: { kind: "normal", deviation: -1 }, trainable: true },
    [],
    'initializer "normal" needs a deviation of at least 0, received -1',
  ],
  [
    { op: "parameter", shape: [1], initializer: { kind: "constant", value: Number.NaN }, trainable: true },
    [],
    'initializer "constant" needs a finite value, received NaN',
  ],
  [convolution(), [picture], "expects 2 inputs, received 1"],
  [convolution({ bias: true }), [picture, [1, 1, 6, 4]], "expects 3 inputs, received 2"],
  [
    convolution(),
    [
      [2, 6],
      [1, 1, 6, 4],
    ],
    "expects an input [N, H, W, C], received 2x6",
  ],
  [convolution(), [picture, [6, 4]], "expects a kernel [kh, kw, in/groups, out], received 6x4"],
  [
    convolution({ stride: [0, 1] }),
    [picture, [1, 1, 6, 4]],
    "stride must be two whole numbers of at least 1, received 0x1",
  ],
  [
    convolution({ padding: { ...none, top: -1 } }),
    [picture, [1, 1, 6, 4]],
    "padding must be whole numbers of at least 0, received -1, 0, 0, 0",
  ],
  [
    convolution({ dilation: [1, 0] }),
    [picture, [1, 1, 6, 4]],
    "dilation must be two whole numbers of at least 1, received 1x0",
  ],
  [convolution({ groups: 0 }), [picture, [1, 1, 6, 4]], "groups must be a whole number of at least 1, received 0"],
  [
    convolution({ groups: 4 }),
    [picture, [1, 1, 1, 4]],
    "groups 4 does not divide 6 input channels. Use one of 1, 2, 3, 6",
  ],
  [
    convolution({ groups: 3 }),
    [picture, [1, 1, 2, 8]],
    "groups 3 does not divide 8 output channels. Use one of 1, 2, 4, 8",
  ],
  [convolution(), [picture, [1, 1, 5, 4]], "kernel 1x1x5x4 with 1 groups reads 5 channels, but the input has 6"],
  [
    convolution({ dilation: [2, 1], padding: { ...none, left: 1 } }),
    [picture, [4, 1, 6, 4]],
    "a 4x1 kernel (dilation 2x1) does not fit into the padded input of 5x8",
  ],
  [convolution({ bias: true }), [picture, [1, 1, 6, 4], [6]], "expects a bias [4], received 6"],
  [
    convolution({ residual: true }),
    [picture, [1, 1, 6, 4], picture],
    "expects a residual of the output's shape 2x5x7x4, received 2x5x7x6",
  ],
  [
    convolution({ activation: "tanh" as never }),
    [picture, [1, 1, 6, 4]],
    `unknown activation "tanh". Use one of ${activations.join(", ")}`,
  ],
  [convolution({ residualActivation: "" as never }), [picture, [1, 1, 6, 4]], 'unknown activation "". Use one of'],
  [{ op: "batch_norm", epsilon: 1e-5 }, [picture, [6]], "expects x, gamma, beta, mean and variance, received 2 inputs"],
  [
    { op: "batch_norm", epsilon: 1e-5 },
    [picture, [6], [6], [5], [6]],
    "expects gamma, beta, mean and variance of shape 6, received 5",
  ],
  [
    { op: "batch_norm", epsilon: -1 },
    [picture, [6], [6], [6], [6]],
    "epsilon must be a finite number of at least 0, received -1",
  ],
  [{ op: "activation", activation: "gelu" as never }, [picture], 'unknown activation "gelu"'],
  [{ op: "activation", activation: "relu" }, [picture, picture], "expects one input, received 2"],
  [{ op: "add", activation: "none" }, [picture], "expects two inputs, received 1"],
  [
    { op: "add", activation: "none" },
    [picture, [2, 1, 1, 6]],
    "expects two inputs of the same shape, received 2x5x7x6 and 2x1x1x6",
  ],
  [
    { op: "multiply" },
    [picture, [1, 1, 1, 6]],
    "expects a second input of the same shape or [N, 1, 1, C], received 2x5x7x6 and 1x1x1x6",
  ],
  [{ op: "multiply" }, [[2, 1, 1, 6], picture], "expects a second input of the same shape or [N, 1, 1, C]"],
  [{ op: "concatenate" }, [], "expects at least one input"],
  [{ op: "concatenate" }, [[3]], "expects inputs with a batch and channels, received 3"],
  [
    { op: "concatenate" },
    [picture, [2, 5, 6, 6]],
    "expects inputs that differ in channels alone, received 2x5x7x6 and 2x5x6x6",
  ],
  [{ op: "concatenate" }, [picture, [2, 5, 7]], "expects inputs that differ in channels alone"],
  [{ op: "slice", start: 3, count: 4 }, [picture], "channels 3 to 6 are not all among the input's 6"],
  [{ op: "slice", start: -1, count: 2 }, [picture], "channels -1 to 0 are not all among the input's 6"],
  [{ op: "slice", start: 0, count: 0 }, [picture], "channels 0 to -1 are not all among the input's 6"],
  [{ op: "permute", permutation: { kind: "shuffle", groups: 4 } }, [picture], "4 does not divide 6"],
  [
    { op: "permute", permutation: { kind: "explicit", order: [0, 1, 2, 3, 4, 4] } },
    [picture],
    "received 6 entries, 5 of them different",
  ],
  [maxPool({ kernel: [3, 0] }), [picture], "kernel must be two whole numbers of at least 1, received 3x0"],
  [
    maxPool({ padding: { ...none, right: 3 } }),
    [picture],
    "padding must be smaller than the 3x3 kernel, so that every window sees the picture",
  ],
  [maxPool({ kernel: [6, 3] }), [picture], "a 6x3 window does not fit into the padded input of 5x7"],
  [{ op: "average_pool", ...pool() }, [[2, 6]], "expects an input [N, H, W, C], received 2x6"],
  [{ op: "global_average_pool" }, [[2, 6]], "expects an input [N, H, W, C], received 2x6"],
  [
    { op: "linear", bias: false, activation: "none" },
    [picture, [6, 4]],
    "expects an input [N, C], received 2x5x7x6. Flatten it first",
  ],
  [
    { op: "linear", bias: false, activation: "none" },
    [
      [2, 6],
      [5, 4],
    ],
    "expects a kernel [6, out], received 5x4",
  ],
  [{ op: "linear", bias: true, activation: "none" }, [[2, 6], [6, 4], [5]], "expects a bias [4], received 5"],
  [
    { op: "linear", bias: true, activation: "none" },
    [
      [2, 6],
      [6, 4],
    ],
    "expects 3 inputs, received 2",
  ],
  [{ op: "softmax" }, [[]], "expects an input with channels, received a scalar"],
  [{ op: "dropout", rate: 1 }, [picture], "rate must be at least 0 and below 1, received 1"],
  [{ op: "dropout", rate: Number.NaN }, [picture], "rate must be at least 0 and below 1, received NaN"],
  [
    { op: "pad", padding: { ...none, left: 0.5 }, value: 0 },
    [picture],
    "padding must be whole numbers of at least 0, received 0, 0, 0.5, 0",
  ],
  [{ op: "pad", padding: none, value: Number.NaN }, [picture], "value must be a number, received NaN"],
  [
    { op: "resize", height: 0, width: 4, mode: "nearest" },
    [picture],
    "height and width must be whole numbers of at least 1, received 0 and 4",
  ],
  [
    { op: "resize", height: 4, width: 4, mode: "cubic" as never },
    [picture],
    'unknown mode "cubic". Use nearest or bilinear',
  ],
];

describe("inferShape", () => {
  it.each(operationNames)("gives the shape of %s", (name) => {
    for (const [operation, inputs, output] of accepted[name]) {
      expect(operation.op).toBe(name);
      expect(inferShape(operation, inputs), JSON.stringify({ operation, inputs })).toEqual(output);
    }
  });

  it.each(refused)("refuses %j on %j", (operation, inputs, message) => {
    expect(() => inferShape(operation, inputs)).toThrow(ShapeError);
    expect(() => inferShape(operation, inputs)).toThrow(message);
  });

  it("names the divisors of a large prime at once", () => {
    const prime = 2 ** 31 - 1;
    const shapes = [
      [1, 1, 1, prime],
      [1, 1, 1, 2],
    ];
    expect(() => inferShape(convolution({ groups: 2 }), shapes)).toThrow(`Use one of 1, ${prime}`);
  });
});

describe("dilatedSize", () => {
  it("counts the holes between the taps", () => {
    expect(dilatedSize(3, 1)).toBe(3);
    expect(dilatedSize(3, 2)).toBe(5);
    expect(dilatedSize(1, 5)).toBe(1);
  });
});
