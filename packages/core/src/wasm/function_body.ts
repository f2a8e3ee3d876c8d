/** Builds the body of one function, statement by statement, in the order of the calls. */
import { type Entry, fail } from "./caller_line.ts";
import type { FunctionBuilder, GlobalHandle, Range, ResultType } from "./function_builder.ts";
import { i32 } from "./instructions.ts";
import { type Argument, toExpr, toExprs } from "./operands.ts";
import {
  type CallIndirectNode,
  type CallNode,
  canComplete,
  type ExprNode,
  exprNode,
  type FunctionHandle,
  type FunctionRecord,
  forEachNode,
  type Label,
  type Signature,
  type StatementNode,
  type TeeNode,
} from "./tree.ts";
import type { Expr, I32, Local, Operand, Statement, ValueType } from "./value_types.ts";

/** The builder behind {@link FunctionBuilder}: collects statements into the function's record. */
export class FunctionBody implements FunctionBuilder {
  readonly #record: FunctionRecord;
  readonly #locals: Local[] = [];
  readonly #openLabels = new Set<Label>();
  readonly #branchTargets = new Set<Label>();
  /** Counters and bounds of the counted loops we are in. */
  readonly #fixed = new Set<Local>();
  /** Calls that are made but not used yet. */
  readonly #unusedCalls = new Set<Expr>();
  readonly #usedCalls = new Set<Expr>();
  /** The innermost open list of statements; undefined when the body is finished. */
  #open: StatementNode[] | undefined = [];

  constructor(record: FunctionRecord) {
    this.#record = record;
  }

