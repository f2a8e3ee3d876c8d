/**
 * Runs every instruction that computes or touches memory in two engines, V8 and wabt's interpreter, on operands that tell it from its
 * neighbours, and compares with semantics written from the specification.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { engines, type Outcome, type Outcomes } from "../testing/wasm_engines.ts";
import { callInstruction, type OpRow, opRows } from "../testing/wasm_rows.ts";
import {
  type Expected,
  type ExpectedLane,
  expectedResult,
  fromFloat,
  splitLanes,
  toFloat,
} from "../testing/wasm_semantics.ts";
import { f32, f64, i32, i64, i64x2, v128 } from "./instructions.ts";
import { createModule } from "./module_builder.ts";
import type { Expr, ValueType } from "./value_types.ts";

// ---- Operands

const float = (value: number, width: 32 | 64): bigint => fromFloat(value, width) as bigint;
const specialFloats = [
  0,
  -0,
  1,
  -1.5,
  2.5,
  -0.5,
  0.1,
  3e9,
  -3e9,
  1.5e19,
  16777219,
  2 ** -149,
  Infinity,
  -Infinity,
  123.75,
];
const f32s = [...specialFloats.map((value) => float(value, 32)), 0x7fc00000n, 0xffa00001n, 0x4effffffn, 0xcf000000n];
const f64s = [
  ...specialFloats.map((value) => float(value, 64)),
  ...[2147483647.5, -2147483648.5, 4294967295.5, 2 ** 53 + 2].map((value) => float(value, 64)),
  0x7ff8000000000000n,
  0xfff4000000000001n,
];
const i32s = [
  0n,
  1n,
  2n,
  7n,
  33n,
  0x7fn,
  0x80n,
  0xffffn,
  0x8001n,
  0x7fffffffn,
  0x80000000n,
  0xfffffffen,
  0xffffffffn,
  0x12345678n,
  0xdeadbeefn,
];
const i64s = [
  ...[0n, 1n, 3n, 65n, 0x80n, 0x8000n, 0x80000000n, 0xffffffffn, 0x7fffffffffffffffn, 0x8000000000000000n],
  ...[0xffffffffffffffffn, 0xfffffffffffffffdn, 0x123456789abcdef0n, 0x8000004000000001n, 0x7fffffbfffffffffn],
];

function packed(laneBits: number, lanes: readonly bigint[]): bigint {
  return lanes.reduce((bits, lane, index) => bits | (BigInt.asUintN(laneBits, lane) << BigInt(index * laneBits)), 0n);
}

/** Vectors whose lanes walk through the list, from several starts. */
function vectorsOf(laneBits: number, values: readonly bigint[], starts: readonly number[]): bigint[] {
  const lane = (start: number, index: number): bigint => values[(start + index) % values.length] ?? 0n;
  return starts.map((start) =>
    packed(
      laneBits,
      Array.from({ length: 128 / laneBits }, (_, index) => lane(start, index)),
    ),
  );
}

const bytes = [0n, 1n, 0x7fn, 0x80n, 0xffn, 0x81n, 3n, 0x40n, 0xc0n, 0x55n, 17n];
const halves = [0n, 1n, 0x7fffn, 0x8000n, 0xffffn, 0x8001n, 200n, 0xff00n, 0x80n, 0x1234n, 0xfedcn];
const wholeVectors = [0n, (1n << 128n) - 1n, 0x0f1e2d3c4b5a69788796a5b4c3d2e1f0n];
const vectors: Record<string, readonly bigint[]> = {
  i8x16: [...wholeVectors, ...vectorsOf(8, bytes, [0, 1, 4, 6, 9])],
  i16x8: [...wholeVectors, ...vectorsOf(16, halves, [0, 1, 3, 5, 8]), ...vectorsOf(8, bytes, [1, 4])],
  i32x4: [...wholeVectors, ...vectorsOf(32, i32s, [0, 1, 5, 7, 9]), ...vectorsOf(16, halves, [1, 2])],
  i64x2: [...wholeVectors, ...vectorsOf(64, i64s, [0, 1, 6, 8, 10]), ...vectorsOf(32, i32s, [3, 9])],
  f32x4: [...wholeVectors, ...vectorsOf(32, f32s, [0, 1, 4, 6, 11, 14, 15])],
  f64x2: [...wholeVectors, ...vectorsOf(64, f64s, [0, 1, 4, 7, 9, 13, 15, 18])],
  v128: [...wholeVectors, 1n << 77n, ...vectorsOf(8, bytes, [0, 4])],
};
const exactFloats = [0, -0, 1, -2, 3, 0.5, Infinity, Number.NaN];
const sevenBits = [0n, 1n, 0x7fn, 3n, 0x40n, 0x55n, 17n];

