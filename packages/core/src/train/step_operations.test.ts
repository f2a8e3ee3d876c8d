import { describe, expect, it } from "vitest";
import { GraphError, ShapeError } from "../errors.ts";
import type { ValueId } from "../graph/graph.ts";
import type { Padding } from "../graph/operations.ts";
import type { Shape } from "../tensor.ts";
import { randomStep } from "../testing/random_step.ts";
import { stepBuilder } from "./step_builder.ts";
import type { GradientOperation, StepGraph, StepOperation, StepOperationOf } from "./step_graph.ts";
import { inferStepShape, isGradientOperation, verifyStepGraph } from "./step_operations.ts";

const none: Padding = { top: 0, bottom: 0, left: 0, right: 0 };
const ones: Padding = { top: 1, bottom: 1, left: 1, right: 1 };
const picture = [2, 5, 7, 6];
const norm = { epsilon: 1e-5, activation: "relu" } as const;
const window = { kernel: [3, 3], stride: [2, 2], padding: ones, ceil: false } as const;

function kernelGradient(
  attributes: Partial<StepOperationOf<"kernel_gradient">> = {},
): StepOperationOf<"kernel_gradient"> {
  return {
    op: "kernel_gradient",
    kernel: [3, 3],
    stride: [1, 1],
    padding: none,
    dilation: [1, 1],
    groups: 1,
    ...attributes,
  };
}

type Accepted = readonly [operation: GradientOperation, inputs: readonly Shape[], output: Shape];

const accepted: { readonly [K in GradientOperation["op"]]: readonly Accepted[] } = {
  moments: [
    [{ op: "moments" }, [picture], [2, 6]],
    [{ op: "moments" }, [[8, 3]], [2, 3]],
  ],
  normalize: [[{ op: "normalize", ...norm }, [picture, [2, 6], [6], [6]], picture]],
  normalize_sums: [[{ op: "normalize_sums", ...norm }, [picture, picture, [2, 6], [6], [6]], [2, 6]]],
  normalize_gradient: [
    [{ op: "normalize_gradient", ...norm }, [picture, picture, [2, 6], [6], [6], [2, 6]], picture],
    [{ op: "normalize_gradient", ...norm }, [picture, picture, [2, 6], [6], [6]], picture],
  ],
  row: [[{ op: "row", index: 1 }, [[2, 6]], [6]]],
  activation_gradient: [[{ op: "activation_gradient", activation: "swish" }, [picture, picture], picture]],
  softmax_gradient: [
    [
      { op: "softmax_gradient" },
      [
        [2, 6],
        [2, 6],
      ],
      [2, 6],
    ],
  ],
  transpose_kernel: [
    [{ op: "transpose_kernel", groups: 1 }, [[3, 1, 4, 8]], [3, 1, 8, 4]],
    [{ op: "transpose_kernel", groups: 4 }, [[3, 3, 2, 12]], [3, 3, 3, 8]],
  ],
  transpose: [[{ op: "transpose" }, [[3, 4]], [4, 3]]],
  dilate: [
    [{ op: "dilate", stride: [2, 3], height: 9, width: 19 }, [picture], [2, 9, 19, 6]],
    [{ op: "dilate", stride: [2, 3], height: 10, width: 21 }, [picture], [2, 10, 21, 6]],
  ],
  kernel_gradient: [
    [kernelGradient(), [picture, [2, 3, 5, 4]], [3, 3, 6, 4]],
    [kernelGradient({ groups: 3, stride: [2, 2], padding: ones }), [picture, [2, 3, 4, 9]], [3, 3, 2, 9]],
    [kernelGradient({ kernel: [2, 2], dilation: [3, 3] }), [picture, [2, 2, 4, 1]], [2, 2, 6, 1]],
  ],
  linear_kernel_gradient: [
    [
      { op: "linear_kernel_gradient" },
      [
        [2, 6],
        [2, 4],
      ],
      [6, 4],
    ],
  ],
  sum_pixels: [
    [{ op: "sum_pixels" }, [picture], [6]],
    [{ op: "sum_pixels" }, [[2, 4]], [4]],
  ],
  max_pool_gradient: [[{ op: "max_pool_gradient", ...window }, [[2, 3, 4, 6], picture], picture]],
  average_pool_gradient: [
    [{ op: "average_pool_gradient", ...window, countIncludePad: true, height: 5, width: 7 }, [[2, 3, 4, 6]], picture],
  ],
  spread: [[{ op: "spread", height: 5, width: 7 }, [[2, 1, 1, 6]], picture]],
  sum_products: [[{ op: "sum_products" }, [picture, picture], [2, 1, 1, 6]]],
  embed: [[{ op: "embed", start: 3, channels: 9 }, [picture], [2, 5, 7, 9]]],
  crop: [[{ op: "crop", padding: { top: 1, bottom: 2, left: 0, right: 6 } }, [picture], [2, 2, 1, 6]]],
  resize_gradient: [[{ op: "resize_gradient", height: 3, width: 9, mode: "bilinear" }, [picture], [2, 3, 9, 6]]],
  reshape: [[{ op: "reshape", shape: [2, 210] }, [picture], [2, 210]]],
  softmax_cross_entropy: [
    [
      { op: "softmax_cross_entropy" },
      [
        [4, 10],
        [4, 10],
      ],
      [4],
    ],
  ],
  softmax_cross_entropy_gradient: [
    [
      { op: "softmax_cross_entropy_gradient" },
      [
        [4, 10],
        [4, 10],
      ],
      [4, 10],
    ],
  ],
};

