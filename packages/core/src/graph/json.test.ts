import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FormatError, GraphError } from "../errors.ts";
import { randomGraph } from "../testing/random_graph.ts";
import { graphBuilder } from "./builder.ts";
import { type Graph, verifyGraph } from "./graph.ts";
import { graphFromJson, graphToJson } from "./json.ts";

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Through text, as files go. */
function textOf(graph: Graph): string {
  return JSON.stringify(graphToJson(graph));
}

describe("graphToJson", () => {
  it("writes the format, the nodes with positions for inputs, and the outputs", () => {
    const build = graphBuilder("small");
    const x = build.input("x", [1, 2, 2, 3]);
    const y = build.slice("y", x, 1, 2);
    expect(graphToJson(build.build({ out: y }))).toEqual({
      format: "depthwise-graph",
      version: 1,
      name: "small",
      nodes: [
        { name: "x", operation: { op: "input", shape: [1, 2, 2, 3] }, inputs: [] },
        { name: "y", operation: { op: "slice", start: 1, count: 2 }, inputs: [0] },
      ],
      outputs: [{ name: "out", value: 1 }],
    });
  });
});

describe("graphFromJson", () => {
  it("reads back every graph that graphToJson wrote", () => {
    fc.assert(
      fc.property(fc.nat(100_000), (seed) => {
        const { graph } = randomGraph(seed);
        expect(graphFromJson(JSON.parse(textOf(graph)))).toEqual(graph);
      }),
      { numRuns: 300 },
    );
  });

  it("reads back numbers that JSON cannot write", () => {
    for (const value of [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 1e-320]) {
      const build = graphBuilder("pad");
      const x = build.input("x", [1, 1, 1, 1]);
      const graph = build.build({ y: build.pad("y", x, { top: 0, bottom: 1, left: 2, right: 3 }, value) });
      expect(graphFromJson(JSON.parse(textOf(graph)))).toEqual(graph);
    }
  });

  it("reads back every initializer", () => {
    const build = graphBuilder("initializers");
    const x = build.input("x", [1]);
    build.parameter("a", [2], { kind: "constant", value: -1.5 });
    build.parameter("b", [2], { kind: "normal", deviation: 0.1 }, false);
    build.parameter("c", [2], { kind: "truncated_normal", deviation: 0.2 });
    build.parameter("d", [2], { kind: "uniform", bound: 0.3 });
    const graph = build.build({ x });
    expect(graphFromJson(JSON.parse(textOf(graph)))).toEqual(graph);
  });
});

/** A whole document to be spoilt: x, a kernel, a convolution of both, and a shuffle. */
function document(): { [key: string]: Json } {
  const build = graphBuilder("whole");
  const x = build.input("x", [1, 4, 4, 6]);
  const y = build.convolution("y", x, { channels: 6, kernel: 3 });
  return JSON.parse(textOf(build.build({ y: build.permute("z", y, { kind: "shuffle", groups: 2 }) })));
}

/** Sets the member at a path like `nodes.2.operation.stride`; `undefined` takes it away. */
function change(path: string, value: Json | undefined): Json {
  const whole = document();
  const keys = path.split(".");
  const last = keys.pop() as string;
  const parent = keys.reduce<Json>((part, key) => (part as { [key: string]: Json })[key] as Json, whole);
  if (value === undefined) delete (parent as { [key: string]: Json })[last];
  else Object.defineProperty(parent, last, { value, enumerable: true, configurable: true, writable: true });
  return whole;
}

