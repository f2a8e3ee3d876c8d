import { gunzipSync } from "node:zlib";
import { type FormatError, type Tensor, UnsupportedError } from "@depthwise/core";
import { zipSync } from "fflate";
import { describe, expect, it } from "vitest";
import { readDamaged, readHostile } from "../testing/hostile.ts";
import torchFiles from "../testing/torch_files.json" with { type: "json" };
import { readPytorch } from "./read_pytorch.ts";
import { writePytorch } from "./write_pytorch.ts";

function torchFile(name: keyof typeof torchFiles.files): Uint8Array {
  return new Uint8Array(gunzipSync(Buffer.from(torchFiles.files[name], "base64")));
}

/** Each tensor as its type, its shape and its elements. */
function contents(
  tensors: ReadonlyMap<string, Tensor>,
): Record<string, readonly [string, readonly number[], unknown[]]> {
  return Object.fromEntries(
    [...tensors].map(([name, { dtype, shape, data }]) => [name, [dtype, shape, Array.from(data as Iterable<unknown>)]]),
  );
}

const zeroToFive = [0, 1, 2, 3, 4, 5];
const types = {
  float32: ["f32", [2, 3], [-1, -0.5, 0, 0.5, 1, 1.5]],
  float64: ["f64", [2, 3], zeroToFive],
  float16: ["f16", [2, 3], [0, 0x3c00, 0x4000, 0x4200, 0x4400, 0x4500]],
  bfloat16: ["bf16", [2, 3], [0, 0x3f80, 0x4000, 0x4040, 0x4080, 0x40a0]],
  int64: ["i64", [2, 3], zeroToFive.map(BigInt)],
  int32: ["i32", [2, 3], zeroToFive],
  int16: ["i16", [2, 3], zeroToFive],
  int8: ["i8", [2, 3], zeroToFive],
  uint8: ["u8", [2, 3], zeroToFive],
  bool: ["bool", [3], [1, 0, 1]],
  scalar: ["i64", [], [7n]],
  empty: ["f32", [0, 3], []],
};

const base = Array.from({ length: 24 }, (_, i) => i);
const views = {
  // [2, 3, 4] with its axes in the order 2, 0, 1
  transposed: ["f32", [4, 2, 3], [0, 1, 2, 3].flatMap((c) => [0, 12].flatMap((a) => [0, 4, 8].map((b) => a + b + c)))],
  offset: ["f32", [2, 4], base.slice(16)],
  every_second: ["f32", [2, 3, 2], base.filter((i) => i % 2 === 0)],
  expanded: ["f32", [2, 3], [1, 1, 1, 2, 2, 2]],
  whole: ["f32", [2, 3, 4], base],
};

describe("readPytorch, of files that PyTorch wrote", () => {
  it.each(["types", "types_legacy"] as const)("reads every type: %s", (name) => {
    expect(contents(readPytorch(torchFile(name)).tensors)).toEqual(types);
  });

  it.each(["views", "views_legacy"] as const)("reads views with strides and offsets: %s", (name) => {
    expect(contents(readPytorch(torchFile(name)).tensors)).toEqual(views);
  });

  it.each(["checkpoint", "checkpoint_legacy"] as const)(
    "finds the weights of a checkpoint and names the rest: %s",
    (name) => {
      const { tensors, ignored, format } = readPytorch(torchFile(name));
      expect(format).toBe("pytorch");
      expect(contents(tensors)).toEqual({
        "conv.weight": ["f32", [3, 2, 1, 1], [0, 1, 2, 3, 4, 5]],
        "conv.bias": ["f32", [3], [1, 2, 3]],
        "bn.weight": ["f32", [3], [2, 3, 4]],
        "bn.bias": ["f32", [3], [3, 4, 5]],
        "bn.running_mean": ["f32", [3], [4, 5, 6]],
        "bn.running_var": ["f32", [3], [5, 6, 7]],
        "bn.num_batches_tracked": ["i64", [], [6n]],
      });
      expect(ignored).toEqual(["epoch", "arch", "optimizer", "best", "args"]);
    },
  );

  it("reads parameters, other protocols, and types without a storage of their own", () => {
    expect(contents(readPytorch(torchFile("parameters")).tensors)).toEqual({ w: ["f32", [3], [0, 1, 2]] });
    expect(contents(readPytorch(torchFile("protocol4")).tensors)).toEqual({ w: ["f32", [3], [0, 1, 2]] });
    expect(contents(readPytorch(torchFile("unsigned")).tensors)).toEqual({ w: ["u16", [3], [0, 0, 0]] });
  });

  it("gives views of the file where it can", () => {
    const bytes = torchFile("types");
    expect((readPytorch(bytes).tensors.get("float64") as Tensor).data.buffer).toBe(bytes.buffer);
  });

  it("reads a file at an odd place in memory", () => {
    const bytes = torchFile("types_legacy");
    const shifted = new Uint8Array(bytes.length + 3).subarray(3);
    shifted.set(bytes);
    expect(contents(readPytorch(shifted).tensors)).toEqual(types);
  });

  it("refuses what is no state dict, and says what to do", () => {
    const errorOf = (name: keyof typeof torchFiles.files): FormatError => {
      try {
        readPytorch(torchFile(name), { file: "it.pt" });
      } catch (error) {
        return error as FormatError;
      }
      throw new Error(`${name} was read`);
    };
    expect(errorOf("shell")).toMatchObject({ name: "FormatError", file: "it.pt" });
    expect(errorOf("shell").message).toMatch(/"posix\.system"/);
    expect(errorOf("shell_legacy").message).toMatch(/"posix\.system"/);
    expect(errorOf("whole_model").message).toMatch(/"torch\.nn\.modules\.container\.Sequential"/);
    expect(errorOf("whole_model").hint).toMatch(/state_dict/);
    expect(errorOf("list").message).toMatch(/no dict/);
    expect(errorOf("complex")).toBeInstanceOf(UnsupportedError);
    expect(errorOf("complex").message).toMatch(/ComplexFloatStorage/);
    expect(errorOf("script").message).toMatch(/TorchScript/);
  });
});

