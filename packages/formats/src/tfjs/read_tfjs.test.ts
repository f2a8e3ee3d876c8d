import { FormatError, IoError, interpret, UnsupportedError } from "@depthwise/core";
import { describe, expect, it } from "vitest";
import { readDamaged, readHostile } from "../testing/hostile.ts";
import { numbers } from "../testing/onnx_cases.ts";
import goldens from "../testing/tfjs.golden.json" with { type: "json" };
import { readTfjs, readTfjsFiles } from "./read_tfjs.ts";

interface Golden {
  readonly modelJson: object;
  readonly weights: string;
  readonly inputShape: readonly number[];
  readonly output: readonly number[];
}

const cases = Object.entries(goldens as unknown as Readonly<Record<string, Golden>>);

function jsonBytes(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

function shardsOf({ weights }: Golden): ReadonlyMap<string, Uint8Array> {
  return new Map([["weights.bin", new Uint8Array(Buffer.from(weights, "base64"))]]);
}

/** The output of a golden model, read and interpreted. */
function answer(golden: Golden, modelJson: object = golden.modelJson, shards = shardsOf(golden)): readonly number[] {
  const { network } = readTfjsFiles(jsonBytes(modelJson), shards);
  if (network === undefined) throw new Error("no network");
  const input = network.graph.nodes.find(({ operation }) => operation.op === "input");
  const count = golden.inputShape.reduce((product, length) => product * length, 1);
  expect(input?.shape).toEqual(golden.inputShape);
  const { outputs } = interpret(network.graph, network.weights, {
    [input?.name ?? ""]: Float32Array.from(numbers(count, 5)),
  });
  return Array.from(outputs[network.graph.outputs[0]?.name ?? ""]?.data as Float32Array);
}

/** Numbers of the goldens have eight digits; TensorFlow.js computes in float32, the interpreter in float64. */
function expectClose(received: readonly number[], expected: readonly number[]): void {
  expect(received).toHaveLength(expected.length);
  const largest = Math.max(...expected.map(Math.abs));
  for (const [i, value] of expected.entries())
    expect(Math.abs((received[i] as number) - value)).toBeLessThan(1e-5 * largest);
}

function goldenOf(name: string): Golden {
  return cases.find(([key]) => key === name)?.[1] as Golden;
}

/** Of a model.json what the tests change. */
interface ModelJson {
  modelTopology: {
    config: { layers: { name: string; class_name: string; inbound_nodes: unknown }[] };
    node: { name: string; op: string; input: string[]; attr: { shape: { shape: { dim: { size: string }[] } } } }[];
  };
  weightsManifest: { weights: { name: string; shape: number[] }[] }[];
}

/** A copy of a golden's model.json that is changed by `change`. */
function changed(name: string, change: (model: ModelJson) => void): ModelJson {
  const model = structuredClone(goldenOf(name).modelJson) as ModelJson;
  change(model);
  return model;
}

function nodeOf(model: ModelJson, name: string): ModelJson["modelTopology"]["node"][number] {
  const node = model.modelTopology.node.find((each) => each.name === name);
  if (node === undefined) throw new Error(`no node ${name}`);
  return node;
}

describe("readTfjs, against TensorFlow.js", () => {
  it.each(cases)("computes what it computes: %s", (_, golden) => {
    expectClose(answer(golden), golden.output);
  });

  it("names inputs and outputs as the signature does", () => {
    const golden = goldenOf("graph: fused");
    const { network, format } = readTfjsFiles(jsonBytes(golden.modelJson), shardsOf(golden));
    expect(format).toBe("tfjs");
    expect(network?.graph.outputs.map(({ name }) => name)).toEqual(["scores"]);
  });
});

describe("readTfjs's weights", () => {
  const golden = goldenOf("layers: sequential");
  const manifest = (golden.modelJson as ModelJson).weightsManifest[0]?.weights ?? [];
  const bytes = shardsOf(golden).get("weights.bin") as Uint8Array;

  it("come from several shards, which cut tensors anywhere", async () => {
    const model = { ...golden.modelJson, weightsManifest: [{ paths: ["a/1.bin", "a/2.bin"], weights: manifest }] };
    const shards = new Map([
      ["a/1.bin", bytes.slice(0, 17)],
      ["a/2.bin", bytes.slice(17)],
    ]);
    const asked: string[] = [];
    const readBeside = async (name: string): Promise<Uint8Array> => {
      asked.push(name);
      return shards.get(name) as Uint8Array;
    };
    const { tensors } = await readTfjs(jsonBytes(model), { readBeside });
    expect(asked).toEqual(["a/1.bin", "a/2.bin"]);
    expect(tensors).toEqual(readTfjsFiles(jsonBytes(golden.modelJson), shardsOf(golden)).tensors);
  });

  it.each(["uint8", "uint16"] as const)("are what quantised numbers stand for: %s", (dtype) => {
    const scale = 0.25;
    const min = -3;
    const weights = manifest.map((entry) => ({ ...entry, dtype: "float32", quantization: { dtype, scale, min } }));
    const count = manifest.reduce((sum, { shape }) => sum + shape.reduce((product, length) => product * length, 1), 0);
    const stored = new (dtype === "uint8" ? Uint8Array : Uint16Array)(count).map((_, i) => i % 30);
    const shards = new Map([["weights.bin", new Uint8Array(stored.buffer)]]);
    const model = { ...golden.modelJson, weightsManifest: [{ paths: ["weights.bin"], weights }] };
    const { tensors, network } = readTfjsFiles(jsonBytes(model), shards);
    const all = [...tensors.values()].flatMap(({ data }) => Array.from(data as Float32Array));
    expect(all).toEqual(Array.from(stored, (value) => value * scale + min));
    expect(network?.weights.size).toBeGreaterThan(0);
  });

  it("of float16 stay so among the tensors, and are widened in the network", () => {
    const weights = manifest.map((entry) => ({ ...entry, dtype: "float32", quantization: { dtype: "float16" } }));
    const halves = new Uint16Array(bytes.length / 4).fill(0x3c00); // 1
    const model = { ...golden.modelJson, weightsManifest: [{ paths: ["weights.bin"], weights }] };
    const { tensors, network } = readTfjsFiles(
      jsonBytes(model),
      new Map([["weights.bin", new Uint8Array(halves.buffer)]]),
    );
    expect([...tensors.values()].every(({ dtype }) => dtype === "f16")).toBe(true);
    const kernels = [...(network?.weights ?? [])].filter(([name]) => name.endsWith("kernel"));
    expect(kernels.length).toBeGreaterThan(0);
    for (const [, { data }] of kernels) expect(new Set(data as Float32Array)).toEqual(new Set([1]));
  });

  it.each(["../secret", "/etc/passwd", "a/../../b", "https://example.com/w.bin", "file:///x", "..\\x", ""])(
    "are not asked for outside the folder: %j",
    async (path) => {
      const model = { ...golden.modelJson, weightsManifest: [{ paths: [path], weights: manifest }] };
      const readBeside = async (): Promise<Uint8Array> => bytes;
      await expect(readTfjs(jsonBytes(model), { readBeside })).rejects.toThrow(/beside the model/);
    },
  );

  it("that are not there or too short are said to be so", async () => {
    await expect(readTfjs(jsonBytes(golden.modelJson))).rejects.toThrow(IoError);
    const short = new Map([["weights.bin", bytes.slice(4)]]);
    expect(() => readTfjsFiles(jsonBytes(golden.modelJson), short, "m.json")).toThrow(/weights\.bin have/);
  });
});

describe("readTfjs refuses", () => {
  const refuse = (name: string, change: (model: ModelJson) => void): (() => unknown) => {
    return () => readTfjsFiles(jsonBytes(changed(name, change)), shardsOf(goldenOf(name)), "model.json");
  };
  const layersOf = (model: ModelJson) => model.modelTopology.config.layers;

  it("layers and nodes that nothing of ours is, by name", () => {
    const odd = refuse("layers: sequential", (model) => {
      (layersOf(model)[1] as { class_name: string }).class_name = "LayerNormalization";
    });
    expect(odd).toThrow(UnsupportedError);
    expect(odd).toThrow(/LayerNormalization ".*"/);
    const node = refuse("graph: plain", (model) => {
      nodeOf(model, "relu").op = "Erf";
    });
    expect(node).toThrow(/Erf "relu"/);
  });

  it("an input of an open size, and says what to do", () => {
    const open = refuse("graph: plain", (model) => {
      nodeOf(model, "x").attr.shape.shape.dim[1] = { size: "-1" };
    });
    expect(open).toThrow(/"x" has shape \?x\?x9x4/);
  });

  it("graphs that depend on themselves", () => {
    const nodes = refuse("graph: fused", (model) => {
      nodeOf(model, "conv").input[0] = "probabilities";
    });
    expect(nodes).toThrow(/depends on itself/);
    const layers = refuse("layers: branches", (model) => {
      (layersOf(model)[1] as { inbound_nodes: unknown }).inbound_nodes = [[[layersOf(model).at(-1)?.name, 0, 0, {}]]];
    });
    expect(layers).toThrow(/depends on itself/);
  });

  it("models in models without end, and long JSON", () => {
    const nested =
      '{"class_name": "Sequential", "config": {"batch_input_shape": [1, 2, 2, 3], "layers": ['.repeat(20_000) +
      "]}}".repeat(20_000);
    const model = new TextEncoder().encode(`{"modelTopology": {"model_config": ${nested}}, "weightsManifest": []}`);
    expect(readHostile(model, (bytes) => readTfjsFiles(bytes, new Map()))).toBeInstanceOf(FormatError);
    const deep = new TextEncoder().encode(`{"weightsManifest": ${"[".repeat(1e6)}${"]".repeat(1e6)}}`);
    expect(readHostile(deep, (bytes) => readTfjsFiles(bytes, new Map()))).toBeInstanceOf(FormatError);
    const long = new Uint8Array(2 ** 23).fill(0x20);
    expect(readHostile(long, (bytes) => readTfjsFiles(bytes, new Map()))?.message).toMatch(/too long/);
  });

  it("or reads 20,000 damaged models", { timeout: 240_000 }, () => {
    const json = cases.map(([, { modelJson }]) => jsonBytes(modelJson)).filter(({ length }) => length < 5000);
    expect(json.length).toBeGreaterThan(5);
    const shards = new Map([["weights.bin", new Uint8Array(20_000)]]);
    const whole = cases.map(([, golden]) => shardsOf(golden).get("weights.bin") as Uint8Array);
    // Whole models too: their shard is found by its length, so that most damage is met beyond the manifest.
    const read = (bytes: Uint8Array): unknown => {
      try {
        return readTfjsFiles(bytes, shards);
      } catch (error) {
        const needed = Number(/take (\d+) bytes/.exec((error as Error).message)?.[1] ?? Number.NaN);
        const shard = whole.find(({ length }) => length === needed);
        if (shard === undefined) throw error;
        return readTfjsFiles(bytes, new Map([["weights.bin", shard]]));
      }
    };
    const refused = readDamaged(json, 20_000, read, "tfjs");
    expect(refused).toBeGreaterThan(10_000);
    expect(refused).toBeLessThan(20_000);
  });
});