describe("a hostile document", () => {
  it.each<[path: string, value: Json | undefined, message: string]>([
    ["format", "onnx", 'format: expected one of depthwise-graph, received "onnx".'],
    ["version", 2, "version: expected a whole number of 1 to 1, received 2."],
    ["name", 7, "name: expected a name, received 7."],
    ["nodes", { length: 3 }, "nodes: expected a list, received an object."],
    ["nodes.2", null, "nodes[2]: expected an object, received null."],
    ["nodes.2", [], "nodes[2]: expected an object, received a list of 0."],
    ["nodes.2.name", undefined, "nodes[2].name: missing."],
    ["nodes.2.name", "", 'nodes[2].name: expected a name, received "".'],
    ["nodes.2.name", "a\u001b[31m", 'nodes[2].name: expected a name of printable characters, received "a\\u001b[31m".'],
    ["nodes.2.name", "a\ud800", 'nodes[2].name: expected a name of printable characters, received "a\\ud800".'],
    ["nodes.2.name", "a".repeat(1000), "nodes[2].name: expected a name of at most 512 characters, received"],
    [
      "nodes.2.name",
      "__proto__",
      'nodes[2].name: expected a name other than __proto__, constructor, prototype, received "__proto__".',
    ],
    ["nodes.2.extra", 1, 'nodes[2]."extra": unknown member. Expected name, operation, inputs.'],
    [
      "nodes.2.__proto__",
      { polluted: true },
      'nodes[2]."__proto__": unknown member. Expected name, operation, inputs.',
    ],
    ["nodes.2.operation", "convolution", 'nodes[2].operation: expected an object, received "convolution".'],
    ["nodes.2.operation.op", undefined, "nodes[2].operation.op: missing."],
    ["nodes.2.operation.op", "conv", "nodes[2].operation.op: expected one of input, parameter, convolution,"],
    ["nodes.2.operation.op", "toString", "nodes[2].operation.op: expected one of input, parameter, convolution,"],
    ["nodes.2.operation.op", "softmax", 'nodes[2].operation."stride": unknown member. Expected op.'],
    ["nodes.2.operation.stride", undefined, "nodes[2].operation.stride: missing."],
    ["nodes.2.operation.stride", 2, "nodes[2].operation.stride: expected a list, received 2."],
    ["nodes.2.operation.stride", [2], "nodes[2].operation.stride: expected a list of two, received a list of 1."],
    [
      "nodes.2.operation.stride",
      [2, 2, 2],
      "nodes[2].operation.stride: expected a list of at most 2, received a list of 3.",
    ],
    [
      "nodes.2.operation.stride",
      [2, "2"],
      'nodes[2].operation.stride[1]: expected a whole number of 1 to 2147483647, received "2".',
    ],
    [
      "nodes.2.operation.stride",
      [0, 1],
      "nodes[2].operation.stride[0]: expected a whole number of 1 to 2147483647, received 0.",
    ],
    [
      "nodes.2.operation.padding.top",
      -1,
      "nodes[2].operation.padding.top: expected a whole number of 0 to 2147483647, received -1.",
    ],
    [
      "nodes.2.operation.groups",
      1.5,
      "nodes[2].operation.groups: expected a whole number of 1 to 2147483647, received 1.5.",
    ],
    ["nodes.2.operation.bias", 0, "nodes[2].operation.bias: expected true or false, received 0."],
    ["nodes.2.operation.activation", "tanh", "nodes[2].operation.activation: expected one of none, relu,"],
    ["nodes.1.operation.initializer", { kind: "normal" }, "nodes[1].operation.initializer.deviation: missing."],
    [
      "nodes.1.operation.initializer.deviation",
      "Infinity",
      'nodes[1].operation.initializer.deviation: expected a finite number, received "Infinity".',
    ],
    [
      "nodes.1.operation.shape",
      [1, 1, 1, 1, 1, 1, 1, 1, 1],
      "nodes[1].operation.shape: expected a list of at most 8, received a list of 9.",
    ],
    [
      "nodes.0.operation.shape",
      [1, 1e12, 1, 1],
      "nodes[0].operation.shape[1]: expected a whole number of 1 to 2147483647, received 1000000000000.",
    ],
    [
      "nodes.3.operation.permutation",
      { kind: "explicit", order: [0, -1] },
      "nodes[3].operation.permutation.order[1]: expected a whole number",
    ],
    ["nodes.2.inputs.1", "1", 'nodes[2].inputs[1]: expected a whole number of 0 to 99999, received "1".'],
    ["nodes.2.inputs.1", -1, "nodes[2].inputs[1]: expected a whole number of 0 to 99999, received -1."],
    ["outputs.0.value", 0.5, "outputs[0].value: expected a whole number of 0 to 99999, received 0.5."],
  ])("is refused with %s = %j: FormatError", (path, value, message) => {
    expect(() => graphFromJson(change(path, value))).toThrow(FormatError);
    expect(() => graphFromJson(change(path, value))).toThrow(message);
  });

  it.each<[path: string, value: Json, message: string]>([
    ["nodes.2.name", "x", 'nodes[2].name: "x" is the name of nodes[0] already.'],
    ["nodes.2.inputs.0", 2, 'nodes[2].inputs[0]: "y" reads value 2, which does not come before it.'],
    ["nodes.2.inputs.0", 3, 'nodes[2].inputs[0]: "y" reads value 3, which does not come before it.'],
    ["nodes.2.inputs", [0], 'nodes[2]: convolution "y": expects 2 inputs, received 1.'],
    [
      "nodes.2.operation.groups",
      4,
      'nodes[2]: convolution "y": groups 4 does not divide 6 input channels. Use one of 1, 2, 3, 6.',
    ],
    [
      "nodes.0.operation.shape",
      [65536, 65536, 1, 6],
      'nodes[0]: "x" gives 65536x65536x1x6, more than 2147483647 elements.',
    ],
    [
      "nodes.3.operation.permutation.groups",
      5,
      'nodes[3]: permute "z": A channel shuffle needs groups that divide the channels: 5 does not divide 6.',
    ],
    [
      "nodes.3.operation.permutation",
      { kind: "explicit", order: [0, 1, 2, 3, 4, 4] },
      'nodes[3]: permute "z": A permutation of 6 channels must list',
    ],
    ["outputs.0.value", 4, 'outputs[0].value: "y" is value 4, but there are 4 nodes.'],
    ["outputs", [], 'Graph "whole" has no output.'],
    [
      "outputs",
      [
        { name: "a", value: 3 },
        { name: "a", value: 2 },
      ],
      'Two outputs are named "a".',
    ],
  ])("is refused with %s = %j: GraphError", (path, value, message) => {
    expect(() => graphFromJson(change(path, value))).toThrow(GraphError);
    expect(() => graphFromJson(change(path, value))).toThrow(message);
  });

  it.each([[null], [undefined], [7], ["{}"], [[]], [() => 1]])("is refused when it is %s", (value) => {
    expect(() => graphFromJson(value)).toThrow(/^graph: expected an object/);
  });

  it("is refused at once with too many nodes, or a shuffle of very many channels", () => {
    const start = performance.now();
    const many = new Array(100_001).fill(null);
    expect(() => graphFromJson(change("nodes", many))).toThrow(
      "nodes: expected a list of at most 100000, received a list of 100001.",
    );
    const wide = change("nodes.0.operation.shape", [1, 1, 1, 2 ** 31 - 1]) as { nodes: { inputs: number[] }[] };
    for (const node of wide.nodes.slice(3)) node.inputs = [0];
    expect(() => graphFromJson(wide)).toThrow(GraphError);
    expect(performance.now() - start).toBeLessThan(1000);
  });

  it("leaves no trace on objects", () => {
    expect(() =>
      graphFromJson(JSON.parse('{"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}}')),
    ).toThrow(FormatError);
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });
});

