/** Every row of the opcode table against an independent assembler, byte for byte. */
import { beforeAll, describe, expect, it } from "vitest";
import loadWabt from "wabt";
import { ALL_FEATURES, callInstruction, type ExampleImmediates, opRows } from "../testing/wasm_rows.ts";
import { createModule, type ModuleBuilder } from "./module_builder.ts";
import type { PassiveData } from "./tree.ts";

type Wabt = Awaited<ReturnType<typeof loadWabt>>;

describe("opcode table", () => {
  let wabt: Wabt;
  beforeAll(async () => {
    wabt = await loadWabt();
  });

  it("has no number twice", () => {
    const codes = opRows.map(({ code }) => code);
    expect(new Set(codes).size).toBe(codes.length);
  });

  describe("agrees with wabt in code, operands, result, alignment and immediates", () => {
    for (const row of opRows) {
      it(row.name, () => {
        const lanes = row.immediates === "lane" ? row.width : 16 / row.width;
        const examples: ExampleImmediates[] = [
          { offset: 0, lane: 0, lanes: Array.from({ length: 16 }, (_, lane) => lane) },
          { offset: 0xffffffff, lane: lanes - 1, lanes: Array.from({ length: 16 }, (_, lane) => 31 - lane) },
        ];
        for (const immediates of examples) {
          const { module, segment } = moduleWithSegment();
          const params = Object.fromEntries(row.operands.map((type, index) => [`p${index}`, type]));
          module.function("op", { params, results: row.result === undefined ? [] : [row.result] }, (f, locals) => {
            const node = callInstruction(row, Object.values(locals), { ...immediates, segment });
            if (node.type === "none") f.do(node);
            else f.return(node);
          });
          const reference = wabt.parseWat("op.wat", textFor(row, immediates), ALL_FEATURES);
          reference.validate();
          expect(hex(module.bytes({ names: false }))).toBe(hex(reference.toBinary({}).buffer));
        }
      });
    }
  });
});

function moduleWithSegment(): { module: ModuleBuilder; segment: PassiveData } {
  const module = createModule();
  module.memory({ minPages: 1 });
  module.passiveData(new Uint8Array([7]));
  return { module, segment: module.passiveData(new Uint8Array([1, 2, 3])) };
}

/** The same module as text, written here and not by our printer. */
function textFor(row: (typeof opRows)[number], { offset, lane, lanes }: ExampleImmediates): string {
  const at = offset === 0 ? "" : `offset=${offset}`;
  const immediates = {
    none: "",
    memory: at,
    "memory and lane": `${at} ${lane}`,
    lane: String(lane),
    shuffle: lanes.join(" "),
    "memory index": "",
    "two memory indices": "",
    segment: "1",
    "segment and memory index": "1",
    "zero byte": "",
  }[row.immediates];
  const params = row.operands.map((type) => `(param ${type})`).join(" ");
  const operands = row.operands.map((_, index) => `(local.get ${index})`).join(" ");
  const result = row.result === undefined ? "" : `(result ${row.result})`;
  return `(module
    (memory 1)
    (func ${params} ${result} (${row.name} ${immediates} ${operands}))
    (data "\\07") (data "\\01\\02\\03"))`;
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
}
