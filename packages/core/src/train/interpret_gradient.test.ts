import { describe, expect, it } from "vitest";
import { activationFunctions } from "../graph/activation_functions.ts";
import { activations } from "../graph/operations.ts";
import { elementCount, type Shape } from "../tensor.ts";
import { activationDerivatives, derivativeFromOutput } from "./activation_derivatives.ts";
import { interpretGradient } from "./interpret_gradient.ts";
import type { GradientOperation } from "./step_graph.ts";
import { inferStepShape } from "./step_operations.ts";

/** What the operation gives for inputs `[shape, numbers]`. */
function given(operation: GradientOperation, ...inputs: readonly (readonly [Shape, readonly number[]])[]): number[] {
  const shapes = inputs.map(([shape]) => shape);
  const shape = inferStepShape("node", operation, shapes);
  const output = { shape, data: new Float64Array(elementCount(shape)) };
  const operands = inputs.map(([inputShape, numbers]) => ({ shape: inputShape, data: Float64Array.from(numbers) }));
  interpretGradient(operation, operands, output);
  return [...output.data];
}

const none = { top: 0, bottom: 0, left: 0, right: 0 };

describe("interpretGradient", () => {
  it("gives mean and variance by channel, the variance divided by the count", () => {
    expect(
      given({ op: "moments" }, [
        [2, 1, 2, 2],
        [1, 5, 3, 5, 5, 5, 7, 5],
      ]),
    ).toEqual([4, 5, 5, 0]);
  });

  it("normalizes, then activates", () => {
    const operation = { op: "normalize", epsilon: 1, activation: "relu" } as const;
    const moments = [
      [2, 2],
      [1, 0, 3, 8],
    ] as const;
    const x = [
      [2, 2],
      [5, 3, -3, 6],
    ] as const;
    expect(given(operation, x, moments, [[2], [1, 2]], [[2], [0, 10]])).toEqual([2, 12, 0, 14]);
  });

  it("gives a window's gradient to the first of its largest, row by row, and sums where windows overlap", () => {
    const operation = { op: "max_pool_gradient", kernel: [2, 2], stride: [1, 1], padding: none, ceil: false } as const;
    const x = [1, 4, 4, 4, 0, 4, 2, 2, 2];
    expect(
      given(
        operation,
        [
          [1, 2, 2, 1],
          [1, 10, 100, 1000],
        ],
        [[1, 3, 3, 1], x],
      ),
    ).toEqual([0, 11, 0, 100, 0, 1000, 0, 0, 0]);
  });

  it("never gives a maximum's gradient to the padding", () => {
    const operation = {
      op: "max_pool_gradient",
      kernel: [1, 2],
      stride: [1, 2],
      padding: { ...none, left: 1, right: 1 },
      ceil: false,
    } as const;
    expect(
      given(
        operation,
        [
          [1, 1, 2, 1],
          [3, 5],
        ],
        [
          [1, 1, 2, 1],
          [-7, -8],
        ],
      ),
    ).toEqual([3, 5]);
  });

  it("divides an average's gradient as the average was", () => {
    const shared = { op: "average_pool_gradient", kernel: [1, 2], stride: [1, 2], ceil: false } as const;
    const size = { padding: { ...none, left: 1 }, height: 1, width: 3 };
    const gradient = [
      [1, 1, 2, 1],
      [6, 8],
    ] as const;
    expect(given({ ...shared, ...size, countIncludePad: true }, gradient)).toEqual([3, 4, 4]);
    expect(given({ ...shared, ...size, countIncludePad: false }, gradient)).toEqual([6, 4, 4]);
  });

  it("turns a kernel round and transposes each of its groups", () => {
    // 1x2, two groups of two inputs and one output: numbers say tap, input, group.
    const kernel = [111, 112, 121, 122, 211, 212, 221, 222];
    expect(given({ op: "transpose_kernel", groups: 2 }, [[1, 2, 2, 2], kernel])).toEqual([
      211, 221, 212, 222, 111, 121, 112, 122,
    ]);
  });

  it("moves pixels apart, and takes borders off", () => {
    const dilate = { op: "dilate", stride: [2, 1], height: 4, width: 3 } as const;
    expect(
      given(dilate, [
        [1, 2, 2, 1],
        [1, 2, 3, 4],
      ]),
    ).toEqual([1, 2, 0, 0, 0, 0, 3, 4, 0, 0, 0, 0]);
    const crop = { op: "crop", padding: { top: 1, bottom: 0, left: 0, right: 2 } } as const;
    expect(
      given(crop, [
        [1, 2, 3, 1],
        [1, 2, 3, 4, 5, 6],
      ]),
    ).toEqual([4]);
  });

  it("puts channels among zeros, takes rows, and transposes", () => {
    expect(
      given({ op: "embed", start: 1, channels: 4 }, [
        [2, 2],
        [1, 2, 3, 4],
      ]),
    ).toEqual([0, 1, 2, 0, 0, 3, 4, 0]);
    expect(
      given({ op: "row", index: 1 }, [
        [2, 2],
        [1, 2, 3, 4],
      ]),
    ).toEqual([3, 4]);
    expect(
      given({ op: "transpose" }, [
        [2, 3],
        [1, 2, 3, 4, 5, 6],
      ]),
    ).toEqual([1, 4, 2, 5, 3, 6]);
  });

  it("sums over pixels, and spreads over them", () => {
    const picture = [
      [2, 1, 2, 2],
      [1, 2, 3, 4, 5, 6, 7, 8],
    ] as const;
    expect(given({ op: "sum_pixels" }, picture)).toEqual([16, 20]);
    expect(given({ op: "sum_products" }, picture, picture)).toEqual([10, 20, 74, 100]);
    expect(
      given({ op: "spread", height: 1, width: 2 }, [
        [2, 1, 1, 2],
        [2, 4, 6, 8],
      ]),
    ).toEqual([1, 2, 1, 2, 3, 4, 3, 4]);
  });

  it("gives the mean's gradient for a batch", () => {
    const logits = [
      [2, 2],
      [Math.log(3), 0, 0, 0],
    ] as const;
    const gradient = given({ op: "softmax_cross_entropy_gradient" }, logits, [
      [2, 2],
      [1, 0, 0.5, 0.5],
    ]);
    expect(gradient[0]).toBeCloseTo(-1 / 8, 15);
    expect(gradient[1]).toBeCloseTo(1 / 8, 15);
    expect(gradient.slice(2)).toEqual([0, 0]);
  });
});

