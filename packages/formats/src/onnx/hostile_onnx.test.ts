import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { UnsupportedError } from "@depthwise/core";
import { describe, expect, it } from "vitest";
import { randomGraph } from "../../../core/src/testing/random_graph.ts";
import { readDamaged, readHostile } from "../testing/hostile.ts";
import { onnxCases } from "../testing/onnx_cases.ts";
import { type ModelSpec, onnxFile } from "../testing/onnx_file.ts";
import { readOnnx } from "./read_onnx.ts";
import { writeOnnx } from "./write_onnx.ts";

const longest = 4000;
const written = Array.from({ length: 60 }, (_, seed) => randomGraph(seed)).map(({ graph, weights }) =>
  writeOnnx(graph, weights),
);
const seeds: readonly Uint8Array[] = [...Object.values(onnxCases).map(onnxFile), ...written].filter(
  ({ length }) => length < longest,
);

const int64 = (...values: readonly number[]) => ({ dims: [values.length], values, type: "i64" as const });
const small = (
  nodes: ModelSpec["nodes"],
  constants: ModelSpec["constants"],
  dims: readonly number[] = [1, 4, 2, 2],
): Uint8Array => onnxFile({ opset: 13, inputs: { x: dims }, nodes, constants: constants ?? {}, outputs: ["y"] });
/** One node after another, each reading the one before. */
const chain = (count: number, op: string, extra: readonly string[] = []): ModelSpec["nodes"] =>
  Array.from({ length: count }, (_, i) => [
    op,
    [i === 0 ? "x" : `v${i}`, ...extra],
    [i === count - 1 ? "y" : `v${i + 1}`],
  ]);

describe("readOnnx, of hostile files", () => {
  it("gives a typed error, soon and in little memory, for 20,000 damaged files", () => {
    expect(seeds.length).toBeGreaterThan(80);
    expect(readDamaged(seeds, 20_000, readOnnx, "ONNX")).toBeGreaterThan(10_000);
  }, 240_000);

  it("refuses a file cut short at any byte", () => {
    const bytes = onnxFile(onnxCases["a shuffle with the batch baked in"] as ModelSpec);
    for (let length = 0; length < bytes.length; length++) {
      expect(readHostile(bytes.subarray(0, length), readOnnx), `${length} bytes`).toBeDefined();
    }
  });

  it.each<[string, Uint8Array]>([
    ["groups in groups in groups", new Uint8Array(1_000_000).fill((1 << 3) | WireType.StartGroup)],
    ["graphs in attributes in nodes in graphs", nested(200_000)],
    ["a message longer than the file", Uint8Array.of(0x3a, 0xff, 0xff, 0xff, 0xff, 0x07)],
    ["a varint without an end", new Uint8Array(100_000).fill(0x80)],
    [
      "a constant of a shape that no memory holds",
      small(
        [
          ["ConstantOfShape", ["s"], ["c"]],
          ["Add", ["x", "c"], ["y"]],
        ],
        { s: int64(1e9, 1e9) },
      ),
    ],
    [
      "a constant repeated without end",
      small(
        [
          ["Expand", ["c", "s"], ["d"]],
          ["Add", ["x", "d"], ["y"]],
        ],
        { c: { dims: [1], values: [1] }, s: int64(1e6, 1e6) },
      ),
    ],
    [
      "an input of more channels than there can be",
      small([["Add", ["x", "c"], ["y"]]], { c: { dims: [], values: [1] } }, [1, 2 ** 45, 1, 1]),
    ],
    [
      "a permutation of as many channels",
      small(
        [
          ["Reshape", ["x", "s"], ["r"]],
          ["Transpose", ["r"], ["t"], { perm: [0, 3, 2, 1, 4, 5] }],
          ["Reshape", ["t", "f"], ["y"]],
        ],
        { s: int64(1, 2 ** 15, 2 ** 15, 2 ** 15, 1, 1), f: int64(1, 2 ** 45, 1, 1) },
        [1, 2 ** 45, 1, 1],
      ),
    ],
    [
      "an order of more channels than there can be",
      small(
        [["Gather", ["x", "i"], ["y"], { axis: { int: 1 } }]],
        { i: int64(...Array.from({ length: 5000 }, (_, i) => 2 * i)) },
        [1, 2 ** 40, 1, 1],
      ),
    ],
  ])("refuses %s", (_, bytes) => {
    expect(readHostile(bytes, readOnnx)).toBeDefined();
  });

  it.each<[string, Uint8Array]>([
    [
      "a long chain of transposed weights",
      small(
        [
          ...Array.from({ length: 3000 }, (_, i) => ["Transpose", [`w${i}`], [`w${i + 1}`], { perm: [1, 0] }] as const),
          ["MatMul", ["l", "w3000"], ["y"]],
          ["Flatten", ["x"], ["l"]],
        ].toReversed() as never,
        { w0: { dims: [16, 4096], values: Array<number>(65536).fill(1) } },
      ),
    ],
    [
      "the same weights for every one of many layers",
      small(chain(2000, "Conv", ["w"]), { w: { dims: [4, 4, 1, 1], values: Array<number>(16).fill(1) } }),
    ],
    ["many nodes of one name", small(chain(5000, "Relu"), {})],
    [
      "a deep chain of layers on lists that becomes a picture",
      small(
        [
          ["GlobalAveragePool", ["x"], ["p"]],
          ["Flatten", ["p"], ["f"]],
          ...Array.from(
            { length: 3000 },
            (_, i) => [i % 2 ? "Sigmoid" : "HardSwish", [i === 0 ? "f" : `l${i}`], [`l${i + 1}`]] as const,
          ),
          ["Reshape", ["l3000", "s"], ["r"]],
          ["Mul", ["x", "r"], ["y"]],
        ] as ModelSpec["nodes"],
        { s: int64(1, 4, 1, 1) },
      ),
    ],
  ])("is not held up by %s", (_, bytes) => {
    readHostile(bytes, readOnnx);
  });

  it("names the file that holds weights which are not here", () => {
    const spec = onnxCases["Conv without attributes"] as ModelSpec;
    const bytes = onnxFile({ ...spec, constants: {} });
    expect(readHostile(withExternalWeights(bytes), readOnnx)).toBeInstanceOf(UnsupportedError);
    expect(() => readOnnx(withExternalWeights(bytes))).toThrow(/another file, "weights.bin"/);
  });
});