  /** The parameters, as locals. To be called first. */
  declareParams(): Local[] {
    const { handle, paramNames } = this.#record;
    return handle.params.map((type, index) => this.#declare(paramNames[index] ?? `p${index}`, type));
  }

  /** Closes the body and stores it in the record. */
  finish(entry: Entry): void {
    const body = this.#open ?? [];
    this.#checkUnusedCalls(entry);
    const { results } = this.#record.handle;
    const last = body.findLastIndex((statement) => statement.kind !== "comment");
    const end = body[last];
    if (end?.kind === "return") {
      // The values at the end of a body are its results: the instruction is not needed.
      body[last] = { kind: "results", values: end.values };
    } else if (results.length > 0) {
      if (canComplete(body))
        fail(entry, `${this.#where()}: expected ${results.join(" ")} to be returned, but the body can end without`);
      // The end cannot be reached, but a validator does not look into blocks to see that.
      body.push({ kind: "unreachable" });
    }
    this.#record.body = body;
    this.#record.locals = this.#locals;
    this.#open = undefined;
  }

  // ---- Variables

  let<T extends ValueType>(name: string, value: Expr<T>): Local<T> {
    if (typeof value !== "object")
      fail(this.let, `let "${name}": expected an expression, got ${String(value)}. Use i32.const or its like.`);
    const local = this.#declare(name, value.type);
    this.#append({ kind: "set", local, value: this.#use(value, this.let) }, this.let);
    return local;
  }

  local<T extends ValueType>(name: string, type: T): Local<T> {
    return this.#declare(name, type);
  }

  set<T extends ValueType>(local: Local<T>, value: Operand<NoInfer<T>>): void {
    this.#checkSettable(local, this.set);
    this.#append(
      { kind: "set", local, value: this.#operand(value, local.type, `local "${local.name}"`, this.set) },
      this.set,
    );
  }

  tee<T extends ValueType>(local: Local<T>, value: Operand<NoInfer<T>>): Expr<T> {
    this.#checkSettable(local, this.tee);
    const checked = toExpr(value, local.type, `local "${local.name}"`, this.tee);
    const node: TeeNode & Expr<T> = { kind: "tee", type: local.type, local, value: checked };
    return node;
  }

  setGlobal<T extends ValueType>(global: GlobalHandle<T>, value: Operand<NoInfer<T>>): void {
    if (!global.mutable) fail(this.setGlobal, `global "${global.name}" is not mutable`);
    const checked = this.#operand(value, global.type, `global "${global.name}"`, this.setGlobal);
    this.#append({ kind: "setGlobal", global, value: checked }, this.setGlobal);
  }

  do(statement: Statement): void {
    const node = statement as StatementNode;
    if (node?.kind !== "op" || node.type !== "none") {
      fail(
        this.do,
        `do: expected a statement without result. Use let, set or drop for an expression, invoke for a call.`,
      );
    }
    for (const operand of node.operands) this.#use(operand, this.do);
    this.#append(node, this.do);
  }

  drop(value: Expr): void {
    this.#append({ kind: "drop", value: this.#use(value, this.drop) }, this.drop);
  }

  // ---- Calls

  call<R extends readonly ValueType[]>(callee: FunctionHandle<R>, args: readonly Argument[]): Expr<ResultType<R>> {
    const type = this.#onlyResult(callee, `call of "${callee.name}"`, this.call);
    const checked = toExprs(args, callee.params, `"${callee.name}"`, this.call);
    const node: CallNode & Expr = { kind: "call", type, callee, args: checked };
    this.#unusedCalls.add(node);
    return node as Expr as Expr<ResultType<R>>;
  }

  invoke(callee: FunctionHandle, args: readonly Argument[]): void {
    const checked = this.#operands(args, callee.params, `"${callee.name}"`, this.invoke);
    this.#append({ kind: "invoke", callee, args: checked, into: undefined }, this.invoke);
  }

  callAll(callee: FunctionHandle, args: readonly Argument[]): readonly Local[] {
    const checked = this.#operands(args, callee.params, `"${callee.name}"`, this.callAll);
    const into = callee.results.map((type) => this.#declare(callee.name, type));
    this.#append({ kind: "invoke", callee, args: checked, into }, this.callAll);
    return into;
  }

  callIndirect<R extends readonly ValueType[]>(
    index: Operand<"i32">,
    signature: Signature<R>,
    args: readonly Argument[],
  ): Expr<ResultType<R>> {
    const type = this.#onlyResult(signature, "callIndirect", this.callIndirect);
    const node: CallIndirectNode & Expr = {
      kind: "callIndirect",
      type,
      index: toExpr(index, "i32", "index of callIndirect", this.callIndirect),
      signature,
      args: toExprs(args, signature.params, "callIndirect", this.callIndirect),
    };
    this.#unusedCalls.add(node);
    return node as Expr as Expr<ResultType<R>>;
  }

  invokeIndirect(index: Operand<"i32">, signature: Signature, args: readonly Argument[]): void {
    const entry = this.invokeIndirect;
    const checked = this.#operands(args, signature.params, "invokeIndirect", entry);
    const at = this.#operand(index, "i32", "index of invokeIndirect", entry);
    this.#append({ kind: "invokeIndirect", index: at, signature, args: checked }, entry);
  }

  // ---- Control

  if(condition: I32, then: () => void, otherwise?: () => void): void {
    const checked = this.#operand(condition, "i32", "condition of if", this.if);
    this.#append(
      {
        kind: "if",
        condition: checked,
        whenTrue: this.#collect(then, this.if),
        whenFalse: otherwise === undefined ? undefined : this.#collect(otherwise, this.if),
      },
      this.if,
    );
  }

  for(range: Range, body: (counter: Local<"i32">) => void): void {
    const loop = this.#begin(range, this.for);
    if (loop.trips === 0) return;
    const write = (): void => this.#countedLoop(loop, body, this.for);
    if (loop.trips === undefined) this.if(continues(loop.counter, loop), write);
    else write();
  }

  repeat(range: Range, body: (counter: Local<"i32">) => void): void {
    const loop = this.#begin(range, this.repeat);
    if (loop.trips === 0) fail(this.repeat, `repeat "${range.name}": expected at least one trip, got none`);
    this.#countedLoop(loop, body, this.repeat);
  }

  while(condition: () => I32, body: () => void): void {
    this.loop((again) => {
      this.if(condition(), () => {
        body();
        this.br(again);
      });
    });
  }

  block(body: (label: Label) => void): void {
    this.#labelled("block", { name: "block" }, body, this.block);
  }

  loop(body: (label: Label) => void): void {
    this.#labelled("loop", { name: "loop" }, body, this.loop);
  }

  br(label: Label): void {
    this.#append({ kind: "br", label: this.#target(label, this.br) }, this.br);
  }

  brIf(label: Label, condition: I32): void {
    const checked = this.#operand(condition, "i32", "condition of brIf", this.brIf);
    this.#append({ kind: "brIf", label: this.#target(label, this.brIf), condition: checked }, this.brIf);
  }

  brTable(index: I32, labels: readonly Label[], otherwise: Label): void {
    const checked = this.#operand(index, "i32", "index of brTable", this.brTable);
    const targets = labels.map((label) => this.#target(label, this.brTable));
    this.#append(
      { kind: "brTable", index: checked, labels: targets, otherwise: this.#target(otherwise, this.brTable) },
      this.brTable,
    );
  }

  return(...values: readonly Argument[]): void {
    const { results } = this.#record.handle;
    this.#append({ kind: "return", values: this.#operands(values, results, "return", this.return) }, this.return);
  }

  unreachable(): void {
    this.#append({ kind: "unreachable" }, this.unreachable);
  }

  comment(text: string): void {
    this.#append({ kind: "comment", text }, this.comment);
  }

  // ---- Inside

  #declare<T extends ValueType>(name: string, type: T): Local<T> {
    const local: Local<T> = { kind: "local", type, name, slot: this.#locals.length, owner: this };
    this.#locals.push(local);
    return local;
  }

  #append(statement: StatementNode, entry: Entry): void {
    if (this.#open === undefined) fail(entry, `${this.#where()}: the body is finished`);
    this.#open.push(statement);
  }

  /** The statements that `write` appends. */
  #collect(write: () => void, entry: Entry): readonly StatementNode[] {
    const outer = this.#open;
    if (outer === undefined) fail(entry, `${this.#where()}: the body is finished`);
    const inner: StatementNode[] = [];
    const callsBefore = new Set(this.#unusedCalls);
    this.#open = inner;
    write();
    // A call that is made in a block has its place in that block.
    this.#checkUnusedCalls(entry, callsBefore);
    this.#open = outer;
    return inner;
  }

  #labelled(kind: "block" | "loop", label: Label, body: (label: Label) => void, entry: Entry): void {
    this.#openLabels.add(label);
    const statements = this.#collect(() => body(label), entry);
    this.#openLabels.delete(label);
    this.#append({ kind, label, body: statements, branchedTo: this.#branchTargets.has(label) }, entry);
  }

  /** Sets the counter to its first value, and the bound where it has to be computed. */
  #begin(range: Range, entry: Entry): CountedLoop {
    const { name, step, unsigned = false } = range;
    if (!Number.isInteger(step) || step === 0) fail(entry, `loop "${name}": expected a step other than 0, got ${step}`);
    const from = this.#operand(range.from, "i32", `from of loop "${name}"`, entry) as I32;
    const end = this.#operand(range.to, "i32", `to of loop "${name}"`, entry) as I32;
    const isSimple = end.kind === "const" || end.kind === "local";
    const to = isSimple ? end : this.let(`${name}_end`, end);
    const counter = this.#declare(name, "i32");
    this.#append({ kind: "set", local: counter, value: from }, entry);
    const [first, bound] = [from, to].map((expr) => constantValue(expr, unsigned));
    if (first === undefined || bound === undefined) return { counter, to, step, unsigned, trips: undefined };
    const trips = Math.max(0, Math.ceil((bound - first) / step));
    const last = first + trips * step;
    if (last !== (unsigned ? last >>> 0 : last | 0)) fail(entry, `loop "${name}": its counter overflows at ${last}`);
    return { counter, to, step, unsigned, trips };
  }