type Part = string | readonly number[] | Uint8Array;

/** A pickle from instructions: letters and bytes. */
function pickle(...parts: readonly Part[]): Uint8Array {
  return Uint8Array.from(
    parts.flatMap((part) => (typeof part === "string" ? [...Buffer.from(part, "latin1")] : [...part])),
  );
}

function repeated(part: Part, times: number): Uint8Array {
  const one = pickle(part);
  return Uint8Array.from({ length: one.length * times }, (_, i) => one[i % one.length] as number);
}

function int32(value: number): Uint8Array {
  return new Uint8Array(Int32Array.of(value).buffer);
}

function text(value: string): Uint8Array {
  return pickle("X", int32(value.length), value);
}

/** Pushes the tensor of storage 0 of so many float32, with the given size and stride: one of each, below 2^31. */
function tensorOf(length: number, size: number, stride: number): Uint8Array {
  return pickle(
    "ctorch._utils\n_rebuild_tensor_v2\n((",
    text("storage"),
    "ctorch\nFloatStorage\n",
    text("0"),
    text("cpu"),
    "J",
    int32(length),
    "tQK\x00J",
    int32(size),
    [0x85],
    "J",
    int32(stride),
    [0x85],
    [0x89],
    "NtR",
  );
}

const stop = ".";
const start: Part = [0x80, 2];

/** An archive, by a library that is not ours, of that pickle and a storage of two float32. */
function archive(
  data: Uint8Array,
  options: { readonly level?: 0 | 9; readonly files?: Record<string, Uint8Array> } = {},
): Uint8Array {
  const { level = 0, files = {} } = options;
  const storage = new Uint8Array(Float32Array.of(1, 2).buffer);
  return zipSync(
    { "a/data.pkl": data, "a/data/0": storage, "a/version": Uint8Array.of(0x33, 10), ...files },
    { level },
  );
}

function dictOf(...entries: readonly Part[]): Uint8Array {
  return pickle(start, "}(", ...entries, "u", stop);
}

describe("readPytorch, of other archives", () => {
  const file = dictOf(text("w"), tensorOf(2, 2, 1));

  it("reads stored and deflated files", () => {
    for (const level of [0, 9] as const) {
      expect(contents(readPytorch(archive(file, { level })).tensors)).toEqual({ w: ["f32", [2], [1, 2]] });
    }
  });

  it("refuses big-endian files with a way out", () => {
    const big = archive(file, { files: { "a/byteorder": new TextEncoder().encode("big") } });
    expect(() => readPytorch(big)).toThrow(UnsupportedError);
    expect(() => readPytorch(big)).toThrow(/big-endian/);
  });

  it("refuses tensors that reach beyond their storage, and storages that are shorter than they say", () => {
    expect(() => readPytorch(archive(dictOf(text("w"), tensorOf(2, 3, 1))))).toThrow(/"w" reaches to element 2/);
    expect(() => readPytorch(archive(dictOf(text("w"), tensorOf(2, 2, 2))))).toThrow(/"w" reaches to element 2/);
    expect(() => readPytorch(archive(dictOf(text("w"), tensorOf(3, 2, 1))))).toThrow(/8 bytes, and needs 12/);
  });

  it("refuses an archive whose directory and headers differ", () => {
    const bytes = archive(file);
    const renamed = Uint8Array.from(bytes);
    renamed[30] = 0x62; // the first local header's name
    expect(() => readPytorch(renamed)).toThrow(/is called "b\/data\.pkl" in its own header/);
    expect(() => readPytorch(bytes.subarray(0, bytes.length - 1))).toThrow(/its end is missing/);
  });

  it("refuses two files on the same bytes", () => {
    const bytes = Uint8Array.from(archive(file));
    const view = new DataView(bytes.buffer);
    const directory = view.getUint32(bytes.length - 6, true);
    const second = directory + 46 + view.getUint16(directory + 28, true);
    view.setUint32(second + 42, view.getUint32(directory + 42, true), true);
    expect(() => readPytorch(bytes)).toThrow(/is called|within/);
  });
});

