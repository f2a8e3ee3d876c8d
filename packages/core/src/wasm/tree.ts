/** The records behind expressions, statements, functions and modules. Builders make them; the encoder and the printer walk them. */
import type { Immediates } from "./opcodes.ts";
import type { Expr, Local, ValueType } from "./value_types.ts";

/** A row of the opcode table, taken apart. */
export interface Op {
  readonly name: string;
  /** As in the opcode table. */
  readonly code: number;
  readonly operands: readonly ValueType[];
  readonly result: ValueType | "none";
  readonly immediates: Immediates;
  /** Bytes of memory it touches, or the number of lanes its lane immediate may choose from; 0 where neither applies. */
  readonly width: number;
}

export interface OpNode {
  readonly kind: "op";
  readonly type: ValueType | "none";
  readonly op: Op;
  readonly operands: readonly Expr[];
  readonly immediates: ImmediateValues;
}

/** Values for whatever immediates the op has; the rest stay at their defaults. */
export interface ImmediateValues {
  readonly offset: number;
  readonly lane: number;
  readonly lanes: readonly number[];
  readonly segment: PassiveData | undefined;
}

/** How a vector constant was given, kept for the printer. */
export type VectorShape = "i8x16" | "i16x8" | "i32x4" | "i64x2" | "f32x4" | "f64x2";

export type ConstNode =
  | { readonly kind: "const"; readonly type: "i32" | "f32" | "f64"; readonly value: number }
  | { readonly kind: "const"; readonly type: "i64"; readonly value: bigint }
  | {
      readonly kind: "const";
      readonly type: "v128";
      readonly shape: VectorShape;
      readonly lanes: readonly (number | bigint)[];
    };

export interface TeeNode {
  readonly kind: "tee";
  readonly type: ValueType;
  readonly local: Local;
  readonly value: Expr;
}

export interface GlobalNode {
  readonly kind: "global";
  readonly type: ValueType;
  readonly global: GlobalRecord;
}

export interface SelectNode {
  readonly kind: "select";
  readonly type: ValueType;
  readonly condition: Expr;
  readonly whenTrue: Expr;
  readonly whenFalse: Expr;
}

export interface CallNode {
  readonly kind: "call";
  readonly type: ValueType;
  readonly callee: FunctionHandle;
  readonly args: readonly Expr[];
}

export interface CallIndirectNode {
  readonly kind: "callIndirect";
  readonly type: ValueType;
  readonly index: Expr;
  readonly signature: Signature;
  readonly args: readonly Expr[];
}

export type ExprNode = OpNode | ConstNode | Local | TeeNode | GlobalNode | SelectNode | CallNode | CallIndirectNode;

/** Every `Expr` is one of these: only this folder makes them. */
export function exprNode(expr: Expr): ExprNode {
  return expr as ExprNode;
}

/** Calls `visit` with every node of the tree, operands first. */
export function forEachNode(expr: Expr, visit: (node: ExprNode) => void): void {
  const node = exprNode(expr);
  for (const operand of operandsOf(node)) forEachNode(operand, visit);
  visit(node);
}

/** The direct operands in the order in which they are evaluated. */
export function operandsOf(node: ExprNode): readonly Expr[] {
  switch (node.kind) {
    case "op":
      return node.operands;
    case "const":
    case "local":
    case "global":
      return NO_OPERANDS;
    case "tee":
      return [node.value];
    case "select":
      return [node.whenTrue, node.whenFalse, node.condition];
    case "call":
      return node.args;
    case "callIndirect":
      return [...node.args, node.index];
    default:
      return node satisfies never;
  }
}

const NO_OPERANDS: readonly Expr[] = [];

/** Whether execution can go on after these statements. */
export function canComplete(statements: readonly StatementNode[]): boolean {
  return statements.every((statement) => {
    switch (statement.kind) {
      case "br":
      case "brTable":
      case "return":
      case "results":
      case "unreachable":
        return false;
      case "if":
        return statement.whenFalse === undefined || canComplete(statement.whenTrue) || canComplete(statement.whenFalse);
      case "block":
        return statement.branchedTo || canComplete(statement.body);
      case "loop":
        return canComplete(statement.body);
      default:
        return true;
    }
  });
}

