import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DepthwiseError, FormatError, ShapeError } from "../errors.ts";
import { bytesPerElement, type DType, elementCount, type Tensor, tensor } from "../tensor.ts";
import { decodeE4M3, decodeE5M2, elementNameOf, elementTypes, isElementName } from "./element_types.ts";
import { readSafetensors } from "./read_safetensors.ts";
import golden from "./reference.golden.json" with { type: "json" };
import { writeSafetensors } from "./write_safetensors.ts";

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, "base64"));
}

function rawBytes({ data }: Tensor): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** A file from its header's text and `dataLength` bytes of data. */
function fileOf(header: string | object, dataLength: number): Uint8Array {
  const text = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + dataLength);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  return bytes;
}

function entry(dtype: string, shape: readonly unknown[], start: unknown, end: unknown): object {
  return { dtype, shape, data_offsets: [start, end] };
}

describe("against the reference implementation", () => {
  test.each(Object.entries(golden.files))("reads its file '%s'", (_, file) => {
    const { tensors } = readSafetensors(fromBase64(file.base64));
    expect([...tensors.keys()].sort()).toEqual(file.tensors.map(({ name }) => name).sort());
    for (const { name, ...expected } of file.tensors) {
      const read = tensors.get(name) as Tensor;
      expect(read.shape).toEqual(expected.shape);
      if (expected.dtype.startsWith("F8")) continue; // widened: the tests of 8-bit floats look at the values
      expect(elementNameOf[read.dtype]).toBe(expected.dtype);
      expect(rawBytes(read)).toEqual(fromBase64(expected.base64));
    }
  });

  test.each(Object.entries(golden.files))("writes its file '%s' byte for byte", (name, file) => {
    const { tensors, metadata } = readSafetensors(fromBase64(file.base64));
    if (name === "every type") {
      // We write no 8-bit floats: without them, both files hold the same tensors in the same order.
      for (const key of ["float8_e4m3fn even", "float8_e5m2 odd"]) expect(tensors.delete(key)).toBe(true);
      const names = [...readSafetensors(writeSafetensors(tensors, metadata)).tensors.keys()];
      expect(names).toEqual([...tensors.keys()]);
    } else {
      expect(writeSafetensors(new Map([...tensors].reverse()), metadata)).toEqual(fromBase64(file.base64));
    }
  });

  test("refuses whatever it refuses, and reads what it reads", () => {
    // Each difference is a file where we are stricter on purpose.
    const stricter: RegExp[] = [/stands twice/, /unknown field/];
    for (const [base64, isValid] of golden.verdicts as [string, boolean][]) {
      let message = "";
      try {
        readSafetensors(fromBase64(base64));
      } catch (error) {
        expect(error).toBeInstanceOf(FormatError);
        message = (error as Error).message;
      }
      const text = Buffer.from(base64, "base64").toString("latin1");
      if (!isValid) expect(message, text).not.toBe("");
      else if (!stricter.some((reason) => reason.test(message))) expect(message, text).toBe("");
    }
  });
});

describe("8-bit floats", () => {
  test.each([
    ["F8_E5M2", decodeE5M2],
    ["F8_E4M3", decodeE4M3],
  ] as const)("decodes every byte of %s as ml_dtypes does", (name, decode) => {
    const expected = golden.float8[name].map(Number).map((value) => (Number.isNaN(value) ? Number.NaN : value));
    expected.forEach((value, byte) => {
      const parsed =
        String(golden.float8[name][byte]) === "inf"
          ? Infinity
          : String(golden.float8[name][byte]) === "-inf"
            ? -Infinity
            : value;
      expect(decode(byte), `byte ${byte}`).toBe(parsed);
    });
  });

  test("are read as float32", () => {
    const bytes = fileOf({ a: entry("F8_E4M3", [2], 0, 2), b: entry("F8_E5M2", [1], 2, 3) }, 3);
    bytes.set([0x38, 0xc0, 0x3c], bytes.length - 3);
    const { tensors } = readSafetensors(bytes);
    expect(tensors.get("a")).toEqual(tensor([2], Float32Array.of(1, -2)));
    expect(tensors.get("b")).toEqual(tensor([1], Float32Array.of(1)));
  });
});

