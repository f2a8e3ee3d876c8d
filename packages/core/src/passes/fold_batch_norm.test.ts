import { describe, expect, it } from "vitest";
import { graphBuilder } from "../graph/builder.ts";
import { nodesOf } from "../graph/graph.ts";
import { plainConvolution } from "../graph/operations.ts";
import { tensor } from "../tensor.ts";
import { rewritten } from "../testing/rewritten.ts";
import { foldBatchNorm, scaleAndShift } from "./fold_batch_norm.ts";
import { toProgram } from "./program.ts";

/** One rounding of each scaled weight to float32, and of sums of a few dozen. */
const TOLERANCE = 1e-6;

describe("fold batch norm", () => {
  it("scales the kernel and makes a bias", () => {
    const build = graphBuilder("two channels");
    const x = build.input("input", [1, 1, 1, 1]);
    const graph = build.build({
      output: build.batchNorm("norm", build.convolution("conv", x, { channels: 2 }), { epsilon: 1 }),
    });
    const vector = (...numbers: number[]) => tensor([2], Float32Array.from(numbers));
    const weights = new Map([
      ["conv/kernel", tensor([1, 1, 1, 2], Float32Array.from([3, 5]))],
      ["norm/gamma", vector(2, 10)],
      ["norm/beta", vector(1, -1)],
      ["norm/mean", vector(4, 6)],
      ["norm/variance", vector(3, 24)],
    ]);
    const { weights: folded } = foldBatchNorm.run(toProgram(graph, weights));
    // Scales 2/sqrt(3 + 1) = 1 and 10/sqrt(24 + 1) = 2, shifts 1 - 4·1 and -1 - 6·2.
    expect([...folded]).toEqual([
      ["conv/kernel_folded", Float32Array.from([3, 10])],
      ["conv/bias_folded", Float32Array.from([-3, -13])],
    ]);
  });

  it("folds into a grouped convolution with a bias, a depthwise one and a linear layer", () => {
    const { lines, difference } = rewritten(foldBatchNorm, (build) => {
      let x = build.input("input", [1, 5, 5, 6]);
      x = build.batchNorm("norm1", build.convolution("grouped", x, { channels: 4, kernel: 3, groups: 2, bias: true }));
      x = build.batchNorm("norm2", build.convolution("depthwise", x, { channels: 8, kernel: 3, groups: 4 }));
      x = build.flatten("flatten", build.globalAveragePool("pool", x));
      return build.batchNorm("norm3", build.linear("linear", x, { channels: 3 }));
    });
    expect(lines).toEqual([
      "input input 1x5x5x6",
      "grouped+norm convolution 3x3 padding 1 groups 2 bias 1x5x5x4 input",
      "depthwise+norm convolution 3x3 padding 1 depthwise bias 1x5x5x8 grouped+norm",
      "pool global_average_pool 1x1x1x8 depthwise+norm",
      "flatten flatten 1x8 pool",
      "linear+norm linear bias 1x3 flatten",
      "output output = linear+norm",
    ]);
    expect(difference).toBeLessThan(TOLERANCE);
  });

  it("folds a norm of a norm", () => {
    const { after, difference } = rewritten(foldBatchNorm, (build) => {
      const x = build.convolution("conv", build.input("input", [1, 2, 2, 3]), { channels: 4 });
      return build.batchNorm("second", build.batchNorm("first", x));
    });
    expect(nodesOf(after.graph, "batch_norm")).toEqual([]);
    expect(difference).toBeLessThan(TOLERANCE);
  });

  it("gives each of two convolutions that share a kernel its own", () => {
    const { after, difference } = rewritten(foldBatchNorm, (build) => {
      const x = build.input("input", [1, 2, 2, 3]);
      const kernel = build.parameter("kernel", [1, 1, 3, 3], { kind: "normal", deviation: 1 });
      const first = build.node("first", plainConvolution, [x, kernel]);
      const second = build.node("again", plainConvolution, [build.activation("relu", first, "relu"), kernel]);
      return { plain: first, output: build.batchNorm("norm", second) };
    });
    expect([...after.weights.keys()].toSorted()).toEqual(["again/bias_folded", "again/kernel_folded", "kernel"]);
    expect(difference).toBeLessThan(TOLERANCE);
  });

  it.each([
    ["somebody else reads the convolution", "add"],
    ["the convolution is an output", "output"],
    ["the convolution has its activation already", "activation"],
    ["it follows a pool", "pool"],
  ] as const)("leaves the norm alone where %s", (_, why) => {
    const { before, after } = rewritten(foldBatchNorm, (build) => {
      const x = build.input("input", [1, 4, 4, 4]);
      const source =
        why === "pool"
          ? build.maxPool("pool", x, { kernel: 2 })
          : build.convolution("conv", x, { channels: 4, activation: why === "activation" ? "relu" : "none" });
      const norm = build.batchNorm("norm", source);
      if (why === "output") return { norm, conv: source };
      return why === "add" ? build.add("sum", norm, source) : norm;
    });
    expect(after).toBe(before);
  });
});

describe("scaleAndShift", () => {
  it("keeps double precision", () => {
    const vectors = [[1], [0.1], [0.3], [2]].map((numbers) => Float32Array.from(numbers));
    const { scale, shift } = scaleAndShift(vectors, 1e-5);
    expect(scale[0]).toBe(1 / Math.sqrt(2 + 1e-5));
    expect(shift[0]).toBe(Math.fround(0.1) - Math.fround(0.3) * (scale[0] as number));
  });
});
