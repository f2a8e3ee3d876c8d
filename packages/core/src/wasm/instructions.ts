/**
 * Instructions as functions, under the specification's own names: `f32x4.add(x, y)`, `v128.load(address, { offset: 16 })`,
 * `i32.atomic.rmw.add(address, 1)`. All of them come out of the table in `opcodes.ts`; so do their types.
 *
 * An operand is an expression or, for scalars, a plain number. What has a result is an expression; what has none (stores, fences, fills)
 * is a statement for `FunctionBuilder.do`.
 */
import { type Entry, fail } from "./caller_line.ts";
import { type OpcodeRow, opcodes, valueTypeCodes } from "./opcodes.ts";
import { type Argument, checkInteger, scalarConst, toExpr, toExprs, vectorConst } from "./operands.ts";
import type { ImmediateValues, Op, OpNode, PassiveData, SelectNode, VectorShape } from "./tree.ts";
import type { Expr, Operand, Statement, V128, ValueType } from "./value_types.ts";

// ---- Types, read from the table -------------------------------------------------------------------------------------------------

type Table = typeof opcodes;
type OpName = keyof Table;

/** Where around its address an instruction touches memory. */
export interface MemoryAccess {
  /** Bytes added to the address, without wrapping: below 2³². Default 0. */
  readonly offset?: number;
}

type Split<S extends string> = S extends `${infer Head extends ValueType} ${infer Tail}`
  ? [Head, ...Split<Tail>]
  : S extends ValueType
    ? [S]
    : [];
type OperandsOf<S extends string> = S extends `${infer Left} ->${string}` ? Split<Left> : [];
type ResultOf<S extends string> = S extends `${string}-> ${infer Right extends ValueType}` ? Expr<Right> : Statement;
type ImmediatesOf<Row> = Row extends readonly [number, string, infer I, ...unknown[]] ? I : "none";

/** The function for a row: operands in the order of the specification, a lane where the text format has it, memory options last. */
type OpFunction<Row extends OpcodeRow> =
  ImmediatesOf<Row> extends "memory"
    ? MemoryFunction<OperandsOf<Row[1]>, ResultOf<Row[1]>>
    : ImmediatesOf<Row> extends "memory and lane"
      ? (address: Operand<"i32">, vector: V128, lane: number, at?: MemoryAccess) => ResultOf<Row[1]>
      : ImmediatesOf<Row> extends "lane"
        ? LaneFunction<OperandsOf<Row[1]>, ResultOf<Row[1]>>
        : ImmediatesOf<Row> extends "shuffle"
          ? (a: V128, b: V128, lanes: readonly number[]) => V128
          : ImmediatesOf<Row> extends "segment"
            ? (segment: PassiveData) => Statement
            : ImmediatesOf<Row> extends "segment and memory index"
              ? (
                  segment: PassiveData,
                  destination: Operand<"i32">,
                  source: Operand<"i32">,
                  bytes: Operand<"i32">,
                ) => Statement
              : PlainFunction<OperandsOf<Row[1]>, ResultOf<Row[1]>>;

type PlainFunction<Operands, R> = Operands extends [
  infer A extends ValueType,
  infer B extends ValueType,
  infer C extends ValueType,
]
  ? (a: Operand<A>, b: Operand<B>, c: Operand<C>) => R
  : Operands extends [infer A extends ValueType, infer B extends ValueType]
    ? (a: Operand<A>, b: Operand<B>) => R
    : Operands extends [infer A extends ValueType]
      ? (x: Operand<A>) => R
      : () => R;

type MemoryFunction<Operands, R> = Operands extends ["i32", infer A extends ValueType, infer B extends ValueType]
  ? (address: Operand<"i32">, expected: Operand<A>, next: Operand<B>, at?: MemoryAccess) => R
  : Operands extends ["i32", infer A extends ValueType]
    ? (address: Operand<"i32">, value: Operand<A>, at?: MemoryAccess) => R
    : (address: Operand<"i32">, at?: MemoryAccess) => R;

type LaneFunction<Operands, R> = Operands extends ["v128", infer A extends ValueType]
  ? (vector: V128, lane: number, value: Operand<A>) => R
  : (vector: V128, lane: number) => R;

