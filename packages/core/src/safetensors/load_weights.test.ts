import { describe, expect, test } from "vitest";
import { FormatError, OptionError, UnsupportedError, WeightsError } from "../errors.ts";
import { graphBuilder } from "../graph/builder.ts";
import { initializeWeights } from "../graph/initialize.ts";
import { build } from "../networks/build.ts";
import type { Network } from "../networks/network.ts";
import { floatToHalf, halfToFloat, type Tensor, tensor, toFloat32, type Weights } from "../tensor.ts";
import { theirShape, toOurs, toTheirs } from "./exchange_layout.ts";
import { loadWeights, readWeights } from "./load_weights.ts";
import { readNetwork, writeWeights } from "./model_file.ts";
import { readSafetensors } from "./read_safetensors.ts";
import { writeSafetensors } from "./write_safetensors.ts";

const options = { width: 0.35, resolution: 32, classes: 10 };
const network = build("mobilenet_v2", options);
const weights = initializeWeights(network.graph, 7);

/** The weights as PyTorch would save them, in a Map that a test may spoil. */
function checkpoint(of: Network = network, from: Weights = weights): Map<string, Tensor> {
  return readSafetensors(writeWeights(from, of, { naming: of.namings[0]?.name })).tensors;
}

function caught(body: () => unknown): WeightsError {
  try {
    body();
  } catch (error) {
    expect(error).toBeInstanceOf(WeightsError);
    return error as WeightsError;
  }
  throw new Error("nothing was thrown");
}

describe("layouts", () => {
  test("a convolution's [kh, kw, in, out] becomes [out, in, kh, kw], element by element", () => {
    const shape = [2, 3, 4, 5];
    const ours = Float32Array.from({ length: 120 }, (_, i) => i);
    expect(theirShape(shape, "oihw")).toEqual([5, 4, 2, 3]);
    const theirs = toTheirs(ours, shape, "oihw");
    for (let o = 0; o < 5; o++)
      for (let i = 0; i < 4; i++)
        for (let y = 0; y < 2; y++)
          for (let x = 0; x < 3; x++) {
            expect(theirs[((o * 4 + i) * 2 + y) * 3 + x]).toBe(ours[((y * 3 + x) * 4 + i) * 5 + o]);
          }
    expect(toOurs(theirs, shape, "oihw")).toEqual(ours);
  });

  test("a linear layer's [in, out] becomes [out, in]", () => {
    const ours = Float32Array.of(1, 2, 3, 4, 5, 6);
    expect(theirShape([2, 3], "out_in")).toEqual([3, 2]);
    expect(toTheirs(ours, [2, 3], "out_in")).toEqual(Float32Array.of(1, 4, 2, 5, 3, 6));
    expect(toOurs(Float32Array.of(1, 4, 2, 5, 3, 6), [2, 3], "out_in")).toEqual(ours);
  });
});

describe("round trips", () => {
  test("under our names, without a copy", () => {
    const bytes = writeWeights(weights, network);
    const read = readWeights(bytes, network);
    expect([...read]).toEqual([...weights]);
    for (const { data } of read.values()) expect(data.buffer).toBe(bytes.buffer);
  });

  test.each(network.namings.map(({ name }) => name))("under the names of %s", (naming) => {
    const bytes = writeWeights(weights, network, { naming });
    expect(readSafetensors(bytes).metadata.format).toBe("pt");
    expect([...readWeights(bytes, network)]).toEqual([...weights]);
    expect([...readWeights(bytes, network, { naming })]).toEqual([...weights]);
  });

  test("in float16, to the nearest half", () => {
    const bytes = writeWeights(weights, network, { dtype: "f16" });
    expect(bytes.length).toBeLessThan(0.55 * writeWeights(weights, network).length);
    for (const [name, { data }] of readWeights(bytes, network)) {
      const original = toFloat32(weights.get(name) as Tensor);
      expect(data).toEqual(original.map((value) => halfToFloat(floatToHalf(value))));
    }
  });

  test("from float64 and bfloat16, with PyTorch's batch counts passed over", () => {
    const theirs = checkpoint();
    const [first, second] = [...theirs.keys()] as [string, string];
    const wide = theirs.get(first) as Tensor;
    theirs.set(first, { dtype: "f64", shape: wide.shape, data: Float64Array.from(toFloat32(wide)) });
    const narrow = theirs.get(second) as Tensor;
    theirs.set(second, { dtype: "bf16", shape: narrow.shape, data: new Uint16Array(narrow.data.length).fill(0x3fc0) });
    theirs.set("features.0.1.num_batches_tracked", { dtype: "i64", shape: [], data: BigInt64Array.of(5n) });
    const read = [...loadWeights(theirs, network).values()];
    expect(read.some(({ data }) => data.every((value) => value === 1.5))).toBe(true);
    expect(read).toHaveLength(weights.size);
  });
});

