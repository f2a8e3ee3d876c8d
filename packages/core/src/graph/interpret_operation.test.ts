import { describe, expect, it } from "vitest";
import { elementCount, type Shape } from "../tensor.ts";
import { graphBuilder } from "./builder.ts";
import { interpret } from "./interpret.ts";
import {
  type Activation,
  activations,
  type Operation,
  type OperationOf,
  type Padding,
  type Pair,
  plainConvolution,
} from "./operations.ts";

// Every expected number in this file was worked out by hand.

interface Numbers {
  readonly shape: Shape;
  readonly data: readonly number[];
}

const numbers = (shape: Shape, ...data: number[]): Numbers => ({ shape, data });

/** A row of one channel, `[1, 1, W, 1]`. */
const row = (...data: number[]): Numbers => numbers([1, 1, data.length, 1], ...data);

/** One pixel, `[1, 1, 1, C]`. */
const pixel = (...data: number[]): Numbers => numbers([1, 1, 1, data.length], ...data);

/** Runs one operation on inputs of a graph; the kernels are inputs too. */
function run(operation: Operation, ...inputs: Numbers[]): number[] {
  const build = graphBuilder("test");
  for (const { shape, data } of inputs) expect(data.length, "numbers in the test").toBe(elementCount(shape));
  const values = inputs.map(({ shape }, index) => build.input(`in${index}`, shape));
  const graph = build.build({ out: build.node("node", operation, values) });
  const given = inputs.map(({ data }, index) => [`in${index}`, new Float32Array(data)]);
  return [...(interpret(graph, new Map(), Object.fromEntries(given)).outputs.out?.data ?? [])];
}

const sides = (top: number, bottom: number, left: number, right: number): Padding => ({ top, bottom, left, right });
const none = sides(0, 0, 0, 0);

function convolution(attributes: Partial<OperationOf<"convolution">> = {}): OperationOf<"convolution"> {
  return { ...plainConvolution, ...attributes };
}

