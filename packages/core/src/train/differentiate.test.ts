import { describe, expect, it } from "vitest";
import { type GraphBuilder, graphBuilder, type Value } from "../graph/builder.ts";
import { type Graph, nodesOf } from "../graph/graph.ts";
import {
  activations,
  type Operation,
  type OperationName,
  type Padding,
  type Pair,
  plainConvolution,
} from "../graph/operations.ts";
import { seededRandom } from "../random.ts";
import { elementCount, type Shape } from "../tensor.ts";
import { type Doubles, doubles, drawnStepInputs, elementErrors } from "../testing/gradients.ts";
import type { StepGraph } from "./step_graph.ts";
import { verifyStepGraph } from "./step_operations.ts";
import { trainingStep } from "./training_graph.ts";

/** Of the largest gradient: the error of the central differences themselves. */
const tolerance = 1e-6;

/** A graph whose every value is a parameter, so that all gradients are computed; its output weighs each number differently. */
function graphOf(body: (build: GraphBuilder, parameter: (name: string, shape: Shape) => Value) => Value): Graph {
  const build = graphBuilder("example");
  const parameter = (name: string, shape: Shape): Value =>
    build.parameter(name, shape, { kind: "normal", deviation: 1 });
  const y = body(build, parameter);
  const weight = build.parameter("weight", y.shape, { kind: "normal", deviation: 1 }, false);
  return build.build({ output: build.flatten("output", build.multiply("weighted", y, weight)) });
}

/**
 * Numbers of −4 to 4 that are away from the kinks of activations and maxima: no two of a parameter are close to each other, none is close
 * to a whole number. Variances are above zero.
 */
function numbersOf(graph: Graph): Doubles {
  const variances = new Set(nodesOf(graph, "batch_norm").map(({ inputs }) => inputs[4]));
  return new Map(
    nodesOf(graph, "parameter").map(({ id, name, shape }) => {
      const random = seededRandom(3, name);
      const count = elementCount(shape);
      const places = Array.from({ length: count }, (_, index) => [random.uniform(), index] as const);
      const order = places.toSorted(([a], [b]) => a - b).map(([, index]) => index);
      const gap = 7 / count;
      const draw = (index: number): number => {
        // Of −3.5 to 3.5 without regular steps, so that sums of two parameters are not whole either; then apart from whole numbers.
        const value = ((order[index] as number) + 0.2 + 0.6 * random.uniform()) * gap - 3.5;
        return value + (Math.ceil(value) - 0.5 - value) * 0.01;
      };
      return [name, doubles(shape, variances.has(id) ? (index) => 0.3 + Math.abs(draw(index)) : draw)];
    }),
  );
}

function stepOf(graph: Graph, batch = 2): StepGraph {
  const step = trainingStep(graph, { batch });
  verifyStepGraph(step);
  return step;
}

function errorOf(graph: Graph): number {
  const step = stepOf(graph);
  const errors = elementErrors(step, numbersOf(graph), drawnStepInputs(step, 1));
  expect(Object.keys(errors).length).toBeGreaterThan(0);
  return Math.max(...Object.values(errors));
}

/** A case: an operation, and the shapes of its inputs, all of them parameters. */
type Case = readonly [what: string, operation: Operation, inputs: readonly Shape[]];

const none: Padding = { top: 0, bottom: 0, left: 0, right: 0 };
const all = (side: number): Padding => ({ top: side, bottom: side, left: side, right: side });
const picture = [2, 4, 5, 6];

function convolution(options: Partial<Extract<Operation, { op: "convolution" }>> = {}): Operation {
  return { ...plainConvolution, ...options };
}

