import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { FormatError } from "@depthwise/core";
import { describe, expect, it } from "vitest";
import { readDamaged, readHostile } from "../testing/hostile.ts";
import { readCaffe } from "./read_caffe.ts";

/** A message from its fields: texts, whole numbers, messages, packed numbers. Field numbers below are those of BVLC's caffe.proto. */
function message(
  ...fields: readonly (readonly [number: number, value: string | number | Uint8Array | readonly number[]])[]
): Uint8Array {
  const writer = new BinaryWriter();
  for (const [number, value] of fields) {
    if (typeof value === "number") writer.tag(number, WireType.Varint).int64(value);
    else if (typeof value === "string") writer.tag(number, WireType.LengthDelimited).string(value);
    else if (value instanceof Uint8Array) writer.tag(number, WireType.LengthDelimited).bytes(value);
    else writer.tag(number, WireType.LengthDelimited).bytes(new Uint8Array(Float32Array.from(value).buffer));
  }
  return writer.finish();
}

/** BlobProto: `shape` 7 (of packed `dim` 1), `data` 5. */
function blob(shape: readonly number[], data: readonly number[]): Uint8Array {
  const dims = new BinaryWriter();
  for (const length of shape) dims.int64(length);
  return message([7, message([1, dims.finish()])], [5, data]);
}

/** BlobProto of older files: `num` 1, `channels` 2, `height` 3, `width` 4. */
function legacyBlob(shape: readonly [number, number, number, number], data: readonly number[]): Uint8Array {
  return message(...shape.map((length, axis): [number, number] => [axis + 1, length]), [5, data]);
}

/** LayerParameter: `name` 1, `type` 2, `bottom` 3, `top` 4, `blobs` 7. */
function layer(name: string, type: string, bottom: string, top: string, ...blobs: readonly Uint8Array[]): Uint8Array {
  return message([1, name], [2, type], [3, bottom], [4, top], ...blobs.map((each): [number, Uint8Array] => [7, each]));
}

/** V1LayerParameter: `bottom` 2, `top` 3, `name` 4, `type` 5 (an enum), `blobs` 6. */
function layerV1(name: string, type: number, bottom: string, top: string, ...blobs: readonly Uint8Array[]): Uint8Array {
  return message([2, bottom], [3, top], [4, name], [5, type], ...blobs.map((each): [number, Uint8Array] => [6, each]));
}

/** NetParameter: `name` 1, V1's `layers` 2, `layer` 100. */
function network(field: 2 | 100, ...layers: readonly Uint8Array[]): Uint8Array {
  return message([1, "net"], ...layers.map((each): [number, Uint8Array] => [field, each]));
}

function contents(bytes: Uint8Array): Record<string, readonly [readonly number[], readonly number[]]> {
  return Object.fromEntries(
    [...readCaffe(bytes).tensors].map(([name, { shape, data }]) => [name, [shape, Array.from(data as Float32Array)]]),
  );
}

const count = (length: number): readonly number[] => Array.from({ length }, (_, i) => i);

