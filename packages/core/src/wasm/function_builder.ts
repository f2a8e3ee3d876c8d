/** What writes the body of a function: the face of `function_body.ts`. */
import type { Argument } from "./operands.ts";
import type { FunctionHandle, GlobalRecord, Label, Signature } from "./tree.ts";
import type { Expr, I32, Local, Operand, Statement, ValueType } from "./value_types.ts";

export type { FunctionHandle, Label, Signature } from "./tree.ts";

/** The trips of a counted loop. */
export interface Range {
  /** Name of the counter. */
  readonly name: string;
  readonly from: Operand<"i32">;
  /** Where it ends, exclusive. Evaluated once, before the loop, unless it is a constant or a local. */
  readonly to: Operand<"i32">;
  /** Added after each trip; negative counts down. `to` plus one step must not overflow. */
  readonly step: number;
  /** Compare as unsigned, for addresses above 2 GiB. Default false. */
  readonly unsigned?: boolean;
}

/** The type of a call's value: the only result of `R`, or any type where `R` is not known. */
export type ResultType<R extends readonly ValueType[]> = R extends readonly [infer T extends ValueType] ? T : ValueType;

/** What the callback that writes a function's body receives. */
export interface FunctionBuilder {
  /** A new local that is set here. */
  let<T extends ValueType>(name: string, value: Expr<T>): Local<T>;
  /** A new local that is zero when the function begins. It is not cleared again where a loop comes by. */
  local<T extends ValueType>(name: string, type: T): Local<T>;
  /** Sets a local; inside of a counted loop not its counter, nor the local that bounds it. */
  set<T extends ValueType>(local: Local<T>, value: Operand<NoInfer<T>>): void;
  /** Sets a local and is its value. */
  tee<T extends ValueType>(local: Local<T>, value: Operand<NoInfer<T>>): Expr<T>;
  setGlobal<T extends ValueType>(global: GlobalHandle<T>, value: Operand<NoInfer<T>>): void;
  /** A store, a fence, a fill: an instruction without a result. */
  do(statement: Statement): void;
  /** Evaluates an expression for its effect. */
  drop(value: Expr): void;

  /** The value of a function with one result. It must be used exactly once, for it is evaluated where it is used. */
  call<R extends readonly ValueType[]>(callee: FunctionHandle<R>, args: readonly Argument[]): Expr<ResultType<R>>;
  /** Calls a function; results are dropped. */
  invoke(callee: FunctionHandle, args: readonly Argument[]): void;
  /** Calls a function of any number of results and puts them into new locals, named by the callee. */
  callAll(callee: FunctionHandle, args: readonly Argument[]): readonly Local[];
  /** As {@link call}, through the module's table. */
  callIndirect<R extends readonly ValueType[]>(
    index: Operand<"i32">,
    signature: Signature<R>,
    args: readonly Argument[],
  ): Expr<ResultType<R>>;
  /** As {@link invoke}, through the module's table. */
  invokeIndirect(index: Operand<"i32">, signature: Signature, args: readonly Argument[]): void;

  if(condition: I32, then: () => void, otherwise?: () => void): void;
  /** Counts from `from` while it is below `to` (above, where the step is negative): one check at the entry, one at the bottom. */
  for(range: Range, body: (counter: Local<"i32">) => void): void;
  /** As {@link for}, without the check at the entry: the caller promises at least one trip. */
  repeat(range: Range, body: (counter: Local<"i32">) => void): void;
  /** `condition` is written at the top of the loop; it may use the builder too. */
  while(condition: () => I32, body: () => void): void;
  /** A branch to the label leaves the block. */
  block(body: (label: Label) => void): void;
  /** A branch to the label begins again; the end of the body leaves the loop. */
  loop(body: (label: Label) => void): void;
  br(label: Label): void;
  brIf(label: Label, condition: I32): void;
  /** Branches to `labels[index]`, or to `otherwise` where there is none. */
  brTable(index: I32, labels: readonly Label[], otherwise: Label): void;
  return(...values: readonly Argument[]): void;
  unreachable(): void;
  /** A line for readers of the text form; not in the binary. */
  comment(text: string): void;
}

/** A global variable; `get()` reads it. */
export interface GlobalHandle<T extends ValueType = ValueType> extends GlobalRecord {
  readonly type: T;
  get(): Expr<T>;
}