const pool = { kernel: [3, 3] as Pair, stride: [2, 2] as Pair, padding: all(1), ceil: false };
const convolutions: readonly Case[] = [
  ["pointwise", convolution(), [picture, [1, 1, 6, 4]]],
  ["pointwise with stride 2, a row and a column left over", convolution({ stride: [2, 2] }), [picture, [1, 1, 6, 4]]],
  [
    "pointwise with padding",
    convolution({ padding: all(1) }),
    [
      [2, 3, 3, 2],
      [1, 1, 2, 3],
    ],
  ],
  [
    "pointwise with stride and padding",
    convolution({ stride: [2, 3], padding: { top: 1, bottom: 0, left: 2, right: 1 } }),
    [
      [2, 3, 4, 2],
      [1, 1, 2, 3],
    ],
  ],
  [
    "3x3",
    convolution({ padding: all(1) }),
    [
      [2, 4, 5, 2],
      [3, 3, 2, 3],
    ],
  ],
  [
    "3x3 without padding",
    convolution(),
    [
      [2, 4, 5, 2],
      [3, 3, 2, 3],
    ],
  ],
  [
    "3x3 with stride 2",
    convolution({ stride: [2, 2], padding: all(1) }),
    [
      [2, 4, 5, 2],
      [3, 3, 2, 3],
    ],
  ],
  [
    "3x3 with stride 2 padded as TensorFlow does",
    convolution({ stride: [2, 2], padding: { top: 0, bottom: 1, left: 0, right: 1 } }),
    [
      [2, 4, 6, 2],
      [3, 3, 2, 3],
    ],
  ],
  [
    "stride beyond the kernel",
    convolution({ stride: [3, 2] }),
    [
      [2, 5, 4, 2],
      [2, 1, 2, 3],
    ],
  ],
  [
    "padding beyond the kernel",
    convolution({ padding: { top: 3, bottom: 0, left: 1, right: 4 } }),
    [
      [2, 2, 3, 2],
      [3, 1, 2, 2],
    ],
  ],
  [
    "dilation",
    convolution({ dilation: [2, 1], padding: { ...all(1), top: 3 } }),
    [
      [2, 5, 4, 2],
      [3, 2, 2, 2],
    ],
  ],
  [
    "dilation and stride",
    convolution({ dilation: [2, 3], stride: [2, 2], padding: all(2) }),
    [
      [2, 6, 7, 2],
      [3, 2, 2, 2],
    ],
  ],
  [
    "groups",
    convolution({ groups: 3, padding: all(1) }),
    [
      [2, 3, 4, 6],
      [3, 3, 2, 9],
    ],
  ],
  [
    "groups, pointwise, stride 2",
    convolution({ groups: 2, stride: [2, 2] }),
    [
      [2, 4, 5, 4],
      [1, 1, 2, 6],
    ],
  ],
  [
    "depthwise",
    convolution({ groups: 4, padding: all(1) }),
    [
      [2, 4, 5, 4],
      [3, 3, 1, 4],
    ],
  ],
  [
    "depthwise with stride 2",
    convolution({ groups: 4, stride: [2, 2], padding: all(1) }),
    [
      [2, 4, 5, 4],
      [3, 3, 1, 4],
    ],
  ],
  [
    "depthwise with two outputs a channel",
    convolution({ groups: 3, padding: all(1) }),
    [
      [2, 3, 4, 3],
      [3, 3, 1, 6],
    ],
  ],
  [
    "1x3",
    convolution({ padding: { ...none, left: 1, right: 1 } }),
    [
      [2, 3, 5, 2],
      [1, 3, 2, 3],
    ],
  ],
  ["bias", convolution({ bias: true }), [[2, 2, 3, 2], [1, 1, 2, 3], [3]]],
  ...activations.map(
    (activation): Case => [
      `${activation} fused`,
      convolution({ bias: true, activation }),
      [[2, 2, 3, 2], [1, 1, 2, 3], [3]],
    ],
  ),
  [
    "a residual",
    convolution({ residual: true, activation: "swish", residualActivation: "relu" }),
    [
      [2, 2, 3, 2],
      [1, 1, 2, 3],
      [2, 2, 3, 3],
    ],
  ],
  [
    "a bias and a residual with activations that need their input",
    convolution({ bias: true, residual: true, activation: "relu", residualActivation: "hard_swish" }),
    [[2, 2, 3, 2], [1, 1, 2, 3], [3], [2, 2, 3, 3]],
  ],
];