describe("activationDerivatives", () => {
  it("are the slopes on both sides of every kink", () => {
    for (const activation of activations) {
      for (const x of [-5, -3.001, -2.999, -1.5, -0.001, 0.001, 1.5, 2.999, 3.001, 5.999, 6.001, 9]) {
        const slope = (activationFunctions[activation](x + 1e-6) - activationFunctions[activation](x - 1e-6)) / 2e-6;
        expect(activationDerivatives[activation](x), `${activation} at ${x}`).toBeCloseTo(slope, 8);
      }
    }
  });

  it("are those of the straight piece outside at the kinks", () => {
    expect(activationDerivatives.relu(0)).toBe(0);
    expect([0, 6].map(activationDerivatives.relu6)).toEqual([0, 0]);
    expect([-3, 3].map(activationDerivatives.hard_sigmoid)).toEqual([0, 0]);
    expect([-3, 3].map(activationDerivatives.hard_swish)).toEqual([0, 1]);
  });

  it("can be told from the output where that is promised", () => {
    const promised = activations.filter(derivativeFromOutput);
    expect(promised).toEqual(["none", "relu", "relu6"]);
    for (const activation of promised) {
      for (let x = -2; x <= 8; x += 0.25) {
        const y = activationFunctions[activation](x);
        expect(activationDerivatives[activation](y), `${activation} at ${x}`).toBe(
          activationDerivatives[activation](x),
        );
      }
    }
  });
});