describe("views and copies", () => {
  test("looks at the bytes where they are aligned and copies where they are not", () => {
    const file = writeSafetensors(new Map([["a", tensor([3], Float32Array.of(1, 2, 3))]]));
    const aligned = readSafetensors(file).tensors.get("a") as Tensor;
    expect(aligned.data.buffer).toBe(file.buffer);
    const shifted = new Uint8Array(file.length + 1);
    shifted.set(file, 1);
    const copied = readSafetensors(shifted.subarray(1)).tensors.get("a") as Tensor;
    expect(copied.data.buffer).not.toBe(shifted.buffer);
    expect(copied).toEqual(aligned);
  });
});

const someTensor: fc.Arbitrary<Tensor> = fc
  .record({
    dtype: fc.constantFrom(...(Object.keys(bytesPerElement) as DType[])),
    shape: fc.array(fc.nat(4), { maxLength: 4 }),
    seed: fc.nat(255),
  })
  .map(({ dtype, shape, seed }) => {
    const raw = new Uint8Array(elementCount(shape) * bytesPerElement[dtype]).map((_, i) =>
      dtype === "bool" ? (seed + i) % 2 : (seed + 31 * i) % 256,
    );
    const file = fileOf({ t: entry(elementNameOf[dtype], shape, 0, raw.length) }, raw.length);
    file.set(raw, file.length - raw.length);
    return readSafetensors(file).tensors.get("t") as Tensor;
  });
const someName = fc.string({ unit: "grapheme", maxLength: 12 }).filter((name) => name !== "__metadata__");

test("round trips any tensors and metadata, in any order, to the same bytes", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.tuple(someName, someTensor), { selector: ([name]) => name, maxLength: 6 }),
      fc.dictionary(someName, fc.string({ unit: "grapheme" })),
      (entries, metadata) => {
        const bytes = writeSafetensors(new Map(entries), metadata);
        expect(new DataView(bytes.buffer).getBigUint64(0, true) % 8n).toBe(0n);
        expect(writeSafetensors(new Map(entries.toReversed()), metadata)).toEqual(bytes);
        const read = readSafetensors(bytes);
        expect({ ...read.metadata }).toEqual({ ...metadata });
        expect(read.tensors.size).toBe(entries.length);
        for (const [name, written] of entries) {
          const back = read.tensors.get(name) as Tensor;
          expect([back.dtype, back.shape]).toEqual([written.dtype, written.shape]);
          expect(rawBytes(back)).toEqual(rawBytes(written));
          expect(back.data.buffer, "the writer aligns every tensor").toBe(bytes.buffer);
        }
      },
    ),
    { numRuns: 300 },
  );
});