const cases: { readonly [K in Exclude<OperationName, "input" | "parameter">]: readonly Case[] } = {
  convolution: convolutions,
  batch_norm: [
    ["of pictures", { op: "batch_norm", epsilon: 1e-3 }, [[2, 3, 2, 4], [4], [4], [4], [4]]],
    ["of rows", { op: "batch_norm", epsilon: 0.1 }, [[5, 3], [3], [3], [3], [3]]],
  ],
  activation: activations.map((activation) => [activation, { op: "activation", activation }, [picture]]),
  add: activations.map((activation) => [activation, { op: "add", activation }, [picture, picture]]),
  multiply: [
    ["the same shape", { op: "multiply" }, [picture, picture]],
    ["a scale a channel", { op: "multiply" }, [picture, [2, 1, 1, 6]]],
    [
      "rows",
      { op: "multiply" },
      [
        [2, 5],
        [2, 5],
      ],
    ],
    [
      "scales by scales",
      { op: "multiply" },
      [
        [2, 1, 1, 6],
        [2, 1, 1, 6],
      ],
    ],
  ],
  concatenate: [
    ["three", { op: "concatenate" }, [picture, [2, 4, 5, 1], [2, 4, 5, 3]]],
    ["one", { op: "concatenate" }, [picture]],
  ],
  slice: [
    ["the middle", { op: "slice", start: 2, count: 3 }, [picture]],
    ["everything", { op: "slice", start: 0, count: 6 }, [picture]],
  ],
  permute: [
    ["shuffle", { op: "permute", permutation: { kind: "shuffle", groups: 3 } }, [picture]],
    ["explicit", { op: "permute", permutation: { kind: "explicit", order: [3, 0, 5, 1, 2, 4] } }, [picture]],
  ],
  max_pool: [
    ["padded", { op: "max_pool", ...pool }, [picture]],
    ["rounded up", { op: "max_pool", ...pool, padding: none, ceil: true }, [[2, 4, 6, 3]]],
    [
      "overlapping, asymmetric",
      { op: "max_pool", ...pool, stride: [1, 2], padding: { ...none, top: 2, right: 1 } },
      [[2, 3, 4, 2]],
    ],
    ["gaps between the windows", { op: "max_pool", ...pool, kernel: [1, 2], padding: none, stride: [2, 3] }, [picture]],
  ],
  average_pool: [true, false].flatMap((countIncludePad): readonly Case[] => [
    [`padding counts: ${countIncludePad}`, { op: "average_pool", ...pool, countIncludePad }, [picture]],
    [
      `rounded up, padding counts: ${countIncludePad}`,
      { op: "average_pool", ...pool, padding: { ...all(1), right: 0 }, ceil: true, countIncludePad },
      [[2, 4, 6, 3]],
    ],
  ]),
  global_average_pool: [["of pictures", { op: "global_average_pool" }, [picture]]],
  linear: [
    [
      "plain",
      { op: "linear", bias: false, activation: "none" },
      [
        [2, 4],
        [4, 3],
      ],
    ],
    ...activations.map(
      (activation): Case => [activation, { op: "linear", bias: true, activation }, [[2, 4], [4, 3], [3]]],
    ),
  ],
  softmax: [
    ["of rows", { op: "softmax" }, [[2, 5]]],
    ["of pixels", { op: "softmax" }, [[2, 2, 3, 4]]],
  ],
  flatten: [["of pictures", { op: "flatten" }, [picture]]],
  dropout: [
    ["of pictures", { op: "dropout", rate: 0.5 }, [picture]],
    ["of nothing", { op: "dropout", rate: 0 }, [picture]],
  ],
  pad: [["asymmetric", { op: "pad", padding: { top: 1, bottom: 0, left: 2, right: 3 }, value: 0.5 }, [picture]]],
  resize: (["nearest", "bilinear"] as const).flatMap((mode): readonly Case[] => [
    [`${mode}, larger`, { op: "resize", height: 7, width: 9, mode }, [[2, 3, 4, 2]]],
    [`${mode}, smaller`, { op: "resize", height: 3, width: 2, mode }, [[2, 5, 6, 2]]],
    [`${mode}, of one pixel`, { op: "resize", height: 2, width: 3, mode }, [[2, 1, 1, 3]]],
  ]),
};