describe("convolution", () => {
  it("sums a window, leaving out the padding", () => {
    const x = numbers([1, 3, 3, 1], 1, 2, 3, 4, 5, 6, 7, 8, 9);
    const ones = numbers([3, 3, 1, 1], 1, 1, 1, 1, 1, 1, 1, 1, 1);
    const result = run(convolution({ padding: sides(1, 1, 1, 1) }), x, ones);
    expect(result).toEqual([12, 21, 16, 27, 45, 33, 24, 39, 28]);
  });

  it("does not turn the kernel round", () => {
    const x = numbers([1, 2, 2, 1], 1, 0, 0, 0);
    const kernel = numbers([3, 3, 1, 1], 1, 2, 3, 4, 5, 6, 7, 8, 9);
    expect(run(convolution({ padding: sides(1, 1, 1, 1) }), x, kernel)).toEqual([5, 4, 2, 1]);
  });

  it("takes 1x3 kernels along the row and 3x1 kernels along the column", () => {
    const wide = numbers([1, 3, 1, 1], 1, 10, 100);
    expect(run(convolution({ padding: sides(0, 0, 1, 1) }), row(1, 2, 3), wide)).toEqual([210, 321, 32]);
    const column = numbers([1, 3, 1, 1], 1, 2, 3);
    const tall = numbers([3, 1, 1, 1], 1, 10, 100);
    expect(run(convolution({ padding: sides(1, 1, 0, 0) }), column, tall)).toEqual([210, 321, 32]);
  });

  it("strides from the padded corner", () => {
    const kernel = numbers([1, 3, 1, 1], 1, 10, 100);
    const stride: Pair = [1, 2];
    expect(run(convolution({ stride, padding: sides(0, 0, 0, 1) }), row(1, 2, 3, 4, 5), kernel)).toEqual([321, 543]);
    expect(run(convolution({ stride, padding: sides(0, 0, 1, 0) }), row(1, 2, 3, 4, 5), kernel)).toEqual([210, 432]);
    const column = numbers([1, 4, 1, 1], 1, 2, 3, 4);
    expect(run(convolution({ stride: [3, 1] }), column, numbers([1, 1, 1, 1], 2))).toEqual([2, 8]);
  });

  it("spreads the kernel by its dilation", () => {
    const kernel = numbers([1, 2, 1, 1], 1, 10);
    expect(run(convolution({ dilation: [1, 2] }), row(1, 2, 3, 4), kernel)).toEqual([31, 42]);
    const tall = numbers([2, 1, 1, 1], 1, 10);
    expect(run(convolution({ dilation: [3, 1] }), numbers([1, 4, 1, 1], 1, 2, 3, 4), tall)).toEqual([41]);
  });

  it("sums input channels, the kernel's last axis being the output", () => {
    const kernel = numbers([1, 1, 2, 3], 1, 2, 3, 10, 20, 30);
    expect(run(convolution(), pixel(1, 2), kernel)).toEqual([21, 42, 63]);
  });

  it("lets each group read its own channels", () => {
    const kernel = numbers([1, 1, 2, 4], 1, 2, 3, 4, 10, 20, 30, 40);
    expect(run(convolution({ groups: 2 }), pixel(1, 2, 3, 4), kernel)).toEqual([21, 42, 129, 172]);
  });

  it("gives a depthwise channel's outputs side by side", () => {
    const kernel = numbers([1, 1, 1, 4], 1, 2, 3, 4);
    expect(run(convolution({ groups: 2 }), pixel(5, 7), kernel)).toEqual([5, 10, 21, 28]);
  });

  it("adds bias, activates, adds the residual and activates again, in this order", () => {
    const operation = convolution({ bias: true, activation: "relu", residual: true, residualActivation: "relu6" });
    const kernel = numbers([1, 1, 1, 2], 1, -1);
    const bias = numbers([2], 1, -3);
    // x = -5: -5 + 1 -> 0, 5 - 3 = 2.
    expect(run(operation, pixel(-5), kernel, bias, pixel(-4, 3))).toEqual([0, 5]);
    expect(run(operation, pixel(-5), kernel, bias, pixel(4, 5))).toEqual([4, 6]);
  });

  it("takes a residual without a bias", () => {
    expect(run(convolution({ residual: true }), pixel(2), numbers([1, 1, 1, 1], 3), pixel(10))).toEqual([16]);
  });

  it("treats every picture of a batch alike", () => {
    const x = numbers([2, 1, 2, 1], 1, 2, 3, 4);
    const kernel = numbers([1, 2, 1, 1], 1, 10);
    expect(run(convolution({ padding: sides(0, 0, 0, 1) }), x, kernel)).toEqual([21, 2, 43, 4]);
  });

  it("sums in double", () => {
    const kernel = numbers([1, 1, 3, 1], 1, 1, 1);
    expect(run(convolution(), pixel(2 ** 30, 1, -(2 ** 30)), kernel)).toEqual([1]);
  });

  it("lets NaN and infinity through, and only where a window sees them", () => {
    const kernel = numbers([1, 2, 1, 1], 1, 1);
    const { NaN: nan, POSITIVE_INFINITY: infinity } = Number;
    expect(run(convolution(), row(nan, 1, 2, infinity, -infinity), kernel)).toEqual([nan, 3, infinity, nan]);
    // An infinite tap over the padding takes no part, though 0 times infinity would be NaN.
    expect(run(convolution({ padding: sides(0, 0, 1, 0) }), row(1, 1), numbers([1, 2, 1, 1], infinity, 1))).toEqual([
      1,
      infinity,
    ]);
  });
});

