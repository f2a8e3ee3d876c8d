import { describe, expect, it } from "vitest";
import type { GraphBuilder, Value } from "../graph/builder.ts";
import { rewritten } from "../testing/rewritten.ts";
import { fuseResidual } from "./fuse_residual.ts";

/** The convolution's own result is no longer rounded to float32. */
const TOLERANCE = 1e-6;

const input = (build: GraphBuilder): Value => build.input("input", [1, 3, 3, 4]);
const project = (build: GraphBuilder, x: Value, name = "project"): Value => build.convolution(name, x, { channels: 4 });

describe("fuse residual", () => {
  it.each([
    ["after", (build: GraphBuilder, x: Value) => build.add("add", x, project(build, x))],
    ["before", (build: GraphBuilder, x: Value) => build.add("add", project(build, x), x)],
  ])("into the convolution, where it stands %s the plus", (_, make) => {
    const { lines, difference } = rewritten(fuseResidual, (build) => make(build, input(build)));
    expect(lines).toEqual([
      "input input 1x3x3x4",
      "project+add convolution 1x1 residual 1x3x3x4 input, input",
      "output output = project+add",
    ]);
    expect(difference).toBeLessThan(TOLERANCE);
  });

  it("keeps both activations in their places", () => {
    const { after, difference } = rewritten(fuseResidual, (build) => {
      const x = input(build);
      const branch = build.convolution("project", x, { channels: 4, bias: true, activation: "relu" });
      return build.node("add", { op: "add", activation: "relu6" }, [x, branch]);
    });
    expect(after.graph.nodes.at(-1)?.operation).toMatchObject({
      activation: "relu",
      residual: true,
      residualActivation: "relu6",
    });
    expect(difference).toBeLessThan(TOLERANCE);
  });

  it("lets the later of two convolutions take the other's result", () => {
    const { lines } = rewritten(fuseResidual, (build) => {
      const x = input(build);
      return build.add("add", project(build, x, "first"), project(build, x, "second"));
    });
    expect(lines.slice(1, -1)).toEqual([
      "first convolution 1x1 1x3x3x4 input",
      "second+add convolution 1x1 residual 1x3x3x4 input, first",
    ]);
  });

  it("falls back on the earlier one where somebody else reads the later one", () => {
    const { lines, difference } = rewritten(fuseResidual, (build) => {
      const x = input(build);
      const [first, second] = [project(build, x, "first"), project(build, x, "second")];
      return { sum: build.add("add", first, second), second };
    });
    expect(lines).toContain("first+add convolution 1x1 residual 1x3x3x4 input, second");
    expect(difference).toBeLessThan(TOLERANCE);
  });

  it.each([
    ["somebody else reads the convolution", "read"],
    ["the convolution is an output", "output"],
    ["the convolution is depthwise", "depthwise"],
    ["the convolution is added to itself", "itself"],
    ["there is no convolution", "none"],
  ] as const)("leaves the addition alone where %s", (_, why) => {
    const { before, after } = rewritten(fuseResidual, (build) => {
      const x = input(build);
      const groups = why === "depthwise" ? 4 : 1;
      const branch =
        why === "none" ? build.activation("relu", x, "relu") : build.convolution("conv", x, { channels: 4, groups });
      const sum = build.add("sum", why === "itself" ? branch : x, branch);
      if (why === "output") return { sum, branch };
      return why === "read" ? build.multiply("product", sum, branch) : sum;
    });
    expect(after).toBe(before);
  });
});