type ChildOf<Prefix extends string, Name = OpName> = Name extends `${Prefix}.${infer Rest}`
  ? Rest extends `${infer Head}.${string}`
    ? Head
    : Rest
  : never;

/** All instructions whose names begin with `Prefix.`; `i32.atomic.rmw.add` is nested accordingly. */
export type Instructions<Prefix extends string> = {
  readonly [Key in ChildOf<Prefix>]: `${Prefix}.${Key}` extends OpName
    ? OpFunction<Table[`${Prefix}.${Key}`]>
    : Instructions<`${Prefix}.${Key}`>;
};

// ---- The instructions -----------------------------------------------------------------------------------------------------------

/** `i32.const` and its like; integers may be given signed or unsigned. */
export interface ScalarConst<T extends ValueType> {
  const(value: T extends "i64" ? number | bigint : number): Expr<T>;
}

/** `f32x4.const(a, b, c, d)` and its like: a vector constant by lanes, lane 0 first. */
export interface VectorConst<Lane extends number | bigint = number> {
  const(...lanes: readonly Lane[]): V128;
}

export const i32: Instructions<"i32"> & ScalarConst<"i32"> = withScalarConst("i32");
export const i64: Instructions<"i64"> & ScalarConst<"i64"> = withScalarConst("i64");
export const f32: Instructions<"f32"> & ScalarConst<"f32"> = withScalarConst("f32");
export const f64: Instructions<"f64"> & ScalarConst<"f64"> = withScalarConst("f64");
export const i8x16: Instructions<"i8x16"> & VectorConst = withVectorConst("i8x16");
export const i16x8: Instructions<"i16x8"> & VectorConst = withVectorConst("i16x8");
export const i32x4: Instructions<"i32x4"> & VectorConst = withVectorConst("i32x4");
export const i64x2: Instructions<"i64x2"> & VectorConst<number | bigint> = withVectorConst("i64x2");
export const f32x4: Instructions<"f32x4"> & VectorConst = withVectorConst("f32x4");
export const f64x2: Instructions<"f64x2"> & VectorConst = withVectorConst("f64x2");
/** Whole vectors; `v128.const` takes sixteen bytes. */
export const v128: Instructions<"v128"> & { const(bytes: ArrayLike<number>): V128 } = {
  ...instructions("v128"),
  const: (bytes) => vectorConst("i8x16", Array.from(bytes), v128.const),
};
export const memory: Instructions<"memory"> = instructions("memory");
export const data: Instructions<"data"> = instructions("data");
export const atomic: Instructions<"atomic"> = instructions("atomic");

/**
 * `condition ? a : b`, both evaluated. Mind the order: the condition comes first here, last in the binary. One of `a` and `b` may be a
 * plain number.
 */
export function select<T extends ValueType>(
  condition: Operand<"i32">,
  a: Expr<T> | number | bigint,
  b: Expr<T> | number | bigint,
): Expr<T> {
  const typed =
    typeof a === "object"
      ? a
      : typeof b === "object"
        ? b
        : fail(select, "select: one of the two values must be an expression");
  const node: SelectNode & Expr<T> = {
    kind: "select",
    type: typed.type,
    condition: toExpr(condition, "i32", "condition of select", select),
    whenTrue: toExpr(a, typed.type, "first value of select", select),
    whenFalse: toExpr(b, typed.type, "second value of select", select),
  };
  return node;
}

// ---- From rows to functions -----------------------------------------------------------------------------------------------------

const NO_IMMEDIATES: ImmediateValues = { offset: 0, lane: 0, lanes: [], segment: undefined };

function withScalarConst<T extends "i32" | "i64" | "f32" | "f64">(type: T): Instructions<T> & ScalarConst<T> {
  const constant = (value: number | bigint): Expr<T> =>
    scalarConst(type, value, `${type}.const`, constant) as Expr as Expr<T>;
  return { ...instructions(type), const: constant };
}

function withVectorConst<S extends VectorShape>(shape: S): Instructions<S> & VectorConst<number | bigint> {
  const constant = (...lanes: readonly (number | bigint)[]): V128 => vectorConst(shape, lanes, constant);
  return { ...instructions(shape), const: constant };
}