describe("pools", () => {
  const pool = (
    op: "max_pool" | "average_pool",
    kernel: Pair,
    stride: Pair,
    padding: Padding,
    more: object = {},
  ): Operation =>
    ({
      op,
      kernel,
      stride,
      padding,
      ceil: false,
      ...(op === "average_pool" ? { countIncludePad: true } : {}),
      ...more,
    }) as Operation;

  it("take the largest or the mean of a window, for each channel", () => {
    const x = numbers([1, 2, 2, 2], 1, 8, 2, 7, 3, 6, 4, 5);
    expect(run(pool("max_pool", [2, 2], [2, 2], none), x)).toEqual([4, 8]);
    expect(run(pool("average_pool", [2, 2], [2, 2], none), x)).toEqual([2.5, 6.5]);
  });

  it("never take padding for the largest", () => {
    const operation = pool("max_pool", [1, 3], [1, 1], sides(0, 0, 1, 1));
    expect(run(operation, row(-3, -1, -2))).toEqual([-1, -1, -1]);
  });

  it("cut a last window short in ceil mode, as SqueezeNet's 3x3 stride 2 pool does", () => {
    const x = numbers([1, 4, 4, 1], ...Array.from({ length: 16 }, (_, i) => i + 1));
    expect(run(pool("max_pool", [3, 3], [2, 2], none), x)).toEqual([11]);
    expect(run(pool("max_pool", [3, 3], [2, 2], none, { ceil: true }), x)).toEqual([11, 12, 15, 16]);
  });

  it("divide by the cells inside the picture and its padding, but not by those beyond (ceil mode)", () => {
    const operation = (countIncludePad: boolean): Operation =>
      pool("average_pool", [1, 3], [1, 2], sides(0, 0, 1, 1), { ceil: true, countIncludePad });
    // Windows at -1..1, 1..3 and 3..5 of cells 0..3 with one cell of padding at both ends; cell 5 lies beyond.
    expect(run(operation(true), row(3, 6, 9, 12))).toEqual([3, 9, 6]);
    expect(run(operation(false), row(3, 6, 9, 12))).toEqual([4.5, 9, 12]);
    expect(run(pool("average_pool", [1, 2], [1, 2], none, { ceil: true }), row(1, 2, 3, 4, 5))).toEqual([1.5, 3.5, 5]);
  });

  it("count the padding or not", () => {
    const padding = sides(0, 0, 1, 1);
    expect(run(pool("average_pool", [1, 3], [1, 2], padding), row(1, 2, 3, 4, 5))).toEqual([1, 3, 3]);
    const inside = pool("average_pool", [1, 3], [1, 2], padding, { countIncludePad: false });
    expect(run(inside, row(1, 2, 3, 4, 5))).toEqual([1.5, 3, 4.5]);
  });

  it("pass NaN on from the windows that hold it", () => {
    const x = row(Number.NaN, 1, 2, Number.NEGATIVE_INFINITY);
    expect(run(pool("max_pool", [1, 2], [1, 1], none), x)).toEqual([Number.NaN, 2, 2]);
    expect(run(pool("average_pool", [1, 2], [1, 1], none), x)).toEqual([Number.NaN, 1.5, Number.NEGATIVE_INFINITY]);
  });

  it("average whole pictures", () => {
    const x = numbers([2, 1, 2, 2], 1, 10, 3, 30, 5, 50, 7, 70);
    expect(run({ op: "global_average_pool" }, x)).toEqual([2, 20, 6, 60]);
  });
});

