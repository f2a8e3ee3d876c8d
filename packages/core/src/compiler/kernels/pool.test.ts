import { describe, it } from "vitest";
import type { Pair } from "../../graph/operations.ts";
import { combinations, expectAll } from "../../testing/grid.ts";
import { smallGraph } from "../../testing/one_node.ts";

const kernels: readonly Pair[] = [
  [1, 1],
  [2, 2],
  [3, 3],
  [1, 3],
  [3, 1],
  [3, 2],
  [5, 5],
];
const strides: readonly Pair[] = [
  [1, 1],
  [2, 2],
  [1, 2],
  [2, 1],
  [3, 3],
];

describe("pools", () => {
  it.each(kernels)("%ix%i, at every stride, padding and rounding", async (...kernel) => {
    await expectAll(
      combinations({
        kind: ["max", "average", "average without padding"],
        stride: strides,
        padding: ["valid", "half", "same"],
        ceil: [false, true],
      }),
      ({ kind, stride, padding, ceil }) =>
        smallGraph((build) => {
          const x = build.input("input", [1, 7, 8, 5]);
          const options = { kernel, stride, padding, ceil };
          if (kind === "max") return build.maxPool("pool", x, options);
          return build.averagePool("pool", x, { ...options, countIncludePad: kind === "average" });
        }),
    );
  });

  it.each([1, 3, 4, 5, 8, 13])("of %i channels, in pictures of every width", async (channels) => {
    await expectAll(combinations({ kind: ["max", "average"], width: [1, 2, 3, 9, 17] }), ({ kind, width }) =>
      smallGraph((build) => {
        const x = build.input("input", [1, 3, width, channels]);
        const options = { kernel: 3, stride: 2, ceil: true };
        return kind === "max" ? build.maxPool("pool", x, options) : build.averagePool("pool", x, options);
      }),
    );
  });

  it("where a convolution needs zeros around the same negative values", async () => {
    await expectAll([1, 2], (stride) =>
      smallGraph((build) => {
        const x = build.convolution("first", build.input("input", [1, 5, 6, 3]), { channels: 6 });
        return {
          conv: build.convolution("conv", x, { channels: 4, kernel: 3, stride }),
          pool: build.maxPool("pool", x, { kernel: 3, stride }),
          mean: build.averagePool("mean", x, { kernel: 3, stride }),
        };
      }),
    );
  });
});

describe("global averages", () => {
  it("of every number of channels and picture size", async () => {
    await expectAll(
      combinations({
        channels: [1, 4, 5, 16, 17, 37],
        size: [
          [1, 1],
          [1, 9],
          [7, 7],
        ] as readonly Pair[],
      }),
      ({ channels, size }) =>
        smallGraph((build) => build.globalAveragePool("mean", build.input("input", [1, ...size, channels]))),
    );
  });
});
