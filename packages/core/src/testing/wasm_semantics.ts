/**
 * What each WebAssembly instruction without side effects computes, written from the specification on plain integers: the slow twin that
 * the assembler's table is run against. A value is its bits, an unsigned bigint.
 */
import type { OpRow } from "./wasm_rows.ts";

/** What a lane of a result may be: these bits, any NaN, or (relaxed instructions) one of several. */
export type ExpectedLane = bigint | "nan" | readonly (bigint | "nan")[];

/** A result by lanes, lane 0 first; a scalar is one lane. */
export interface Expected {
  readonly laneBits: number;
  readonly lanes: readonly ExpectedLane[];
}

/** The immediates of an instruction. */
export interface Lanes {
  readonly lane: number;
  readonly lanes: readonly number[];
}

type Bits = 32 | 64;

/** What the instruction gives, or that it traps. */
export function expectedResult(row: OpRow, operands: readonly bigint[], immediates: Lanes): Expected | "trap" {
  const [shape = "", op = ""] = row.name.split(".");
  const [a = 0n, b = 0n, c = 0n] = operands;
  switch (shape) {
    case "i32":
    case "i64":
      return scalar(integerScalar(shape === "i32" ? 32 : 64, op, a, b), row.result);
    case "f32":
    case "f64":
      return scalar(floatScalar(shape === "f32" ? 32 : 64, op, a, b), row.result);
    case "v128":
      return wholeVector(op, a, b, c);
    case "f32x4":
    case "f64x2":
      return floatVector(shape === "f32x4" ? 32 : 64, op, a, b, c, immediates);
    default:
      return integerVector(128 / Number(shape.split("x")[1]), op, a, b, c, immediates);
  }
}

// ---- Bits and lanes

const signed = (value: bigint, bits: number): bigint => BigInt.asIntN(bits, value);
const unsigned = (value: bigint, bits: number): bigint => BigInt.asUintN(bits, value);

/** The lanes of a vector, unsigned. */
export function splitLanes(vector: bigint, laneBits: number): bigint[] {
  return Array.from({ length: 128 / laneBits }, (_, lane) => unsigned(vector >> BigInt(lane * laneBits), laneBits));
}

function scalar(value: ExpectedLane | "trap", type: OpRow["result"]): Expected | "trap" {
  if (value === "trap") return value;
  const laneBits = type === "i64" || type === "f64" ? 64 : 32;
  return { laneBits, lanes: [typeof value === "bigint" ? unsigned(value, laneBits) : value] };
}

function vector(laneBits: number, lanes: readonly ExpectedLane[]): Expected {
  return { laneBits, lanes: lanes.map((lane) => (typeof lane === "bigint" ? unsigned(lane, laneBits) : lane)) };
}

const view = new DataView(new ArrayBuffer(8));

/** The number behind the bits of a float. */
export function toFloat(bits: bigint, width: Bits): number {
  if (width === 32) view.setUint32(0, Number(bits));
  else view.setBigUint64(0, bits);
  return width === 32 ? view.getFloat32(0) : view.getFloat64(0);
}

/** The bits of a float, rounded to its width; NaN is any NaN. */
export function fromFloat(value: number, width: Bits): bigint | "nan" {
  if (Number.isNaN(value)) return "nan";
  if (width === 32) view.setFloat32(0, value);
  else view.setFloat64(0, value);
  return width === 32 ? BigInt(view.getUint32(0)) : view.getBigUint64(0);
}

// ---- Integers

const bool = (truth: boolean): bigint => (truth ? 1n : 0n);

const compareIntegers: Record<string, (a: bigint, b: bigint, bits: number) => boolean> = {
  eq: (a, b) => a === b,
  ne: (a, b) => a !== b,
  lt_s: (a, b, bits) => signed(a, bits) < signed(b, bits),
  lt_u: (a, b) => a < b,
  gt_s: (a, b, bits) => signed(a, bits) > signed(b, bits),
  gt_u: (a, b) => a > b,
  le_s: (a, b, bits) => signed(a, bits) <= signed(b, bits),
  le_u: (a, b) => a <= b,
  ge_s: (a, b, bits) => signed(a, bits) >= signed(b, bits),
  ge_u: (a, b) => a >= b,
};

const clamp = (value: bigint, low: bigint, high: bigint): bigint => (value < low ? low : value > high ? high : value);
const saturateSigned = (value: bigint, bits: number): bigint =>
  clamp(value, -(1n << BigInt(bits - 1)), (1n << BigInt(bits - 1)) - 1n);
const saturateUnsigned = (value: bigint, bits: number): bigint => clamp(value, 0n, (1n << BigInt(bits)) - 1n);

