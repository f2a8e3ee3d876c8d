/** Lays a module out as the binary format's sections. */
import { InternalError } from "../errors.ts";
import { ByteWriter } from "./byte_writer.ts";
import { encodeConst, encodeFunction, type ModuleIndices, orderLocals } from "./encode_function.ts";
import { writeSigned, writeUnsigned } from "./leb128.ts";
import { structuralOpcodes as code, externalKinds, sections, typeCodes, valueTypeCodes } from "./opcodes.ts";
import type {
  ActiveData,
  FunctionHandle,
  GlobalRecord,
  MemoryRecord,
  ModuleRecord,
  PassiveData,
  Signature,
} from "./tree.ts";

/** `\0asm`, version 1. */
const HEADER = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];

/** The limits that engines agreed on (WebAssembly JavaScript interface, "implementation limitations"). */
const MAX_LOCALS = 50_000;
const MAX_FUNCTION_BYTES = 7_654_321;

/** Bits of the byte before a memory's limits. */
const HAS_MAX = 1;
const IS_SHARED = 2;

/** Kinds of data segments. */
const ACTIVE = 0;
const PASSIVE = 1;

/** The module's bytes; equal records give equal bytes. */
export function encodeModule(record: ModuleRecord, withNames: boolean): Uint8Array<ArrayBuffer> {
  const indices = new Indices(record);
  // Code comes first here, for it finds the signatures of indirect calls and whether data segments are named.
  const functions = encodeFunctions(record, indices);

  const data = record.data;
  const module = new ByteWriter(4096 + functions.length + data.reduce((sum, { bytes }) => sum + bytes.length + 16, 0));
  module.bytes(HEADER);
  const content = new ByteWriter();
  const section = (id: number, isPresent: boolean, write: () => void): void => {
    if (!isPresent) return;
    content.clear();
    write();
    module.byte(id);
    module.vector(content);
  };
  const list = <T>(items: readonly T[], write: (item: T) => void): void => {
    writeUnsigned(content, items.length);
    for (const item of items) write(item);
  };

  const ownGlobals = record.globals.filter((global) => global.from === undefined);
  section(sections.type, indices.types.length > 0, () => list(indices.types, (type) => writeSignature(content, type)));
  section(sections.import, hasImports(record), () => writeImports(content, record, indices));
  section(sections.function, record.functions.length > 0, () =>
    list(record.functions, ({ handle }) => writeUnsigned(content, indices.typeIndex(handle))),
  );
  section(sections.table, record.table !== undefined, () => {
    const size = record.table?.length ?? 0;
    writeUnsigned(content, 1);
    content.byte(typeCodes.functionReference);
    content.byte(HAS_MAX);
    writeUnsigned(content, size);
    writeUnsigned(content, size);
  });
  section(sections.memory, record.memory !== undefined && record.memory.from === undefined, () => {
    writeUnsigned(content, 1);
    writeMemory(content, record.memory as MemoryRecord);
  });
  section(sections.global, ownGlobals.length > 0, () => list(ownGlobals, (global) => writeGlobal(content, global)));
  section(sections.export, record.exports.length > 0, () => writeExports(content, record, indices));
  section(sections.start, record.start !== undefined, () =>
    writeUnsigned(content, indices.functionIndex(record.start as FunctionHandle)),
  );
  section(sections.element, (record.table?.length ?? 0) > 0, () => {
    writeUnsigned(content, 1);
    writeUnsigned(content, ACTIVE);
    writeOffset(content, 0);
    list(record.table ?? [], (handle) => writeUnsigned(content, indices.functionIndex(handle)));
  });
  // Needed where code names a segment: validators see the code before the data.
  section(sections.dataCount, indices.namesSegments, () => writeUnsigned(content, data.length));
  section(sections.code, record.functions.length > 0, () => {
    writeUnsigned(content, record.functions.length);
    content.append(functions);
  });
  if (data.length > 0) writeDataSection(module, data);
  section(sections.custom, withNames, () => writeNames(content, record));
  return module.toBytes();
}