/** A place that branches go to: the end of a block, the start of a loop. */
export interface Label {
  readonly name: string;
}

export interface InvokeNode {
  readonly kind: "invoke";
  readonly callee: FunctionHandle;
  readonly args: readonly Expr[];
  /** Where the results go; undefined drops them. */
  readonly into: readonly Local[] | undefined;
}

export interface InvokeIndirectNode {
  readonly kind: "invokeIndirect";
  readonly index: Expr;
  readonly signature: Signature;
  readonly args: readonly Expr[];
}

export type StatementNode =
  | OpNode
  | { readonly kind: "set"; readonly local: Local; readonly value: Expr }
  | { readonly kind: "setGlobal"; readonly global: GlobalRecord; readonly value: Expr }
  | InvokeNode
  | InvokeIndirectNode
  | { readonly kind: "drop"; readonly value: Expr }
  | {
      readonly kind: "block" | "loop";
      readonly label: Label;
      readonly body: readonly StatementNode[];
      readonly branchedTo: boolean;
    }
  | {
      readonly kind: "if";
      readonly condition: Expr;
      readonly whenTrue: readonly StatementNode[];
      readonly whenFalse: readonly StatementNode[] | undefined;
    }
  | { readonly kind: "br"; readonly label: Label }
  | { readonly kind: "brIf"; readonly label: Label; readonly condition: Expr }
  | { readonly kind: "brTable"; readonly index: Expr; readonly labels: readonly Label[]; readonly otherwise: Label }
  | { readonly kind: "return"; readonly values: readonly Expr[] }
  /** Values left at the end of a function: a return that needs no instruction. */
  | { readonly kind: "results"; readonly values: readonly Expr[] }
  | { readonly kind: "unreachable" }
  | { readonly kind: "comment"; readonly text: string };

export interface Signature<R extends readonly ValueType[] = readonly ValueType[]> {
  readonly params: readonly ValueType[];
  readonly results: R;
}

/** A function to call; compared by identity. */
export interface FunctionHandle<R extends readonly ValueType[] = readonly ValueType[]> extends Signature<R> {
  readonly name: string;
}

export interface FunctionRecord {
  readonly handle: FunctionHandle;
  readonly paramNames: readonly string[];
  /** Parameters first. Empty for imports. */
  locals: readonly Local[];
  /** Missing until the function is defined. */
  body: readonly StatementNode[] | undefined;
}

export interface ImportName {
  readonly module: string;
  readonly name: string;
}

export interface ImportedFunction {
  readonly handle: FunctionHandle;
  readonly from: ImportName;
}

export interface GlobalRecord {
  readonly name: string;
  readonly type: ValueType;
  readonly mutable: boolean;
  /** Missing for imports. */
  readonly init: ConstNode | undefined;
  readonly from: ImportName | undefined;
}

export interface MemoryRecord {
  readonly minPages: number;
  readonly maxPages: number | undefined;
  readonly shared: boolean;
  readonly from: ImportName | undefined;
}

/** A data segment that `memory.init` copies from; compared by identity. */
export interface PassiveData {
  readonly bytes: Uint8Array;
}

export interface ActiveData extends PassiveData {
  /** Bytes from the start of the memory. */
  readonly offset: number;
}

export type ExportRecord =
  | { readonly kind: "function"; readonly name: string; readonly target: FunctionHandle }
  | { readonly kind: "memory" | "table"; readonly name: string }
  | { readonly kind: "global"; readonly name: string; readonly target: GlobalRecord };

/** A whole module as data. */
export interface ModuleRecord {
  readonly name: string | undefined;
  readonly importedFunctions: ImportedFunction[];
  readonly functions: FunctionRecord[];
  readonly globals: GlobalRecord[];
  readonly data: (PassiveData | ActiveData)[];
  readonly exports: ExportRecord[];
  memory: MemoryRecord | undefined;
  table: readonly FunctionHandle[] | undefined;
  start: FunctionHandle | undefined;
}