describe("the gradient by every input equals finite differences", () => {
  for (const [op, list] of Object.entries(cases)) {
    it.each(list)(`${op}: %s`, (_, operation, shapes) => {
      const graph = graphOf((build, parameter) => {
        const inputs = shapes.map((shape, index) => parameter(`input${index}`, shape));
        return build.node("node", operation, inputs);
      });
      expect(errorOf(graph)).toBeLessThan(tolerance);
    });
  }

  it("a batch norm with each activation after it", () => {
    for (const activation of activations) {
      const graph = graphOf((build, parameter) =>
        build.activation("activation", build.batchNorm("norm", parameter("x", [3, 2, 3, 2])), activation),
      );
      expect(errorOf(graph), activation).toBeLessThan(tolerance);
    }
  });

  it("a batch norm whose running statistics are frozen, with each activation after it", () => {
    for (const activation of activations) {
      const graph = graphOf((build, parameter) =>
        build.activation("activation", build.batchNorm("norm", parameter("x", [3, 2, 3, 2])), activation),
      );
      const step = trainingStep(graph, { batch: 2, frozen: (name) => name === "norm/mean" });
      verifyStepGraph(step);
      expect([...step.gradients.keys()]).toEqual(["x", "norm/gamma", "norm/beta"]);
      const errors = elementErrors(step, numbersOf(graph), drawnStepInputs(step, 1));
      expect(Math.max(...Object.values(errors)), activation).toBeLessThan(tolerance);
    }
  });

  it("a value that several nodes read, one of them twice", () => {
    const graph = graphOf((build, parameter) => {
      const x = parameter("x", picture);
      const square = build.multiply("square", x, x);
      const twice = build.add("twice", x, x);
      return build.add("sum", build.add("both", square, twice), build.activation("swish", x, "swish"));
    });
    expect(errorOf(graph)).toBeLessThan(tolerance);
  });

  it("a kernel and a bias that two convolutions share", () => {
    const graph = graphOf((build, parameter) => {
      const inputs = [parameter("kernel", [3, 3, 2, 2]), parameter("bias", [2])];
      const operation = convolution({ padding: all(1), bias: true });
      const first = build.node("first", operation, [parameter("x", [2, 3, 4, 2]), ...inputs]);
      return build.node("second", operation, [first, ...inputs]);
    });
    expect(errorOf(graph)).toBeLessThan(tolerance);
  });

  it("slices that tile a value, that overlap, and that leave some of it out", () => {
    const partsOf: readonly (readonly (readonly [start: number, count: number])[])[] = [
      [
        [0, 2],
        [2, 4],
      ],
      [
        [2, 4],
        [0, 2],
      ],
      [
        [0, 4],
        [2, 4],
        [1, 1],
      ],
      [
        [1, 2],
        [4, 1],
      ],
      [
        [0, 3],
        [0, 3],
        [3, 3],
      ],
    ];
    for (const parts of partsOf) {
      const graph = graphOf((build, parameter) => {
        const x = parameter("x", picture);
        const slices = parts.map(([start, count], index) => build.slice(`slice${index}`, x, start, count));
        const permuted = build.permute("permuted", x, { kind: "shuffle", groups: 2 });
        return build.concatenate("joined", [...slices, permuted]);
      });
      expect(errorOf(graph), JSON.stringify(parts)).toBeLessThan(tolerance);
    }
  });
});

/** `NAME: op(inputs)` of the nodes after the loss. */
function backwardLines(step: StepGraph): readonly string[] {
  const after = step.nodes.slice(step.loss + 1);
  return after.map(
    ({ name, operation, inputs }) =>
      `${name}: ${operation.op}(${inputs.map((input) => step.nodes[input]?.name).join(", ")})`,
  );
}

