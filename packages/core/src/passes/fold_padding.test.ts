import { describe, expect, it } from "vitest";
import { rewritten } from "../testing/rewritten.ts";
import { foldPadding } from "./fold_padding.ts";

/** TensorFlow's padding of a stride-2 convolution, as Keras writes it. */
const keras = { top: 0, bottom: 1, left: 0, right: 1 };

describe("fold padding", () => {
  it("adds a padding of zeros to the convolution's own, side by side", () => {
    const { lines, difference } = rewritten(foldPadding, (build) => {
      const x = build.pad("pad", build.input("input", [1, 4, 6, 2]), keras);
      return build.convolution("conv", x, {
        channels: 3,
        kernel: 3,
        stride: 2,
        padding: { top: 1, bottom: 0, left: 0, right: 0 },
      });
    });
    expect(lines).toEqual([
      "input input 1x4x6x2",
      "conv convolution 3x3 stride 2 padding 1,1,1,0 1x2x3x3 input",
      "output output = conv",
    ]);
    expect(difference).toBe(0);
  });

  it("folds a padding of a padding", () => {
    const { lines } = rewritten(foldPadding, (build) => {
      const x = build.pad("outer", build.pad("inner", build.input("input", [1, 4, 4, 2]), keras), keras);
      return build.convolution("conv", x, { channels: 3, kernel: 3, padding: "valid" });
    });
    expect(lines).toEqual([
      "input input 1x4x4x2",
      "conv convolution 3x3 padding 0,2,2,0 1x4x4x3 input",
      "output output = conv",
    ]);
  });

  it("leaves the padding to its other readers", () => {
    const { lines, difference } = rewritten(foldPadding, (build) => {
      const x = build.pad("pad", build.input("input", [1, 4, 4, 2]), keras);
      return { conv: build.convolution("conv", x, { channels: 3, kernel: 3, padding: "valid" }), padded: x };
    });
    expect(lines).toContain("conv convolution 3x3 padding 0,1,1,0 1x3x3x3 input");
    expect(lines).toContain("pad pad padding 0,1,1,0 1x5x5x2 input");
    expect(difference).toBe(0);
  });

  it("keeps a padding with another value than zero, and one before a pool", () => {
    const { before, after } = rewritten(foldPadding, (build) => {
      const x = build.input("input", [1, 4, 4, 2]);
      const conv = build.convolution("conv", build.pad("ones", x, keras, 1), { channels: 3, kernel: 3 });
      return { conv, pool: build.maxPool("pool", build.pad("zeros", x, keras), { kernel: 3, padding: 0 }) };
    });
    expect(after).toBe(before);
  });
});