describe("readCaffe", () => {
  it("reads the current format", () => {
    const bytes = network(
      100,
      layer("data", "Input", "", "data"),
      layer("conv1", "Convolution", "data", "conv1", blob([2, 3, 1, 1], count(6)), blob([2], [8, 9])),
      layer("fc", "InnerProduct", "conv1", "fc", blob([2, 4], count(8)), blob([2], [1, 2])),
    );
    expect(readCaffe(bytes).format).toBe("caffe");
    expect(contents(bytes)).toEqual({
      "conv1.weight": [[2, 3, 1, 1], count(6)],
      "conv1.bias": [[2], [8, 9]],
      "fc.weight": [[2, 4], count(8)],
      "fc.bias": [[2], [1, 2]],
    });
  });

  it("reads V1, whose blobs have four axes", () => {
    const bytes = network(
      2,
      layerV1("conv1", 4, "data", "conv1", legacyBlob([2, 1, 1, 2], count(4)), legacyBlob([1, 1, 1, 2], [8, 9])),
      layerV1("fc", 14, "conv1", "fc", legacyBlob([1, 1, 2, 3], count(6)), legacyBlob([1, 1, 1, 2], [1, 2])),
    );
    expect(contents(bytes)).toEqual({
      "conv1.weight": [[2, 1, 1, 2], count(4)],
      "conv1.bias": [[2], [8, 9]],
      "fc.weight": [[2, 3], count(6)],
      "fc.bias": [[2], [1, 2]],
    });
  });

  it("puts a BatchNorm and its Scale together, and divides the sums by their factor", () => {
    const bytes = network(
      100,
      layer("c/bn", "BatchNorm", "c", "c", blob([2], [2, 4]), blob([2], [6, 8]), blob([1], [2])),
      layer("c/scale", "Scale", "c", "c", blob([2], [5, 6]), blob([2], [7, 8])),
      layer("alone", "Scale", "c", "d", blob([2], [1, 2])),
      layer("new/bn", "BatchNorm", "d", "e", blob([2], [3, 3]), blob([2], [3, 3]), blob([1], [0])),
    );
    expect(contents(bytes)).toEqual({
      "c/bn.running_mean": [[2], [1, 2]],
      "c/bn.running_var": [[2], [3, 4]],
      "c/bn.weight": [[2], [5, 6]],
      "c/bn.bias": [[2], [7, 8]],
      "alone.weight": [[2], [1, 2]],
      // A factor of 0 gives zeros, as in Caffe.
      "new/bn.running_mean": [[2], [0, 0]],
      "new/bn.running_var": [[2], [0, 0]],
    });
  });

  it("reads float64 numbers, and numbers that are not packed", () => {
    const doubles = message([1, 1], [2, 1], [3, 1], [4, 2], [8, new Uint8Array(Float64Array.of(0.5, -1).buffer)]);
    const writer = new BinaryWriter();
    for (const value of [3, 4]) writer.tag(5, WireType.Bit32).float(value);
    writer.raw(message([7, message([1, 2])]));
    const bytes = network(100, layer("a", "Bias", "x", "y", doubles), layer("b", "Bias", "x", "y", writer.finish()));
    expect(contents(bytes)).toEqual({ "a.weight": [[2], [0.5, -1]], "b.weight": [[2], [3, 4]] });
  });

  it("names blobs without numbers and goes on", () => {
    const bytes = network(
      100,
      layer("a", "Convolution", "x", "y", message([7, message([1, 2])])),
      layer("b", "Convolution", "x", "y", blob([1, 1, 1, 1], [1])),
    );
    expect(readCaffe(bytes).ignored).toEqual(["a.weight"]);
  });

  it("refuses shapes that do not fit, doubled layers, prototxt, and files without weights", () => {
    const wrong = network(100, layer("a", "Convolution", "x", "y", blob([1, 1, 1, 3], [1, 2])));
    expect(() => readCaffe(wrong, { file: "it.caffemodel" })).toThrow(/"a" has 2 numbers for the shape 1x1x1x3/);
    const one = layer("a", "Convolution", "x", "y", blob([1, 1, 1, 1], [1]));
    expect(() => readCaffe(network(100, one, one))).toThrow(/two tensors are named "a\.weight"/);
    expect(() => readCaffe(network(100, layer("data", "Input", "", "data")))).toThrow(FormatError);
    const hint = ((): string | undefined => {
      try {
        readCaffe(new TextEncoder().encode('name: "SqueezeNet"\nlayer {\n  name: "data"\n}\n'));
        return undefined;
      } catch (error) {
        return (error as FormatError).hint;
      }
    })();
    expect(hint).toMatch(/prototxt/);
  });

  it("reads or refuses 25,000 damaged files", { timeout: 120_000 }, () => {
    const seeds = [
      network(
        100,
        layer("c", "Convolution", "x", "c", blob([2, 1, 1, 2], count(4)), blob([2], [1, 2])),
        layer("c/bn", "BatchNorm", "c", "c", blob([2], [2, 4]), blob([2], [6, 8]), blob([1], [2])),
        layer("c/scale", "Scale", "c", "c", blob([2], [5, 6]), blob([2], [7, 8])),
      ),
      network(2, layerV1("fc", 14, "x", "y", legacyBlob([1, 1, 2, 3], count(6)), legacyBlob([1, 1, 1, 2], [1, 2]))),
    ];
    const refused = readDamaged(seeds, 25_000, readCaffe, "caffe");
    expect(refused).toBeGreaterThan(5_000);
    expect(refused).toBeLessThan(25_000);
  });

  it("refuses messages within messages without end, and lengths beyond the file", () => {
    const groups = new Uint8Array(1_000_000).fill(0x0b); // each byte begins a group
    expect(readHostile(groups, readCaffe)).toBeInstanceOf(FormatError);
    const long = Uint8Array.of(0xa2, 0x06, 0xff, 0xff, 0xff, 0xff, 0x0f);
    expect(readHostile(long, readCaffe)).toBeInstanceOf(FormatError);
    const empty = repeatedMessage(Uint8Array.of(0xa2, 0x06, 0x00), 2_000_000); // two million layers of nothing
    expect(readHostile(empty, readCaffe)?.message).toMatch(/limit/);
  });
});

function repeatedMessage(part: Uint8Array, times: number): Uint8Array {
  return Uint8Array.from({ length: part.length * times }, (_, i) => part[i % part.length] as number);
}
