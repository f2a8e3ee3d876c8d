/** The text form of a module: WAT, folded, one statement a line where it fits. */
import { orderLocals } from "./encode_function.ts";
import { globalsInOrder } from "./encode_module.ts";
import {
  type ActiveData,
  type ConstNode,
  type ExportRecord,
  exprNode,
  type FunctionHandle,
  type FunctionRecord,
  type GlobalRecord,
  type ImportName,
  type InvokeNode,
  type Label,
  type MemoryRecord,
  type ModuleRecord,
  type OpNode,
  operandsOf,
  type PassiveData,
  type Signature,
  type StatementNode,
} from "./tree.ts";
import type { Expr, Local } from "./value_types.ts";

/** Longer lines are broken where an operand begins. */
const LINE_WIDTH = 110;
/** Bytes of a data segment that are shown; weights would bury the code. */
const SHOWN_DATA_BYTES = 256;
const INDENT = "  ";

/** The whole module. Assemblers read it back into the same code, unless data was shortened (a comment says so). */
export function printModule(record: ModuleRecord): string {
  const names = new ModuleNames(record);
  const { memory } = record;
  const lines: string[] = [`(module${record.name === undefined ? "" : ` ${identifier(record.name)}`}`];
  const add = (...more: readonly string[]): void => {
    for (const line of more) lines.push(INDENT + line);
  };
  for (const { handle, from } of record.importedFunctions) {
    add(`(import ${importName(from)} (func ${names.functionName(handle)}${printSignature(handle)}))`);
  }
  if (memory?.from !== undefined) add(`(import ${importName(memory.from)} (memory ${printLimits(memory)}))`);
  for (const global of globalsInOrder(record)) add(printGlobal(global, names));
  if (memory !== undefined && memory.from === undefined) add(`(memory ${printLimits(memory)})`);
  if (record.table !== undefined) {
    add(`(table ${record.table.length} ${record.table.length} funcref)`);
    if (record.table.length > 0)
      add(`(elem (i32.const 0) func ${record.table.map((handle) => names.functionName(handle)).join(" ")})`);
  }
  for (const entry of record.exports) add(`(export ${quote(entry.name)} (${exportTarget(entry, names)}))`);
  if (record.start !== undefined) add(`(start ${names.functionName(record.start)})`);
  for (const definition of record.functions) add(...new FunctionPrinter(definition, names).print());
  for (const segment of record.data) add(...printData(segment));
  lines.push(")", "");
  return lines.join("\n");
}

/** Identifiers of what a module holds. */
class ModuleNames {
  readonly #functions = new Map<FunctionHandle, string>();
  readonly #globals = new Map<GlobalRecord, string>();
  readonly #data: readonly PassiveData[];

  constructor(record: ModuleRecord) {
    const functionNames = new UniqueNames();
    for (const { handle } of [...record.importedFunctions, ...record.functions]) {
      this.#functions.set(handle, functionNames.next(handle.name));
    }
    const globalNames = new UniqueNames();
    for (const global of record.globals) this.#globals.set(global, globalNames.next(global.name));
    this.#data = record.data;
  }

  functionName(handle: FunctionHandle): string {
    return this.#functions.get(handle) ?? identifier(handle.name);
  }

  globalName(global: GlobalRecord): string {
    return this.#globals.get(global) ?? identifier(global.name);
  }

  segmentIndex(segment: PassiveData | undefined): number {
    return segment === undefined ? -1 : this.#data.indexOf(segment);
  }
}

/** Gives out identifiers, each only once: `$x`, `$x.1`, `$x.2`. */
class UniqueNames {
  readonly #taken = new Set<string>();
  readonly #counts = new Map<string, number>();