/** Numbers of functions, types, globals and segments. */
class Indices implements ModuleIndices {
  /** Distinct signatures in the order of their first use. */
  readonly types: Signature[] = [];
  namesSegments = false;
  readonly #record: ModuleRecord;
  readonly #functions = new Map<FunctionHandle, number>();
  readonly #globals = new Map<GlobalRecord, number>();
  readonly #segments = new Map<PassiveData, number>();
  readonly #types = new Map<string, number>();

  constructor(record: ModuleRecord) {
    this.#record = record;
    // Imports come before what the module defines.
    for (const { handle } of [...record.importedFunctions, ...record.functions])
      this.#functions.set(handle, this.#functions.size);
    for (const global of globalsInOrder(record)) this.#globals.set(global, this.#globals.size);
    for (const [index, segment] of record.data.entries()) this.#segments.set(segment, index);
    for (const { handle } of record.importedFunctions) this.typeIndex(handle);
  }

  functionIndex(handle: FunctionHandle): number {
    return this.#functions.get(handle) ?? notHere("function", handle.name);
  }

  globalIndex(global: GlobalRecord): number {
    return this.#globals.get(global) ?? notHere("global", global.name);
  }

  segmentIndex(segment: PassiveData): number {
    this.namesSegments = true;
    return this.#segments.get(segment) ?? notHere("data segment", `of ${segment.bytes.length} bytes`);
  }

  typeIndex(signature: Signature): number {
    const key = `${signature.params.join(" ")} -> ${signature.results.join(" ")}`;
    const known = this.#types.get(key);
    if (known !== undefined) return known;
    this.#types.set(key, this.types.length);
    return this.types.push(signature) - 1;
  }