/** The rows under a prefix as nested objects of functions. The types above are computed from the same rows. */
function instructions<Prefix extends string>(prefix: Prefix): Instructions<Prefix> {
  interface Nested {
    [key: string]: Entry | Nested;
  }
  const root: Nested = {};
  for (const [name, row] of Object.entries(opcodes)) {
    const [first, ...path] = name.split(".");
    if (first !== prefix) continue;
    const last = path.pop() as string;
    let inner = root;
    for (const key of path) {
      inner[key] ??= {};
      inner = inner[key] as Nested;
    }
    inner[last] = opFunction(parseRow(name, row));
  }
  return root as Instructions<Prefix>;
}

/** Takes a row of the opcode table apart. */
function parseRow(name: string, row: OpcodeRow): Op {
  const [code, signature, immediates = "none", width = 0] = row;
  const [operands = "", result = ""] = signature.split("->");
  return {
    name,
    code,
    operands: operands.split(" ").filter(isValueType),
    result: isValueType(result.trim()) ? (result.trim() as ValueType) : "none",
    immediates,
    width,
  };
}

function isValueType(text: string): text is ValueType {
  return text in valueTypeCodes;
}

function opFunction(op: Op): Entry {
  switch (op.immediates) {
    case "none":
    case "memory index":
    case "two memory indices":
    case "zero byte": {
      const plain = (...args: Argument[]): OpNode => opNode(op, args, NO_IMMEDIATES, plain);
      return plain;
    }
    case "memory": {
      const count = op.operands.length;
      const access = (...args: (Argument | MemoryAccess | undefined)[]): OpNode => {
        const at = args[count] as MemoryAccess | undefined;
        return opNode(op, args.slice(0, count) as Argument[], atOffset(op, at, access), access);
      };
      return access;
    }
    case "memory and lane": {
      const access = (address: Argument, vector: Argument, lane: number, at?: MemoryAccess): OpNode => {
        const immediates = { ...atOffset(op, at, access), lane: checkLane(op, lane, 16 / op.width, access) };
        return opNode(op, [address, vector], immediates, access);
      };
      return access;
    }
    case "lane": {
      const onLane = (vector: Argument, lane: number, ...value: Argument[]): OpNode =>
        opNode(op, [vector, ...value], { ...NO_IMMEDIATES, lane: checkLane(op, lane, op.width, onLane) }, onLane);
      return onLane;
    }
    case "shuffle": {
      const shuffle = (a: Argument, b: Argument, lanes: readonly number[]): OpNode => {
        if (lanes.length !== 16) fail(shuffle, `${op.name}: expected 16 lanes, got ${lanes.length}`);
        for (const lane of lanes) checkLane(op, lane, 32, shuffle);
        return opNode(op, [a, b], { ...NO_IMMEDIATES, lanes: [...lanes] }, shuffle);
      };
      return shuffle;
    }
    case "segment":
    case "segment and memory index": {
      const onSegment = (segment: PassiveData, ...args: Argument[]): OpNode =>
        opNode(op, args, { ...NO_IMMEDIATES, segment }, onSegment);
      return onSegment;
    }
    default:
      return op.immediates satisfies never;
  }
}

function opNode(op: Op, args: readonly Argument[], immediates: ImmediateValues, entry: Entry): OpNode {
  return { kind: "op", type: op.result, op, operands: toExprs(args, op.operands, op.name, entry), immediates };
}

function atOffset(op: Op, at: MemoryAccess | undefined, entry: Entry): ImmediateValues {
  if (at?.offset === undefined || at.offset === 0) return NO_IMMEDIATES;
  if (at.offset < 0) fail(entry, `${op.name}: expected an offset of 0 or more bytes, got ${at.offset}`);
  return { ...NO_IMMEDIATES, offset: checkInteger(at.offset, 32, `offset of ${op.name}`, entry) };
}

function checkLane(op: Op, lane: number, lanes: number, entry: Entry): number {
  if (!Number.isInteger(lane) || lane < 0 || lane >= lanes)
    fail(entry, `${op.name}: expected a lane from 0 to ${lanes - 1}, got ${lane}`);
  return lane;
}
