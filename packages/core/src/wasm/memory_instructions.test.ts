/** Runs every instruction that touches memory in two engines; semantics are written here, on the bytes around the address. */
import { beforeAll, describe, expect, it } from "vitest";
import { engines, type Outcomes } from "../testing/wasm_engines.ts";
import { callInstruction, type OpRow, opRows } from "../testing/wasm_rows.ts";
import { splitLanes } from "../testing/wasm_semantics.ts";
import { data, f32, f64, i32, i64, i64x2, memory, v128 } from "./instructions.ts";
import { createModule } from "./module_builder.ts";
import type { Expr, Statement } from "./value_types.ts";

/** The sixteen bytes at the address, before; the sign bits differ at every width. */
const BEFORE = [0x8192a3b4c5d6e7f8f1e2d3c4b5a69788n, 0x7f6e5d4c3b2a19087f0102037c05067fn];
/** Values for the operands after the address. */
const VALUES = [0x00f1f2f3f4f5f6f7f8f9fafbfcfdfeffn, 0x0102030405060708090a0b0c0d0e0f01n];

const ADDRESS = 0x100;
const OFFSET = 0x40;
const RESULT = 0x40;

interface State {
  readonly result: bigint;
  readonly memory: bigint;
}

interface Case {
  readonly name: string;
  readonly row: OpRow;
  readonly before: bigint;
  readonly value: bigint;
  readonly lane: number;
}

const rows = opRows.filter(
  ({ name, immediates }) =>
    immediates.startsWith("memory") && immediates !== "memory index" && !/wait|notify/.test(name),
);

function casesFor(row: OpRow): Case[] {
  const lastLane = row.immediates === "memory and lane" ? 16 / row.width - 1 : 0;
  return BEFORE.flatMap((before, b) =>
    VALUES.flatMap((value, v) =>
      [...new Set([0, lastLane])].map((lane) => ({ name: `${row.name}#${b}${v}/${lane}`, row, before, value, lane })),
    ),
  );
}

const low = (value: bigint, bytes: number): bigint => BigInt.asUintN(8 * bytes, value);

/** Replaces the lowest bytes. */
const withLow = (whole: bigint, value: bigint, bytes: number): bigint => whole - low(whole, bytes) + low(value, bytes);

function join(laneBits: number, lanes: readonly bigint[]): bigint {
  return lanes.reduce((bits, lane, index) => bits | (BigInt.asUintN(laneBits, lane) << BigInt(index * laneBits)), 0n);
}

/** What the instruction named so does; `compared` is the first of two operands of a compare-and-exchange. */
function expectedState({ name, width, result }: OpRow, before: bigint, value: bigint, lane: number): State {
  const loaded = low(before, width);
  const laneBits = 8 * width;
  const loads = (bits: bigint): State => ({ result: bits, memory: before });
  const stores = (bits: bigint): State => ({ result: 0n, memory: withLow(before, bits, width) });
  const op = name.split(".").at(-1) ?? "";

  if (/\.rmw/.test(name)) return { result: loaded, memory: withLow(before, exchanged(op, loaded, value), width) };
  if (op.endsWith("_lane")) {
    const lanes = splitLanes(value, laneBits);
    return op.startsWith("store") ? stores(lanes[lane] ?? 0n) : loads(join(laneBits, lanes.with(lane, loaded)));
  }
  if (op.startsWith("store")) return stores(value);
  const extended = op.match(/^load(\d+)x(\d+)_([su])$/);
  if (extended) {
    const from = Number(extended[1]);
    const lanes = splitLanes(before, from).slice(0, Number(extended[2]));
    const extend = (bits: bigint): bigint => (extended[3] === "s" ? BigInt.asIntN(from, bits) : bits);
    return loads(join(2 * from, lanes.map(extend)));
  }
  if (op.endsWith("_splat")) return loads(join(laneBits, Array<bigint>(16 / width).fill(loaded)));
  const resultBits = result === "i32" || result === "f32" ? 32 : result === "v128" ? 128 : 64;
  return loads(op.endsWith("_s") ? BigInt.asUintN(resultBits, BigInt.asIntN(laneBits, loaded)) : loaded);
}

function exchanged(op: string, old: bigint, value: bigint): bigint {
  switch (op.replace("_u", "")) {
    case "add":
      return old + value;
    case "sub":
      return old - value;
    case "and":
      return old & value;
    case "or":
      return old | value;
    case "xor":
      return old ^ value;
    default: // exchanges; the comparison is made to succeed
      return value;
  }
}

/** Sixteen bytes at an address, as two integers. */
function bytesAt(address: number): [Expr, Expr] {
  return [i64.load(address), i64.load(address + 8)];
}

function vector(bits: bigint): Expr<"v128"> {
  return i64x2.const(BigInt.asUintN(64, bits), bits >> 64n);
}

/** The operands after the address. */
function operandsFor({ operands, name, width }: OpRow, before: bigint, value: bigint): Expr[] {
  const constants = operands.slice(1).map((type) => {
    if (type === "v128") return vector(value);
    if (type === "f32") return f32.reinterpret_i32(Number(low(value, 4)));
    if (type === "f64") return f64.reinterpret_i64(low(value, 8));
    return type === "i64" ? i64.const(low(value, 8)) : i32.const(Number(low(value, 4)));
  });
  if (!name.includes("cmpxchg")) return constants;
  const compared = low(before, width);
  return [operands[1] === "i64" ? i64.const(compared) : i32.const(Number(compared)), ...constants.slice(1)];
}

