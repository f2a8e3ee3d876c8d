import { describe, expect, it } from "vitest";
import type { GraphBuilder, Value } from "../graph/builder.ts";
import { rewritten } from "../testing/rewritten.ts";
import { distributeAdd } from "./distribute_add.ts";
import { runPasses } from "./pipeline.ts";

/** SqueezeNet's Fire: two convolutions of the same value, joined. */
function fire(build: GraphBuilder, x: Value): Value {
  const expand1x1 = build.convolution("expand1x1", x, { channels: 2, activation: "relu" });
  const expand3x3 = build.convolution("expand3x3", x, { channels: 4, kernel: 3, activation: "relu" });
  return build.concatenate("join", [expand1x1, expand3x3]);
}

const distributed = [
  "input input 1x3x3x6",
  "expand1x1 convolution 1x1 relu 1x3x3x2 input",
  "expand3x3 convolution 3x3 padding 1 relu 1x3x3x4 input",
  "bypass/slice0 slice channels 0 to 1 1x3x3x2 input",
  "bypass/0 add 1x3x3x2 expand1x1, bypass/slice0",
  "bypass/slice1 slice channels 2 to 5 1x3x3x4 input",
  "bypass/1 add 1x3x3x4 expand3x3, bypass/slice1",
  "bypass concatenate 1x3x3x6 bypass/0, bypass/1",
  "output output = bypass",
];

describe("distribute add", () => {
  it.each([
    ["first", (build: GraphBuilder, joined: Value, x: Value) => build.add("bypass", joined, x)],
    ["second", (build: GraphBuilder, joined: Value, x: Value) => build.add("bypass", x, joined)],
  ])("gives each part of a concatenation that comes %s its own addition", (_, add) => {
    const { lines, difference } = rewritten(distributeAdd, (build) => {
      const x = build.input("input", [1, 3, 3, 6]);
      return add(build, fire(build, x), x);
    });
    expect(lines).toEqual(distributed);
    expect(difference).toBe(0);
  });

  it("lets both expand convolutions of a bypassed Fire take their residual", () => {
    const { lines } = rewritten({ name: "all", run: runPasses }, (build) => {
      const x = build.input("input", [1, 3, 3, 6]);
      return build.add("bypass", fire(build, x), x);
    });
    expect(lines.filter((line) => / add /.test(line))).toEqual([]);
    expect(lines.filter((line) => / residual /.test(line))).toHaveLength(2);
  });

  it.each([
    ["somebody else reads the concatenation", "joined"],
    ["somebody else reads a part", "part"],
    ["a part is not a convolution", "pool"],
    ["there is no concatenation", "none"],
  ] as const)("leaves the addition whole where %s", (_, why) => {
    const { before, after } = rewritten(distributeAdd, (build) => {
      const x = build.input("input", [1, 3, 3, 6]);
      if (why === "none") return build.add("sum", build.convolution("conv", x, { channels: 6 }), x);
      const part = build.convolution("part", x, { channels: 2 });
      const other = why === "pool" ? build.slice("other", x, 0, 4) : build.convolution("other", x, { channels: 4 });
      const joined = build.concatenate("join", [part, other]);
      const sum = build.add("sum", joined, x);
      if (why === "joined") return { sum, joined };
      return why === "part" ? { sum, part } : sum;
    });
    expect(after).toBe(before);
  });
});