  next(name: string): string {
    const wanted = identifier(name);
    let unique = wanted;
    while (this.#taken.has(unique)) {
      const count = (this.#counts.get(wanted) ?? 0) + 1;
      this.#counts.set(wanted, count);
      unique = `${wanted}.${count}`;
    }
    this.#taken.add(unique);
    return unique;
  }
}

/** A name as the text format can have it; characters that identifiers must not have become `_`. */
function identifier(name: string): string {
  return `$${name.replace(/[^A-Za-z0-9!#$%&'*+./:<=>?@\\^_`|~-]/g, "_") || "_"}`;
}

/** An S-expression, or an atom where there are no items and no parentheses. */
interface Folded {
  readonly head: string;
  readonly items: readonly Folded[];
  /** Characters on one line. */
  readonly width: number;
}

function fold(head: string, items: readonly Folded[]): Folded {
  return { head, items, width: items.reduce((sum, item) => sum + 1 + item.width, head.length + 2) };
}

function flat({ head, items }: Folded): string {
  return `(${[head, ...items.map(flat)].join(" ")})`;
}

function layOut(folded: Folded, indent: string): string[] {
  if (folded.items.length === 0 || indent.length + folded.width <= LINE_WIDTH) return [indent + flat(folded)];
  const lines = [`${indent}(${folded.head}`];
  for (const item of folded.items) lines.push(...layOut(item, indent + INDENT));
  lines[lines.length - 1] += ")";
  return lines;
}

class FunctionPrinter {
  readonly #record: FunctionRecord;
  readonly #names: ModuleNames;
  readonly #locals = new Map<Local, string>();
  readonly #labels = new Map<Label, string>();
  readonly #labelNames = new UniqueNames();

  constructor(record: FunctionRecord, names: ModuleNames) {
    this.#record = record;
    this.#names = names;
    const localNames = new UniqueNames();
    for (const local of orderLocals(record).order) this.#locals.set(local, localNames.next(local.name));
  }

  print(): string[] {
    const { handle, paramNames, body } = this.#record;
    const { order } = orderLocals(this.#record);
    const declared = order.map((local) => `${this.#locals.get(local)} ${local.type}`);
    const params = declared.slice(0, paramNames.length).map((text) => ` (param ${text})`);
    const results = handle.results.length === 0 ? "" : ` (result ${handle.results.join(" ")})`;
    return [
      `(func ${this.#names.functionName(handle)}${params.join("")}${results}`,
      ...fillLines(declared.slice(paramNames.length).map((text) => `(local ${text})`)),
      ...this.#statements(body ?? [], INDENT),
      ")",
    ];
  }

  #statements(list: readonly StatementNode[], indent: string): string[] {
    return list.flatMap((statement) => this.#statement(statement, indent));
  }

  #statement(node: StatementNode, indent: string): string[] {
    const line = (head: string, operands: readonly Expr[]): string[] =>
      layOut(
        fold(
          head,
          operands.map((operand) => this.#fold(operand)),
        ),
        indent,
      );
    switch (node.kind) {
      case "op":
        return layOut(this.#foldOp(node), indent);
      case "set":
        return line(`local.set ${this.#local(node.local)}`, [node.value]);
      case "setGlobal":
        return line(`global.set ${this.#names.globalName(node.global)}`, [node.value]);
      case "invoke":
        return [...line(`call ${this.#names.functionName(node.callee)}`, node.args), ...this.#popResults(node, indent)];
      case "invokeIndirect":
        return [
          ...line(`call_indirect${printSignature(node.signature)}`, [...node.args, node.index]),
          ...node.signature.results.map(() => `${indent}(drop)`),
        ];
      case "drop":
        return line("drop", [node.value]);
      case "block":
      case "loop": {
        const label = this.#labelNames.next(node.label.name);
        this.#labels.set(node.label, label);
        return [`${indent}(${node.kind} ${label}`, ...this.#statements(node.body, indent + INDENT), `${indent})`];
      }
      case "if":
        return this.#if(node.condition, node.whenTrue, node.whenFalse, indent);
      case "br":
        return line(`br ${this.#label(node.label)}`, []);
      case "brIf":
        return line(`br_if ${this.#label(node.label)}`, [node.condition]);
      case "brTable": {
        const labels = [...node.labels, node.otherwise].map((label) => this.#label(label));
        return line(`br_table ${labels.join(" ")}`, [node.index]);
      }
      case "return":
        return line("return", node.values);
      case "results":
        return node.values.flatMap((value) => layOut(this.#fold(value), indent));
      case "unreachable":
        return line("unreachable", []);
      case "comment":
        return node.text.split("\n").map((text) => `${indent};; ${text}`);
      default:
        return node satisfies never;
    }
  }

  #if(
    condition: Expr,
    whenTrue: readonly StatementNode[],
    whenFalse: readonly StatementNode[] | undefined,
    indent: string,
  ): string[] {
    const inner = indent + INDENT;
    const branch = (keyword: string, list: readonly StatementNode[]): string[] => [
      `${inner}(${keyword}`,
      ...this.#statements(list, inner + INDENT),
      `${inner})`,
    ];
    const [first = "", ...rest] = layOut(this.#fold(condition), inner);
    return [
      `${indent}(if ${first.trimStart()}`,
      ...rest,
      ...branch("then", whenTrue),
      ...(whenFalse === undefined ? [] : branch("else", whenFalse)),
      `${indent})`,
    ];
  }

  #popResults({ callee, into }: InvokeNode, indent: string): string[] {
    if (into === undefined) return callee.results.map(() => `${indent}(drop)`);
    return into.toReversed().map((local) => `${indent}(local.set ${this.#local(local)})`);
  }

  #fold(expr: Expr): Folded {
    const node = exprNode(expr);
    const operands = (): Folded[] => operandsOf(node).map((operand) => this.#fold(operand));
    switch (node.kind) {
      case "op":
        return this.#foldOp(node);
      case "const":
        return fold(printConst(node), []);
      case "local":
        return fold(`local.get ${this.#local(node)}`, []);
      case "tee":
        return fold(`local.tee ${this.#local(node.local)}`, operands());
      case "global":
        return fold(`global.get ${this.#names.globalName(node.global)}`, []);
      case "select":
        return fold("select", operands());
      case "call":
        return fold(`call ${this.#names.functionName(node.callee)}`, operands());
      case "callIndirect":
        return fold(`call_indirect${printSignature(node.signature)}`, operands());
      default:
        return node satisfies never;
    }
  }

  #foldOp(node: OpNode): Folded {
    return fold(
      node.op.name + this.#immediates(node),
      node.operands.map((operand) => this.#fold(operand)),
    );
  }

  #immediates({ op, immediates }: OpNode): string {
    const offset = immediates.offset === 0 ? "" : ` offset=${immediates.offset}`;
    switch (op.immediates) {
      case "none":
      case "memory index":
      case "two memory indices":
      case "zero byte":
        return "";
      case "memory":
        return offset;
      case "memory and lane":
        return `${offset} ${immediates.lane}`;
      case "lane":
        return ` ${immediates.lane}`;
      case "shuffle":
        return ` ${immediates.lanes.join(" ")}`;
      case "segment":
      case "segment and memory index":
        return ` ${this.#names.segmentIndex(immediates.segment)}`;
      default:
        return op.immediates satisfies never;
    }
  }

  #local(local: Local): string {
    return this.#locals.get(local) ?? identifier(local.name);
  }

  #label(label: Label): string {
    return this.#labels.get(label) ?? identifier(label.name);
  }
}

/** Short texts, as many to a line as fit. */
function fillLines(texts: readonly string[]): string[] {
  const lines: string[] = [];
  for (const text of texts) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + text.length <= LINE_WIDTH) lines[lines.length - 1] = `${last} ${text}`;
    else lines.push(INDENT + text);
  }
  return lines;
}

