import { expect, it } from "vitest";
import { describe } from "../cost/describe.ts";
import { nodeOf, nodesOf, verifyGraph } from "../graph/graph.ts";
import { build } from "../networks/build.ts";
import { fewerBranches } from "./fewer_branches.ts";

it.each([
  ["squeezenet_1.0", 8],
  ["squeezenet_1.1", 8],
  ["squeezenet_cifar", 8],
])("gives each fire of %s one convolution, at about equal multiply-accumulates", (model, fires) => {
  const { graph } = build(model);
  const change = fewerBranches(graph);
  expect(change?.where).toHaveLength(2 * fires);
  const changed = change!.graph;
  verifyGraph(changed);
  expect(nodesOf(graph, "concatenate")).toHaveLength(fires);
  expect(nodesOf(changed, "concatenate")).toHaveLength(0);
  expect(nodesOf(changed, "convolution")).toHaveLength(nodesOf(graph, "convolution").length - fires);
  const output = graph.outputs[0]!;
  expect(nodeOf(changed, changed.outputs[0]!.value).shape).toEqual(nodeOf(graph, output.value).shape);
  const ratio = describe(changed).macs / describe(graph).macs;
  expect(Math.abs(ratio - 1)).toBeLessThan(0.1);
});

it.each(["mobilenet_v2_1.0_224", "shufflenet_v2_1.0", "squeezenext_1.0_23", "xception"])(
  "has none for %s, which has no fires",
  (model) => {
    expect(fewerBranches(build(model).graph)).toBeUndefined();
  },
);
