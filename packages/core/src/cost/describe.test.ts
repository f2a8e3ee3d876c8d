import fc from "fast-check";
import { expect, describe as group, test } from "vitest";
import { graphBuilder, type Value } from "../graph/builder.ts";
import type { Graph } from "../graph/graph.ts";
import { plainConvolution } from "../graph/operations.ts";
import { build } from "../networks/build.ts";
import { peakActivationBytes } from "./activation_memory.ts";
import { blocksOf } from "./blocks.ts";
import { describe } from "./describe.ts";
import { pointwiseLowerBound, pointwiseMacs, pointwiseMemoryAccess } from "./memory_access.ts";

/** One 1x1 convolution at 56x56. */
function pointwise(inputs: number, outputs: number, groups = 1): Graph {
  const builder = graphBuilder("pointwise");
  const x = builder.input("input", [1, 56, 56, inputs]);
  return builder.build({ output: builder.convolution("layer", x, { channels: outputs, groups }) });
}

group("memory access of one 1x1 convolution, ShuffleNet V2's tables 1 and 2", () => {
  test.each([
    [128, 128, 51.38, 819_200, 819_200],
    [90, 180, 50.8, 862_920, 814_495],
    [52, 312, 50.88, 1_157_728, undefined],
    [36, 432, 48.77, 1_483_200, undefined],
  ])("guideline 1: %i to %i channels", (inputs, outputs, megamacs, elements, bound) => {
    const [layer] = describe(pointwise(inputs, outputs)).layers;
    expect((layer?.macs ?? 0) / 1e6).toBeCloseTo(megamacs, 2);
    expect(layer?.memoryAccessBytes).toBe(4 * elements);
    if (bound !== undefined) expect(Math.round((layer?.lowerBoundBytes ?? 0) / 4)).toBe(bound);
    expect(layer?.lowerBoundBytes).toBeLessThanOrEqual(4 * elements);
  });

  test.each([
    [1, 128, 819_200],
    [2, 180, 1_145_160],
    [4, 256, 1_622_016],
    [8, 360, 2_274_120],
  ])("guideline 2: %i groups of %i channels", (groups, channels, elements) => {
    const [layer] = describe(pointwise(channels, channels, groups)).layers;
    expect(layer?.memoryAccessBytes).toBe(4 * elements);
    // Equal channels reach the bound for any number of groups.
    expect((layer?.lowerBoundBytes ?? 0) / 4).toBeCloseTo(elements, 6);
  });

  test("is never below the bound, and reaches it at equal channels alone", () => {
    const count = fc.integer({ min: 1, max: 64 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4000 }), count, count, count, (positions, a, b, groups) => {
        const layer = { positions, inputs: a * groups, outputs: b * groups, groups };
        const [bound, access] = [pointwiseLowerBound(layer), pointwiseMemoryAccess(layer)];
        expect(bound).toBeLessThanOrEqual(access * (1 + 1e-12));
        if (a === b) expect(bound).toBeCloseTo(access, 6);
        else expect(bound).toBeLessThan(access);
        expect(pointwiseMacs(layer)).toBe(positions * a * b * groups);
      }),
    );
  });
});

/** Stem, one residual unit with every kind of cost, head. Counted by hand below. */
function small(): Graph {
  const builder = graphBuilder("small");
  const input = builder.input("input", [1, 8, 8, 3]);
  let x = builder.convolution("stem", input, { channels: 4, kernel: 3, stride: 2 });
  x = builder.batchNorm("stem/norm", x);
  const before = builder.activation("stem/activation", x, "relu6");
  x = builder.scope("stage1/unit1", () => {
    let y = builder.convolution("expand", before, { channels: 8, groups: 2, bias: true, activation: "relu" });
    y = builder.permute("shuffle", y, { kind: "shuffle", groups: 2 });
    y = builder.convolution("depthwise", y, { channels: 8, kernel: [3, 1], groups: 8 });
    y = builder.convolution("project", y, { channels: 4 });
    return builder.add("add", before, y);
  });
  const pooled = builder.maxPool("pool", x, { kernel: 2, stride: 2, padding: 0 });
  const flat = builder.flatten("flatten", builder.globalAveragePool("average", pooled));
  return builder.build({
    output: builder.linear("classifier", builder.dropout("dropout", flat, 0.5), { channels: 5 }),
  });
}