describe("the gradient's nodes", () => {
  it("come from the loss back, a parameter's before its layer's input's", () => {
    const build = graphBuilder("chain");
    const x = build.input("x", [1, 1, 1, 2]);
    const first = build.activation("relu", build.convolution("first", x, { channels: 3, bias: true }), "relu");
    const second = build.convolution("second", first, { channels: 4 });
    const step = stepOf(build.build({ output: build.flatten("output", second) }));
    expect(backwardLines(step)).toEqual([
      "loss/gradient: softmax_cross_entropy_gradient(output, targets)",
      "second/gradient: reshape(loss/gradient)",
      "second/kernel/gradient: kernel_gradient(first, second/gradient)",
      "second/kernel/transposed: transpose_kernel(second/kernel)",
      "first/gradient: convolution(second/gradient, second/kernel/transposed)",
      "first/gradient_before_relu: activation_gradient(first/gradient, first)",
      "first/bias/gradient: sum_pixels(first/gradient_before_relu)",
      "first/kernel/gradient: kernel_gradient(x, first/gradient_before_relu)",
    ]);
    expect([...step.gradients.keys()]).toEqual(["first/kernel", "first/bias", "second/kernel"]);
  });

  it("join the gradients of slices that tile a value, and undo a shuffle by a shuffle", () => {
    const graph = graphOf((build, parameter) => {
      const x = build.permute("shuffled", parameter("x", [2, 1, 1, 6]), { kind: "shuffle", groups: 2 });
      return build.concatenate("swapped", [build.slice("right", x, 2, 4), build.slice("left", x, 0, 2)]);
    });
    const step = stepOf(graph);
    expect(backwardLines(step).slice(-5)).toEqual([
      "swapped/gradient: multiply(weighted/gradient, weight)",
      "right/gradient: slice(swapped/gradient)",
      "left/gradient: slice(swapped/gradient)",
      "shuffled/gradient: concatenate(left/gradient, right/gradient)",
      "x/gradient: permute(shuffled/gradient)",
    ]);
    expect(step.nodes.at(-1)?.operation).toEqual({ op: "permute", permutation: { kind: "shuffle", groups: 3 } });
  });

  it("put zeros around the gradients of slices that do not tile, and add what comes in, as it comes", () => {
    const graph = graphOf((build, parameter) => {
      const x = parameter("x", [2, 1, 1, 6]);
      const sum = build.add("sum", build.slice("middle", x, 2, 3), build.slice("left", x, 0, 3));
      return build.concatenate("joined", [sum, build.activation("swish", x, "swish"), x]);
    });
    expect(backwardLines(stepOf(graph)).slice(-7)).toEqual([
      "x/gradient/1: slice(joined/gradient)",
      "x/gradient/2: activation_gradient(swish/gradient, x)",
      "x/gradient/sum_2: add(x/gradient/1, x/gradient/2)",
      "x/gradient/3/part_1: embed(sum/gradient)",
      "x/gradient/3/part_2: embed(sum/gradient)",
      "x/gradient/3: add(x/gradient/3/part_1, x/gradient/3/part_2)",
      "x/gradient: add(x/gradient/sum_2, x/gradient/3)",
    ]);
  });

  it("multiply before zeros are put between where a strided kernel sees one pixel", () => {
    const graph = graphOf((build, parameter) =>
      build.node("strided", convolution({ stride: [2, 2] }), [
        parameter("x", [2, 4, 5, 2]),
        parameter("k", [1, 1, 2, 3]),
      ]),
    );
    expect(backwardLines(stepOf(graph)).slice(-2)).toEqual([
      "strided/gradient/pixels: convolution(strided/gradient, k/transposed)",
      "x/gradient: dilate(strided/gradient/pixels)",
    ]);
  });

  it("are none for what no trained parameter needs", () => {
    const build = graphBuilder("frozen");
    const x = build.input("x", [1, 4, 4, 3]);
    const body = build.activation(
      "relu",
      build.batchNorm("norm", build.convolution("body", x, { channels: 4 })),
      "relu",
    );
    const head = build.linear("head", build.flatten("flat", build.globalAveragePool("pool", body)), { channels: 2 });
    const graph = build.build({ output: head });
    const onlyHead = trainingStep(graph, { batch: 2, frozen: (name) => !name.startsWith("head") });
    expect(backwardLines(onlyHead)).toEqual([
      "loss/gradient: softmax_cross_entropy_gradient(head, targets)",
      "head/bias/gradient: sum_pixels(loss/gradient)",
      "head/kernel/gradient: linear_kernel_gradient(flat, loss/gradient)",
    ]);
    const onlyBeta = trainingStep(graph, { batch: 2, frozen: (name) => name !== "norm/beta" });
    expect(backwardLines(onlyBeta).slice(-2)).toEqual([
      "norm/sums: normalize_sums(norm/gradient, body, norm/running_moments, norm/gamma, norm/beta)",
      "norm/beta/gradient: row(norm/sums)",
    ]);
  });
});
