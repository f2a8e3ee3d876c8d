import { describe, it } from "vitest";
import { activations, type Pair } from "../../graph/operations.ts";
import { combinations, expectAll } from "../../testing/grid.ts";
import { smallGraph } from "../../testing/one_node.ts";

describe("depthwise convolutions", () => {
  const kernels: readonly Pair[] = [
    [1, 1],
    [2, 2],
    [3, 3],
    [1, 3],
    [3, 1],
    [5, 5],
    [7, 7],
  ];
  const strides: readonly Pair[] = [
    [1, 1],
    [2, 2],
    [1, 2],
    [2, 1],
    [3, 3],
  ];

  it.each([1, 3, 4, 5, 7, 8, 12, 13])("of %i channels, each giving one, two or three", async (channels) => {
    await expectAll(
      combinations({ multiple: [1, 2, 3], width: [1, 2, 9, 16], stride: [1, 2] }),
      ({ multiple, width, stride }) =>
        smallGraph((build) =>
          build.convolution("conv", build.input("input", [1, 3, width, channels]), {
            channels: channels * multiple,
            kernel: 3,
            groups: channels,
            stride,
          }),
        ),
    );
  });

  it.each(kernels)("%ix%i, at every stride, padding and width", async (...kernel) => {
    await expectAll(
      combinations({ stride: strides, padding: ["half", "same"], width: [1, 3, 7, 14] }),
      ({ stride, padding, width }) =>
        smallGraph((build) =>
          build.convolution("conv", build.input("input", [1, 5, width, 6]), {
            channels: 6,
            kernel,
            groups: 6,
            stride,
            padding,
          }),
        ),
    );
  });

  it.each<Pair>([
    [2, 2],
    [1, 3],
    [3, 1],
  ])("dilated by %ix%i", async (...dilation) => {
    await expectAll(combinations({ kernel: kernels, stride: strides }), ({ kernel, stride }) =>
      smallGraph((build) =>
        build.convolution("conv", build.input("input", [1, 8, 9, 5]), {
          channels: 5,
          kernel,
          groups: 5,
          stride,
          dilation,
        }),
      ),
    );
  });

  it.each(activations)("with bias and %s", async (activation) => {
    await expectAll([4, 6], (channels) =>
      smallGraph((build) =>
        build.convolution("conv", build.input("input", [1, 5, 6, channels]), {
          channels,
          kernel: 3,
          groups: channels,
          bias: true,
          activation,
        }),
      ),
    );
  });

  it("of slices and shuffles, read where they lie", async () => {
    await expectAll(
      combinations({ start: [0, 1, 3, 5], count: [1, 2, 4, 7], groups: [1, 2, 4] }),
      ({ start, count, groups }) =>
        smallGraph((build) => {
          const x = build.permute("shuffle", build.input("input", [1, 4, 5, 12]), { kind: "shuffle", groups });
          return build.convolution("conv", build.slice("slice", x, start, count), {
            channels: count,
            kernel: 3,
            groups: count,
          });
        }),
    );
  });
});

describe("convolutions in many groups of few channels", () => {
  it.each([
    [2, 2],
    [2, 1],
    [3, 1],
    [1, 2],
    [2, 4],
    [3, 2],
    [4, 3],
  ])("%i in, %i out", async (inputs, outputs) => {
    // The shuffle before lays each group's channels out in planes, as IGCV1 has them.
    await expectAll(
      combinations({ groups: [4, 6, 9], kernel: [1, 3], stride: [1, 2], shuffled: [false, true] }),
      (one) =>
        smallGraph((build) => {
          const { groups, kernel, stride, shuffled } = one;
          const x = build.input("input", [1, 5, 6, groups * inputs]);
          const y = shuffled ? build.permute("shuffle", x, { kind: "shuffle", groups: inputs }) : x;
          return build.convolution("conv", y, {
            channels: groups * outputs,
            kernel,
            groups,
            stride,
            bias: true,
            activation: "relu",
          });
        }),
    );
  });
});
