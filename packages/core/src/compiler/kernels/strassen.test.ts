import { describe, expect, it } from "vitest";
import type { ConvolutionOptions } from "../../graph/builder.ts";
import { activations } from "../../graph/operations.ts";
import { combinations, expectAll } from "../../testing/grid.ts";
import { smallGraph } from "../../testing/one_node.ts";
import { compile } from "../compile.ts";

const pointwise = (channels: number, options: Partial<ConvolutionOptions> = {}) => ({
  channels,
  kernel: 1,
  ...options,
});

describe("pointwise convolutions by Strassen's algorithm", () => {
  it("of every even and odd size", async () => {
    await expectAll(combinations({ height: [18, 19], width: [17, 18, 20] }), ({ height, width }) =>
      smallGraph((build) =>
        build.convolution("conv", build.input("input", [1, height, width, 128]), pointwise(128, { bias: true })),
      ),
    );
  });

  it("of every number of channels", async () => {
    await expectAll(
      combinations({ inputs: [128, 136, 200], outputs: [128, 129, 130, 132, 136, 140, 151, 260] }),
      ({ inputs, outputs }) =>
        smallGraph((build) => build.convolution("conv", build.input("input", [1, 15, 20, inputs]), pointwise(outputs))),
    );
  });

  it("into a border that the next layer reads", async () => {
    await expectAll(combinations({ width: [11, 12], kernel: [3, 5] }), ({ width, kernel }) =>
      smallGraph((build) => {
        const x = build.convolution("conv", build.input("input", [1, 28, width, 128]), pointwise(136, { bias: true }));
        return build.convolution("next", x, { channels: 136, groups: 136, kernel, padding: "half" });
      }),
    );
  });

  it.each(activations)("with %s, and after a sum", async (activation) => {
    await expectAll(combinations({ batch: [1, 2], after: ["none", activation] }), ({ batch, after }) =>
      smallGraph((build) => {
        const input = build.input("input", [batch, 15, 20, 128]);
        const first = build.activation("first", input, "relu");
        const own = build.convolution("conv", first, pointwise(128, { bias: true, activation }));
        const sum = build.add("sum", own, first);
        return after === "none" ? sum : build.activation("after", sum, after);
      }),
    );
  });

  it("takes what it is for, and leaves the rest to the product", () => {
    const made = (size: number, inputs: number, options: ConvolutionOptions) =>
      compile(smallGraph((build) => build.convolution("conv", build.input("input", [1, size, size, inputs]), options)))
        .manifest.steps.flatMap((step) => step.kernels)
        .some((name) => name.startsWith("f32_strassen"));
    expect(made(18, 128, pointwise(128))).toBe(true);
    expect(made(17, 128, pointwise(128))).toBe(false);
    expect(made(27, 128, pointwise(128))).toBe(false);
    expect(made(18, 124, pointwise(128))).toBe(false);
    expect(made(18, 132, pointwise(128))).toBe(false);
    expect(made(18, 128, pointwise(120))).toBe(false);
    expect(made(36, 128, pointwise(128, { stride: 2 }))).toBe(false);
    expect(made(18, 128, pointwise(128, { padding: 1 }))).toBe(false);
    expect(made(18, 256, pointwise(256, { groups: 2 }))).toBe(false);
  });
});
