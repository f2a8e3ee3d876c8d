import { describe, expect, it } from "vitest";
import { compile } from "../compiler/compile.ts";
import { DisposedError, OptionError, ShapeError } from "../errors.ts";
import { graphBuilder } from "../graph/builder.ts";
import type { Graph } from "../graph/graph.ts";
import { build } from "../networks/build.ts";
import { drawnInputs } from "../testing/rewritten.ts";
import { load } from "./model.ts";

/** Two inputs, two outputs, and something to compute. */
function twoByTwo(): Graph {
  const builder = graphBuilder("two by two");
  const [a, b] = [builder.input("a", [1, 4, 5, 3]), builder.input("b", [1, 4, 5, 6])];
  const conv = builder.convolution("conv", a, { channels: 6, kernel: 3 });
  return builder.build({ sum: builder.add("sum", conv, b), mean: builder.globalAveragePool("mean", conv) });
}

/** Numbers of a batch. */
function pictures(count: number, each: number): Float32Array {
  return Float32Array.from({ length: count * each }, (_, i) => Math.sin(i * 0.7) + Math.cos(i * 0.013));
}

describe("load", () => {
  it("gives the same bits run after run, whatever ran between", async () => {
    const graph = twoByTwo();
    using model = await load(compile(graph));
    const inputs = drawnInputs(graph);
    const first = model.run(inputs);
    model.run({ a: inputs["a"]!.map((x) => -100 * x), b: inputs["b"]!.fill(7) });
    expect(model.run(drawnInputs(graph))).toEqual(first);
  });

  it("returns arrays that later runs leave alone", async () => {
    const graph = twoByTwo();
    using model = await load(compile(graph));
    const first = model.run(drawnInputs(graph));
    const copy = structuredClone(first);
    model.run({ a: new Float32Array(60), b: new Float32Array(120) });
    expect(first).toEqual(copy);
  });

  it("reads inputs that are views of larger arrays, and does not change them", async () => {
    const graph = twoByTwo();
    using model = await load(compile(graph));
    const inputs = drawnInputs(graph);
    const larger = new Float32Array(100).fill(5);
    larger.set(inputs["a"]!, 7);
    expect(model.run({ ...inputs, a: larger.subarray(7, 67) })).toEqual(model.run(inputs));
    expect(larger.filter((x) => x === 5)).toHaveLength(40);
  });

  it("runs without copies, on inputs filled in place", async () => {
    const graph = twoByTwo();
    using model = await load(compile(graph));
    const inputs = drawnInputs(graph);
    const expected = model.run(inputs);
    model.input("a").fill(0);
    model.input("a").set(inputs["a"]!);
    model.execute();
    expect(Float32Array.from(model.output("sum"))).toEqual(expected["sum"]);
    expect(Float32Array.from(model.output("mean"))).toEqual(expected["mean"]);
  });

  it.each(["shufflenet_v2_cifar", "mobilenet_v2_cifar", "igcv1_cifar"])(
    "gives each picture of a batch what it gives the picture alone: %s",
    async (name) => {
      const count = 3;
      const single = build(name);
      const graph = withBatch(single.graph, count);
      using alone = await load(compile(single));
      using together = await load(compile(graph));
      const each = alone.input("input").length;
      const input = pictures(count, each);
      const output = together.run({ input })["output"]!;
      const parts = Array.from({ length: count }, (_, i) =>
        Array.from(alone.run({ input: input.subarray(i * each, (i + 1) * each) })["output"]!),
      );
      expect(Array.from(output)).toEqual(parts.flat());
      expect(new Set(parts.map((part) => part.join())).size).toBe(count);
    },
  );
});

/** The graph for `count` pictures at once. */
function withBatch(graph: Graph, count: number): Graph {
  const nodes = graph.nodes.map((node) => {
    if (node.operation.op === "parameter") return node;
    const shape = [count, ...node.shape.slice(1)];
    return { ...node, shape, operation: node.operation.op === "input" ? { ...node.operation, shape } : node.operation };
  });
  return { ...graph, nodes };
}

describe("inputs", () => {
  const graph = twoByTwo();
  const a = new Float32Array(60);
  const b = new Float32Array(120);

  it.each([
    ["a missing one", { a }, /Input "b" of "two by two" is 1x4x5x6: expected 120 floats, received none/],
    ["one too short", { a: new Float32Array(59), b }, /Input "a" .* 1x4x5x3: expected 60 floats, received 59/],
    ["one too long", { a, b: new Float32Array(121) }, /Input "b" .* expected 120 floats, received 121/],
  ])("refuse %s, before anything is written", async (_, inputs, message) => {
    using model = await load(compile(graph));
    model.input("a").fill(3);
    expect(() => model.run(inputs as unknown as Record<string, Float32Array>)).toThrow(ShapeError);
    expect(() => model.run(inputs as unknown as Record<string, Float32Array>)).toThrow(message);
    expect(new Set(model.input("a"))).toEqual(new Set([3]));
  });

  it("refuse a name that is none, and say which there are", async () => {
    using model = await load(compile(graph));
    expect(() => model.run({ a, b, c: a })).toThrow(OptionError);
    expect(() => model.run({ a, b, c: a })).toThrow('"two by two" has no "c". It has a, b.');
    expect(() => model.input("sum")).toThrow('"two by two" has no "sum". It has a, b.');
    expect(() => model.output("a")).toThrow('"two by two" has no "a". It has sum, mean.');
  });
});

describe("profile", () => {
  it("gives a time for every step, and their work", async () => {
    using model = await load(compile(build("mobilenet_v2_cifar"), { profile: true }));
    model.execute();
    const steps = model.profile();
    expect(steps.map(({ name }) => name)).toEqual(model.manifest.steps.map(({ name }) => name));
    expect(steps.every(({ milliseconds }) => milliseconds >= 0 && milliseconds < 10_000)).toBe(true);
    expect(steps.reduce((sum, { macs }) => sum + macs, 0)).toBe(model.manifest.macs);
  });

  it("is refused where the module has no clock", async () => {
    using model = await load(compile(twoByTwo()));
    expect(() => model.profile()).toThrow(/without \{ profile: true \}/);
  });
});

describe("dispose", () => {
  it("makes every use an error, and may be called twice", async () => {
    const model = await load(compile(twoByTwo(), { profile: true }));
    model.dispose();
    model.dispose();
    model[Symbol.dispose]();
    const uses = [
      () => model.run({ a: new Float32Array(60), b: new Float32Array(120) }),
      () => model.execute(),
      () => model.input("a"),
      () => model.output("sum"),
      () => model.profile(),
    ];
    for (const use of uses) expect(use).toThrow(DisposedError);
    expect(uses[1]).toThrow('Model "two by two" was disposed.');
  });

  it("lets a thousand models come and go without memory to grow", { timeout: 120_000 }, async () => {
    const builder = graphBuilder("half a megabyte");
    const x = builder.input("input", [1, 64, 64, 16]);
    const compiled = compile(builder.build({ output: builder.activation("relu", x, "relu") }));
    const run = async (rounds: number): Promise<number> => {
      for (let round = 0; round < rounds; round++) {
        const model = await load(compiled);
        model.input("input").fill(round);
        model.execute();
        model.dispose();
      }
      return process.memoryUsage().rss;
    };
    const before = await run(100);
    // Five hundred megabytes, if nothing were let go; the collector may lag behind by some.
    expect((await run(1000)) - before).toBeLessThan(200 * 2 ** 20);
  });
});
