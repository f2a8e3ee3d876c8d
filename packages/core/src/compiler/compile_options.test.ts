import { describe, expect, it } from "vitest";
import { OptionError, UnsupportedError, WeightsError } from "../errors.ts";
import { graphBuilder } from "../graph/builder.ts";
import type { Graph } from "../graph/graph.ts";
import { interpret } from "../graph/interpret.ts";
import { build } from "../networks/build.ts";
import { load } from "../runtime/model.ts";
import { tensor } from "../tensor.ts";
import { greatestDifference } from "../testing/differences.ts";
import { drawnInputs, drawnWeights } from "../testing/rewritten.ts";
import { compile } from "./compile.ts";

/** convolution, batch norm, relu: what passes make one node of. */
function block(): Graph {
  const builder = graphBuilder("block");
  const x = builder.input("input", [1, 4, 5, 3]);
  const conv = builder.convolution("conv", x, { channels: 6, kernel: 3 });
  return builder.build({ output: builder.activation("relu", builder.batchNorm("norm", conv), "relu") });
}

describe("keep", () => {
  it("gives values that passes would have fused away", async () => {
    const graph = block();
    const [weights, inputs] = [drawnWeights(graph), drawnInputs(graph)];
    const keep = ["conv", "norm", "input"];
    using model = await load(compile(graph, { weights, keep }));
    const { outputs, kept } = interpret(graph, weights, inputs, { keep });
    expect(greatestDifference(model.run(inputs), { ...outputs, ...kept })).toBeLessThan(1e-6);
  });

  it.each([
    ["a node that is not there", "norme", 'Graph "block" has no value named "norme" to keep.'],
    ["a parameter", "conv/kernel", 'Graph "block" has no value named "conv/kernel" to keep.'],
    ["an output's name", "output", 'Graph "block" has no value named "output" to keep.'],
  ])("refuses %s", (_, name, message) => {
    expect(() => compile(block(), { keep: [name] })).toThrow(OptionError);
    expect(() => compile(block(), { keep: [name] })).toThrow(message);
  });

  it("refuses a name twice", () => {
    expect(() => compile(block(), { keep: ["conv", "conv"] })).toThrow(/"conv" is an output already/);
  });
});

describe("fuse", () => {
  it("false runs activations and sums by themselves, and gives the same", async () => {
    const builder = graphBuilder("residual");
    const x = builder.input("input", [1, 4, 5, 3]);
    const conv = builder.convolution("conv", x, { channels: 3, kernel: 3 });
    const graph = builder.build({ output: builder.activation("relu", builder.add("add", x, conv), "relu") });
    const [weights, inputs] = [drawnWeights(graph), drawnInputs(graph)];
    const fused = compile(graph, { weights });
    const apart = compile(graph, { weights, fuse: false });
    const computed = (compiled: typeof fused) =>
      compiled.manifest.steps.map(({ op }) => op).filter((op) => ["convolution", "add", "activation"].includes(op));
    expect(computed(fused)).toEqual(["convolution"]);
    expect(computed(apart)).toEqual(["convolution", "add", "activation"]);
    using model = await load(apart);
    expect(greatestDifference(model.run(inputs), interpret(graph, weights, inputs).outputs)).toBeLessThan(1e-6);
  });
});

describe("weights", () => {
  it("are drawn from the seed where none are given", () => {
    const network = build("mobilenet_v2_cifar");
    const bytes = (seed?: number): Uint8Array => compile(network, { seed }).bytes;
    expect(bytes()).toEqual(bytes(0));
    expect(bytes(1)).not.toEqual(bytes(0));
  });

  it("must fit, all of them", () => {
    const weights = new Map([["conv/kernel", tensor([1, 1, 3, 6], new Float32Array(18))]]);
    expect(() => compile(block(), { weights })).toThrow(WeightsError);
    expect(() => compile(block(), { weights })).toThrow(/conv\/kernel has shape 1x1x3x6.*\n.*norm\/gamma is missing/);
  });
});

describe("graphs that the compiler does not take", () => {
  it("computed kernels", () => {
    const builder = graphBuilder("computed kernel");
    const kernel = builder.activation("scaled", builder.input("kernel", [4, 2]), "relu");
    const x = builder.input("input", [4, 4]);
    const graph = builder.build({
      output: builder.node("linear", { op: "linear", bias: false, activation: "none" }, [x, kernel]),
    });
    expect(() => compile(graph)).toThrow(UnsupportedError);
    expect(() => compile(graph)).toThrow(/linear "linear" reads "scaled" \(4x2\) as weights, but it is computed/);
  });

  it("parameters as activations", () => {
    const builder = graphBuilder("parameter");
    const p = builder.parameter("offset", [1, 2, 2, 3], { kind: "constant", value: 1 });
    const graph = builder.build({ output: builder.add("sum", builder.input("input", [1, 2, 2, 3]), p) });
    expect(() => compile(graph)).toThrow(/add "sum" reads parameter "offset" as an activation/);
  });

  it("mixed batches", () => {
    const builder = graphBuilder("mixed");
    const [a, b] = [builder.input("a", [1, 2]), builder.input("b", [3, 2])];
    const graph = builder.build({
      first: builder.activation("x", a, "relu"),
      second: builder.activation("y", b, "relu"),
    });
    expect(() => compile(graph)).toThrow(/mixes batch sizes 1, 3/);
  });

  it("more memory than 32 bits can address", () => {
    const builder = graphBuilder("huge");
    const x = builder.input("input", [1, 20_000, 20_000, 4]);
    expect(() => compile(builder.build({ output: builder.activation("relu", x, "relu") }))).toThrow(
      /"huge" needs \d+ pages of memory; WebAssembly has at most 65536/,
    );
  });
});