/** Values for each operand. */
function candidates(row: OpRow): readonly (readonly bigint[])[] {
  const [shape = "", op = ""] = row.name.split(".");
  const all = row.operands.map(
    (type) => ({ i32: i32s, i64: i64s, f32: f32s, f64: f64s, v128: vectors[shape] ?? [] })[type],
  );
  const source = op.match(/_(?:low_)?([if]\d+x\d+)_/)?.[1] ?? op.match(/(f\d+x\d+)/)?.[1];
  if (source !== undefined && !op.includes("dot")) return all.map((values) => vectors[source] ?? values);
  if (op.endsWith("madd")) {
    const width = shape === "f32x4" ? 32 : 64;
    const exact = exactFloats.map((value) =>
      Number.isNaN(value) ? (width === 32 ? 0x7fc00000n : 0x7ff8n << 48n) : float(value, width),
    );
    return all.map((_, operand) =>
      vectorsOf(width, exact, operand === 0 ? [0, 1, 2, 3, 4, 5, 6, 7] : operand === 1 ? [2, 4, 7] : [3, 1]),
    );
  }
  if (op === "relaxed_laneselect") {
    const masks = vectorsOf(128 / Number(shape.split("x")[1]), [0n, -1n, -1n], [0, 1, 2]);
    return [all[0] ?? [], all[1] ?? [], masks];
  }
  if (op.startsWith("relaxed_dot")) {
    const [signedBytes = [], , sums = []] = [vectors.i8x16, undefined, vectors.i32x4];
    return [signedBytes, vectorsOf(8, sevenBits, [0, 1, 2, 5]), sums].slice(0, row.operands.length);
  }
  if (op.endsWith("swizzle"))
    return [wholeVectors.slice(2), vectorsOf(8, [0n, 15n, 16n, 31n, 5n, 127n, 128n, 255n, 9n], [0, 3])];
  if (op.includes("dot_i16x8")) return all.map(() => vectors.i16x8 ?? []);
  return all;
}

/** At most so many of all combinations, spread evenly. */
const COMBINATIONS = 72;

function combinations(row: OpRow): readonly (readonly bigint[])[] {
  const lists = candidates(row);
  const total = lists.reduce((product, list) => product * list.length, 1);
  const count = Math.min(total, COMBINATIONS);
  return Array.from({ length: count }, (_, index) => {
    let rest = Math.floor((index * total) / count);
    return lists.map((list) => {
      const value = list[rest % list.length] ?? 0n;
      rest = Math.floor(rest / list.length);
      return value;
    });
  });
}

// ---- Cases

interface Case {
  readonly name: string;
  readonly row: OpRow;
  readonly operands: readonly bigint[];
  readonly lane: number;
  readonly lanes: readonly number[];
}

const SHUFFLES = [
  Array.from({ length: 16 }, (_, lane) => lane * 2),
  [31, 0, 16, 15, 1, 30, 17, 14, 2, 29, 18, 13, 3, 28, 19, 12],
];

function casesFor(row: OpRow): Case[] {
  const laneChoices = [...new Set(row.immediates === "lane" ? [0, 1, row.width - 1] : [0])];
  return combinations(row).flatMap((operands, index) =>
    laneChoices.map((lane) => ({
      name: `${row.name}#${index}/${lane}`,
      row,
      operands,
      lane,
      lanes: SHUFFLES[index % SHUFFLES.length] ?? [],
    })),
  );
}

const computing = opRows.filter(
  ({ immediates }) => immediates === "none" || immediates === "lane" || immediates === "shuffle",
);

/** An operand as a constant with exactly these bits, NaNs included. */
function constant(type: ValueType, bits: bigint): Expr {
  switch (type) {
    case "i32":
      return i32.const(Number(bits));
    case "i64":
      return i64.const(bits);
    case "f32":
      return f32.reinterpret_i32(Number(bits));
    case "f64":
      return f64.reinterpret_i64(bits);
    case "v128":
      return i64x2.const(BigInt.asUintN(64, bits), bits >> 64n);
    default:
      return type satisfies never;
  }
}

const store: {
  readonly [T in ValueType]: (value: Expr) => Parameters<import("./function_builder.ts").FunctionBuilder["do"]>[0];
} = {
  i32: (value) => i32.store(0, value as Expr<"i32">),
  i64: (value) => i64.store(0, value as Expr<"i64">),
  f32: (value) => f32.store(0, value as Expr<"f32">),
  f64: (value) => f64.store(0, value as Expr<"f64">),
  v128: (value) => v128.store(0, value as Expr<"v128">),
};

/** One exported function a case: stores the result at 0 and returns those sixteen bytes. */
function moduleFor(cases: readonly Case[]): Uint8Array<ArrayBuffer> {
  const m = createModule();
  m.memory({ minPages: 1 });
  for (const { name, row, operands, lane, lanes } of cases) {
    m.function(name, { params: {}, results: ["i64", "i64"], export: name }, (f) => {
      const values = operands.map((bits, index) => constant(row.operands[index] ?? "i32", bits));
      f.do(v128.store(0, i64x2.const(0n, 0n)));
      const node = callInstruction(row, values, { offset: 0, lane, lanes });
      if (node.type !== "none") f.do(store[node.type](node));
      f.return(i64.load(0), i64.load(8));
    });
  }
  return m.bytes();
}

