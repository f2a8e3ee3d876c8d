import { describe, expect, it } from "vitest";
import { randomGraph } from "../../../core/src/testing/random_graph.ts";
import { readDamaged, readHostile } from "../testing/hostile.ts";
import { type TfliteCase, tfliteCases } from "../testing/tflite_cases.ts";
import { tfliteFile } from "../testing/tflite_file.ts";
import { readTflite } from "./read_tflite.ts";
import { writeTflite } from "./write_tflite.ts";

const longest = 5000;
const cases = Object.values(tfliteCases).map(({ spec }) => tfliteFile(spec));
const written = Array.from({ length: 60 }, (_, seed) => randomGraph(seed)).map(({ graph, weights }) =>
  writeTflite(graph, weights),
);
const seeds: readonly Uint8Array[] = [...cases, ...written].filter(({ length }) => length < longest);

describe("readTflite, of hostile files", () => {
  it("gives a typed error, soon and in little memory, for 20,000 damaged files", () => {
    expect(seeds.length).toBeGreaterThan(40);
    expect(readDamaged(seeds, 20_000, readTflite, "TFLite")).toBeGreaterThan(10_000);
  }, 240_000);

  it("does not read beyond the end of a file that is cut short", () => {
    const bytes = tfliteFile((tfliteCases["a channel shuffle"] as TfliteCase).spec);
    for (let length = 0; length < bytes.length; length++) readHostile(bytes.subarray(0, length), readTflite);
    expect(readHostile(bytes.subarray(0, bytes.length / 2), readTflite)).toBeDefined();
  });

  it.each<[string, Uint8Array]>([
    ["no file", new Uint8Array(0)],
    ["a root beyond the file", flat(0x7fffffff)],
    ["a root that is its own list of fields", flat(8)],
    ["a list of tables each of which is the model itself", cyclic(100_000)],
    ["a list of as many tensors as there are bytes, all in one place", cyclic(1_000_000)],
  ])("refuses %s", (_, bytes) => {
    expect(readHostile(bytes, readTflite)).toBeDefined();
  });
});

/** A file that is nothing but a root and zeros. */
function flat(root: number): Uint8Array {
  const bytes = new Uint8Array(64);
  new DataView(bytes.buffer).setUint32(0, root, true);
  bytes.set(new TextEncoder().encode("TFL3"), 4);
  return bytes;
}

/** A model whose every list has `count` entries, all of them the model itself. */
function cyclic(count: number): Uint8Array {
  const fields = 5;
  const [fieldsAt, tableAt] = [8, 24];
  const listAt = tableAt + 4 + 4 * fields;
  const bytes = new Uint8Array(listAt + 4 + 4 * count);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, tableAt, true);
  bytes.set(new TextEncoder().encode("TFL3"), 4);
  view.setUint16(fieldsAt, 4 + 2 * fields, true);
  view.setUint16(fieldsAt + 2, 4 + 4 * fields, true);
  view.setInt32(tableAt, tableAt - fieldsAt, true);
  for (let field = 0; field < fields; field++) {
    const at = tableAt + 4 + 4 * field;
    view.setUint16(fieldsAt + 4 + 2 * field, at - tableAt, true);
    // The version is a number; all others are the one list.
    view.setUint32(at, field === 0 ? 3 : listAt - at, true);
  }
  view.setUint32(listAt, count, true);
  for (let i = 0; i < count; i++) {
    const at = listAt + 4 + 4 * i;
    view.setUint32(at, (tableAt - at) >>> 0, true);
  }
  return bytes;
}
