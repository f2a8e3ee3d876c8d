import { describe, expect, it } from "vitest";
import { rewritten } from "../testing/rewritten.ts";
import { hoistChannelwise } from "./hoist_channelwise.ts";

describe("hoist channelwise", () => {
  it("moves a batch norm before the permutation, its vectors in the convolution's order", () => {
    const { lines, difference } = rewritten(hoistChannelwise, (build) => {
      const x = build.convolution("conv", build.input("input", [1, 2, 2, 4]), { channels: 6 });
      return build.batchNorm("norm", build.permute("shuffle", x, { kind: "shuffle", groups: 2 }));
    });
    expect(lines).toEqual([
      "input input 1x2x2x4",
      "conv convolution 1x1 1x2x2x6 input",
      "norm batch_norm 1x2x2x6 conv",
      "shuffle/after permute shuffle 2 1x2x2x6 norm",
      "output output = shuffle/after",
    ]);
    expect(difference).toBe(0);
  });

  it("gives each part of a concatenation its share of a batch norm", () => {
    const { lines, after, difference } = rewritten(hoistChannelwise, (build) => {
      const x = build.input("input", [1, 2, 2, 4]);
      const parts = [1, 3].map((channels) => build.convolution(`conv${channels}`, x, { channels }));
      return build.batchNorm("norm", build.concatenate("join", parts));
    });
    expect(lines).toEqual([
      "input input 1x2x2x4",
      "conv1 convolution 1x1 1x2x2x1 input",
      "conv3 convolution 1x1 1x2x2x3 input",
      "norm/0 batch_norm 1x2x2x1 conv1",
      "norm/1 batch_norm 1x2x2x3 conv3",
      "join/after concatenate 1x2x2x4 norm/0, norm/1",
      "output output = join/after",
    ]);
    expect(after.weights.has("norm/gamma")).toBe(false);
    expect(difference).toBe(0);
  });

  it("moves batch norm and activation through a stack of permutations and concatenations (IGCV1, ShuffleNet V2)", () => {
    const { lines, difference } = rewritten(hoistChannelwise, (build) => {
      const x = build.input("input", [1, 2, 2, 4]);
      const parts = [2, 4].map((channels) => build.convolution(`conv${channels}`, x, { channels }));
      const shuffled = build.permute("shuffle", build.concatenate("join", parts), { kind: "shuffle", groups: 3 });
      return build.activation("relu", build.batchNorm("norm", shuffled), "relu");
    });
    const readerOf = (name: string) => lines.find((line) => line.endsWith(` ${name}`));
    for (const conv of ["conv2", "conv4"]) {
      expect(readerOf(conv)).toMatch(/batch_norm/);
      expect(readerOf(readerOf(conv)!.split(" ")[0]!)).toMatch(/activation relu/);
    }
    expect(lines.filter((line) => /permute|concatenate/.test(line))).toHaveLength(2);
    expect(lines.at(-2)).toMatch(/permute/);
    expect(difference).toBe(0);
  });

  it.each([
    ["somebody else reads the permutation", "add"],
    ["the permutation is an output", "output"],
    ["a part of the concatenation is read twice", "twice"],
    ["the function mixes channels", "softmax"],
  ] as const)("leaves things where they are if %s", (_, why) => {
    const { before, after } = rewritten(hoistChannelwise, (build) => {
      const x = build.convolution("conv", build.input("input", [1, 2, 2, 4]), { channels: 4 });
      if (why === "twice") return build.activation("relu", build.concatenate("join", [x, x]), "relu");
      const shuffled = build.permute("shuffle", x, { kind: "shuffle", groups: 2 });
      if (why === "softmax") return build.softmax("softmax", shuffled);
      const active = build.activation("relu", shuffled, "relu");
      return why === "output" ? { active, shuffled } : build.add("sum", active, shuffled);
    });
    expect(after).toBe(before);
  });

  it("finds free names", () => {
    const { lines, difference } = rewritten(hoistChannelwise, (build) => {
      const x = build.input("shuffle/after", [1, 2, 2, 4]);
      return build.activation("relu", build.permute("shuffle", x, { kind: "shuffle", groups: 2 }), "relu");
    });
    expect(lines).toContain("shuffle/after_2 permute shuffle 2 1x2x2x4 relu");
    expect(difference).toBe(0);
  });
});