describe("activations", () => {
  const { NaN: nan, POSITIVE_INFINITY: infinity } = Number;
  const half = 1 / (1 + Math.E); // sigmoid(-1)
  const cases: Record<Activation, readonly [x: number, y: number][]> = {
    none: [
      [-1, -1],
      [7, 7],
      [infinity, infinity],
    ],
    relu: [
      [-1, 0],
      [7, 7],
      [-infinity, 0],
      [infinity, infinity],
    ],
    relu6: [
      [-1, 0],
      [3, 3],
      [7, 6],
      [infinity, 6],
    ],
    sigmoid: [
      [0, 0.5],
      [-1, half],
      [1, 1 - half],
      [-infinity, 0],
      [infinity, 1],
      [-1000, 0],
    ],
    swish: [
      [0, 0],
      [-1, -half],
      [1, 1 - half],
      [infinity, infinity],
    ],
    hard_sigmoid: [
      [-3, 0],
      [-4, 0],
      [0, 0.5],
      [1, 4 / 6],
      [3, 1],
      [4, 1],
    ],
    hard_swish: [
      [-3, 0],
      [-4, 0],
      [-1, -2 / 6],
      [1, 4 / 6],
      [3, 3],
      [4, 4],
    ],
  };

  it.each(activations)("%s has its values, and passes NaN on", (activation) => {
    for (const [x, y] of cases[activation]) {
      expect(run({ op: "activation", activation }, pixel(x))[0], `${activation}(${x})`).toBeCloseTo(y, 6);
    }
    expect(run({ op: "activation", activation }, pixel(nan))).toEqual([nan]);
  });
});

describe("elementwise operations", () => {
  it("normalize by gamma, beta, mean and variance of each channel", () => {
    const parameters = [numbers([2], 2, 10), numbers([2], 1, 0), numbers([2], 3, 1), numbers([2], 4, 0)];
    const x = numbers([1, 1, 2, 2], 5, 1.5, 1, 1);
    // Channel 0: 2·(x − 3)/2 + 1. Channel 1, by epsilon alone: 10·(x − 1)/0.5.
    expect(run({ op: "batch_norm", epsilon: 0.25 }, x, ...parameters.slice(0, 3), numbers([2], 3.75, 0))).toEqual([
      3, 10, -1, 0,
    ]);
    expect(
      run(
        { op: "batch_norm", epsilon: 0 },
        numbers([1, 1], 5),
        ...["2", "1", "3", "4"].map((n) => numbers([1], Number(n))),
      ),
    ).toEqual([3]);
  });

  it("add, then activate", () => {
    expect(run({ op: "add", activation: "none" }, pixel(1, -5), pixel(2, 3))).toEqual([3, -2]);
    expect(run({ op: "add", activation: "relu" }, pixel(1, -5), pixel(2, 3))).toEqual([3, 0]);
  });

  it("multiply by a value of the same shape, or by one number for each picture and channel", () => {
    const x = numbers([2, 1, 2, 2], 1, 2, 3, 4, 5, 6, 7, 8);
    const scale = numbers([2, 1, 1, 2], 10, 100, 1000, 0);
    expect(run({ op: "multiply" }, x, scale)).toEqual([10, 200, 30, 400, 5000, 0, 7000, 0]);
    expect(run({ op: "multiply" }, pixel(2, 3), pixel(5, 7))).toEqual([10, 21]);
  });

  it("leave values as they are in dropout and flatten", () => {
    const x = numbers([2, 1, 2, 2], 1, 2, 3, 4, 5, 6, 7, 8);
    expect(run({ op: "dropout", rate: 0.5 }, x)).toEqual([...x.data]);
    expect(run({ op: "flatten" }, x)).toEqual([...x.data]);
  });
});

describe("channel operations", () => {
  it("concatenate channels of each pixel in the order of the inputs", () => {
    const a = numbers([1, 1, 2, 1], 1, 2);
    const b = numbers([1, 1, 2, 2], 10, 11, 20, 21);
    expect(run({ op: "concatenate" }, a, b, a)).toEqual([1, 10, 11, 1, 2, 20, 21, 2]);
  });

  it("slice channels of each pixel", () => {
    const x = numbers([1, 1, 2, 3], 1, 2, 3, 4, 5, 6);
    expect(run({ op: "slice", start: 1, count: 2 }, x)).toEqual([2, 3, 5, 6]);
  });

  it("permute channels: the order lists where each output comes from", () => {
    const x = numbers([1, 1, 2, 3], 1, 2, 3, 4, 5, 6);
    expect(run({ op: "permute", permutation: { kind: "explicit", order: [2, 0, 1] } }, x)).toEqual([3, 1, 2, 6, 4, 5]);
    const six = pixel(0, 1, 2, 3, 4, 5);
    expect(run({ op: "permute", permutation: { kind: "shuffle", groups: 2 } }, six)).toEqual([0, 3, 1, 4, 2, 5]);
    expect(run({ op: "permute", permutation: { kind: "shuffle", groups: 3 } }, six)).toEqual([0, 2, 4, 1, 3, 5]);
  });
});