group("describe", () => {
  const description = describe(small());
  const layer = (name: string) => description.layers.find((each) => each.name === name);

  test("counts every layer", () => {
    const row = (name: string) => {
      const { op, kernel, stride, groups, parameters, macs, elementwise, memoryAccessBytes } = layer(name) ?? {};
      return [op, kernel, stride, groups, parameters, macs, elementwise, (memoryAccessBytes ?? 0) / 4];
    };
    expect(row("stem")).toEqual(["convolution", [3, 3], [2, 2], 1, 108, 16 * 108, 0, 192 + 108 + 64]);
    // gamma and beta are trained; all four vectors are read.
    expect(row("stem/norm")).toEqual(["batch_norm", null, null, null, 8, 0, 64, 64 + 16 + 64]);
    expect(row("stem/activation")).toEqual(["activation", null, null, null, 0, 0, 64, 128]);
    expect(row("stage1/unit1/expand")).toEqual(["convolution", [1, 1], [1, 1], 2, 16 + 8, 16 * 16, 256, 64 + 24 + 128]);
    expect(row("stage1/unit1/shuffle")).toEqual(["permute", null, null, null, 0, 0, 0, 256]);
    expect(row("stage1/unit1/depthwise")).toEqual(["convolution", [3, 1], [1, 1], 8, 24, 16 * 24, 0, 128 + 24 + 128]);
    expect(row("stage1/unit1/add")).toEqual(["add", null, null, null, 0, 0, 64, 192]);
    expect(row("pool")).toEqual(["max_pool", [2, 2], [2, 2], null, 0, 0, 64, 64 + 16]);
    expect(row("average")).toEqual(["global_average_pool", null, null, null, 0, 0, 16, 16 + 4]);
    expect(row("flatten")).toEqual(["flatten", null, null, null, 0, 0, 0, 0]);
    expect(row("dropout")).toEqual(["dropout", null, null, null, 0, 0, 0, 0]);
    expect(row("classifier")).toEqual(["linear", null, null, null, 25, 20, 5, 4 + 25 + 5]);
    expect(layer("stem")?.input).toEqual([1, 8, 8, 3]);
    expect(layer("stem")?.output).toEqual([1, 4, 4, 4]);
    expect(layer("stage1/unit1/depthwise")).not.toHaveProperty("lowerBoundBytes");
  });

  test("sums layers to blocks and blocks to the network", () => {
    const { parameters, macs, elementwise, memoryAccessBytes, blocks, layers } = description;
    expect({ parameters, macs }).toEqual({
      parameters: 108 + 8 + 24 + 24 + 32 + 25,
      macs: 1728 + 256 + 384 + 512 + 20,
    });
    for (const key of ["parameters", "macs", "elementwise", "memoryAccessBytes"] as const) {
      expect(blocks.reduce((sum, each) => sum + each[key], 0)).toBe(description[key]);
      expect(layers.reduce((sum, each) => sum + each[key], 0)).toBe(description[key]);
    }
    expect(description.elementwiseShare).toBe(elementwise / (elementwise + macs));
    expect(description.arithmeticIntensity).toBe(macs / memoryAccessBytes);
    expect(blocks.map(({ name }) => name)).toEqual([
      "stem",
      "stage1/unit1",
      "pool",
      "average",
      "flatten",
      "dropout",
      "classifier",
    ]);
    const unit = blocks[1];
    expect([unit?.fragments, unit?.branches, unit?.input, unit?.output]).toEqual([3, 1, [1, 4, 4, 4], [1, 4, 4, 4]]);
    expect(description.fragmentation).toBe((1 + 3 + 1) / 3);
    expect(description.depth).toBe(5);
  });

  test("says what goes in and out, of a graph and of a network", () => {
    expect([description.name, description.family, description.input, description.classes]).toEqual([
      "small",
      undefined,
      [8, 8, 3],
      5,
    ]);
    const network = describe(build("squeezenet_1.1"));
    expect([network.name, network.family, network.input, network.classes]).toEqual([
      "squeezenet_1.1",
      "squeezenet",
      [227, 227, 3],
      1000,
    ]);
    expect([network.parameters, network.macs]).toEqual([1_235_496, 387_747_520]);
    expect(network.blocks.find(({ name }) => name === "fire2")).toMatchObject({ fragments: 3, branches: 2 });
  });

  test("is JSON, as the contract wants it", () => {
    const text = JSON.parse(JSON.stringify(describe(build("mobilenet_v2_1.0_224")))) as Record<string, unknown>;
    const keys = "name family input classes parameters macs elementwise memoryAccessBytes peakActivationBytes layers";
    for (const key of keys.split(" ")) expect(text).toHaveProperty(key);
    const layerKeys = "name op kernel stride groups input output parameters macs memoryAccessBytes";
    for (const key of layerKeys.split(" ")) expect((text.layers as object[])[0]).toHaveProperty(key);
  });

  test("counts a parameter that two layers share once", () => {
    const builder = graphBuilder("shared");
    const x = builder.input("input", [1, 2, 2, 2]);
    const kernel = builder.parameter("kernel", [1, 1, 2, 2], { kind: "constant", value: 1 });
    const operation = plainConvolution;
    const first = builder.node("first", operation, [x, kernel]);
    const graph = builder.build({ output: builder.node("second", operation, [first, kernel]) });
    expect(describe(graph).parameters).toBe(4);
    expect(describe(graph).macs).toBe(2 * 16);
  });
});