const refused: readonly (readonly [operation: StepOperation, inputs: readonly Shape[], message: string])[] = [
  [{ op: "moments" }, [], "expects 1 input (x), received 0"],
  [{ op: "moments" }, [[]], "expects an input with channels, received a scalar"],
  [
    { op: "normalize", ...norm },
    [picture, [2, 5], [6], [6]],
    "expects a second input (moments) of shape 2x6, received 2x5",
  ],
  [{ op: "normalize", ...norm }, [picture, [2, 6], [6], [5]], "expects a beta of shape 6, received 5"],
  [{ op: "normalize", ...norm }, [picture], "expects 4 inputs (x, moments, gamma, beta), received 1"],
  [
    { op: "normalize", ...norm, epsilon: -1 },
    [picture, [2, 6], [6], [6]],
    "epsilon must be a finite number of at least 0, received -1",
  ],
  [{ op: "normalize", ...norm, activation: "gelu" as never }, [picture, [2, 6], [6], [6]], 'unknown activation "gelu"'],
  [
    { op: "normalize_sums", ...norm },
    [[2, 5, 7, 5], picture, [2, 6], [6], [6]],
    "expects a gradient of shape 2x5x7x6, received 2x5x7x5",
  ],
  [
    { op: "normalize_gradient", ...norm },
    [picture, picture, [2, 6], [6], [6], [6]],
    "expects a sixth input (sums) of shape 2x6, received 6",
  ],
  [{ op: "spread", height: 5, width: 7 }, [[2, 6]], "expects [N, H, W, C] as its gradient, received 2x6"],
  [{ op: "row", index: 2 }, [[2, 6]], "index 2 is not one of 2 rows"],
  [{ op: "row", index: 0 }, [[6]], "expects two axes as its input, received 6"],
  [
    { op: "activation_gradient", activation: "relu" },
    [[2, 6], picture],
    "expects a gradient of shape 2x5x7x6, received 2x6",
  ],
  [{ op: "transpose_kernel", groups: 3 }, [[3, 3, 2, 8]], "groups 3 does not divide 8"],
  [{ op: "transpose_kernel", groups: 1 }, [[3, 3]], "expects a kernel [kh, kw, in/groups, out], received 3x3"],
  [
    { op: "dilate", stride: [2, 2], height: 8, width: 13 },
    [picture],
    "5x7 pixels at stride 2x2 need 9x13, but the output has 8x13",
  ],
  [kernelGradient(), [picture, [2, 3, 6, 4]], "expects a gradient of shape 2x3x5x4, received 2x3x6x4"],
  [kernelGradient({ groups: 4 }), [picture, [2, 3, 5, 4]], "groups 4 does not divide 6 input channels"],
  [
    { op: "linear_kernel_gradient" },
    [
      [2, 6],
      [3, 4],
    ],
    "expects inputs of the same batch, received 2 and 3",
  ],
  [
    { op: "max_pool_gradient", ...window },
    [[2, 3, 3, 6], picture],
    "expects a gradient of shape 2x3x4x6, received 2x3x3x6",
  ],
  [
    { op: "average_pool_gradient", ...window, countIncludePad: true, height: 7, width: 7 },
    [[2, 3, 4, 6]],
    "expects a gradient of shape 2x4x4x6, received 2x3x4x6",
  ],
  [{ op: "spread", height: 5, width: 7 }, [picture], "expects a gradient of shape 2x1x1x6, received 2x5x7x6"],
  [{ op: "sum_products" }, [picture, [2, 1, 1, 6]], "expects a second input of shape 2x5x7x6, received 2x1x1x6"],
  [{ op: "embed", start: 4, channels: 9 }, [picture], "channels 4 to 9 are not all among the output's 9"],
  [{ op: "embed", start: -1, channels: 9 }, [picture], "channels -1 to 4 are not all among the output's 9"],
  [{ op: "crop", padding: { ...none, top: 2, bottom: 3 } }, [picture], "nothing is left of 5x7 pixels"],
  [{ op: "crop", padding: { ...none, left: -1 } }, [picture], "padding must be whole numbers of at least 0"],
  [
    { op: "resize_gradient", height: 0, width: 9, mode: "nearest" },
    [picture],
    "lengths must be whole numbers of at least 1, received 2x0x9x6",
  ],
  [{ op: "reshape", shape: [2, 5] }, [[2, 6]], "2x6 has 12 elements, 2x5 has 10"],
  [
    { op: "softmax_cross_entropy" },
    [picture, picture],
    "expects two axes as its first input (logits), received 2x5x7x6",
  ],
  [
    { op: "softmax_cross_entropy_gradient" },
    [
      [4, 10],
      [4, 9],
    ],
    "expects a second input (targets) of shape 4x10, received 4x9",
  ],
  [{ op: "add", activation: "none" }, [picture], "expects two inputs, received 1"],
];