describe("mismatches", () => {
  test("are all reported at once, with our names and theirs", () => {
    const theirs = checkpoint();
    expect(theirs.delete("features.0.0.weight")).toBe(true);
    expect(theirs.delete("features.3.conv.1.1.running_var")).toBe(true);
    theirs.set("surplus.weight", tensor([2, 3]));
    theirs.set("features.1.conv.1.weight", tensor([1, 2, 1, 1]));
    theirs.set("features.0.1.bias", { dtype: "i32", shape: [16], data: new Int32Array(16) });
    theirs.set("classifier.1.bias", tensor([10], Float32Array.of(0, 0, 0, Number.NaN, 0, Infinity, 0, 0, 0, 0)));
    const error = caught(() => loadWeights(theirs, network, { file: "bad.pth" }));
    expect(error.file).toBe("bad.pth");
    const { message } = error;
    expect(message).toMatch(
      /bad\.pth does not fit mobilenet_v2\. The names of "torchvision" fit best: \d+ of \d+ tensors found\./,
    );
    expect(message).toMatch(
      /2 missing:\n {2}features\.0\.0\.weight 16x3x3x3 \(our stem\/kernel\)\n {2}features\.3\.conv\.1\.1\.running_var 48/,
    );
    expect(message).toMatch(/1 unexpected:\n {2}surplus\.weight 2x3/);
    expect(message).toMatch(
      /1 of another shape:\n {2}features\.1\.conv\.1\.weight \(our .*\): expected 8x16x1x1, received 1x2x1x1/,
    );
    expect(message).toMatch(/1 not floating point:\n {2}features\.0\.1\.bias: i32/);
    expect(message).toMatch(/1 not finite:\n {2}classifier\.1\.bias: NaN at element 3, 2 of 10 elements/);
  });

  test("in the number of classes alone say so", () => {
    const error = caught(() =>
      readWeights(writeWeights(weights, network), build("mobilenet_v2", { ...options, classes: 7 })),
    );
    expect(error.message).toMatch(/2 of another shape:/);
    expect(error.hint).toBe("The file has 10 classes, this network 7. Build the network with classes: 10.");
    const background = caught(() =>
      readWeights(writeWeights(weights, network), build("mobilenet_v2", { ...options, classes: 9 })),
    );
    expect(background.hint).toMatch(/background class/);
  });

  test("of another width say so", () => {
    const error = caught(() => loadWeights(checkpoint(), build("mobilenet_v2", { ...options, width: 0.5 })));
    expect(error.hint).toMatch(/another width or variant/);
  });

  test("with another network's file say so", () => {
    const error = caught(() => loadWeights(checkpoint(), build("squeezenet_1.1")));
    expect(error.message).toMatch(/unexpected/);
    const foreign = caught(() => loadWeights(new Map([["conv1_W", tensor([1])]]), network));
    expect(foreign.hint).toMatch(/No name of the file is known\. It has conv1_W; .* Is it another network's file\?/);
    expect(caught(() => loadWeights(new Map(), network)).hint).toMatch(/It has no tensors/);
  });

  test("tensors filled with NaN are refused by name", () => {
    const bytes = writeSafetensors(
      new Map(
        [...weights].map(([name, { shape, data }]) => [
          name,
          tensor(shape, new Float32Array(data.length).fill(Number.NaN)),
        ]),
      ),
    );
    expect(caught(() => readWeights(bytes, network)).message).toMatch(
      /stem\/kernel: NaN at element 0, 432 of 432 elements/,
    );
  });

  test("an unknown naming suggests the nearest", () => {
    expect(() => readWeights(writeWeights(weights, network), network, { naming: "torchvison" })).toThrow(OptionError);
    expect(() => writeWeights(weights, network, { naming: "nobody's" })).toThrow(OptionError);
  });
});

describe("batch norms folded into biases", () => {
  /** A separable convolution: norms after both convolutions. */
  function separable(): Network {
    const builder = graphBuilder("separable");
    const x = builder.input("input", [1, 4, 4, 2]);
    const depthwise = builder.batchNorm(
      "dw/norm",
      builder.convolution("dw", x, { channels: 2, kernel: 3, groups: 2 }),
      { epsilon: 1e-3 },
    );
    const pointwise = builder.batchNorm("pw/norm", builder.convolution("pw", depthwise, { channels: 3 }), {
      epsilon: 1e-3,
    });
    const graph = builder.build({ output: builder.flatten("flatten", builder.globalAveragePool("pool", pointwise)) });
    const modules = new Map([
      ["dw", "blocks.0.depthwise"],
      ["dw/norm", "blocks.0.depthwise_norm"],
      ["pw", "blocks.0.pointwise"],
      ["pw/norm", "blocks.0.pointwise_norm"],
    ]);
    return {
      ...network,
      family: undefined,
      name: "separable",
      graph,
      namings: [{ name: "folded", modules }],
      classes: 3,
    };
  }
  const folded = new Map([
    [
      "blocks.0.depthwise.weight",
      tensor(
        [2, 1, 3, 3],
        Float32Array.from({ length: 18 }, (_, i) => i),
      ),
    ],
    ["blocks.0.depthwise.bias", tensor([2], Float32Array.of(4, 5))],
    ["blocks.0.pointwise.weight", tensor([3, 2, 1, 1], Float32Array.of(1, 2, 3, 4, 5, 6))],
    ["blocks.0.pointwise.bias", tensor([3], Float32Array.of(7, 8, 9))],
  ]);

  test("become norms that only add the bias", () => {
    const read = loadWeights(folded, separable());
    const values = (name: string) => [...toFloat32(read.get(name) as Tensor)];
    expect(values("dw/norm/gamma")).toEqual([1, 1]);
    expect(values("dw/norm/beta")).toEqual([4, 5]);
    expect(values("dw/norm/mean")).toEqual([0, 0]);
    expect(values("dw/norm/variance")).toEqual([Math.fround(0.999), Math.fround(0.999)]);
    expect(values("pw/norm/beta")).toEqual([7, 8, 9]);
    // 1 / sqrt(variance + epsilon): the identity to the last bits of float32.
    expect(1 / Math.sqrt((values("pw/norm/variance")[0] as number) + 1e-3)).toBeCloseTo(1, 7);
    expect(values("pw/kernel")).toEqual([1, 3, 5, 2, 4, 6]);
  });

  test("are not assumed where part of the norm is there", () => {
    const half = new Map([...folded, ["blocks.0.pointwise_norm.weight", tensor([3])] as const]);
    const { message } = caught(() => loadWeights(half, separable()));
    expect(message).toMatch(/3 missing:\n {2}blocks\.0\.pointwise_norm\.bias/);
    expect(message).toMatch(/1 unexpected:\n {2}blocks\.0\.pointwise\.bias/);
  });

  test("are not assumed where the bias has another length", () => {
    const wrong = new Map([...folded, ["blocks.0.pointwise.bias", tensor([4])] as const]);
    expect(caught(() => loadWeights(wrong, separable())).message).toMatch(
      /1 unexpected:\n {2}blocks\.0\.pointwise\.bias 4/,
    );
  });
});

describe("model files", () => {
  const labels = Array.from({ length: 10 }, (_, i) => `class ${i} "é"`);
  const preprocessing = JSON.stringify(network.preprocessing);
  const labelled: Network = { ...network, labels };

  test("hold network, labels, preprocessing and weights", () => {
    const bytes = writeWeights(weights, labelled, { metadata: { licence: "none", family: "not this one" } });
    const file = readNetwork(bytes);
    expect([...file.weights]).toEqual([...weights]);
    expect(file.network.graph).toEqual(network.graph);
    expect({ ...file.network, graph: 0 }).toEqual({ ...labelled, graph: 0 });
    expect(file.metadata.licence).toBe("none");
    expect(writeWeights(file.weights, file.network, { metadata: { licence: "none" } })).toEqual(bytes);
  });

  test("keep a variant's name and options", () => {
    const variant = build("squeezenet_1.1_224");
    const { network: read } = readNetwork(writeWeights(initializeWeights(variant.graph), variant));
    expect([read.name, read.family, read.options]).toEqual([variant.name, variant.family, variant.options]);
  });

  test("of a network of no family hold its graph", () => {
    const { labels: _, ...imported }: Network = {
      ...labelled,
      name: "imported",
      family: undefined,
      options: {},
      namings: [],
    };
    const file = readNetwork(writeWeights(weights, imported));
    expect([...file.weights]).toEqual([...weights]);
    expect(file.network).toEqual(imported);
  });

  test("of another function with the same shapes are refused", () => {
    const bytes = writeWeights(weights, network);
    const other = build("mobilenet_v2", { ...options, padding: "tf" });
    expect(() => readWeights(bytes, other)).toThrow(
      /made with padding "torch", but mobilenet_v2 has padding "tf": the same shapes, another function/,
    );
    expect(loadWeights(readSafetensors(bytes).tensors, other).size).toBe(weights.size);
    expect(readWeights(bytes, build("mobilenet_v2", { ...options, resolution: 64 })).size).toBe(weights.size);
  });

  test.each<[string, Record<string, string>, RegExp]>([
    ["none", {}, /does not say of which network/],
    ["another version", { depthwise: "2", family: "mobilenet_v2", options: "{}" }, /has version 2/],
    ["neither family nor graph", { depthwise: "1", options: "{}" }, /neither "family" nor "graph"/],
    ["a graph that is none", { depthwise: "1", graph: "[]", preprocessing }, /./],
    [
      "an unknown family",
      { depthwise: "1", family: "mobilnet_v2", options: "{}" },
      /There is no network "mobilnet_v2"/,
    ],
    ["options that are not JSON", { depthwise: "1", family: "mobilenet_v2", options: "{" }, /"options": expected JSON/],
    [
      "options that are no object",
      { depthwise: "1", family: "mobilenet_v2", options: "[1]" },
      /expected an object, received \[1\]/,
    ],
    ["an unknown option", { depthwise: "1", family: "mobilenet_v2", options: '{"wdith":1}' }, /no option "wdith"/],
    [
      "a prototype's option",
      { depthwise: "1", family: "mobilenet_v2", options: '{"__proto__":1}' },
      /no option "__proto__"/,
    ],
    [
      "an endless network",
      { depthwise: "1", family: "mobilenet_v2", options: '{"width":1e300}' },
      /width 1e\+300 is more than 100000/,
    ],
    [
      "labels of another number",
      { depthwise: "1", family: "mobilenet_v2", options: '{"classes":2}', preprocessing, labels: '["a"]' },
      /expected an array of 2 strings/,
    ],
    [
      "labels that are no strings",
      { depthwise: "1", family: "mobilenet_v2", options: '{"classes":1}', preprocessing, labels: "[1]" },
      /expected an array of 1 strings/,
    ],
    [
      "broken preprocessing",
      { depthwise: "1", family: "mobilenet_v2", options: "{}", preprocessing: "{}" },
      /preprocessing/,
    ],
  ])("with %s in the metadata are refused", (_, metadata, message) => {
    const bytes = writeSafetensors(new Map(), metadata);
    expect(() => readNetwork(bytes, { file: "m.safetensors" })).toThrow(message);
    try {
      readNetwork(bytes);
    } catch (error) {
      expect(error instanceof FormatError || error instanceof UnsupportedError).toBe(true);
    }
  });
});

describe("writing", () => {
  test("refuses weights that do not belong to the network", () => {
    expect(() => writeWeights(new Map(), network)).toThrow(/"stem\/kernel" expects 3x3x3x16, received nothing/);
    const wrong = new Map([...weights, ["stem/kernel", tensor([1])] as const]);
    expect(() => writeWeights(wrong, network)).toThrow(/"stem\/kernel" expects 3x3x3x16, received 1\./);
  });

  test("refuses numbers that float16 cannot hold", () => {
    const large = new Map([...weights, ["stem/norm/beta", tensor([16], new Float32Array(16).fill(1e5))] as const]);
    expect(() => writeWeights(large, network, { dtype: "f16" })).toThrow(
      /"stem\/norm\/beta" holds 100000 at element 0, beyond float16's 65504/,
    );
  });
});
