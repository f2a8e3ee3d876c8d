/** The types of values, and what the rest of the compiler holds in its hands: expressions, statements, locals. */

/** The types a WebAssembly value can have here. */
export type ValueType = "i32" | "i64" | "f32" | "f64" | "v128";

/** The kinds of expression; `tree.ts` has the record behind each. */
export type ExprKind = "op" | "const" | "local" | "tee" | "global" | "select" | "call" | "callIndirect";

/**
 * An immutable expression tree, made by `instructions.ts` and `FunctionBuilder`. It is evaluated where it is used, each time it is used: an
 * expression that reads a local sees the local's value at that point of the program.
 */
export interface Expr<T extends ValueType = ValueType> {
  readonly kind: ExprKind;
  readonly type: T;
}

export type I32 = Expr<"i32">;
export type I64 = Expr<"i64">;
export type F32 = Expr<"f32">;
export type F64 = Expr<"f64">;
export type V128 = Expr<"v128">;

/** An instruction without a result, such as a store; it happens when it is given to `FunctionBuilder.do`. */
export interface Statement {
  readonly kind: "op";
  readonly type: "none";
}

/** A variable of one function; as an expression it reads the variable. */
export interface Local<T extends ValueType = ValueType> extends Expr<T> {
  readonly kind: "local";
  readonly name: string;
  /** Position in the order of declaration, parameters first. The binary's index may differ, for locals are grouped by type there. */
  readonly slot: number;
  /** The function it belongs to, compared by identity. */
  readonly owner: object;
}

/** The numbers that stand for a constant of type `T` where an operand is expected; a vector has none. */
export type Literal<T extends ValueType> = T extends "v128" ? never : T extends "i64" ? number | bigint : number;

/** An operand: an expression, or a plain number where a constant is meant. */
export type Operand<T extends ValueType> = Expr<T> | Literal<T>;