function storeResult(result: Expr): Statement {
  if (result.type === "v128") return v128.store(RESULT, result as Expr<"v128">);
  if (result.type === "f32") return f32.store(RESULT, result as Expr<"f32">);
  if (result.type === "f64") return f64.store(RESULT, result as Expr<"f64">);
  return result.type === "i64" ? i64.store(RESULT, result as Expr<"i64">) : i32.store(RESULT, result as Expr<"i32">);
}

/** One function a case: puts the bytes, does it, returns what came and what the memory has. */
function moduleFor(cases: readonly Case[]): Uint8Array<ArrayBuffer> {
  const m = createModule();
  m.memory({ minPages: 1 });
  for (const { name, row, before, value, lane } of cases) {
    m.function(name, { params: {}, results: ["i64", "i64", "i64", "i64"], export: name }, (f) => {
      f.do(v128.store(RESULT, vector(0n)));
      f.do(v128.store(ADDRESS, vector(before)));
      const operands = [i32.const(ADDRESS - OFFSET), ...operandsFor(row, before, value)];
      const node = callInstruction(row, operands, { offset: OFFSET, lane, lanes: [] });
      f.do(node.type === "none" ? node : storeResult(node));
      f.return(...bytesAt(RESULT), ...bytesAt(ADDRESS));
    });
  }
  return m.bytes();
}

describe("instructions that touch memory", () => {
  const cases = new Map(rows.map((row) => [row, casesFor(row)]));
  const module = moduleFor([...cases.values()].flat());

  for (const [engine, run] of Object.entries(engines)) {
    describe(`do what the specification says in ${engine}`, () => {
      let outcomes: Outcomes = new Map();
      beforeAll(() => {
        outcomes = run(module);
      });
      for (const [row, list] of cases) {
        it(row.name, () => {
          for (const { name, before, value, lane } of list) {
            const { result, memory: after } = expectedState(row, before, value, lane);
            expect(outcomes.get(name), name).toEqual([...splitLanes(result, 64), ...splitLanes(after, 64)]);
          }
        });
      }
    });
  }

  it("are told from every other of the same type by these bytes", () => {
    const confused: string[] = [];
    for (const [row, list] of cases) {
      for (const other of rows) {
        const isSameType = row.operands.join() === other.operands.join() && row.result === other.result;
        // Atomic accesses give one thread what plain ones give it; only their numbers and their traps tell them apart.
        if (other === row || !isSameType || plainName(row) === plainName(other)) continue;
        const differs = list.some(({ before, value, lane }) => {
          const [right, wrong] = [row, other].map((one) => expectedState(one, before, value, lane));
          return right?.result !== wrong?.result || right?.memory !== wrong?.memory;
        });
        if (!differs) confused.push(`${row.name} and ${other.name}`);
      }
    }
    expect(confused).toEqual([]);
  });

  it("trap where an atomic access is not aligned and do not where a plain one is not", () => {
    const m = createModule();
    m.memory({ minPages: 1 });
    const atomic = rows.filter(({ name, width }) => name.includes("atomic") && width > 1);
    const plain = rows.filter(({ name }) => !name.includes("atomic"));
    for (const row of [...atomic, ...plain]) {
      m.function(row.name, { params: {}, results: ["i64", "i64"], export: row.name }, (f) => {
        const operands = [i32.const(ADDRESS + 1), ...operandsFor(row, 0n, 0n)];
        const node = callInstruction(row, operands, { offset: 0, lane: 0, lanes: [] });
        f.do(node.type === "none" ? node : storeResult(node));
        f.return(1n, 1n);
      });
    }
    const outcomes = engines.V8(m.bytes());
    for (const { name } of atomic) expect(outcomes.get(name), name).toBe("trap");
    for (const { name } of plain) expect(outcomes.get(name), name).toEqual([1n, 1n]);
  });
});

function plainName({ name }: OpRow): string {
  return name.replace(".atomic", "");
}

describe("instructions on the whole memory", () => {
  for (const [engine, run] of Object.entries(engines)) {
    it(`size, grow, fill, copy, init and drop in ${engine}`, () => {
      const m = createModule();
      m.memory({ minPages: 1, maxPages: 3 });
      const segment = m.passiveData(Uint8Array.of(0x11, 0x22, 0x33, 0x44, 0x55));
      m.function("grow", { params: {}, results: ["i64", "i64", "i64", "i64"], export: "grow" }, (f) => {
        const before = f.let("before", memory.size());
        const grown = f.let("grown", memory.grow(2));
        const refused = f.let("refused", memory.grow(1));
        f.return(...[before, grown, refused, memory.size()].map((pages) => i64.extend_i32_s(pages)));
      });
      m.function("bulk", { params: {}, results: ["i64", "i64"], export: "bulk" }, (f) => {
        f.do(memory.fill(0, 0xab, 3)); // ab ab ab 00 …
        f.do(memory.init(segment, 4, 1, 3)); // ab ab ab 00 22 33 44 00 …
        f.do(memory.copy(8, 3, 4)); // … 00 22 33 44
        f.return(...bytesAt(0));
      });
      m.function("dropped", { params: {}, results: ["i64", "i64"], export: "dropped" }, (f) => {
        f.do(data.drop(segment));
        f.do(memory.init(segment, 0, 0, 1));
        f.return(0, 0);
      });
      const outcomes = run(m.bytes());
      expect(outcomes.get("grow")).toEqual([1n, 1n, 2n ** 64n - 1n, 3n]);
      expect(outcomes.get("bulk")).toEqual([0x0044332200abababn, 0x0000000044332200n]);
      expect(outcomes.get("dropped")).toBe("trap");
    });
  }
});