/** Messages one in another: graph, node, attribute, and again. */
function nested(depth: number): Uint8Array {
  const tags = [7, 1, 5, 6].map((field) => (field << 3) | WireType.LengthDelimited);
  const bytes = new Uint8Array(6 * depth);
  for (let i = 0; i < depth; i++) {
    bytes[6 * i] = tags[i % 4] as number;
    let length = bytes.length - 6 * (i + 1);
    for (let byte = 1; byte < 6; byte++) {
      bytes[6 * i + byte] = (length & 0x7f) | (byte < 5 ? 0x80 : 0);
      length >>>= 7;
    }
  }
  return bytes;
}

/** The model with a graph that holds one more tensor, `w`, whose numbers are elsewhere. */
function withExternalWeights(bytes: Uint8Array): Uint8Array {
  const tensor = new BinaryWriter();
  for (const length of [6, 4, 3, 3]) tensor.tag(1, WireType.Varint).int64(length);
  tensor.tag(2, WireType.Varint).int32(1).tag(8, WireType.LengthDelimited).string("w");
  tensor.tag(13, WireType.LengthDelimited).fork();
  tensor
    .tag(1, WireType.LengthDelimited)
    .string("location")
    .tag(2, WireType.LengthDelimited)
    .string("weights.bin")
    .join();
  tensor.tag(14, WireType.Varint).int32(1);
  const proto = tensor.finish();
  // A second occurrence of the field `graph` would be merged by protobuf's rules; we take the last: the tensor goes into the first.
  const graphAt = bytes.indexOf(0x3a);
  const length = bytes[graphAt + 1] as number;
  const isLong = length >= 0x80;
  const graphLength = isLong ? (length & 0x7f) + ((bytes[graphAt + 2] as number) << 7) : length;
  const bodyAt = graphAt + (isLong ? 3 : 2);
  const graph = new BinaryWriter();
  graph
    .tag(7, WireType.LengthDelimited)
    .fork()
    .raw(bytes.subarray(bodyAt, bodyAt + graphLength));
  graph.tag(5, WireType.LengthDelimited).bytes(proto).join();
  const parts = [bytes.subarray(0, graphAt), graph.finish(), bytes.subarray(bodyAt + graphLength)];
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}
