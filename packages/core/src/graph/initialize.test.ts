import { describe, expect, it } from "vitest";
import { elementCount } from "../tensor.ts";
import { graphBuilder } from "./builder.ts";
import type { Graph } from "./graph.ts";
import { initializeWeights } from "./initialize.ts";
import type { Initializer } from "./operations.ts";

function graphOf(parameters: Readonly<Record<string, Initializer>>, count = 200_000): Graph {
  const build = graphBuilder("parameters");
  const x = build.input("x", [1]);
  for (const [name, initializer] of Object.entries(parameters)) build.parameter(name, [count], initializer);
  return build.build({ x });
}

function moments(data: Float32Array): { mean: number; deviation: number; kurtosis: number; largest: number } {
  const mean = data.reduce((sum, value) => sum + value, 0) / data.length;
  const central = (power: number): number =>
    data.reduce((sum, value) => sum + (value - mean) ** power, 0) / data.length;
  const largest = data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return { mean, deviation: Math.sqrt(central(2)), kurtosis: central(4) / central(2) ** 2, largest };
}

function draw(initializer: Initializer): ReturnType<typeof moments> {
  return moments(initializeWeights(graphOf({ p: initializer }), 3).get("p")?.data as Float32Array);
}

describe("initializeWeights", () => {
  it("fills a constant", () => {
    const weights = initializeWeights(graphOf({ p: { kind: "constant", value: 1.5 } }, 4));
    expect(weights.get("p")).toEqual({ dtype: "f32", shape: [4], data: new Float32Array([1.5, 1.5, 1.5, 1.5]) });
  });

  it("draws normals of the given deviation", () => {
    const { mean, deviation, kurtosis } = draw({ kind: "normal", deviation: 0.05 });
    expect(mean).toBeCloseTo(0, 3);
    expect(deviation).toBeCloseTo(0.05, 3);
    expect(kurtosis).toBeCloseTo(3, 0);
    expect(Math.abs(kurtosis - 3)).toBeLessThan(0.06);
  });

  it("cuts truncated normals at two deviations, which leaves 0.8796 of the deviation", () => {
    const { mean, deviation, kurtosis, largest } = draw({ kind: "truncated_normal", deviation: 0.09 });
    expect(mean).toBeCloseTo(0, 3);
    expect(largest).toBeLessThanOrEqual(Math.fround(0.18));
    expect(largest).toBeGreaterThan(0.179);
    expect(Math.abs(deviation / 0.09 - 0.8796)).toBeLessThan(0.006);
    expect(Math.abs(kurtosis - 2.3657)).toBeLessThan(0.03); // of a normal cut at ±2
  });

  it("draws uniform numbers within the bound", () => {
    const { mean, deviation, kurtosis, largest } = draw({ kind: "uniform", bound: 0.3 });
    expect(mean).toBeCloseTo(0, 2);
    expect(deviation).toBeCloseTo(0.3 / Math.sqrt(3), 2);
    expect(Math.abs(kurtosis - 1.8)).toBeLessThan(0.02);
    expect(largest).toBeLessThanOrEqual(Math.fround(0.3));
  });

  it("draws a parameter's numbers by its name and the seed, whatever else the graph holds", () => {
    const normal: Initializer = { kind: "normal", deviation: 1 };
    const alone = initializeWeights(graphOf({ b: normal }, 50), 7);
    const among = initializeWeights(graphOf({ a: normal, b: normal, c: normal }, 50), 7);
    expect(among.get("b")).toEqual(alone.get("b"));
    expect(among.get("a")?.data).not.toEqual(among.get("b")?.data);
    expect(initializeWeights(graphOf({ b: normal }, 50), 8).get("b")?.data).not.toEqual(alone.get("b")?.data);
  });

  it("draws the same bits on every machine", () => {
    // The first normals of seed 0 and this name, from the Python port that random.test.ts tells of, rounded to float32.
    const expected = [0.11221683663767161, 0.2970456485123638, -0.8773453971457597, -1.013785514906182].map(
      Math.fround,
    );
    const weights = initializeWeights(graphOf({ "stem/kernel": { kind: "normal", deviation: 1 } }, 4));
    expect(weights.get("stem/kernel")?.data).toEqual(new Float32Array(expected));
  });

  it("gives every parameter its shape", () => {
    const build = graphBuilder("g");
    const x = build.convolution("c", build.input("x", [1, 4, 4, 6]), {
      channels: 10,
      kernel: [1, 3],
      groups: 2,
      bias: true,
    });
    const weights = initializeWeights(build.build({ x }));
    expect([...weights.keys()]).toEqual(["c/kernel", "c/bias"]);
    expect(weights.get("c/kernel")?.shape).toEqual([1, 3, 3, 10]);
    expect(weights.get("c/kernel")?.data.length).toBe(elementCount([1, 3, 3, 10]));
  });
});