describe("inferStepShape", () => {
  it.each(Object.entries(accepted))("gives the shape of %s", (name, rows) => {
    for (const [operation, inputs, output] of rows) {
      expect(operation.op).toBe(name);
      expect(isGradientOperation(operation)).toBe(true);
      expect(inferStepShape("node", operation, inputs)).toEqual(output);
    }
  });

  it("gives the shape of a network's operations too", () => {
    expect(isGradientOperation({ op: "flatten" })).toBe(false);
    expect(inferStepShape("node", { op: "flatten" }, [picture])).toEqual([2, 210]);
  });

  it.each(refused)("refuses %j on %j", (operation, inputs, message) => {
    const infer = () => inferStepShape("stem/gradient", operation, inputs);
    expect(infer).toThrow(ShapeError);
    expect(infer).toThrow(`${operation.op} "stem/gradient": `);
    expect(infer).toThrow(message);
  });
});

describe("stepBuilder", () => {
  it("refuses a name used twice, and gives derived nodes names that nobody has or will have", () => {
    const builder = stepBuilder(["x/gradient"]);
    const x = builder.node("x", { op: "input", shape: [2, 6] }, []);
    builder.derived("x/gradient", { op: "moments" }, [x]);
    builder.derived("x/gradient", { op: "moments" }, [x]);
    builder.node("x/gradient", { op: "moments" }, [x]);
    expect(builder.nodes.map(({ name }) => name)).toEqual(["x", "x/gradient_2", "x/gradient_3", "x/gradient"]);
    expect(() => builder.node("x", { op: "input", shape: [1] }, [])).toThrow(
      new GraphError('Two nodes are named "x".'),
    );
    expect(() => builder.node("row", { op: "row", index: 5 }, [x])).toThrow(ShapeError);
    builder.node("row", { op: "row", index: 1 }, [x]);
  });
});

describe("verifyStepGraph", () => {
  const { step } = randomStep(7, "parameters");
  const value = (id: number): ValueId => id as ValueId;
  const withNode = (position: number, change: Partial<StepGraph["nodes"][number]>): StepGraph => ({
    ...step,
    nodes: step.nodes.map((node, index) => (index === position ? { ...node, ...change } : node)),
  });
  const last = step.nodes.length - 1;

  it("accepts what trainingStep makes", () => {
    verifyStepGraph(step);
  });

  it.each<readonly [what: string, broken: StepGraph, message: string]>([
    ["an id that is no position", withNode(last, { id: value(3) }), `has id 3 at position ${last}`],
    ["a name used twice", withNode(last, { name: step.nodes[0]?.name as string }), "Two nodes are named"],
    [
      "an input that comes later",
      withNode(0, { inputs: [value(last)] }),
      `reads value ${last}, which does not come before it`,
    ],
    ["a shape that does not follow", withNode(last, { shape: [1, 2, 3] }), "says shape 1x2x3, but it gives"],
    ["a loss that is none", { ...step, loss: step.logits }, "The loss says shape 2x4, but it gives 2"],
    ["logits that are none", { ...step, logits: step.loss }, "The logits are 2, expected [N, classes]"],
    ["a value that is not there", { ...step, loss: value(9999) }, "is value 9999, which is not there"],
    [
      "a gradient of nothing",
      { ...step, gradients: new Map([["nothing", step.logits]]) },
      'has a gradient of "nothing", but no such node',
    ],
    [
      "a gradient of another shape",
      { ...step, gradients: new Map([["classifier/bias", step.logits]]) },
      'The gradient of "classifier/bias" says shape 2x4, but it gives 4',
    ],
  ])("refuses %s", (_, broken, message) => {
    expect(() => verifyStepGraph(broken)).toThrow(message);
  });

  it("refuses moments of another count", () => {
    const builder = stepBuilder();
    const x = builder.node("x", { op: "input", shape: [4, 3] }, []);
    const moments = builder.node("moments", { op: "moments" }, [x]);
    const loss = builder.node("loss", { op: "softmax_cross_entropy" }, [x, x]);
    const graph = (count: number): StepGraph => ({
      name: "moments",
      nodes: builder.nodes,
      loss: loss.id,
      logits: x.id,
      gradients: new Map(),
      moments: [{ value: moments.id, count, mean: "mean", variance: "variance" }],
    });
    verifyStepGraph(graph(4));
    expect(() => verifyStepGraph(graph(5))).toThrow(
      new GraphError('The moments for "mean" say that they are of 5 numbers of 4x3.'),
    );
  });
});