function divide(a: bigint, b: bigint, bits: number): bigint | "trap" {
  if (b === 0n) return "trap";
  return a / b === 1n << BigInt(bits - 1) && a < 0n ? "trap" : a / b;
}

const rotateLeft = (a: bigint, count: bigint, bits: number): bigint => (a << count) | (a >> (BigInt(bits) - count));

const binaryIntegers: Record<string, (a: bigint, b: bigint, bits: number) => bigint | "trap"> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div_s: (a, b, bits) => divide(signed(a, bits), signed(b, bits), bits),
  div_u: (a, b) => (b === 0n ? "trap" : a / b),
  rem_s: (a, b, bits) => (b === 0n ? "trap" : signed(a, bits) % signed(b, bits)),
  rem_u: (a, b) => (b === 0n ? "trap" : a % b),
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  shl: (a, b, bits) => a << (b % BigInt(bits)),
  shr_s: (a, b, bits) => signed(a, bits) >> (b % BigInt(bits)),
  shr_u: (a, b, bits) => a >> (b % BigInt(bits)),
  rotl: (a, b, bits) => rotateLeft(a, b % BigInt(bits), bits),
  rotr: (a, b, bits) => rotateLeft(a, BigInt(bits) - (b % BigInt(bits)), bits),
  add_sat_s: (a, b, bits) => saturateSigned(signed(a, bits) + signed(b, bits), bits),
  add_sat_u: (a, b, bits) => saturateUnsigned(a + b, bits),
  sub_sat_s: (a, b, bits) => saturateSigned(signed(a, bits) - signed(b, bits), bits),
  sub_sat_u: (a, b, bits) => saturateUnsigned(a - b, bits),
  min_s: (a, b, bits) => (signed(a, bits) < signed(b, bits) ? a : b),
  min_u: (a, b) => (a < b ? a : b),
  max_s: (a, b, bits) => (signed(a, bits) > signed(b, bits) ? a : b),
  max_u: (a, b) => (a > b ? a : b),
  avgr_u: (a, b) => (a + b + 1n) / 2n,
  q15mulr_sat_s: (a, b, bits) => saturateSigned((signed(a, bits) * signed(b, bits) + 0x4000n) >> 15n, bits),
};

const digits = (a: bigint, bits: number): string => a.toString(2).padStart(bits, "0");

const unaryIntegers: Record<string, (a: bigint, bits: number) => bigint> = {
  clz: (a, bits) => BigInt(`${digits(a, bits)}1`.indexOf("1")),
  ctz: (a, bits) => BigInt(bits - 1 - `1${digits(a, bits)}`.lastIndexOf("1") + 1),
  popcnt: (a, bits) => BigInt(digits(a, bits).replaceAll("0", "").length),
  abs: (a, bits) => (signed(a, bits) < 0n ? -signed(a, bits) : a),
  neg: (a) => -a,
  extend8_s: (a) => signed(a, 8),
  extend16_s: (a) => signed(a, 16),
  extend32_s: (a) => signed(a, 32),
};

function integerScalar(bits: Bits, op: string, a: bigint, b: bigint): bigint | "trap" {
  const compare = compareIntegers[op];
  if (compare !== undefined) return bool(compare(a, b, bits));
  const apply = binaryIntegers[op]?.(a, b, bits) ?? unaryIntegers[op]?.(a, bits);
  if (apply !== undefined) return apply;
  const truncation = op.match(/^trunc(_sat)?_f(32|64)_([su])$/);
  if (truncation)
    return truncateFloat(
      toFloat(a, Number(truncation[2]) as Bits),
      bits,
      truncation[3] === "s",
      truncation[1] !== undefined,
    );
  switch (op) {
    case "eqz":
      return bool(a === 0n);
    case "extend_i32_s":
      return signed(a, 32);
    case "wrap_i64":
    case "extend_i32_u":
    case "reinterpret_f32":
    case "reinterpret_f64":
      return a;
    default:
      throw new RangeError(`no semantics for ${op}`);
  }
}

function truncateFloat(value: number, bits: number, isSigned: boolean, saturates: boolean): bigint | "trap" {
  if (Number.isNaN(value)) return saturates ? 0n : "trap";
  const low = isSigned ? -(1n << BigInt(bits - 1)) : 0n;
  const high = isSigned ? (1n << BigInt(bits - 1)) - 1n : (1n << BigInt(bits)) - 1n;
  if (!Number.isFinite(value)) return saturates ? (value < 0 ? low : high) : "trap";
  const whole = BigInt(Math.trunc(value));
  if (whole >= low && whole <= high) return whole;
  return saturates ? clamp(whole, low, high) : "trap";
}