describe("linear and softmax", () => {
  it("multiply rows by the kernel [C, out], add the bias, activate", () => {
    const x = numbers([2, 2], 1, 2, 3, 4);
    const kernel = numbers([2, 3], 1, 2, 3, 10, 20, -30);
    expect(run({ op: "linear", bias: false, activation: "none" }, x, kernel)).toEqual([21, 42, -57, 43, 86, -111]);
    const bias = numbers([3], 1, -100, 60);
    expect(run({ op: "linear", bias: true, activation: "relu" }, x, kernel, bias)).toEqual([22, 0, 3, 44, 0, 0]);
  });

  it("give shares of one over the last axis", () => {
    const shares = run({ op: "softmax" }, numbers([3, 2], 0, Math.log(3), 1000, 1000, -1000, 0));
    for (const [i, share] of [0.25, 0.75, 0.5, 0.5, 0, 1].entries()) expect(shares[i]).toBeCloseTo(share, 6);
    expect(run({ op: "softmax" }, pixel(Number.NaN, 1))).toEqual([Number.NaN, Number.NaN]);
  });
});

describe("pad and resize", () => {
  it("put a value around each picture", () => {
    const x = numbers([2, 1, 1, 2], 1, 2, 3, 4);
    const padded = run({ op: "pad", padding: sides(1, 0, 0, 1), value: 9 }, x);
    expect(padded).toEqual([9, 9, 9, 9, 1, 2, 9, 9, 9, 9, 9, 9, 3, 4, 9, 9]);
    expect(run({ op: "pad", padding: sides(0, 1, 1, 0), value: 0 }, numbers([1, 1, 1, 1], 5))).toEqual([0, 5, 0, 0]);
  });

  const resize = (height: number, width: number, mode: "nearest" | "bilinear"): Operation => ({
    op: "resize",
    height,
    width,
    mode,
  });

  it("take the cell that holds the centre", () => {
    expect(run(resize(1, 4, "nearest"), row(1, 2))).toEqual([1, 1, 2, 2]);
    expect(run(resize(1, 2, "nearest"), row(1, 2, 3))).toEqual([1, 3]);
    expect(run(resize(1, 2, "nearest"), row(1, 2, 3, 4))).toEqual([2, 4]);
    expect(run(resize(2, 1, "nearest"), numbers([1, 1, 1, 2], 1, 2))).toEqual([1, 2, 1, 2]);
  });

  it("mix the cells beside the centre, repeating those at the edge", () => {
    expect(run(resize(1, 4, "bilinear"), row(0, 4))).toEqual([0, 1, 3, 4]);
    expect(run(resize(1, 2, "bilinear"), row(1, 2, 3, 5))).toEqual([1.5, 4]);
    expect(run(resize(1, 3, "bilinear"), row(7))).toEqual([7, 7, 7]);
    const x = numbers([1, 2, 2, 1], 0, 4, 8, 12);
    expect(run(resize(4, 2, "bilinear"), x)).toEqual([0, 4, 2, 6, 6, 10, 8, 12]);
    expect(run(resize(1, 1, "bilinear"), x)).toEqual([6]);
  });

  it("do not let an infinite neighbour of no share into a cell", () => {
    expect(run(resize(1, 2, "bilinear"), row(1, Number.POSITIVE_INFINITY))).toEqual([1, Number.POSITIVE_INFINITY]);
  });
});
