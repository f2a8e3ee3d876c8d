import { describe, expect, it } from "vitest";
import type { GraphBuilder, Value } from "../graph/builder.ts";
import { rewritten } from "../testing/rewritten.ts";
import { dropInferenceNoops } from "./drop_inference_noops.ts";

const input = (build: GraphBuilder): Value => build.input("input", [1, 3, 3, 4]);
const onlyInput = ["input input 1x3x3x4", "output output = input"];

describe("drop inference no-ops", () => {
  it.each<[name: string, noop: (build: GraphBuilder, x: Value) => Value]>([
    ["dropout", (build, x) => build.dropout("drop", x, 0.5)],
    ["an activation that is none", (build, x) => build.activation("act", x, "none")],
    ["a slice of all channels", (build, x) => build.slice("slice", x, 0, 4)],
    ["a shuffle of one group", (build, x) => build.permute("shuffle", x, { kind: "shuffle", groups: 1 })],
    [
      "a shuffle of as many groups as channels",
      (build, x) => build.permute("shuffle", x, { kind: "shuffle", groups: 4 }),
    ],
    ["the identity spelt out", (build, x) => build.permute("order", x, { kind: "explicit", order: [0, 1, 2, 3] })],
    ["a concatenation of one", (build, x) => build.concatenate("join", [x])],
    ["a padding of nothing", (build, x) => build.pad("pad", x, { top: 0, bottom: 0, left: 0, right: 0 }, 7)],
    [
      "one after another",
      (build, x) => build.concatenate("join", [build.dropout("drop", build.slice("slice", x, 0, 4), 0.1)]),
    ],
  ])("drops %s", (_, noop) => {
    const { lines, difference } = rewritten(dropInferenceNoops, (build) => noop(build, input(build)));
    expect(lines).toEqual(onlyInput);
    expect(difference).toBe(0);
  });

  it.each<[name: string, kept: (build: GraphBuilder, x: Value) => Value]>([
    ["a slice that starts at 0 and ends early", (build, x) => build.slice("slice", x, 0, 3)],
    ["a shuffle that moves channels", (build, x) => build.permute("shuffle", x, { kind: "shuffle", groups: 2 })],
    ["relu", (build, x) => build.activation("act", x, "relu")],
    ["a value joined with itself", (build, x) => build.concatenate("join", [x, x])],
    ["a padding of one side", (build, x) => build.pad("pad", x, { top: 0, bottom: 0, left: 0, right: 1 })],
    // On one pixel too: the pool's result is another node, and rounds the same.
    ["a global average", (build, x) => build.globalAveragePool("mean", x)],
  ])("keeps %s", (_, kept) => {
    const { before, after } = rewritten(dropInferenceNoops, (build) => kept(build, input(build)));
    expect(after).toBe(before);
  });
});
