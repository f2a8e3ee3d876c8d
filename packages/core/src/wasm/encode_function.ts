/** Turns the statements of one function into code. */
import { InternalError } from "../errors.ts";
import type { ByteWriter } from "./byte_writer.ts";
import { writeSigned, writeSigned64, writeUnsigned } from "./leb128.ts";
import { structuralOpcodes as code, typeCodes, valueTypeCodes } from "./opcodes.ts";
import {
  type ConstNode,
  exprNode,
  type FunctionHandle,
  type FunctionRecord,
  type GlobalRecord,
  type InvokeNode,
  type Label,
  type OpNode,
  type PassiveData,
  type Signature,
  type StatementNode,
  type VectorShape,
} from "./tree.ts";
import type { Expr, Local, ValueType } from "./value_types.ts";

/** Where the module has put what code refers to. Each throws an `InternalError` for what is not in the module. */
export interface ModuleIndices {
  functionIndex(handle: FunctionHandle): number;
  globalIndex(global: GlobalRecord): number;
  typeIndex(signature: Signature): number;
  segmentIndex(segment: PassiveData): number;
  /** Notes that code needs the memory. */
  useMemory(opName: string): void;
  /** Notes that code needs the table. */
  useTable(): void;
}

/** Writes local declarations and code, without the size before them. */
export function encodeFunction(writer: ByteWriter, record: FunctionRecord, indices: ModuleIndices): void {
  const { order, groups } = orderLocals(record);
  writeUnsigned(writer, groups.length);
  for (const { type, count } of groups) {
    writeUnsigned(writer, count);
    writer.byte(valueTypeCodes[type]);
  }
  const slots: number[] = [];
  for (const [index, local] of order.entries()) slots[local.slot] = index;
  const encoder = new CodeEncoder(writer, indices, slots);
  encoder.statements(record.body ?? []);
  writer.byte(code.end);
}

/** The locals in the binary's order: parameters as they are, then grouped by type, for a declaration is a type and a count. */
export function orderLocals(record: FunctionRecord): {
  readonly order: readonly Local[];
  readonly groups: readonly { readonly type: ValueType; readonly count: number }[];
} {
  const params = record.locals.slice(0, record.paramNames.length);
  const byType = new Map<ValueType, Local[]>();
  for (const local of record.locals.slice(params.length)) {
    const group = byType.get(local.type);
    if (group === undefined) byType.set(local.type, [local]);
    else group.push(local);
  }
  return {
    order: [...params, ...[...byType.values()].flat()],
    groups: [...byType].map(([type, locals]) => ({ type, count: locals.length })),
  };
}

/** A constant as an instruction. */
export function encodeConst(writer: ByteWriter, node: ConstNode): void {
  switch (node.type) {
    case "i32":
      writer.byte(code["i32.const"]);
      writeSigned(writer, node.value);
      break;
    case "i64":
      writer.byte(code["i64.const"]);
      writeSigned64(writer, node.value);
      break;
    case "f32":
      writer.byte(code["f32.const"]);
      writer.float32(node.value);
      break;
    case "f64":
      writer.byte(code["f64.const"]);
      writer.float64(node.value);
      break;
    case "v128":
      writer.opcode(code["v128.const"]);
      for (const lane of node.lanes) encodeLane(writer, node.shape, lane);
      break;
    default:
      node satisfies never;
  }
}

function encodeLane(writer: ByteWriter, shape: VectorShape, lane: number | bigint): void {
  if (shape === "f32x4") writer.float32(Number(lane));
  else if (shape === "f64x2") writer.float64(Number(lane));
  else writer.integer(BigInt(lane), 16 / Number(shape.slice(shape.indexOf("x") + 1)));
}

/** The instructions of a body; knows the labels that are open around them. */
class CodeEncoder {
  readonly #writer: ByteWriter;
  readonly #indices: ModuleIndices;
  /** A local's index in the binary, by its slot. */
  readonly #localIndices: readonly number[];
  /** Outermost first; `if` opens a label too, which nobody names. */
  readonly #labels: (Label | undefined)[] = [];

  constructor(writer: ByteWriter, indices: ModuleIndices, localIndices: readonly number[]) {
    this.#writer = writer;
    this.#indices = indices;
    this.#localIndices = localIndices;
  }

  statements(list: readonly StatementNode[]): void {
    for (const statement of list) this.#statement(statement);
  }