group("peak activation memory", () => {
  function peak(make: (builder: ReturnType<typeof graphBuilder>, x: Value) => Value, channels: number): number {
    const builder = graphBuilder("peak");
    const x = builder.input("input", [1, 1, 1, channels]);
    return peakActivationBytes(builder.build({ output: make(builder, x) })) / 4;
  }

  test("holds a node's inputs and its output", () => {
    expect(peak((b, x) => b.activation("a", x, "relu"), 10)).toBe(20);
    expect(peak((b, x) => b.activation("b", b.activation("a", x, "relu"), "relu"), 10)).toBe(20);
    expect(peak((b, x) => b.convolution("b", b.convolution("a", x, { channels: 50 }), { channels: 5 }), 10)).toBe(60);
  });

  test("keeps a shortcut alive until the sum", () => {
    expect(
      peak(
        (b, x) => b.add("add", x, b.convolution("b", b.convolution("a", x, { channels: 50 }), { channels: 10 })),
        10,
      ),
    ).toBe(70);
  });

  test("takes flatten and dropout for names of their input", () => {
    expect(peak((b, x) => b.dropout("d", b.flatten("f", x), 0.5), 10)).toBe(10);
    expect(peak((b, x) => b.linear("l", b.dropout("d", b.flatten("f", x), 0.5), { channels: 3 }), 10)).toBe(13);
  });

  test("counts a value that nobody reads while it is made", () => {
    const unread = (b: ReturnType<typeof graphBuilder>, x: Value) => {
      b.convolution("unread", x, { channels: 100 });
      return b.activation("a", x, "relu");
    };
    expect(peak(unread, 10)).toBe(110);
  });

  test("gives way to the compiler's plan", () => {
    expect(describe(small(), { peakActivationBytes: 123 }).peakActivationBytes).toBe(123);
  });
});

test("every node but inputs and parameters is in one block", () => {
  const { graph } = build("shufflenet_v2_1.0");
  const names = blocksOf(graph).flatMap(({ nodes }) => nodes.map(({ name }) => name));
  const expected = graph.nodes.filter(({ operation }) => operation.op !== "parameter" && operation.op !== "input");
  expect(names.sort()).toEqual(expected.map(({ name }) => name).sort());
});
