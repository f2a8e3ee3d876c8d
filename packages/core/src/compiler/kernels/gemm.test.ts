import { describe, it } from "vitest";
import { activations, type Pair, plainConvolution } from "../../graph/operations.ts";
import { combinations, expectAll } from "../../testing/grid.ts";
import { smallGraph } from "../../testing/one_node.ts";

describe("pointwise convolutions", () => {
  // One vector, whole tiles, one less and one more, primes; and pictures of fewer pixels than a tile has.
  const channels = [1, 3, 4, 5, 8, 11, 12, 13, 24, 28, 37];
  const sizes: readonly Pair[] = [
    [1, 1],
    [1, 2],
    [1, 3],
    [1, 4],
    [2, 3],
    [3, 5],
    [1, 13],
    [7, 9],
  ];

  it.each(sizes)("of a %ix%i picture, for every number of output channels", async (height, width) => {
    await expectAll(combinations({ inputs: [1, 5, 24], outputs: channels }), ({ inputs, outputs }) =>
      smallGraph((build) =>
        build.convolution("conv", build.input("input", [1, height, width, inputs]), { channels: outputs }),
      ),
    );
  });

  it.each(channels)("of %i input channels, with and without bias and border", async (inputs) => {
    await expectAll(
      combinations({ bias: [false, true], padding: [0, 1], stride: [1, 2, 3] }),
      ({ bias, padding, stride }) =>
        smallGraph((build) =>
          build.convolution("conv", build.input("input", [1, 5, 6, inputs]), { channels: 12, bias, padding, stride }),
        ),
    );
  });

  it.each(activations)("with %s, alone, before and after a residual", async (activation) => {
    await expectAll(
      combinations({ residual: [false, true], after: activations, outputs: [6, 8] }),
      ({ residual, after, outputs }) =>
        smallGraph((build) => {
          const x = build.input("input", [1, 3, 4, 5]);
          const kernel = build.parameter("kernel", [1, 1, 5, outputs], { kind: "normal", deviation: 1 });
          const other = build.input("residual", [1, 3, 4, outputs]);
          const operation = {
            ...plainConvolution,
            activation,
            residual,
            residualActivation: residual ? after : "none",
          } as const;
          return build.node("conv", operation, residual ? [x, kernel, other] : [x, kernel]);
        }),
    );
  });
});

/** Weights that do not stay in the second-level cache are walked panel by panel, the last one of fewer tiles. */
describe("large weights", () => {
  it.each<Pair>([
    [1, 1],
    [2, 3],
    [7, 9],
    [20, 20],
  ])("of a %ix%i picture, dense and in groups", async (height, width) => {
    await expectAll(combinations({ outputs: [212, 220], groups: [1, 2] }), ({ outputs, groups }) =>
      smallGraph((build) =>
        build.convolution("conv", build.input("input", [1, height, width, 512 * groups]), {
          channels: outputs * groups,
          groups,
          bias: true,
        }),
      ),
    );
  });
});

describe("spatial convolutions", () => {
  const kernels: readonly Pair[] = [
    [1, 3],
    [3, 1],
    [2, 2],
    [3, 3],
    [5, 5],
    [1, 7],
    [7, 7],
  ];
  const strides: readonly Pair[] = [
    [1, 1],
    [2, 2],
    [1, 2],
    [2, 1],
    [3, 3],
  ];

  it.each(kernels)("%ix%i, at every stride, padding and width", async (...kernel) => {
    await expectAll(
      combinations({ stride: strides, padding: ["half", "same"], width: [1, 2, 5, 12] }),
      ({ stride, padding, width }) =>
        smallGraph((build) =>
          build.convolution("conv", build.input("input", [1, 6, width, 3]), { channels: 10, kernel, stride, padding }),
        ),
    );
  });

  it.each<Pair>([
    [2, 2],
    [1, 3],
    [3, 1],
  ])("dilated by %ix%i", async (...dilation) => {
    await expectAll(combinations({ inputs: [1, 3, 8], kernel: kernels }), ({ inputs, kernel }) =>
      smallGraph((build) =>
        build.convolution("conv", build.input("input", [1, 7, 9, inputs]), { channels: 5, kernel, dilation }),
      ),
    );
  });

  it("with a border of its own on each side", async () => {
    await expectAll(combinations({ top: [0, 2], bottom: [0, 1], left: [0, 3], right: [0, 2] }), (padding) =>
      smallGraph((build) =>
        build.convolution("conv", build.input("input", [1, 4, 5, 3]), { channels: 7, kernel: 3, stride: 2, padding }),
      ),
    );
  });
});

/** Groups of few channels go to the groupwise kernel, the others here: both must meet at every divisor. */
describe("grouped convolutions", () => {
  const divisors = (count: number): readonly number[] =>
    Array.from({ length: count }, (_, i) => i + 1).filter((groups) => count % groups === 0);

  it.each([12, 24])("of %i channels, for every divisor, kernel and multiple", async (channels) => {
    await expectAll(
      combinations({ groups: divisors(channels), multiple: [1, 2, 3], kernel: [1, 3] }),
      ({ groups, multiple, kernel }) =>
        smallGraph((build) =>
          build.convolution("conv", build.input("input", [1, 4, 5, channels]), {
            channels: groups * multiple * (channels / groups > 6 ? 3 : 1),
            kernel,
            groups,
            bias: true,
            activation: "relu6",
          }),
        ),
    );
  });

  it.each([12, 24])("of %i channels behind a shuffle, with a shuffle after them", async (channels) => {
    const proper = divisors(channels).filter((groups) => groups > 1 && groups < channels);
    await expectAll(combinations({ before: proper, groups: proper, after: proper }), ({ before, groups, after }) =>
      smallGraph((build) => {
        let x = build.input("input", [1, 3, 4, channels]);
        x = build.permute("before", x, { kind: "shuffle", groups: before });
        x = build.convolution("conv", x, { channels, groups });
        return build.convolution("next", build.permute("after", x, { kind: "shuffle", groups: after }), {
          channels: 5,
        });
      }),
    );
  });
});

describe("linear layers", () => {
  it("of every number of channels", async () => {
    await expectAll(
      combinations({ inputs: [1, 4, 7, 64, 129], outputs: [1, 3, 4, 10, 33], bias: [false, true] }),
      ({ inputs, outputs, bias }) =>
        smallGraph((build) => build.linear("linear", build.input("input", [3, inputs]), { channels: outputs, bias })),
    );
  });
});