/** Values that stand where others are expected. */
const strange: fc.Arbitrary<Json> = fc.oneof(
  fc.constantFrom<Json>(
    null,
    true,
    false,
    -1,
    0,
    1,
    2,
    3,
    0.5,
    2 ** 31,
    2 ** 53,
    -1e300,
    "",
    "Infinity",
    "-0",
    "relu",
    "input",
  ),
  fc.constantFrom<Json>(
    "convolution",
    "__proto__",
    "explicit",
    "x",
    [],
    {},
    [0],
    [1, 1],
    [[]],
    { op: "softmax" },
    { kind: "shuffle" },
  ),
  fc.nat(12),
  fc.string({ maxLength: 5 }),
);

/** One blow at a document: where (a walk down by fractions), what to do there, and with which value. */
const blow = fc.record({
  walk: fc.array(fc.double({ min: 0, max: 0.999, noNaN: true }), { minLength: 1, maxLength: 6 }),
  kind: fc.constantFrom("replace", "remove", "rename", "repeat", "swap"),
  value: strange,
});

function strike(whole: Json, { walk, kind, value }: { walk: number[]; kind: string; value: Json }): void {
  let parent = whole as Record<string, Json>;
  let key = "";
  for (const share of walk) {
    const below = key === "" ? parent : parent[key];
    if (typeof below !== "object" || below === null || Object.keys(below).length === 0) break;
    parent = below as Record<string, Json>;
    key = Object.keys(parent)[Math.floor(share * Object.keys(parent).length)] as string;
  }
  if (key === "") return;
  const old = parent[key] as Json;
  if (kind === "replace") parent[key] = value;
  else if (kind === "remove") delete parent[key];
  else if (kind === "rename" && !Array.isArray(parent)) {
    Object.defineProperty(parent, String(value), { value: old, enumerable: true, writable: true, configurable: true });
  } else if (Array.isArray(parent))
    parent.splice(Number(key), 1, old, kind === "repeat" ? structuredClone(old) : (parent.at(-1) ?? null));
}

describe("any spoilt document", () => {
  it("is a graph that verifies, or refused with a FormatError or GraphError", () => {
    let accepted = 0;
    let refused = 0;
    fc.assert(
      fc.property(fc.nat(400), fc.array(blow, { minLength: 1, maxLength: 3 }), (seed, blows) => {
        const whole: Json = JSON.parse(textOf(randomGraph(seed).graph));
        for (const one of blows) strike(whole, one);
        try {
          const graph = graphFromJson(whole);
          verifyGraph(graph);
          expect(graphFromJson(JSON.parse(textOf(graph)))).toEqual(graph);
          accepted++;
        } catch (error) {
          if (!(error instanceof FormatError || error instanceof GraphError)) throw error;
          expect(error.message.length).toBeLessThan(2000);
          refused++;
        }
      }),
      { numRuns: 4000 },
    );
    // Both must happen, or the blows are too hard or too soft to tell anything.
    expect(accepted).toBeGreaterThan(100);
    expect(refused).toBeGreaterThan(1000);
  });
});