// ---- Floats

const compareFloats: Record<string, (a: number, b: number) => boolean> = {
  eq: (a, b) => a === b,
  ne: (a, b) => a !== b,
  lt: (a, b) => a < b,
  gt: (a, b) => a > b,
  le: (a, b) => a <= b,
  ge: (a, b) => a >= b,
};

/** In double precision; one rounding to single afterwards gives the single-precision result of each of these. */
const floatArithmetic: Record<string, (a: number, b: number) => number> = {
  ceil: Math.ceil,
  floor: Math.floor,
  trunc: Math.trunc,
  nearest: roundToEven,
  sqrt: Math.sqrt,
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  min: (a, b) => Math.min(a, b),
  max: (a, b) => Math.max(a, b),
};

function roundToEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  const rounded = rest < 0.5 || (rest === 0.5 && below % 2 === 0) ? below : below + 1;
  return rounded === 0 && (value < 0 || Object.is(value, -0)) ? -0 : Number.isFinite(value) ? rounded : value;
}

const signBit = (width: Bits): bigint => 1n << BigInt(width - 1);

/** Instructions that move and flip bits of floats, NaNs' too. */
const floatBits: Record<string, (a: bigint, b: bigint, width: Bits) => bigint> = {
  abs: (a, _, width) => a & ~signBit(width),
  neg: (a, _, width) => a ^ signBit(width),
  copysign: (a, b, width) => (a & ~signBit(width)) | (b & signBit(width)),
  pmin: (a, b, width) => (toFloat(b, width) < toFloat(a, width) ? b : a),
  pmax: (a, b, width) => (toFloat(a, width) < toFloat(b, width) ? b : a),
};

function floatLane(width: Bits, op: string, a: bigint, b: bigint): bigint | "nan" | undefined {
  const exact = floatBits[op];
  if (exact !== undefined) return exact(a, b, width);
  const arithmetic = floatArithmetic[op];
  return arithmetic && fromFloat(arithmetic(toFloat(a, width), toFloat(b, width)), width);
}

function floatScalar(width: Bits, op: string, a: bigint, b: bigint): bigint | "nan" {
  const compare = compareFloats[op];
  if (compare !== undefined) return bool(compare(toFloat(a, width), toFloat(b, width)));
  const arithmetic = floatLane(width, op, a, b);
  if (arithmetic !== undefined) return arithmetic;
  const conversion = op.match(/^convert_i(32|64)_([su])$/);
  if (conversion) return integerToFloat(conversion[2] === "s" ? signed(a, Number(conversion[1])) : a, width);
  switch (op) {
    case "demote_f64":
      return fromFloat(toFloat(a, 64), 32);
    case "promote_f32":
      return fromFloat(toFloat(a, 32), 64);
    case "reinterpret_i32":
    case "reinterpret_i64":
      return a;
    default:
      throw new RangeError(`no semantics for ${op}`);
  }
}

/** Rounds once, to nearest, ties to even. */
function integerToFloat(value: bigint, width: Bits): bigint | "nan" {
  const magnitude = value < 0n ? -value : value;
  const surplus = BigInt(Math.max(0, magnitude.toString(2).length - (width === 32 ? 24 : 53)));
  const half = surplus === 0n ? 0n : 1n << (surplus - 1n);
  const rest = magnitude - ((magnitude >> surplus) << surplus);
  const kept = magnitude >> surplus;
  const roundsUp = rest > half || (rest === half && surplus > 0n && (kept & 1n) === 1n);
  const rounded = Number((kept + bool(roundsUp)) << surplus);
  return fromFloat(value < 0n ? -rounded : rounded, width);
}

// ---- Vectors

function wholeVector(op: string, a: bigint, b: bigint, c: bigint): Expected {
  const results: Record<string, bigint> = {
    not: ~a,
    and: a & b,
    andnot: a & ~b,
    or: a | b,
    xor: a ^ b,
    bitselect: (a & c) | (b & ~c),
  };
  if (op === "any_true") return { laneBits: 32, lanes: [bool(a !== 0n)] };
  return vector(128, [results[op] ?? missing(op)]);
}

function missing(op: string): never {
  throw new RangeError(`no semantics for ${op}`);
}

const ones = (laneBits: number): bigint => (1n << BigInt(laneBits)) - 1n;