function isAllowed(actual: bigint, expected: ExpectedLane, laneBits: number): boolean {
  if (expected === "nan") return Number.isNaN(toFloat(actual, laneBits as 32 | 64));
  if (typeof expected === "bigint") return actual === expected;
  return expected.some((option) => isAllowed(actual, option, laneBits));
}

function check(row: OpRow, cases: readonly Case[], outcomes: Outcomes): void {
  for (const { name, operands, lane, lanes } of cases) {
    const expected = expectedResult(row, operands, { lane, lanes });
    const actual = joined(outcomes.get(name));
    const context = `${name} of ${operands.map((bits) => `0x${bits.toString(16)}`).join(", ")}: ${describeBits(actual)}, not ${describeExpected(expected)}`;
    if (expected === "trap" || typeof actual !== "bigint") expect(actual, context).toBe(expected);
    else {
      const actualLanes = splitLanes(actual, expected.laneBits).slice(0, expected.lanes.length);
      const isRight = actualLanes.every((bits, index) =>
        isAllowed(bits, expected.lanes[index] ?? 0n, expected.laneBits),
      );
      expect(isRight, context).toBe(true);
    }
  }
}

/** The sixteen bytes that a case returns. */
function joined(outcome: Outcome | undefined): bigint | "trap" | undefined {
  return typeof outcome === "object" ? packed(64, outcome) : outcome;
}

function describeBits(outcome: bigint | "trap" | undefined): string {
  return typeof outcome === "bigint" ? `0x${outcome.toString(16)}` : String(outcome);
}

function describeExpected(expected: Expected | "trap"): string {
  if (expected === "trap") return expected;
  const lane = (value: ExpectedLane): string =>
    typeof value === "object" ? value.map(lane).join("|") : describeBits(value as bigint);
  return expected.lanes.map(lane).join(" ");
}

/** wabt 1.0.39 multiplies pairs of 16-bit lanes here, where the specification has quadruples of 8-bit lanes. */
const WRONG_IN_WABT = "i32x4.relaxed_dot_i8x16_i7x16_add_s";

describe("instructions that compute", () => {
  const cases = new Map(computing.map((row) => [row, casesFor(row)]));
  const module = moduleFor([...cases.values()].flat());

  for (const [engine, run] of Object.entries(engines)) {
    describe(`give what the specification says in ${engine}`, () => {
      let outcomes: Outcomes = new Map();
      beforeAll(() => {
        outcomes = run(module);
      });
      for (const [row, list] of cases) {
        if (engine === "wabt" && row.name === WRONG_IN_WABT) continue;
        it(row.name, () => check(row, list, outcomes));
      }
    });
  }

  it("are told from every other of the same type by these operands", () => {
    const confused: string[] = [];
    for (const [row, list] of cases) {
      for (const other of computing) {
        if (other === row || !isSameType(row, other) || isRelaxedForm(row, other)) continue;
        if (!list.some((one) => tellsApart(one, other))) confused.push(`${row.name} and ${other.name}`);
      }
    }
    expect(confused).toEqual([]);
  });
});

function isSameType(a: OpRow, b: OpRow): boolean {
  const type = (row: OpRow): string => [...row.operands, row.result, row.immediates, row.width].join(" ");
  return type(a) === type(b);
}

/** Engines may compute a relaxed instruction as one of these, so no operands can tell it from them. */
const relaxedForms: readonly (readonly [relaxed: RegExp, strict: string])[] = [
  [/.*relaxed_laneselect/, "v128.bitselect"], // where masks are all ones or all zeros in a lane, and ours are
  [/relaxed_q15mulr_s/, "q15mulr_sat_s"],
  [/relaxed_trunc/, "trunc_sat"],
  [/relaxed_(min|max)/, "p$1"],
  [/relaxed_/, ""],
];

function isRelaxedForm(a: OpRow, b: OpRow): boolean {
  const forms = ({ name }: OpRow): string[] => [
    name,
    ...relaxedForms.map(([relaxed, strict]) => name.replace(relaxed, strict)),
  ];
  return forms(a).some((form) => forms(b).includes(form));
}

/** Whether the test of this case would fail if the table had the number of `other` in its row. */
function tellsApart({ row, operands, lane, lanes }: Case, other: OpRow): boolean {
  const right = expectedResult(row, operands, { lane, lanes });
  const wrong = expectedResult(other, operands, { lane, lanes });
  if (right === "trap" || wrong === "trap") return right !== wrong;
  const actual = packed(
    wrong.laneBits,
    wrong.lanes.map((expected) => concreteLane(expected, wrong.laneBits)),
  );
  const count = right.lanes.length;
  return !splitLanes(actual, right.laneBits)
    .slice(0, count)
    .every((bits, i) => isAllowed(bits, right.lanes[i] ?? 0n, right.laneBits));
}

function concreteLane(expected: ExpectedLane, laneBits: number): bigint {
  if (expected === "nan") return laneBits === 32 ? 0x7fc00000n : 0x7ff8n << 48n;
  return typeof expected === "bigint" ? expected : concreteLane(expected[0] ?? 0n, laneBits);
}