  useMemory(opName: string): void {
    if (this.#record.memory === undefined) throw new InternalError(`${opName}: the module has no memory`);
  }

  useTable(): void {
    if (this.#record.table === undefined) throw new InternalError("call_indirect: the module has no table");
  }
}

function notHere(kind: string, name: string): never {
  throw new InternalError(`${kind} "${name}" is not of this module`);
}

/** Imported globals come before the module's own. */
export function globalsInOrder(record: ModuleRecord): readonly GlobalRecord[] {
  const isImported = (global: GlobalRecord): boolean => global.from !== undefined;
  return [...record.globals.filter(isImported), ...record.globals.filter((global) => !isImported(global))];
}

/** All bodies, each after its size. */
function encodeFunctions(record: ModuleRecord, indices: Indices): ByteWriter {
  const all = new ByteWriter(65_536);
  const one = new ByteWriter(16_384);
  for (const definition of record.functions) {
    const { name } = definition.handle;
    if (definition.locals.length > MAX_LOCALS) {
      throw new InternalError(
        `function "${name}": expected at most ${MAX_LOCALS} locals, got ${definition.locals.length}`,
      );
    }
    indices.typeIndex(definition.handle);
    one.clear();
    encodeFunction(one, definition, indices);
    if (one.length > MAX_FUNCTION_BYTES) {
      throw new InternalError(
        `function "${name}": expected at most ${MAX_FUNCTION_BYTES} bytes, got ${one.length}. Split it.`,
      );
    }
    all.vector(one);
  }
  return all;
}

function hasImports(record: ModuleRecord): boolean {
  return (
    record.importedFunctions.length > 0 ||
    record.memory?.from !== undefined ||
    record.globals.some(({ from }) => from !== undefined)
  );
}

function writeSignature(content: ByteWriter, { params, results }: Signature): void {
  content.byte(typeCodes.function);
  for (const types of [params, results]) {
    writeUnsigned(content, types.length);
    for (const type of types) content.byte(valueTypeCodes[type]);
  }
}

function writeImports(content: ByteWriter, record: ModuleRecord, indices: Indices): void {
  const memory = record.memory?.from === undefined ? undefined : record.memory;
  const globals = record.globals.filter(({ from }) => from !== undefined);
  writeUnsigned(content, record.importedFunctions.length + globals.length + (memory === undefined ? 0 : 1));
  for (const { handle, from } of record.importedFunctions) {
    content.name(from.module);
    content.name(from.name);
    content.byte(externalKinds.function);
    writeUnsigned(content, indices.typeIndex(handle));
  }
  if (memory?.from !== undefined) {
    content.name(memory.from.module);
    content.name(memory.from.name);
    content.byte(externalKinds.memory);
    writeMemory(content, memory);
  }
  for (const { from, type, mutable } of globals) {
    content.name(from?.module ?? "");
    content.name(from?.name ?? "");
    content.byte(externalKinds.global);
    content.byte(valueTypeCodes[type]);
    content.byte(mutable ? 1 : 0);
  }
}

function writeMemory(content: ByteWriter, { minPages, maxPages, shared }: MemoryRecord): void {
  content.byte((maxPages === undefined ? 0 : HAS_MAX) | (shared ? IS_SHARED : 0));
  writeUnsigned(content, minPages);
  if (maxPages !== undefined) writeUnsigned(content, maxPages);
}

function writeGlobal(content: ByteWriter, { type, mutable, init }: GlobalRecord): void {
  content.byte(valueTypeCodes[type]);
  content.byte(mutable ? 1 : 0);
  if (init !== undefined) encodeConst(content, init);
  content.byte(code.end);
}

function writeExports(content: ByteWriter, record: ModuleRecord, indices: Indices): void {
  writeUnsigned(content, record.exports.length);
  for (const entry of record.exports) {
    content.name(entry.name);
    content.byte(externalKinds[entry.kind]);
    if (entry.kind === "function") writeUnsigned(content, indices.functionIndex(entry.target));
    else if (entry.kind === "global") writeUnsigned(content, indices.globalIndex(entry.target));
    else writeUnsigned(content, 0);
  }
}

/** The data section, written straight into the module: weights are megabytes, and every copy of them is felt. */
function writeDataSection(module: ByteWriter, data: ModuleRecord["data"]): void {
  const headers = data.map(dataHeader);
  const count = new ByteWriter(8);
  writeUnsigned(count, data.length);
  module.byte(sections.data);
  writeUnsigned(
    module,
    data.reduce((sum, { bytes }, i) => sum + (headers[i] as ByteWriter).length + bytes.length, count.length),
  );
  module.append(count);
  data.forEach(({ bytes }, i) => {
    module.append(headers[i] as ByteWriter);
    module.bytes(bytes);
  });
}

/** What stands before a segment's bytes: its kind, its place if it has one, its length. */
function dataHeader(segment: PassiveData | ActiveData): ByteWriter {
  const header = new ByteWriter(32);
  if ("offset" in segment) {
    writeUnsigned(header, ACTIVE);
    writeOffset(header, segment.offset);
  } else {
    writeUnsigned(header, PASSIVE);
  }
  writeUnsigned(header, segment.bytes.length);
  return header;
}

/** Where a segment begins: a constant expression. */
function writeOffset(content: ByteWriter, offset: number): void {
  content.byte(code["i32.const"]);
  writeSigned(content, offset);
  content.byte(code.end);
}

/** Parts of the name section. */
const MODULE_NAME = 0;
const FUNCTION_NAMES = 1;
const LOCAL_NAMES = 2;
const GLOBAL_NAMES = 7;

/** The custom section "name", for profilers, debuggers and disassemblers. */
function writeNames(content: ByteWriter, record: ModuleRecord): void {
  const part = new ByteWriter();
  const subsection = (id: number, write: () => void): void => {
    part.clear();
    write();
    content.byte(id);
    content.vector(part);
  };
  const nameMap = (names: readonly string[]): void => {
    writeUnsigned(part, names.length);
    for (const [index, name] of names.entries()) {
      writeUnsigned(part, index);
      part.name(name);
    }
  };
  content.name("name");
  const { name } = record;
  if (name !== undefined) subsection(MODULE_NAME, () => part.name(name));
  const functions = [...record.importedFunctions, ...record.functions];
  subsection(FUNCTION_NAMES, () => nameMap(functions.map(({ handle }) => handle.name)));
  subsection(LOCAL_NAMES, () => {
    writeUnsigned(part, record.functions.length);
    for (const [index, definition] of record.functions.entries()) {
      writeUnsigned(part, record.importedFunctions.length + index);
      nameMap(orderLocals(definition).order.map((local) => local.name));
    }
  });
  if (record.globals.length > 0)
    subsection(GLOBAL_NAMES, () => nameMap(globalsInOrder(record).map((global) => global.name)));
}
