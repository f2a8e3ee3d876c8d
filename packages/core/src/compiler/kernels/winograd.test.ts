import { describe, expect, it } from "vitest";
import { activations, type Pair } from "../../graph/operations.ts";
import { combinations, expectAll } from "../../testing/grid.ts";
import { smallGraph } from "../../testing/one_node.ts";
import { compile } from "../compile.ts";

const kernels: readonly Pair[] = [
  [3, 3],
  [1, 3],
  [3, 1],
];

/** The kernels that a graph's convolutions became. */
function kernelsOf(graph: Parameters<typeof compile>[0]): readonly string[] {
  return compile(graph).manifest.steps.flatMap((step) => step.kernels);
}

describe("convolutions by minimal filtering", () => {
  it.each(kernels)("%ix%i, of every even and odd size", async (...kernel) => {
    await expectAll(combinations({ height: [3, 4, 5, 8], width: [4, 5, 9, 14] }), ({ height, width }) =>
      smallGraph((build) =>
        build.convolution("conv", build.input("input", [1, height, width, 16]), { channels: 16, kernel, bias: true }),
      ),
    );
  });

  it.each(kernels)("%ix%i, of every number of channels, padded and not", async (...kernel) => {
    await expectAll(
      combinations({ inputs: [16, 17, 19, 24, 33], outputs: [16, 18, 28, 37], padding: ["half", 0] }),
      ({ inputs, outputs, padding }) =>
        smallGraph((build) =>
          build.convolution("conv", build.input("input", [1, 7, 8, inputs]), { channels: outputs, kernel, padding }),
        ),
    );
  });

  it("of more tiles than a block has", async () => {
    await expectAll(combinations({ width: [30, 31], inputs: [16, 96] }), ({ width, inputs }) =>
      smallGraph((build) =>
        build.convolution("conv", build.input("input", [1, 29, width, inputs]), { channels: 20, kernel: 3 }),
      ),
    );
  });

  it("in groups, whose channels lie side by side or behind a shuffle", async () => {
    await expectAll(combinations({ groups: [2, 3], shuffled: [false, true], kernel: kernels }), (one) =>
      smallGraph((build) => {
        const channels = 32 * one.groups;
        let x = build.convolution("first", build.input("input", [1, 6, 7, 5]), { channels });
        if (one.shuffled) x = build.permute("shuffle", x, { kind: "shuffle", groups: one.groups });
        return build.convolution("conv", x, { channels: 36 * one.groups, kernel: one.kernel, groups: one.groups });
      }),
    );
  });

  it.each(activations)("with %s", async (activation) => {
    await expectAll(combinations({ kernel: kernels }), ({ kernel }) =>
      smallGraph((build) =>
        build.convolution("conv", build.input("input", [2, 5, 6, 16]), { channels: 18, kernel, activation }),
      ),
    );
  });

  it("takes what it is for, and leaves the rest to the product", () => {
    const made = (options: { channels: number; kernel: number; stride?: number; dilation?: number }, inputs = 16) =>
      kernelsOf(
        smallGraph((build) => build.convolution("conv", build.input("input", [1, 16, 16, inputs]), options)),
      ).some((name) => name.startsWith("f32_winograd"));
    expect(made({ channels: 16, kernel: 3 })).toBe(true);
    expect(made({ channels: 16, kernel: 3, stride: 2 })).toBe(false);
    expect(made({ channels: 16, kernel: 3, dilation: 2 })).toBe(false);
    expect(made({ channels: 16, kernel: 5 })).toBe(false);
    expect(made({ channels: 16, kernel: 1 })).toBe(false);
    expect(made({ channels: 16, kernel: 3 }, 3)).toBe(false);
  });
});