  /** The body, then one step and the way back up. */
  #countedLoop(loop: CountedLoop, body: (counter: Local<"i32">) => void, entry: Entry): void {
    const { counter, to, step, trips } = loop;
    const bound = exprNode(to);
    const locals = bound.kind === "local" ? [counter, bound] : [counter];
    const fixed = locals.filter((local) => !this.#fixed.has(local));
    const writeBody = (): void => {
      for (const local of fixed) this.#fixed.add(local);
      body(counter);
      for (const local of fixed) this.#fixed.delete(local);
    };
    if (trips === 1) {
      writeBody();
      return;
    }
    const writeTrip = (again: Label): void => {
      writeBody();
      const next = this.tee(counter, i32.add(counter, step));
      this.brIf(again, continues(next, loop));
    };
    this.#labelled("loop", { name: counter.name }, writeTrip, entry);
  }

  #target(label: Label, entry: Entry): Label {
    if (!this.#openLabels.has(label)) fail(entry, `branch to "${label.name}": its block is not open here`);
    this.#branchTargets.add(label);
    return label;
  }

  #operand(value: Argument, type: ValueType, what: string, entry: Entry): Expr {
    return this.#use(toExpr(value, type, what, entry), entry);
  }

  #operands(values: readonly Argument[], types: readonly ValueType[], what: string, entry: Entry): Expr[] {
    const checked = toExprs(values, types, what, entry);
    for (const value of checked) this.#use(value, entry);
    return checked;
  }

  /** Checks what an expression reads, now that it gets its place in this function. */
  #use<T extends ValueType>(expr: Expr<T>, entry: Entry): Expr<T> {
    forEachNode(expr, (node) => this.#checkNode(node, entry));
    return expr;
  }

  #checkNode(node: ExprNode, entry: Entry): void {
    if (node.kind === "local" || node.kind === "tee") {
      const local = node.kind === "local" ? node : node.local;
      if (local.owner !== this)
        fail(entry, `local "${local.name}" is used in ${this.#where()}, but belongs to another function`);
    } else if (node.kind === "call" || node.kind === "callIndirect") {
      if (this.#usedCalls.has(node))
        fail(entry, `${this.#where()}: the value of a call is used twice. Put it into a local.`);
      this.#unusedCalls.delete(node);
      this.#usedCalls.add(node);
    }
  }

  #checkSettable(local: Local, entry: Entry): void {
    if (local.owner !== this) fail(entry, `local "${local.name}" belongs to another function than ${this.#where()}`);
    if (this.#fixed.has(local))
      fail(entry, `local "${local.name}" is the counter or the bound of the loop we are in; it must not be set here`);
  }

  #checkUnusedCalls(entry: Entry, except: ReadonlySet<Expr> = new Set()): void {
    for (const call of this.#unusedCalls) {
      if (except.has(call)) continue;
      const callee = (call as CallNode).callee?.name ?? "an indirect function";
      fail(
        entry,
        `${this.#where()}: the call of "${callee}" is never used, so it would not happen. Use invoke, or drop it.`,
      );
    }
  }

  #onlyResult(signature: Signature, what: string, entry: Entry): ValueType {
    const [type] = signature.results;
    if (type === undefined || signature.results.length > 1) {
      fail(entry, `${what}: expected one result, got ${signature.results.length}. Use invoke or callAll.`);
    }
    return type;
  }

  #where(): string {
    return `function "${this.#record.handle.name}"`;
  }
}

/** A {@link Range} that has begun. */
interface CountedLoop {
  readonly counter: Local<"i32">;
  readonly to: I32;
  readonly step: number;
  readonly unsigned: boolean;
  /** Where both ends are constants. */
  readonly trips: number | undefined;
}

/** The condition for one more trip. */
function continues(counter: I32, { to, step, unsigned }: CountedLoop): I32 {
  if (step > 0) return unsigned ? i32.lt_u(counter, to) : i32.lt_s(counter, to);
  return unsigned ? i32.gt_u(counter, to) : i32.gt_s(counter, to);
}

function constantValue(expr: I32, unsigned: boolean): number | undefined {
  const node = exprNode(expr);
  if (node.kind !== "const" || node.type !== "i32") return undefined;
  return unsigned ? node.value >>> 0 : node.value;
}