  #statement(node: StatementNode): void {
    const writer = this.#writer;
    switch (node.kind) {
      case "op":
        this.#op(node);
        break;
      case "set":
        this.#expr(node.value);
        this.#local(code["local.set"], node.local);
        break;
      case "setGlobal":
        this.#expr(node.value);
        writer.byte(code["global.set"]);
        writeUnsigned(writer, this.#indices.globalIndex(node.global));
        break;
      case "invoke":
        this.#exprs(node.args);
        this.#call(node.callee);
        this.#popResults(node);
        break;
      case "invokeIndirect":
        this.#exprs(node.args);
        this.#callIndirect(node.index, node.signature);
        for (const _ of node.signature.results) writer.byte(code.drop);
        break;
      case "drop":
        this.#expr(node.value);
        writer.byte(code.drop);
        break;
      case "block":
      case "loop":
        this.#open(code[node.kind], node.label);
        this.statements(node.body);
        this.#close();
        break;
      case "if":
        this.#expr(node.condition);
        this.#open(code.if, undefined);
        this.statements(node.whenTrue);
        if (node.whenFalse?.some(({ kind }) => kind !== "comment")) {
          writer.byte(code.else);
          this.statements(node.whenFalse);
        }
        this.#close();
        break;
      case "br":
        this.#branch(code.br, node.label);
        break;
      case "brIf":
        this.#expr(node.condition);
        this.#branch(code.br_if, node.label);
        break;
      case "brTable":
        this.#expr(node.index);
        writer.byte(code.br_table);
        writeUnsigned(writer, node.labels.length);
        for (const label of [...node.labels, node.otherwise]) writeUnsigned(writer, this.#depth(label));
        break;
      case "return":
        this.#exprs(node.values);
        writer.byte(code.return);
        break;
      case "results":
        this.#exprs(node.values);
        break;
      case "unreachable":
        writer.byte(code.unreachable);
        break;
      case "comment":
        break;
      default:
        node satisfies never;
    }
  }

  #exprs(list: readonly Expr[]): void {
    for (const expr of list) this.#expr(expr);
  }

  #expr(expr: Expr): void {
    const node = exprNode(expr);
    const writer = this.#writer;
    switch (node.kind) {
      case "op":
        this.#op(node);
        break;
      case "const":
        encodeConst(writer, node);
        break;
      case "local":
        this.#local(code["local.get"], node);
        break;
      case "tee":
        this.#expr(node.value);
        this.#local(code["local.tee"], node.local);
        break;
      case "global":
        writer.byte(code["global.get"]);
        writeUnsigned(writer, this.#indices.globalIndex(node.global));
        break;
      case "select":
        this.#expr(node.whenTrue);
        this.#expr(node.whenFalse);
        this.#expr(node.condition);
        writer.byte(code.select);
        break;
      case "call":
        this.#exprs(node.args);
        this.#call(node.callee);
        break;
      case "callIndirect":
        this.#exprs(node.args);
        this.#callIndirect(node.index, node.signature);
        break;
      default:
        node satisfies never;
    }
  }

  #op(node: OpNode): void {
    const { op, immediates } = node;
    const writer = this.#writer;
    for (const operand of node.operands) this.#expr(operand);
    writer.opcode(op.code);
    switch (op.immediates) {
      case "none":
        break;
      case "memory":
        this.#memoryAccess(node);
        break;
      case "memory and lane":
        this.#memoryAccess(node);
        writer.byte(immediates.lane);
        break;
      case "lane":
        writer.byte(immediates.lane);
        break;
      case "shuffle":
        writer.bytes(immediates.lanes);
        break;
      case "memory index":
        this.#memoryIndex(op.name);
        break;
      case "two memory indices":
        this.#memoryIndex(op.name);
        this.#memoryIndex(op.name);
        break;
      case "segment":
        this.#segment(node);
        break;
      case "segment and memory index":
        this.#segment(node);
        this.#memoryIndex(op.name);
        break;
      case "zero byte":
        writer.byte(0);
        break;
      default:
        op.immediates satisfies never;
    }
  }

  #memoryAccess({ op, immediates }: OpNode): void {
    this.#indices.useMemory(op.name);
    // Alignment is written as the exponent of two.
    writeUnsigned(this.#writer, 31 - Math.clz32(op.width));
    writeUnsigned(this.#writer, immediates.offset);
  }

  #memoryIndex(opName: string): void {
    this.#indices.useMemory(opName);
    this.#writer.byte(0);
  }

  #segment({ op, immediates }: OpNode): void {
    if (immediates.segment === undefined) throw new InternalError(`${op.name}: expected a passive data segment`);
    writeUnsigned(this.#writer, this.#indices.segmentIndex(immediates.segment));
  }

  #local(opcode: number, local: Local): void {
    this.#writer.byte(opcode);
    writeUnsigned(this.#writer, this.#localIndices[local.slot] as number);
  }

  #call(callee: FunctionHandle): void {
    this.#writer.byte(code.call);
    writeUnsigned(this.#writer, this.#indices.functionIndex(callee));
  }

  #callIndirect(index: Expr, signature: Signature): void {
    this.#indices.useTable();
    this.#expr(index);
    this.#writer.byte(code.call_indirect);
    writeUnsigned(this.#writer, this.#indices.typeIndex(signature));
    writeUnsigned(this.#writer, 0); // the only table
  }

  /** The last result is on top. */
  #popResults({ callee, into }: InvokeNode): void {
    if (into === undefined) for (const _ of callee.results) this.#writer.byte(code.drop);
    else for (const local of into.toReversed()) this.#local(code["local.set"], local);
  }

  #open(opcode: number, label: Label | undefined): void {
    this.#writer.byte(opcode);
    this.#writer.byte(typeCodes.emptyBlock);
    this.#labels.push(label);
  }

  #close(): void {
    this.#labels.pop();
    this.#writer.byte(code.end);
  }

  #branch(opcode: number, label: Label): void {
    this.#writer.byte(opcode);
    writeUnsigned(this.#writer, this.#depth(label));
  }

  #depth(label: Label): number {
    const index = this.#labels.lastIndexOf(label);
    if (index < 0) throw new InternalError(`branch to "${label.name}" from outside of its block`);
    return this.#labels.length - 1 - index;
  }
}
