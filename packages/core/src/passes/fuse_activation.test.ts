import { describe, expect, it } from "vitest";
import type { GraphBuilder, Value } from "../graph/builder.ts";
import { activations, type Operation, plainConvolution } from "../graph/operations.ts";
import { rewritten } from "../testing/rewritten.ts";
import { fuseActivation } from "./fuse_activation.ts";

/** The value before the activation is no longer rounded to float32. */
const TOLERANCE = 1e-6;

const producers: readonly [name: string, make: (build: GraphBuilder) => Value, fused: string][] = [
  [
    "a convolution",
    (build) => build.convolution("conv", build.input("input", [1, 3, 3, 2]), { channels: 4, kernel: 3 }),
    "conv+swish convolution 3x3 padding 1 swish 1x3x3x4 input",
  ],
  [
    "a linear layer",
    (build) => build.linear("linear", build.input("input", [1, 5]), { channels: 4 }),
    "linear+swish linear bias swish 1x4 input",
  ],
  [
    "an addition",
    (build) => build.add("add", build.input("input", [1, 3, 3, 2]), build.input("other", [1, 3, 3, 2])),
    "add+swish add swish 1x3x3x2 input, other",
  ],
];

/** A convolution with a residual, as `fuseResidual` makes it. */
function withResidual(build: GraphBuilder): Value {
  const x = build.input("input", [1, 3, 3, 2]);
  const kernel = build.parameter("kernel", [1, 1, 2, 2], { kind: "normal", deviation: 1 });
  const operation: Operation = { ...plainConvolution, activation: "relu", residual: true };
  return build.node("conv", operation, [x, kernel, x]);
}

describe("fuse activation", () => {
  it.each(producers)("into %s", (_, make, fused) => {
    const { lines, difference } = rewritten(fuseActivation, (build) => build.activation("act", make(build), "swish"));
    expect(lines.at(-2)).toBe(fused);
    expect(lines.some((line) => line.includes(" activation "))).toBe(false);
    expect(difference).toBeLessThan(TOLERANCE);
  });

  it.each(activations.filter((activation) => activation !== "none"))("%s", (activation) => {
    const { after, difference } = rewritten(fuseActivation, (build) => {
      const x = build.convolution("conv", build.input("input", [1, 3, 3, 2]), { channels: 4 });
      return build.activation("act", x, activation);
    });
    expect(after.graph.nodes.at(-1)?.operation).toMatchObject({ op: "convolution", activation });
    expect(difference).toBeLessThan(TOLERANCE);
  });

  it("puts it behind the residual of a convolution that has one", () => {
    const { after, difference } = rewritten(fuseActivation, (build) =>
      build.activation("act", withResidual(build), "relu6"),
    );
    expect(after.graph.nodes.at(-1)?.operation).toMatchObject({ activation: "relu", residualActivation: "relu6" });
    expect(difference).toBeLessThan(TOLERANCE);
  });

  it("fuses one of two in a row", () => {
    const { lines } = rewritten(fuseActivation, (build) => {
      const x = build.convolution("conv", build.input("input", [1, 3, 3, 2]), { channels: 4 });
      return build.activation("outer", build.activation("inner", x, "sigmoid"), "relu");
    });
    expect(lines.slice(1, -1)).toEqual([
      "conv+sigmoid convolution 1x1 sigmoid 1x3x3x4 input",
      "outer activation relu 1x3x3x4 conv+sigmoid",
    ]);
  });

  it.each([
    ["is read by somebody else", "add"],
    ["is an output", "output"],
    ["takes no activation", "pool"],
  ] as const)("leaves the activation alone where its producer %s", (_, why) => {
    const { before, after } = rewritten(fuseActivation, (build) => {
      const x = build.input("input", [1, 4, 4, 4]);
      const producer =
        why === "pool" ? build.maxPool("pool", x, { kernel: 2 }) : build.convolution("conv", x, { channels: 4 });
      const active = build.activation("act", producer, "relu");
      if (why === "output") return { active, producer };
      return why === "add" ? build.add("sum", active, producer) : active;
    });
    expect(after).toBe(before);
  });
});
