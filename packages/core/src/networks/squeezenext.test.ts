import { describe, expect, it } from "vitest";
import { OptionError } from "../errors.ts";
import { build } from "./build.ts";

const small = { resolution: 32, classes: 10, smallStem: true } as const;

describe("SqueezeNext for small pictures", () => {
  it("keeps the resolution of the first stage without the stem's pool", () => {
    const shapeOf = (stemPool: boolean) =>
      build("squeezenext", { ...small, stemPool }).graph.nodes.find(({ name }) => name === "stage1/unit1/add")?.shape;
    expect(shapeOf(true)).toEqual([1, 16, 16, 32]);
    expect(shapeOf(false)).toEqual([1, 32, 32, 32]);
  });

  it("has the units that repeats says, in each stage", () => {
    const { graph } = build("squeezenext", { ...small, repeats: [2, 1, 3, 1] });
    const sums = graph.nodes.flatMap(({ name, operation }) => (operation.op === "add" ? [name.split("/")[0]] : []));
    expect([1, 2, 3, 4].map((stage) => sums.filter((name) => name === `stage${stage}`).length)).toEqual([2, 1, 3, 1]);
    expect(() => build("squeezenext", { ...small, repeats: [2, 1] })).toThrow(OptionError);
  });
});