function floatVector(width: Bits, op: string, a: bigint, b: bigint, c: bigint, { lane }: Lanes): Expected {
  const [as, bs, cs] = [splitLanes(a, width), splitLanes(b, width), splitLanes(c, width)];
  const at = (list: readonly bigint[], index: number): bigint => list[index] ?? 0n;
  const each = (compute: (index: number) => ExpectedLane): Expected =>
    vector(
      width,
      as.map((_, index) => compute(index)),
    );
  const number = (bits: bigint): number => toFloat(bits, width);
  const compare = compareFloats[op];
  if (compare !== undefined) return each((i) => (compare(number(at(as, i)), number(at(bs, i))) ? ones(width) : 0n));
  if (floatLane(width, op, 0n, 0n) !== undefined) return each((i) => floatLane(width, op, at(as, i), at(bs, i)) ?? 0n);
  switch (op) {
    case "splat":
      return each(() => unsigned(a, width));
    case "extract_lane":
      return { laneBits: width, lanes: [at(as, lane)] };
    case "replace_lane":
      return each((i) => (i === lane ? unsigned(b, width) : at(as, i)));
    case "convert_i32x4_s":
      return each((i) => integerToFloat(signed(at(as, i), 32), 32));
    case "convert_i32x4_u":
      return each((i) => integerToFloat(at(as, i), 32));
    case "convert_low_i32x4_s":
      return each((i) => integerToFloat(signed(at(splitLanes(a, 32), i), 32), 64));
    case "convert_low_i32x4_u":
      return each((i) => integerToFloat(at(splitLanes(a, 32), i), 64));
    case "demote_f64x2_zero":
      return each((i) => (i < 2 ? fromFloat(toFloat(at(splitLanes(a, 64), i), 64), 32) : 0n));
    case "promote_low_f32x4":
      return each((i) => fromFloat(toFloat(at(splitLanes(a, 32), i), 32), 64));
    // Operands are chosen so that the product and the sum are exact: fused or not, the result is the same.
    case "relaxed_madd":
      return each((i) => fromFloat(number(at(as, i)) * number(at(bs, i)) + number(at(cs, i)), width));
    case "relaxed_nmadd":
      return each((i) => fromFloat(-(number(at(as, i)) * number(at(bs, i))) + number(at(cs, i)), width));
    case "relaxed_min":
    case "relaxed_max":
      return each((i) => relaxedExtreme(width, op, at(as, i), at(bs, i)));
    default:
      return missing(op);
  }
}

/** Either operand where one is NaN or both are zeros. */
function relaxedExtreme(width: Bits, op: "relaxed_min" | "relaxed_max", a: bigint, b: bigint): ExpectedLane {
  const [x, y] = [toFloat(a, width), toFloat(b, width)];
  if (Number.isNaN(x) || Number.isNaN(y) || (x === 0 && y === 0)) return [a, b, ...(x === y ? [] : ["nan" as const])];
  return op === "relaxed_min" ? (x < y ? a : b) : x > y ? a : b;
}

function integerVector(bits: number, op: string, a: bigint, b: bigint, c: bigint, { lane, lanes }: Lanes): Expected {
  const [as, bs, cs] = [splitLanes(a, bits), splitLanes(b, bits), splitLanes(c, bits)];
  const at = (list: readonly bigint[], index: number): bigint => list[index] ?? 0n;
  const each = (compute: (index: number) => ExpectedLane): Expected =>
    vector(
      bits,
      as.map((_, index) => compute(index)),
    );
  const toScalar = (value: bigint): Expected => ({
    laneBits: bits === 64 && op.startsWith("extract") ? 64 : 32,
    lanes: [value],
  });

  if (op.startsWith("sh") && op !== "shuffle") return each((i) => binaryIntegers[op]?.(at(as, i), b, bits) as bigint);
  const compare = compareIntegers[op];
  if (compare !== undefined) return each((i) => (compare(at(as, i), at(bs, i), bits) ? ones(bits) : 0n));
  const binary = binaryIntegers[op];
  if (binary !== undefined) return each((i) => binary(at(as, i), at(bs, i), bits) as bigint);
  const unary = unaryIntegers[op];
  if (unary !== undefined) return each((i) => unary(at(as, i), bits));

  const resized = op.match(
    /^(narrow|extend_low|extend_high|extmul_low|extmul_high|extadd_pairwise)_i(?:8x16|16x8|32x4)_([su])$/,
  );
  if (resized) return resizedLanes(bits, resized[1] as string, resized[2] === "s", a, b);
  const truncation = op.match(/^(?:trunc_sat|relaxed_trunc)_f(32x4|64x2)_([su])(?:_zero)?$/);
  if (truncation)
    return truncatedLanes(truncation[1] === "32x4" ? 32 : 64, truncation[2] === "s", op.startsWith("relaxed"), a);

  switch (op) {
    case "splat":
      return each(() => unsigned(a, bits));
    case "extract_lane":
    case "extract_lane_u":
      return toScalar(at(as, lane));
    case "extract_lane_s":
      return toScalar(unsigned(signed(at(as, lane), bits), 32));
    case "replace_lane":
      return each((i) => (i === lane ? unsigned(b, bits) : at(as, i)));
    case "all_true":
      return toScalar(bool(as.every((value) => value !== 0n)));
    case "bitmask":
      return toScalar(as.reduce((mask, value, i) => mask | (bool(signed(value, bits) < 0n) << BigInt(i)), 0n));
    case "shuffle":
      return each((i) => at([...as, ...bs], lanes[i] ?? 0));
    case "swizzle":
      return each((i) => at(as, Number(at(bs, i))));
    case "relaxed_swizzle":
      return each((i) => relaxedSwizzle(as, Number(at(bs, i))));
    case "relaxed_laneselect": // masks are chosen to be all ones or all zeros in a lane
      return each((i) => (at(cs, i) === 0n ? at(bs, i) : at(as, i)));
    case "relaxed_q15mulr_s":
      return each((i) => relaxedQ15(at(as, i), at(bs, i)));
    case "dot_i16x8_s":
      return each((i) => dot(splitLanes(a, 16), splitLanes(b, 16), 2 * i, 2, 16));
    case "relaxed_dot_i8x16_i7x16_s": // the second operand is chosen to be below 128
      return each((i) => dot(splitLanes(a, 8), splitLanes(b, 8), 2 * i, 2, 8));
    case "relaxed_dot_i8x16_i7x16_add_s":
      return each((i) => dot(splitLanes(a, 8), splitLanes(b, 8), 4 * i, 4, 8) + at(cs, i));
    default:
      return missing(op);
  }
}

