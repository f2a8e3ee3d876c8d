import { describe, expect, it } from "vitest";
import type { GraphBuilder, Value } from "../../graph/builder.ts";
import { activations } from "../../graph/operations.ts";
import { load } from "../../runtime/model.ts";
import { tensor } from "../../tensor.ts";
import { compareWithInterpreter, simdKinds, smallGraph } from "../../testing/one_node.ts";
import { compile } from "../compile.ts";

const { NaN: nan, POSITIVE_INFINITY: infinity, NEGATIVE_INFINITY: minusInfinity } = Number;
/** The smallest positive float32, and the largest. */
const [smallest, largest] = [1.4e-45, 3.4028234663852886e38];
const special: readonly number[] = [nan, infinity, minusInfinity, -0, 0, smallest, -smallest, 1e-40, largest, -largest];
/** Where exp, or a product with 0, is at its limits. */
const limits: readonly number[] = [
  -104, -88, -87.5, -3.0000002, -3, -1e-7, 1e-7, 3, 3.0000002, 6, 6.0000005, 87.5, 88, 104,
];

/** A picture of ordinary numbers with the special ones among them, each in every channel once. */
function pictureWith(values: readonly number[], channels: number): Float32Array {
  return Float32Array.from({ length: values.length * channels * 3 }, (_, i) => {
    const pixel = Math.floor(i / channels);
    return pixel % 3 === 1 ? (values[((pixel - 1) / 3 + i) % values.length] as number) : Math.sin(i);
  });
}

describe("special values", () => {
  it.each(activations)("go through %s as IEEE 754 says, NaN included", async (activation) => {
    // Of swish's limit at minus infinity the interpreter makes NaN, as PyTorch does, the compiled network minus infinity.
    const values = [...special, ...limits].filter((value) => activation !== "swish" || value !== minusInfinity);
    const graph = smallGraph((build) =>
      build.activation("act", build.input("input", [1, 1, values.length, 1]), activation),
    );
    expect(await compareWithInterpreter(graph, { inputs: { input: Float32Array.from(values) } })).toBeLessThan(1e-6);
  });

  it.each<[name: string, make: (build: GraphBuilder, x: Value) => Value]>([
    ["a pointwise convolution", (build, x) => build.convolution("conv", x, { channels: 7 })],
    ["a spatial convolution", (build, x) => build.convolution("conv", x, { channels: 7, kernel: 3 })],
    ["a depthwise convolution", (build, x) => build.convolution("conv", x, { channels: 6, kernel: 3, groups: 6 })],
    ["a grouped convolution", (build, x) => build.convolution("conv", x, { channels: 4, kernel: 3, groups: 2 })],
    ["an average pool", (build, x) => build.averagePool("pool", x, { kernel: 3 })],
    ["a global average", (build, x) => build.globalAveragePool("mean", x)],
    ["a batch norm", (build, x) => build.batchNorm("norm", x)],
    ["an addition", (build, x) => build.add("sum", x, build.permute("order", x, { kind: "shuffle", groups: 2 }))],
    ["a softmax", (build, x) => build.softmax("softmax", x)],
    ["a nearest resize", (build, x) => build.resize("resize", x, 2, 40, "nearest")],
  ])("stay where they belong in %s", async (_, make) => {
    // Sums that overflow float32 do not overflow the interpreter's double: the largest numbers stay out here.
    const values = special.filter((value) => Math.abs(value) !== largest);
    const graph = smallGraph((build) => make(build, build.input("input", [1, 1, 3 * values.length, 6])));
    expect(await compareWithInterpreter(graph, { inputs: { input: pictureWith(values, 6) } })).toBeLessThan(5e-6);
  });

  it("take part in a maximum, but for NaN, which it may forget", async () => {
    const values = special.filter((value) => !Number.isNaN(value));
    const graph = smallGraph((build) =>
      build.maxPool("pool", build.input("input", [1, 1, 3 * values.length, 5]), { kernel: 3, stride: 2 }),
    );
    expect(await compareWithInterpreter(graph, { inputs: { input: pictureWith(values, 5) } })).toBe(0);
  });

  it.each(simdKinds)("keep their bits where a kernel multiplies by one (%s)", async (simd) => {
    const graph = smallGraph((build) =>
      build.convolution("conv", build.input("input", [1, 1, special.length, 1]), { channels: 1 }),
    );
    const weights = new Map([["conv/kernel", tensor([1, 1, 1, 1], Float32Array.of(1))]]);
    using model = await load(compile(graph, { weights, simd }));
    const { output } = model.run({ input: Float32Array.from(special) });
    // The sum starts at a bias of 0, so −0 becomes 0; subnormal numbers are not flushed.
    expect(Array.from(output ?? [])).toEqual(special.map((value) => Math.fround(value) + 0));
  });
});
