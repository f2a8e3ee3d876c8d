/** Turns what callers write as operands (expressions, numbers) into checked expressions, and numbers into constants. */
import { type Entry, fail } from "./caller_line.ts";
import type { ConstNode, VectorShape } from "./tree.ts";
import type { Expr, ValueType } from "./value_types.ts";

/** An operand before it was checked. */
export type Argument = Expr | number | bigint;

/**
 * The operand as an expression of the wanted type.
 *
 * @param what names the operand in the error, as in `condition of if`
 * @param entry the public function whose caller is to blame
 */
export function toExpr(argument: Argument, type: ValueType, what: string, entry: Entry): Expr {
  if (typeof argument === "number" || typeof argument === "bigint") return scalarConst(type, argument, what, entry);
  if (argument?.type !== type) fail(entry, `${what}: expected ${type}, got ${describeArgument(argument)}`);
  return argument;
}

/** As {@link toExpr} for a whole list; `what` names the instruction or the function. */
export function toExprs(args: readonly Argument[], types: readonly ValueType[], what: string, entry: Entry): Expr[] {
  if (args.length !== types.length) {
    fail(entry, `${what}: expected ${types.length} operands (${types.join(" ")}), got ${args.length}`);
  }
  return args.map((argument, index) => {
    const type = types[index] as ValueType;
    // Nearly always true; naming the operand first would take most of the time that building a module takes.
    if (typeof argument === "object" && argument?.type === type) return argument;
    return toExpr(argument, type, `operand ${index + 1} of ${what}`, entry);
  });
}

/** A scalar constant; integers may be given signed or unsigned. */
export function scalarConst(type: ValueType, value: number | bigint, what: string, entry: Entry): ConstNode {
  switch (type) {
    case "i32":
      return { kind: "const", type, value: checkInteger(value, 32, what, entry) | 0 };
    case "i64":
      return { kind: "const", type, value: checkInteger64(value, what, entry) };
    case "f32":
    case "f64":
      if (typeof value !== "number") fail(entry, `${what}: expected a number for ${type}, got a bigint`);
      return { kind: "const", type, value: type === "f32" ? Math.fround(value) : value };
    case "v128":
      return fail(entry, `${what}: expected v128, got the number ${value}. Use f32x4.const, i32x4.const or a splat.`);
    default:
      return type satisfies never;
  }
}

/** A vector constant from its lanes, lane 0 first. */
export function vectorConst(
  shape: VectorShape,
  lanes: readonly (number | bigint)[],
  entry: Entry,
): ConstNode & Expr<"v128"> {
  const count = Number(shape.slice(shape.indexOf("x") + 1));
  if (lanes.length !== count) fail(entry, `${shape}.const: expected ${count} lanes, got ${lanes.length}`);
  const checked = lanes.map((value, lane) => vectorLane(shape, value, `lane ${lane} of ${shape}.const`, entry));
  return { kind: "const", type: "v128", shape, lanes: checked };
}

function vectorLane(shape: VectorShape, value: number | bigint, what: string, entry: Entry): number | bigint {
  switch (shape) {
    case "i8x16":
      return (checkInteger(value, 8, what, entry) << 24) >> 24;
    case "i16x8":
      return (checkInteger(value, 16, what, entry) << 16) >> 16;
    case "i32x4":
      return checkInteger(value, 32, what, entry) | 0;
    case "i64x2":
      return checkInteger64(value, what, entry);
    case "f32x4":
    case "f64x2":
      if (typeof value !== "number") fail(entry, `${what}: expected a number, got a bigint`);
      return shape === "f32x4" ? Math.fround(value) : value;
    default:
      return shape satisfies never;
  }
}

/** A whole number that `bits` bits hold, as signed or as unsigned. */
export function checkInteger(value: number | bigint, bits: number, what: string, entry: Entry): number {
  const number = Number(value);
  if (!Number.isInteger(number) || number < -(2 ** (bits - 1)) || number >= 2 ** bits) {
    fail(entry, `${what}: expected an integer of ${bits} bits, got ${String(value)}`);
  }
  return number;
}

function checkInteger64(value: number | bigint, what: string, entry: Entry): bigint {
  const isWhole = typeof value === "bigint" || Number.isSafeInteger(value);
  if (!isWhole) fail(entry, `${what}: expected a safe integer or a bigint, got ${value}`);
  const integer = BigInt(value);
  if (integer < -(2n ** 63n) || integer >= 2n ** 64n)
    fail(entry, `${what}: expected an integer of 64 bits, got ${value}`);
  return BigInt.asIntN(64, integer);
}

function describeArgument(argument: unknown): string {
  if (typeof argument !== "object" || argument === null) return String(argument);
  const { type, kind, name } = argument as { type?: unknown; kind?: unknown; name?: unknown };
  if (type === "none") return "a statement without result";
  return kind === "local" ? `${String(type)} (local "${String(name)}")` : String(type);
}
