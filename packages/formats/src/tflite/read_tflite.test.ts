import { FormatError, interpret, nodesOf, UnsupportedError } from "@depthwise/core";
import { zipSync } from "fflate";
import { describe, expect, it } from "vitest";
import { relativeError } from "../../../core/src/testing/differences.ts";
import { numbers } from "../testing/onnx_cases.ts";
import golden from "../testing/tflite.golden.json" with { type: "json" };
import { type TfliteCase, tfliteCases } from "../testing/tflite_cases.ts";
import { type TfliteModelSpec, tfliteFile } from "../testing/tflite_file.ts";
import { readTflite } from "./read_tflite.ts";

const goldens = golden as Readonly<Record<string, readonly number[]>>;

function networkOf(spec: TfliteModelSpec) {
  const { network } = readTflite(tfliteFile(spec));
  if (network === undefined) throw new TypeError("no network");
  return network;
}

/** A model of one operator from `x` to `y`, both of the same shape. */
function one(
  code: number,
  shape: readonly number[],
  more: Partial<TfliteModelSpec["operators"][number]> = {},
): TfliteModelSpec {
  return {
    tensors: { x: { shape }, y: { shape } },
    operators: [{ code, inputs: ["x"], outputs: ["y"], ...more }],
    inputs: ["x"],
    outputs: ["y"],
  };
}

/** TANH. */
const unreadOperator = 28;
const relu = 19;

describe("readTflite, against LiteRT", () => {
  it("has a golden output of every case", () => {
    expect(Object.keys(tfliteCases).toSorted()).toEqual(Object.keys(goldens).toSorted());
  });

  it.each(Object.keys(tfliteCases))("gives its numbers for %s", (name) => {
    const { spec, tolerance } = tfliteCases[name] as TfliteCase;
    const { graph, weights } = networkOf(spec);
    const [input] = nodesOf(graph, "input");
    const x = Float32Array.from(
      numbers(
        (input?.shape ?? []).reduce((product, length) => product * length, 1),
        5,
      ),
    );
    const output = interpret(graph, weights, { x }).outputs.y;
    expect(output?.shape).toEqual(spec.tensors.y?.shape);
    expect(relativeError(output?.data ?? [], goldens[name] ?? [])).toBeLessThan(tolerance);
  });
});

describe("readTflite", () => {
  it("reads a channel shuffle as a permutation by a formula", () => {
    const { graph } = networkOf((tfliteCases["a channel shuffle"] as TfliteCase).spec);
    expect(nodesOf(graph, "permute").map(({ operation }) => operation.permutation)).toEqual([
      { kind: "shuffle", groups: 3 },
    ]);
    expect(graph.nodes).toHaveLength(2);
  });

  it("takes the range of quantised values for the activation that a converter left to it", () => {
    const activations = (name: string) =>
      nodesOf(networkOf((tfliteCases[name] as TfliteCase).spec).graph, "activation").map(
        ({ operation }) => operation.activation,
      );
    expect(activations("8 bits, depthwise, with a range from zero on for a ReLU")).toEqual(["relu"]);
    expect(activations("8 bits, a scale for each channel")).toEqual([]);
  });

  it.each([
    ["u8", 128, -1],
    ["i8", 0, -1],
  ] as const)("says how bytes go into an input of type %s", (type, zeroPoint, offset) => {
    const spec = one(relu, [1, 2, 2, 1]);
    const x = { shape: [1, 2, 2, 1], type, scale: [1 / 128], zeroPoint: [zeroPoint] };
    expect(readTflite(tfliteFile({ ...spec, tensors: { ...spec.tensors, x } })).pixels).toEqual({
      scale: 1 / 128,
      offset,
    });
    expect(readTflite(tfliteFile(spec)).pixels).toBeUndefined();
  });

  it("keeps tensors as they are stored", () => {
    const { tensors } = readTflite(tfliteFile((tfliteCases["8 bits, a scale for each channel"] as TfliteCase).spec));
    expect([...tensors].map(([name, { dtype, shape }]) => [name, dtype, shape])).toEqual([
      ["w", "i8", [3, 3, 3, 2]],
      ["b", "i32", [3]],
    ]);
  });

  it("finds labels in the archive behind the model", () => {
    const model = tfliteFile(one(relu, [1, 3]));
    const withArchive = (files: Record<string, string>): Uint8Array => {
      const encoded = Object.entries(files).map(([name, text]) => [name, new TextEncoder().encode(text)] as const);
      return appended(model, zipSync(Object.fromEntries(encoded), { level: 0 }));
    };
    expect(readTflite(withArchive({ "labels.txt": "cat\ndog\nfox\n" })).labels).toEqual(["cat", "dog", "fox"]);
    const other = readTflite(withArchive({ "labels.txt": "cat\ndog\n" }));
    expect([other.labels, other.ignored]).toEqual([undefined, ["labels.txt"]]);
  });

  it.each<[string, TfliteModelSpec, RegExp]>([
    ["an operator of none of ours", one(unreadOperator, [1, 3]), /operator 28 "y": no operation of ours/],
    [
      "an activation of none of ours",
      one(0, [1, 3], { inputs: ["x", "x"], optionsType: 11, options: [[0, "int8", 4]] }),
      /activation 4/,
    ],
    ["an input that is no picture", one(relu, [1, 3, 3]), /Input "x" has shape 1x3x3/],
  ])("refuses %s", (_, spec, message) => {
    expect(() => readTflite(tfliteFile(spec), { file: "net.tflite" })).toThrow(UnsupportedError);
    expect(() => readTflite(tfliteFile(spec), { file: "net.tflite" })).toThrow(message);
  });

  it.each<[string, TfliteModelSpec, RegExp]>([
    ["a missing input", { ...one(relu, [1, 3]), inputs: [] }, /reads "x", which nothing before it gives/],
    ["options that are missing", one(2, [1, 3]), /CONCATENATION "y": has no options/],
  ])("calls %s a broken file", (_, spec, message) => {
    expect(() => readTflite(tfliteFile(spec))).toThrow(FormatError);
    expect(() => readTflite(tfliteFile(spec))).toThrow(message);
  });
});

/** An archive behind other bytes, whose places are counted from the beginning of all, as Python's zipfile does. */
function appended(before: Uint8Array, archive: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(before.length + archive.length);
  bytes.set(before);
  bytes.set(archive, before.length);
  const view = new DataView(bytes.buffer);
  const end = bytes.length - 22;
  const directory = view.getUint32(end + 16, true) + before.length;
  view.setUint32(end + 16, directory, true);
  view.setUint32(directory + 42, view.getUint32(directory + 42, true) + before.length, true);
  return bytes;
}