/** Makes a tensor of many out of one number: a stride of 0. */
const expanded = dictOf(text("w"), tensorOf(2, 0x7fffffff, 0));
/** Each list holds the one before it ten times. */
const laughs = pickle(
  start,
  "]q\x00",
  ...Array.from({ length: 60 }, (_, i) => pickle("](", repeated(pickle("h", [i]), 10), "eq", [i + 1])),
  stop,
);

describe("readPytorch, of hostile files", () => {
  const read = (bytes: Uint8Array): unknown => readPytorch(bytes);
  const bomb = archive(dictOf(text("w"), tensorOf(2, 2, 1)), {
    level: 9,
    files: { "a/data/0": new Uint8Array(2 ** 28) },
  });
  /** The same, whose sizes in the directory say that it is small. */
  const liar = ((): Uint8Array => {
    const bytes = Uint8Array.from(bomb);
    const view = new DataView(bytes.buffer);
    for (let at = 0; at + 4 < bytes.length; at++) {
      if (view.getUint32(at, true) === 2 ** 28) view.setUint32(at, 2 ** 16, true);
    }
    return bytes;
  })();

  it.each<[string, Uint8Array, RegExp]>([
    ["a bomb", bomb, /limit/],
    ["a bomb that says it is small", liar, /unpacks to more than/],
    ["os.system", archive(pickle(start, "cos\nsystem\n(", text("x"), "tR", stop)), /"os\.system"/],
    ["a name from the stack", archive(pickle([0x80, 4], text("os"), text("system"), [0x93], stop)), /"os\.system"/],
    ["eval, once allowed names are there", archive(pickle(start, "c__builtin__\neval\n", stop)), /"__builtin__\.eval"/],
    ["a call of what is no function", archive(pickle(start, "}(tR", stop)), /calls what is no class/],
    ["INST", archive(pickle("(ios\nsystem\n", stop)), /0x69/],
    ["a view larger than memory", archive(expanded), /limit/],
    ["a dict within itself", archive(pickle(start, "}q\x00", text("model"), "h\x00s", stop)), /no state dict/],
    ["lists of lists of lists", archive(laughs), /no dict/],
    ["deep tuples", archive(pickle(start, ")", repeated([0x85], 100_000), stop)), /no dict/],
    ["marks", archive(pickle(start, repeated("(", 4_000_000), stop)), /limit|needs an object/],
    ["dicts", archive(pickle(start, repeated("}", 4_000_000), stop)), /limit|no state dict/],
    ["a text that is not there", archive(pickle(start, "X", int32(-1), stop)), /ends within/],
    ["a number of 2 GB", archive(pickle(start, [0x8b], int32(0x7fffffff), stop)), /ends within/],
    ["an object that was not kept", archive(pickle(start, "h\x07", stop)), /object 7/],
    ["nothing", new Uint8Array(), /begins neither/],
    ["an empty pickle", archive(new Uint8Array()), /ends within/],
  ])("refuses %s", (_, bytes, message) => {
    expect(readHostile(bytes, read)?.message).toMatch(message);
  });

  it("does not look through the same dict again and again", () => {
    const inner = pickle("}(", repeated("K\x00N", 100_000), "uq\x00");
    const bytes = archive(pickle(start, inner, "}(", repeated(pickle(text("k"), "h\x00"), 100_000), "u", stop));
    expect(readHostile(bytes, read)?.message).toMatch(/no state dict/);
  });

  it("reads or refuses 25,000 damaged files", { timeout: 120_000 }, () => {
    const small = dictOf(text("w"), tensorOf(2, 2, 1));
    const seeds = [
      archive(small),
      archive(small, { level: 9 }),
      writePytorch(new Map([["w", { dtype: "f32", shape: [2], data: Float32Array.of(1, 2) }]])),
      torchFile("views_legacy"),
      torchFile("checkpoint_legacy"),
      torchFile("protocol4"),
    ];
    const refused = readDamaged(seeds, 25_000, read, "pytorch");
    expect(refused).toBeGreaterThan(10_000);
    expect(refused).toBeLessThan(25_000);
  });
});
