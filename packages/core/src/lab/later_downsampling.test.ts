import { expect, it, describe as suite } from "vitest";
import { describe } from "../cost/describe.ts";
import { type Graph, nodeOf, verifyGraph } from "../graph/graph.ts";
import { build } from "../networks/build.ts";
import { laterDownsampling, moved, movesOf } from "./later_downsampling.ts";

const shapeOf = (graph: Graph, name: string) => graph.nodes.find((node) => node.name === name)?.shape;
const outputShape = (graph: Graph) => nodeOf(graph, graph.outputs[0]!.value).shape;

suite("movesOf", () => {
  it("hands a convolution's stride on to the next depthwise one, never past an addition", () => {
    const names = (model: string) => movesOf(build(model).graph).map(({ from, to }) => [from.name, to.name]);
    expect(names("mobilenet_v1_1.0_224").slice(0, 2)).toEqual([
      ["stem", "stage1/unit1/depthwise"],
      ["stage2/unit1/depthwise", "stage2/unit2/depthwise"],
    ]);
    // Stage 4's units add their inputs; stage 5's first unit is the next without.
    expect(names("mobilenet_v2_1.0_224")).toContainEqual(["stage4/unit1/depthwise", "stage5/unit1/depthwise"]);
    expect(names("mobilenet_v2_1.0_224").map(([, to]) => to)).not.toContain("stage4/unit2/depthwise");
  });

  it("puts a pool behind the next join of branches", () => {
    const { graph } = build("squeezenet_1.1");
    const [first] = movesOf(graph).filter(({ from }) => from.operation.op === "max_pool");
    expect(first?.to.operation.op).toBe("concatenate");
  });

  it.each(["mobilenet_v1_0.5_160", "mobilenet_v2_1.0_224", "squeezenet_1.0", "shufflenet_v2_1.0", "xception"])(
    "makes networks of %s that give as many classes, with twice the rows in between and as many after",
    (model) => {
      const { graph } = build(model);
      for (const move of movesOf(graph)) {
        const { graph: later } = moved(graph, move);
        verifyGraph(later);
        expect(outputShape(later)).toEqual(outputShape(graph));
        const [before, after] = [describe(graph).macs, describe(later).macs];
        expect(after).toBeGreaterThan(before);
        // Convolutions without a border lose pixels at any stride.
        const { operation } = move.to;
        if (operation.op !== "convolution" || operation.padding.top === 0) continue;
        const rows = shapeOf(graph, move.from.name)?.[1] as number;
        expect(Math.ceil((shapeOf(later, move.from.name)?.[1] as number) / 2)).toBe(rows);
        expect(shapeOf(later, move.to.name)).toEqual(shapeOf(graph, move.to.name));
      }
    },
  );
});

suite("laterDownsampling", () => {
  it("keeps the multiply-accumulates by a narrower network, which has fewer weights", () => {
    const network = build("mobilenet_v1_0.5_160");
    const changes = laterDownsampling(network);
    expect(changes.length).toBeGreaterThan(1);
    for (const { graph, what } of changes) {
      expect(what).toMatch(/moved on to .*--width 0\.\d+ instead of 0\.5$/);
      const [before, after] = [describe(network.graph), describe(graph)];
      expect(after.macs / before.macs).toBeGreaterThan(0.9);
      expect(after.macs / before.macs).toBeLessThanOrEqual(1);
      expect(after.parameters).toBeLessThan(before.parameters);
    }
  });

  it("is none for families without a width", () => {
    expect(laterDownsampling(build("squeezenet_1.1"))).toEqual([]);
  });
});
