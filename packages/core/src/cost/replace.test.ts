import { expect, describe as group, test } from "vitest";
import { OptionError } from "../errors.ts";
import { graphBuilder } from "../graph/builder.ts";
import { isNode, nodesOf, verifyGraph } from "../graph/graph.ts";
import { build } from "../networks/build.ts";
import { describeReplaced, type Replacement, replaceConvolutions } from "./replace.ts";

group("depthwise=standard", () => {
  const { before, after, replaced, graph } = describeReplaced(build("mobilenet_v1_1.0_224"), ["depthwise=standard"]);

  test("makes MobileNet the full convolution network of its paper's table 4", () => {
    // Printed: 4866 million multiply-accumulates, 29.3 million parameters. 4867.3 is 0.03 % more.
    expect(Math.abs(after.macs / 4866e6 - 1)).toBeLessThan(5e-4);
    expect((after.parameters / 1e6).toFixed(1)).toBe("29.3");
    expect(before.macs).toBe(568_740_352);
    expect(replaced).toHaveLength(13);
    verifyGraph(graph);
    expect(nodesOf(graph, "convolution").every(({ operation }) => operation.groups === 1)).toBe(true);
  });

  test("saves 1/N + 1/k² in every layer, counted", () => {
    for (const { name, ratio, predicted, formula } of replaced) {
      const outputs = graph.nodes.find((node) => node.name === name)?.shape[3] ?? 0;
      expect(formula).toBe("1/N + 1/k^2");
      expect(predicted).toBe(1 / outputs + 1 / 9);
      expect(ratio).toBeCloseTo(predicted, 12);
    }
  });

  test("adds up to the difference of the totals", () => {
    const saved = replaced.reduce((sum, row) => sum + row.after.macs - row.before.macs, 0);
    expect(after.macs - before.macs).toBe(saved);
  });

  test("makes a depthwise convolution dense where no dense pointwise one follows", () => {
    const network = build("igcv3_d_1.0");
    const rows = describeReplaced(network, ["depthwise=standard"]).replaced;
    expect(rows).toHaveLength(32);
    for (const { ratio, predicted, formula } of rows) {
      expect(formula).toBe("1/g");
      expect(ratio).toBeCloseTo(predicted, 12);
    }
  });
});

group("grouped=dense", () => {
  test.each([
    ["shufflenet_v1_1.0_g3", 3, 31],
    ["igcv2_1.0", 4, 42],
    ["igcv3_d_1.0", 2, 64],
  ])("%s: a compression of 1/%i in each of its %i group convolutions", (name, groups, count) => {
    const { replaced, graph, before, after } = describeReplaced(build(name), ["grouped=dense"]);
    expect(replaced).toHaveLength(count);
    for (const row of replaced) {
      expect(row.formula).toBe("1/g");
      expect(row.predicted).toBe(1 / groups);
      expect(row.ratio).toBe(row.before.macs / row.after.macs);
      expect(row.ratio).toBeCloseTo(1 / groups, 12);
      expect(row.before.weights * groups).toBe(row.after.weights);
    }
    verifyGraph(graph);
    const weightsAdded = replaced.reduce((sum, row) => sum + row.after.weights - row.before.weights, 0);
    expect(after.parameters - before.parameters).toBe(weightsAdded);
  });
});

group("standard=separable", () => {
  test("splits every dense convolution larger than 1x1, with its stride, bias and name", () => {
    const { graph, replaced, before, after } = describeReplaced(build("squeezenet_1.1"), ["standard=separable"]);
    expect(replaced).toHaveLength(9);
    verifyGraph(graph);
    for (const row of replaced) expect(row.ratio).toBeCloseTo(row.predicted, 12);
    expect(before.macs - after.macs).toBe(replaced.reduce((sum, row) => sum + row.before.macs - row.after.macs, 0));
    const first = graph.nodes.find(({ name }) => name === "conv1/depthwise");
    expect(first !== undefined && isNode(first, "convolution") && first.operation.stride).toEqual([2, 2]);
    expect(graph.nodes.find(({ name }) => name === "conv1")?.inputs).toHaveLength(3);
  });

  test("then depthwise=standard comes back to the same cost", () => {
    const network = build("squeezenet_1.1");
    const there = describeReplaced(network, ["standard=separable"]);
    const back = describeReplaced({ ...network, graph: there.graph }, ["depthwise=standard"]);
    expect([back.after.macs, back.after.parameters]).toEqual([there.before.macs, there.before.parameters]);
  });
});

test("nothing to replace leaves the cost alone", () => {
  const { before, after, replaced } = describeReplaced(build("squeezenet_1.1"), [
    "grouped=dense",
    "depthwise=standard",
  ]);
  expect(replaced).toEqual([]);
  expect(after).toEqual(before);
});

test("a value that the graph gives out is not taken away", () => {
  const builder = graphBuilder("kept");
  const x = builder.input("input", [1, 4, 4, 3]);
  const depthwise = builder.convolution("depthwise", x, { channels: 3, kernel: 3, groups: 3 });
  const pointwise = builder.convolution("pointwise", depthwise, { channels: 5 });
  const { graph, replaced } = replaceConvolutions(builder.build({ inner: depthwise, output: pointwise }), [
    "depthwise=standard",
  ]);
  expect(graph.outputs.map(({ name }) => name)).toEqual(["inner", "output"]);
  expect(replaced).toMatchObject([{ name: "depthwise", formula: "1/g", predicted: 1 / 3 }]);
});

test("an unknown replacement is refused with those that are known", () => {
  expect(() => replaceConvolutions(build("squeezenet_1.1").graph, ["depthwise=magic" as Replacement])).toThrow(
    OptionError,
  );
});