describe("hostile files", () => {
  const small = writeSafetensors(
    new Map<string, Tensor>([
      ["a", tensor([2, 2], Float32Array.of(1, 2, 3, 4))],
      ["b", { dtype: "i8", shape: [3], data: Int8Array.of(1, 2, 3) }],
    ]),
    { kind: "test" },
  );

  test("refuses a small file cut at any byte", () => {
    for (let length = 0; length < small.length; length++) {
      expect(() => readSafetensors(small.subarray(0, length)), `cut at ${length}`).toThrow(FormatError);
      expect(() => readSafetensors(small.slice(0, length)), `cut at ${length}`).toThrow(FormatError);
    }
  });

  test("answers any mutation with a result or a FormatError, quickly", () => {
    const alphabet = [...new TextEncoder().encode('0123456789{}[]",:.-e\\u ')];
    const someByte = fc.oneof(fc.constantFrom(...alphabet), fc.nat(255));
    const mutation = fc.record({
      at: fc.nat(small.length - 1),
      byte: someByte,
      kind: fc.constantFrom("set", "insert", "delete"),
    });
    const started = performance.now();
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 4 }), fc.boolean(), (mutations, keepLength) => {
        const bytes = [...small];
        for (const { at, byte, kind } of mutations)
          bytes.splice(at, kind === "insert" ? 0 : 1, ...(kind === "delete" ? [] : [byte]));
        const file = Uint8Array.from(bytes);
        if (keepLength) file.set(small.subarray(0, 8));
        try {
          const { tensors } = readSafetensors(file, { finite: true });
          let held = 0;
          for (const read of tensors.values()) held += read.data.byteLength;
          expect(held).toBeLessThanOrEqual(4 * file.length);
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
      { numRuns: 4000 },
    );
    expect(performance.now() - started).toBeLessThan(60_000);
  });

  test("answers random bytes and random JSON with a result or a FormatError", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 64 }),
          fc.json().map((text) => fileOf(text, 8)),
        ),
        (bytes) => {
          try {
            readSafetensors(bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(FormatError);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  const f32 = (start: unknown, end: unknown, shape: readonly unknown[] = [1]) => entry("F32", shape, start, end);
  test.each<[name: string, bytes: Uint8Array, message: RegExp]>([
    ["an empty file", new Uint8Array(0), /it has 0 bytes/],
    [
      "a header beyond the end",
      Uint8Array.of(100, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0x7d),
      /announces a header of 100 bytes, but only 2 bytes follow/,
    ],
    ["the largest header length", new Uint8Array(64).fill(255), /announces a header of 18446744073709551615 bytes/],
    ["no header at all", new Uint8Array(16), /does not begin with "\{"/],
    ["white space before the header", fileOf(" {}", 0), /does not begin with "\{" \(byte 8\)/],
    ["another format", fileOf("PK not JSON", 0), /does not begin with "\{"/],
    ["a header that is not an object", fileOf("[]", 0), /does not begin with "\{"/],
    ["an unfinished header", fileOf('{"a":', 0), /tensor "a": expected "\{", found the header's end \(byte 13\)/],
    ["something after the header", fileOf("{} x", 0), /follows the header's closing brace: "x" \(byte 11\)/],
    ["a comma too many", fileOf("{},", 0), /follows the header's closing brace: ","/],
    [
      "a trailing comma",
      fileOf('{"a":{"dtype":"F32","shape":[1,],"data_offsets":[0,4]}}', 4),
      /tensor "a": shape: expected a whole number, found "\]"/,
    ],
    [
      "bytes that are not UTF-8",
      fileOf('{"é":1}', 0).map((byte) => (byte === 0xc3 ? 0xff : byte)),
      /not valid JSON in UTF-8/,
    ],
    ["half of a surrogate pair", fileOf('{"\\ud800":1}', 0), /half of a surrogate pair/],
    ["a raw control character", fileOf('{"\u0001":1}', 0), /not valid JSON in UTF-8/],
    ["a string without an end", fileOf('{"abc', 0), /a string without an end \(byte 9\)/],
    ["a string that ends in a backslash", fileOf('{"abc\\', 0), /a string without an end/],
    [
      "a name that stands twice",
      fileOf(
        '{"a":{"dtype":"I8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"I8","shape":[0],"data_offsets":[0,0]}}',
        0,
      ),
      /the name "a" stands twice/,
    ],
    [
      "the same name written otherwise",
      fileOf(
        '{"a":{"dtype":"I8","shape":[0],"data_offsets":[0,0]},"\\u0061":{"dtype":"I8","shape":[0],"data_offsets":[0,0]}}',
        0,
      ),
      /the name "a" stands twice/,
    ],
    [
      "a field that stands twice",
      fileOf('{"a":{"dtype":"I8","dtype":"F32","shape":[0],"data_offsets":[0,0]}}', 0),
      /"dtype" stands twice/,
    ],
    [
      "a metadata key that stands twice",
      fileOf('{"__metadata__":{"k":"1","k":"2"}}', 0),
      /"k" stands twice in __metadata__/,
    ],
    ["metadata that stands twice", fileOf('{"__metadata__":{},"__metadata__":{}}', 0), /"__metadata__" stands twice/],
    [
      "metadata that is not a string",
      fileOf('{"__metadata__":{"k":1}}', 0),
      /__metadata__ "k": expected """, found "1"/,
    ],
    ["metadata that is not an object", fileOf('{"__metadata__":null}', 0), /__metadata__: expected "\{", found "n"/],
    ["a tensor that is not an object", fileOf('{"a":[]}', 0), /tensor "a": expected "\{", found "\["/],
    ["a missing field", fileOf('{"a":{"dtype":"F32"}}', 0), /tensor "a": shape and data_offsets missing/],
    ["an unknown field", fileOf({ a: { ...f32(0, 4), device: "cpu" } }, 4), /tensor "a": unknown field "device"/],
    ["an unknown type", fileOf({ a: entry("F31", [1], 0, 4) }, 4), /tensor "a" \(byte 9\) has the unknown dtype "F31"/],
    ["a type from Object.prototype", fileOf({ a: entry("constructor", [1], 0, 4) }, 4), /unknown dtype "constructor"/],
    [
      "a negative length",
      fileOf({ a: f32(0, 4, [-1]) }, 4),
      /tensor "a": shape: expected a whole number of at least 0, received -1/,
    ],
    ["a fraction", fileOf({ a: f32(0, 4, [1.5]) }, 4), /received 1.5/],
    [
      "a number with an exponent",
      fileOf('{"a":{"dtype":"F32","shape":[1e0],"data_offsets":[0,4]}}', 4),
      /received 1e0/,
    ],
    [
      "a number that starts with zero",
      fileOf('{"a":{"dtype":"F32","shape":[01],"data_offsets":[0,4]}}', 4),
      /received 01/,
    ],
    [
      "a length that float64 cannot hold",
      fileOf('{"a":{"dtype":"F32","shape":[9007199254740992],"data_offsets":[0,4]}}', 4),
      /9007199254740992 is too large/,
    ],
    [
      "a number of a million digits",
      fileOf(`{"a":{"dtype":"F32","shape":[${"1".repeat(1e6)}],"data_offsets":[0,4]}}`, 4),
      /received 1111/,
    ],
    ["lengths whose product overflows", fileOf({ a: f32(0, 4, [3037000500, 3037000500, 8]) }, 4), /too many elements/],
    [
      "a product that wraps to the right size in 64 bits",
      fileOf({ a: f32(0, 4, [4294967296, 4294967296, 1]) }, 4),
      /too many elements/,
    ],
    [
      "an infinite length",
      fileOf('{"a":{"dtype":"F32","shape":[Infinity],"data_offsets":[0,4]}}', 4),
      /expected a whole number, found "I"/,
    ],
    ["a length in a string", fileOf({ a: f32(0, 4, ["1"]) }, 4), /expected a whole number, found """/],
    [
      "one offset",
      fileOf('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}}', 4),
      /data_offsets must be two numbers, received 1/,
    ],
    [
      "three offsets",
      fileOf('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,4]}}', 4),
      /data_offsets must be two numbers, received 3/,
    ],
    ["offsets that run backwards", fileOf({ a: f32(4, 0) }, 4), /data_offsets 4 to 0 run backwards/],
    [
      "a negative offset",
      fileOf({ a: f32(-4, 0) }, 4),
      /data_offsets: expected a whole number of at least 0, received -4/,
    ],
    [
      "offsets beyond the end",
      fileOf({ a: f32(0, 8, [2]) }, 4),
      /tensor "a" \(byte 9\) lies at 0 to 8, but the data has 4 bytes/,
    ],
    [
      "a shape that does not fill its range",
      fileOf({ a: f32(0, 8, [3]) }, 8),
      /tensor "a" \(byte 9\): F32 3 takes 12 bytes, but data_offsets 0 to 8 hold 8/,
    ],
    [
      "two tensors in the same bytes",
      fileOf({ a: f32(0, 4), b: f32(0, 4) }, 4),
      /tensor "b" \(byte \d+\) starts at 0, before the end of "a" at 4: they overlap/,
    ],
    ["two tensors that overlap", fileOf({ a: f32(0, 8, [2]), b: f32(4, 12, [2]) }, 12), /they overlap/],
    [
      "a hole at the start",
      fileOf({ a: f32(4, 8) }, 8),
      /tensor "a" \(byte 9\) starts at 4, after a hole from the data's start at 0/,
    ],
    [
      "a hole between tensors",
      fileOf({ a: f32(0, 4), b: f32(8, 12) }, 12),
      /tensor "b" \(byte \d+\) starts at 8, after a hole from the end of "a" at 4/,
    ],
    ["a rest", fileOf({ a: f32(0, 4) }, 9), /5 bytes follow the last tensor/],
    [
      "an empty tensor far out",
      fileOf({ a: f32(0, 4), b: entry("F32", [0], 4000, 4000) }, 4),
      /tensor "b" \(byte \d+\) lies at 4000 to 4000/,
    ],
  ])("refuses %s", (_, bytes, message) => {
    expect(() => readSafetensors(bytes, { file: "bad.safetensors" })).toThrow(message);
    try {
      readSafetensors(bytes, { file: "bad.safetensors" });
    } catch (error) {
      expect(error).toBeInstanceOf(FormatError);
      expect((error as FormatError).file).toBe("bad.safetensors");
    }
  });

  test("takes keys of Object.prototype as names like any other", () => {
    const { tensors, metadata } = readSafetensors(
      fileOf(
        '{"__metadata__":{"__proto__":"x","constructor":"y"},"__proto__":{"dtype":"I8","shape":[1],"data_offsets":[0,1]}}',
        1,
      ),
    );
    expect([...tensors.keys()]).toEqual(["__proto__"]);
    expect(Object.keys(metadata)).toEqual(["__proto__", "constructor"]);
    expect(metadata.toString).toBeUndefined();
    expect(({} as Record<string, unknown>).x).toBeUndefined();
  });

  test("reads ten thousand empty tensors and a deep shape in bounded time", () => {
    const header: Record<string, object> = { deep: entry("U8", new Array(50_000).fill(1), 0, 1) };
    for (let i = 0; i < 10_000; i++) header[`t${i}`] = entry("F32", [0], 0, 0);
    const started = performance.now();
    expect(readSafetensors(fileOf(header, 1)).tensors.size).toBe(10_001);
    expect(performance.now() - started).toBeLessThan(10_000);
  });
});

describe("values that are not finite", () => {
  test.each<[string, Tensor]>([
    ["f32", tensor([4], Float32Array.of(1, 2, Number.NaN, Number.NEGATIVE_INFINITY))],
    ["f64", { dtype: "f64", shape: [4], data: Float64Array.of(1, 2, Number.NaN, Number.POSITIVE_INFINITY) }],
    ["f16", { dtype: "f16", shape: [4], data: Uint16Array.of(0, 1, 0x7e00, 0x7c00) }],
    ["bf16", { dtype: "bf16", shape: [4], data: Uint16Array.of(0, 1, 0x7fc0, 0x7f80) }],
  ])("are refused in %s on demand, by name and first element", (_, bad) => {
    const bytes = writeSafetensors(new Map([["layer/kernel", bad]]));
    expect(readSafetensors(bytes).tensors.size).toBe(1);
    expect(() => readSafetensors(bytes, { finite: true })).toThrow(
      'Tensor "layer/kernel" 4 holds NaN at element 2; 2 of its 4 elements are not finite.',
    );
  });

  test("large float64 values are finite, and integers are not looked at", () => {
    const bytes = writeSafetensors(
      new Map<string, Tensor>([
        ["large", { dtype: "f64", shape: [1], data: Float64Array.of(1e300) }],
        ["bits", { dtype: "u16", shape: [1], data: Uint16Array.of(0x7e00) }],
      ]),
    );
    expect(readSafetensors(bytes, { finite: true }).tensors.size).toBe(2);
  });
});

describe("writing", () => {
  test("refuses what the format cannot hold", () => {
    const one = tensor([1]);
    expect(() => writeSafetensors(new Map([["__metadata__", one]]))).toThrow(FormatError);
    expect(() => writeSafetensors(new Map([["\ud800", one]]))).toThrow(FormatError);
    expect(() => writeSafetensors(new Map(), { key: "\udfff" })).toThrow(FormatError);
    expect(() => writeSafetensors(new Map([["a", { ...one, shape: [2] }]]))).toThrow(ShapeError);
    expect(() => writeSafetensors(new Map([["a", { ...one, shape: [2] }]]))).toThrow(DepthwiseError);
  });

  test("has one row for each type of Tensor and of the format", () => {
    expect(Object.keys(elementNameOf).sort()).toEqual(Object.keys(bytesPerElement).sort());
    for (const [name, { bytes, dtype, decode }] of Object.entries(elementTypes)) {
      expect(isElementName(name)).toBe(true);
      if (decode === undefined) expect(bytes).toBe(bytesPerElement[dtype]);
    }
  });
});