function dot(as: readonly bigint[], bs: readonly bigint[], first: number, count: number, bits: number): bigint {
  let sum = 0n;
  for (let i = first; i < first + count; i++) sum += signed(as[i] ?? 0n, bits) * signed(bs[i] ?? 0n, bits);
  return sum;
}

function relaxedSwizzle(as: readonly bigint[], index: number): ExpectedLane {
  if (index < 16) return as[index] ?? 0n;
  return index < 128 ? [0n, as[index % 16] ?? 0n] : 0n;
}

function relaxedQ15(a: bigint, b: bigint): ExpectedLane {
  return a === 0x8000n && b === 0x8000n ? [0x7fffn, 0x8000n] : (binaryIntegers.q15mulr_sat_s?.(a, b, 16) as bigint);
}

/** Lanes that become wider or narrower; `bits` is the width of the result's. */
function resizedLanes(bits: number, kind: string, isSigned: boolean, a: bigint, b: bigint): Expected {
  const sourceBits = kind === "narrow" ? bits * 2 : bits / 2;
  // A narrowing reads its operands as signed, whatever it saturates to.
  const read = (value: bigint): bigint => (isSigned || kind === "narrow" ? signed(value, sourceBits) : value);
  const as = splitLanes(a, sourceBits).map(read);
  const bs = splitLanes(b, sourceBits).map(read);
  const half = as.length / 2;
  const from = kind.endsWith("high") ? half : 0;
  const sources: Record<string, readonly bigint[]> = {
    narrow: [...as, ...bs].map((value) => (isSigned ? saturateSigned(value, bits) : saturateUnsigned(value, bits))),
    extend_low: as.slice(0, half),
    extend_high: as.slice(half),
    extmul_low: as.slice(from, from + half).map((value, i) => value * (bs[from + i] ?? 0n)),
    extmul_high: as.slice(from, from + half).map((value, i) => value * (bs[from + i] ?? 0n)),
    extadd_pairwise: as.filter((_, i) => i % 2 === 0).map((value, i) => value + (as[2 * i + 1] ?? 0n)),
  };
  return vector(bits, sources[kind] ?? missing(kind));
}

function truncatedLanes(width: Bits, isSigned: boolean, isRelaxed: boolean, a: bigint): Expected {
  const lanes = splitLanes(a, width).map((bits): ExpectedLane => {
    const value = toFloat(bits, width);
    const saturated = unsigned(truncateFloat(value, 32, isSigned, true) as bigint, 32);
    const isInRange = truncateFloat(value, 32, isSigned, false) !== "trap";
    if (!isRelaxed || isInRange) return saturated;
    return [saturated, isSigned ? 0x80000000n : 0xffffffffn];
  });
  return vector(32, width === 64 ? [...lanes, 0n, 0n] : lanes);
}