function printConst(node: ConstNode): string {
  if (node.type !== "v128") return `${node.type}.const ${printNumber(node.value)}`;
  return `v128.const ${node.shape} ${node.lanes.map(printNumber).join(" ")}`;
}

function printNumber(value: number | bigint): string {
  if (Object.is(value, -0)) return "-0";
  if (Number.isNaN(value)) return "nan";
  if (value === Number.POSITIVE_INFINITY) return "inf";
  if (value === Number.NEGATIVE_INFINITY) return "-inf";
  return String(value);
}

function printSignature({ params, results }: Signature): string {
  const list = (keyword: string, types: readonly string[]): string =>
    types.length === 0 ? "" : ` (${keyword} ${types.join(" ")})`;
  return list("param", params) + list("result", results);
}

function printLimits({ minPages, maxPages, shared }: MemoryRecord): string {
  return [minPages, maxPages, shared ? "shared" : undefined].filter((part) => part !== undefined).join(" ");
}

function printGlobal(global: GlobalRecord, names: ModuleNames): string {
  const name = names.globalName(global);
  const type = global.mutable ? `(mut ${global.type})` : global.type;
  if (global.from !== undefined) return `(import ${importName(global.from)} (global ${name} ${type}))`;
  return `(global ${name} ${type}${global.init === undefined ? "" : ` (${printConst(global.init)})`})`;
}

function exportTarget(entry: ExportRecord, names: ModuleNames): string {
  switch (entry.kind) {
    case "function":
      return `func ${names.functionName(entry.target)}`;
    case "global":
      return `global ${names.globalName(entry.target)}`;
    case "memory":
    case "table":
      return `${entry.kind} 0`;
    default:
      return entry satisfies never;
  }
}

function printData(segment: PassiveData | ActiveData): string[] {
  const at = "offset" in segment ? ` (i32.const ${segment.offset | 0})` : "";
  const { bytes } = segment;
  const more = bytes.length - SHOWN_DATA_BYTES;
  const line = `(data${at} ${quoteBytes(bytes.subarray(0, SHOWN_DATA_BYTES))})`;
  return more > 0 ? [line, `;; shortened: ${more} more bytes`] : [line];
}

function importName({ module, name }: ImportName): string {
  return `${quote(module)} ${quote(name)}`;
}

function quote(text: string): string {
  return quoteBytes(new TextEncoder().encode(text));
}

/** A string of the text format: printable ASCII as it is, all else as two hexadecimal digits. */
function quoteBytes(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) {
    const character = String.fromCharCode(byte);
    const isPlain = byte >= 0x20 && byte < 0x7f && character !== '"' && character !== "\\";
    text += isPlain ? character : `\\${byte.toString(16).padStart(2, "0")}`;
  }
  return `"${text}"`;
}
