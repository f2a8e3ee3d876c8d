import { describe, expect, it } from "vitest";
import { plainConvolution } from "../graph/operations.ts";
import { rewritten } from "../testing/rewritten.ts";
import { removeCommonNodes } from "./remove_common_nodes.ts";

describe("remove common nodes", () => {
  it("computes the same thing once, and what follows from it", () => {
    const { lines, difference } = rewritten(removeCommonNodes, (build) => {
      const x = build.input("input", [1, 3, 3, 4]);
      const [a, b] = ["a", "b"].map((name) => build.slice(name, build.activation(`${name}/relu`, x, "relu"), 1, 2));
      return build.add("sum", a!, b!);
    });
    expect(lines).toEqual([
      "input input 1x3x3x4",
      "a/relu activation relu 1x3x3x4 input",
      "a slice channels 1 to 2 1x3x3x2 a/relu",
      "sum add 1x3x3x2 a, a",
      "output output = sum",
    ]);
    expect(difference).toBe(0);
  });

  it("lets two outputs share a node", () => {
    const { lines } = rewritten(removeCommonNodes, (build) => {
      const x = build.input("input", [1, 3, 3, 4]);
      return { first: build.activation("a", x, "relu"), second: build.activation("b", x, "relu") };
    });
    expect(lines).toEqual([
      "input input 1x3x3x4",
      "a activation relu 1x3x3x4 input",
      "output first = a",
      "output second = a",
    ]);
  });

  it("merges convolutions that share their parameters, and no others", () => {
    const { after } = rewritten(removeCommonNodes, (build) => {
      const x = build.input("input", [1, 3, 3, 4]);
      const kernels = ["k1", "k2"].map((name) => build.parameter(name, [1, 1, 4, 2], { kind: "normal", deviation: 1 }));
      const [a, b, c] = [0, 0, 1].map((kernel, i) => build.node(`conv${i}`, plainConvolution, [x, kernels[kernel]!]));
      return build.concatenate("join", [a!, b!, c!]);
    });
    expect(after.graph.nodes.filter(({ operation }) => operation.op === "convolution").map(({ name }) => name)).toEqual(
      ["conv0", "conv2"],
    );
  });

  it("tells operations apart that differ in one attribute, also where JSON would not", () => {
    const { before, after } = rewritten(removeCommonNodes, (build) => {
      const x = build.input("input", [1, 2, 2, 1]);
      const side = { top: 1, bottom: 0, left: 0, right: 0 };
      const values = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, -0];
      return build.concatenate(
        "join",
        values.map((value, i) => build.pad(`pad${i}`, x, side, value)),
      );
    });
    expect(after).toBe(before);
  });

  it("keeps inputs and parameters of equal shape apart", () => {
    const { before, after } = rewritten(removeCommonNodes, (build) =>
      build.add("sum", build.input("a", [1, 2, 2, 1]), build.input("b", [1, 2, 2, 1])),
    );
    expect(after).toBe(before);
  });
});
