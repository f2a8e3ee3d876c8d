import { describe, expect, it } from "vitest";
import { OptionError, ShapeError, WeightsError } from "../errors.ts";
import { type Tensor, tensor, type Weights } from "../tensor.ts";
import { graphBuilder } from "./builder.ts";
import type { Graph } from "./graph.ts";
import { interpret } from "./interpret.ts";

/** y = 2·x, z = y + x. */
function doubling(): { graph: Graph; weights: Weights } {
  const build = graphBuilder("doubling");
  const x = build.input("x", [1, 1, 1, 2]);
  const y = build.convolution("y", x, { channels: 2, groups: 2, bias: true });
  const graph = build.build({ sum: build.add("z", y, x) });
  const weights = new Map([
    ["y/kernel", tensor([1, 1, 1, 2], new Float32Array([2, 2]))],
    ["y/bias", tensor([2], new Float32Array([0, 0]))],
  ]);
  return { graph, weights };
}

const x = new Float32Array([1, 2]);

describe("interpret", () => {
  it("returns the outputs by name, and the values that it was asked to keep", () => {
    const { graph, weights } = doubling();
    const { outputs, kept } = interpret(graph, weights, { x }, { keep: ["y", "x", "y/kernel"] });
    expect(outputs).toEqual({ sum: tensor([1, 1, 1, 2], new Float32Array([3, 6])) });
    expect(kept).toEqual({
      x: tensor([1, 1, 1, 2], x),
      "y/kernel": tensor([1, 1, 1, 2], new Float32Array([2, 2])),
      y: tensor([1, 1, 1, 2], new Float32Array([2, 4])),
    });
  });

  it("takes tensors of any element type as inputs and weights", () => {
    const { graph, weights } = doubling();
    const half: Tensor = { dtype: "f16", shape: [1, 1, 1, 2], data: new Uint16Array([0x3800, 0x3800]) }; // 0.5
    const bytes: Tensor = { dtype: "u8", shape: [1, 1, 1, 2], data: new Uint8Array([4, 255]) };
    const { outputs } = interpret(graph, new Map([...weights, ["y/kernel", half]]), { x: bytes });
    expect([...(outputs.sum?.data ?? [])]).toEqual([6, 382.5]);
  });

  it("keeps double between nodes if asked to", () => {
    const build = graphBuilder("thirds");
    const graph = build.build({
      y: build.activation("y", build.activation("s", build.input("x", [1]), "sigmoid"), "sigmoid"),
    });
    const sigmoid = (value: number): number => 1 / (1 + Math.exp(-value));
    const single = interpret(graph, new Map(), { x: new Float32Array([1]) }).outputs.y;
    expect(single?.data).toEqual(new Float32Array([sigmoid(Math.fround(sigmoid(1)))]));
    const double = interpret(graph, new Map(), { x: new Float32Array([1]) }, { precision: "f64" }).outputs.y;
    expect(double).toEqual({ dtype: "f64", shape: [1], data: new Float64Array([sigmoid(sigmoid(1))]) });
  });

  it("tells of every node before it is computed", () => {
    const { graph, weights } = doubling();
    const seen: string[] = [];
    interpret(
      graph,
      weights,
      { x },
      { onNode: (node, index, count) => seen.push(`${index + 1}/${count} ${node.name}`) },
    );
    expect(seen).toEqual(["1/5 x", "2/5 y/kernel", "3/5 y/bias", "4/5 y", "5/5 z"]);
  });

  it("shares no memory between what it returns and what it was given", () => {
    const build = graphBuilder("identity");
    const value = build.input("x", [2]);
    const graph = build.build({ a: value, b: value });
    const { outputs, kept } = interpret(graph, new Map(), { x }, { keep: ["x"] });
    outputs.a?.data.fill(9);
    expect([...x]).toEqual([1, 2]);
    expect([...(outputs.b?.data ?? [])]).toEqual([1, 2]);
    expect([...(kept.x?.data ?? [])]).toEqual([1, 2]);
  });

  it("takes views of larger buffers", () => {
    const { graph, weights } = doubling();
    const view = new Float32Array([7, 1, 2, 7]).subarray(1, 3);
    expect([...(interpret(graph, weights, { x: view }).outputs.sum?.data ?? [])]).toEqual([3, 6]);
  });

  it("is not led astray by names of an object's own machinery", () => {
    const build = graphBuilder("names");
    const graph = build.build({ ["__proto__"]: build.input("toString", [1]) });
    expect(() => interpret(graph, new Map(), {})).toThrow(/"toString": missing/);
    const { outputs } = interpret(graph, new Map(), { toString: new Float32Array([1]) } as never);
    expect(Object.keys(outputs)).toEqual(["__proto__"]);
  });

  it("lists everything that is wrong with the weights", () => {
    const { graph } = doubling();
    const weights = new Map<string, Tensor>([
      ["y/bias", tensor([3])],
      ["other", tensor([1])],
    ]);
    expect(() => interpret(graph, weights, { x })).toThrow(
      new WeightsError(
        'The weights do not fit graph "doubling":\n  "y/kernel": missing, expected 1x1x1x2\n  "y/bias": expected 2, received 3',
      ),
    );
    const lying: Tensor = { dtype: "f32", shape: [2], data: new Float32Array(1) };
    expect(() => interpret(graph, new Map([["y/bias", lying]]), { x })).toThrow(
      /"y\/bias": shape 2 needs 2 elements, received 1/,
    );
  });

  it("lists everything that is wrong with the inputs", () => {
    const { graph, weights } = doubling();
    expect(() => interpret(graph, weights, { X: x })).toThrow(
      new ShapeError(
        'The inputs do not fit graph "doubling":\n  "x": missing, expected 1x1x1x2\n  "X": the graph has no such input; it has x',
      ),
    );
    expect(() => interpret(graph, weights, { x: new Float32Array(3) })).toThrow(
      /"x": expected 2 numbers \(1x1x1x2\), received 3/,
    );
    expect(() => interpret(graph, weights, { x: tensor([1, 2]) })).toThrow(/"x": expected 1x1x1x2, received 1x2/);
  });

  it("refuses to keep what is not there", () => {
    const { graph, weights } = doubling();
    expect(() => interpret(graph, weights, { x }, { keep: ["y", "w"] })).toThrow(
      new OptionError('Graph "doubling" has no node named "w".', { hint: "printGraph lists the names of the nodes." }),
    );
  });

  it("refuses a graph that does not verify", () => {
    const { graph, weights } = doubling();
    const broken: Graph = { ...graph, nodes: graph.nodes.map((node) => ({ ...node, shape: [1, 1, 1, 3] })) };
    expect(() => interpret(broken, weights, { x })).toThrow(ShapeError);
  });
});
