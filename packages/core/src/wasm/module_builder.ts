/** Builds a whole module: functions, memory, globals, data, a table; then gives its bytes and its text. */
import { type Entry, fail } from "./caller_line.ts";
import { encodeModule } from "./encode_module.ts";
import { FunctionBody } from "./function_body.ts";
import type { FunctionBuilder, GlobalHandle } from "./function_builder.ts";
import { scalarConst } from "./operands.ts";
import { printModule } from "./print.ts";
import type {
  ActiveData,
  ConstNode,
  FunctionHandle,
  FunctionRecord,
  GlobalNode,
  ImportName,
  MemoryRecord,
  ModuleRecord,
  PassiveData,
  Signature,
} from "./tree.ts";
import type { Expr, Literal, Local, ValueType } from "./value_types.ts";

/** Names and types of parameters, in order. */
export type Params = Readonly<Record<string, ValueType>>;

/** A function's parameters as the locals that its body sees. */
export type ParamLocals<P extends Params> = { readonly [Name in keyof P]: Local<P[Name]> };

export interface FunctionOptions<P extends Params, R extends readonly ValueType[]> {
  readonly params: P;
  readonly results: R;
  /** The name to export it under; without, it is internal. */
  readonly export?: string;
}

/** A function that is declared, to be called before its body is there. */
export interface DeclaredFunction<P extends Params, R extends readonly ValueType[]> extends FunctionHandle<R> {
  /** The parameters by name. */
  readonly named: P;
}

/** A memory, in pages of 65,536 bytes. */
export interface MemoryLimits {
  readonly minPages: number;
  readonly maxPages?: number;
  /** For threads; needs `maxPages`. Default false. */
  readonly shared?: boolean;
}

export interface ModuleBuilder {
  /** The module's only memory, given by the host. */
  importMemory(module: string, name: string, limits: MemoryLimits): void;
  /** The module's only memory, its own. */
  memory(options: MemoryLimits & { readonly export?: string }): void;
  importFunction<const R extends readonly ValueType[]>(
    module: string,
    name: string,
    signature: Signature<R>,
  ): FunctionHandle<R>;
  importGlobal<T extends ValueType>(
    module: string,
    name: string,
    type: T,
    options?: { readonly mutable?: boolean },
  ): GlobalHandle<T>;
  /** A function and its body; the parameters arrive as locals named by their keys. */
  function<const P extends Params, const R extends readonly ValueType[]>(
    name: string,
    options: FunctionOptions<P, R>,
    body: (f: FunctionBuilder, params: ParamLocals<P>) => void,
  ): FunctionHandle<R>;
  /** A function whose body comes later, by {@link define}; it can be called at once. */
  declare<const P extends Params, const R extends readonly ValueType[]>(
    name: string,
    options: FunctionOptions<P, R>,
  ): DeclaredFunction<P, R>;
  define<P extends Params, R extends readonly ValueType[]>(
    handle: DeclaredFunction<P, R>,
    body: (f: FunctionBuilder, params: ParamLocals<P>) => void,
  ): void;
  /** A global variable; immutable unless said otherwise. A vector begins as a constant of `f32x4.const` or its like. */
  global<T extends ValueType>(
    name: string,
    type: T,
    init: Literal<T> | Expr<T>,
    options?: { readonly mutable?: boolean; readonly export?: string },
  ): GlobalHandle<T>;
  /** Bytes that are in the memory from the start, at `offset` bytes. They are not copied until `bytes()`: do not change them. */
  data(offset: number, bytes: Uint8Array): void;
  /** Bytes for `memory.init` and `data.drop`. */
  passiveData(bytes: Uint8Array): PassiveData;
  /** The functions that indirect calls choose from. */
  table(functions: readonly FunctionHandle[], options?: { readonly export?: string }): void;
  /** Runs when the module is instantiated; no parameters, no results. */
  start(handle: FunctionHandle): void;
  /**
   * The binary. Equal calls give equal bytes.
   *
   * @param options.names whether names of module, functions, locals and globals are kept for profilers and debuggers. Default true.
   */
  bytes(options?: { readonly names?: boolean }): Uint8Array<ArrayBuffer>;
  /** The text form (WAT), folded; assemblers read it back into the same code. */
  text(): string;
}

/** The largest memory of 32-bit addresses. */
export const MAX_PAGES = 65536;
export const PAGE_BYTES = 65536;

/** An empty module. */
export function createModule(options: { readonly name?: string } = {}): ModuleBuilder {
  return new Module(options.name);
}

class Module implements ModuleBuilder {
  readonly #record: ModuleRecord;
  readonly #bodies = new Map<FunctionHandle, { record: FunctionRecord; isDefined: boolean }>();
  readonly #exportNames = new Set<string>();

  constructor(name: string | undefined) {
    this.#record = {
      name,
      importedFunctions: [],
      functions: [],
      globals: [],
      data: [],
      exports: [],
      memory: undefined,
      table: undefined,
      start: undefined,
    };
  }

  importMemory(module: string, name: string, limits: MemoryLimits): void {
    this.#setMemory(limits, { module, name }, this.importMemory);
  }

  memory(options: MemoryLimits & { readonly export?: string }): void {
    this.#setMemory(options, undefined, this.memory);
    if (options.export !== undefined) {
      this.#takeExport(options.export, this.memory);
      this.#record.exports.push({ kind: "memory", name: options.export });
    }
  }

  importFunction<const R extends readonly ValueType[]>(
    module: string,
    name: string,
    signature: Signature<R>,
  ): FunctionHandle<R> {
    const handle: FunctionHandle<R> = { name, params: [...signature.params], results: signature.results };
    this.#record.importedFunctions.push({ handle, from: { module, name } });
    return handle;
  }

  importGlobal<T extends ValueType>(
    module: string,
    name: string,
    type: T,
    options: { readonly mutable?: boolean } = {},
  ): GlobalHandle<T> {
    return this.#addGlobal(name, type, options.mutable ?? false, undefined, { module, name });
  }

  function<const P extends Params, const R extends readonly ValueType[]>(
    name: string,
    options: FunctionOptions<P, R>,
    body: (f: FunctionBuilder, params: ParamLocals<P>) => void,
  ): FunctionHandle<R> {
    const handle = this.#declare(name, options, this.function);
    this.#define(handle, body, this.function);
    return handle;
  }

  declare<const P extends Params, const R extends readonly ValueType[]>(
    name: string,
    options: FunctionOptions<P, R>,
  ): DeclaredFunction<P, R> {
    return this.#declare(name, options, this.declare);
  }

  define<P extends Params, R extends readonly ValueType[]>(
    handle: DeclaredFunction<P, R>,
    body: (f: FunctionBuilder, params: ParamLocals<P>) => void,
  ): void {
    this.#define(handle, body, this.define);
  }

  global<T extends ValueType>(
    name: string,
    type: T,
    init: Literal<T> | Expr<T>,
    options: { readonly mutable?: boolean; readonly export?: string } = {},
  ): GlobalHandle<T> {
    const value = this.#constant(init, type, `global "${name}"`, this.global);
    const handle = this.#addGlobal(name, type, options.mutable ?? false, value, undefined);
    if (options.export !== undefined) {
      this.#takeExport(options.export, this.global);
      this.#record.exports.push({ kind: "global", name: options.export, target: handle });
    }
    return handle;
  }

  data(offset: number, bytes: Uint8Array): void {
    if (!Number.isInteger(offset) || offset < 0 || offset + bytes.length > MAX_PAGES * PAGE_BYTES) {
      fail(this.data, `data: expected ${bytes.length} bytes within 4 GiB, got the offset ${offset}`);
    }
    const segment: ActiveData = { offset, bytes };
    this.#record.data.push(segment);
  }

  passiveData(bytes: Uint8Array): PassiveData {
    const segment: PassiveData = { bytes };
    this.#record.data.push(segment);
    return segment;
  }

  table(functions: readonly FunctionHandle[], options: { readonly export?: string } = {}): void {
    if (this.#record.table !== undefined) fail(this.table, "table: the module has one already");
    this.#record.table = [...functions];
    if (options.export !== undefined) {
      this.#takeExport(options.export, this.table);
      this.#record.exports.push({ kind: "table", name: options.export });
    }
  }

  start(handle: FunctionHandle): void {
    if (handle.params.length + handle.results.length > 0) {
      fail(this.start, `start: expected a function without parameters and results, got "${handle.name}"`);
    }
    this.#record.start = handle;
  }

  bytes(options: { readonly names?: boolean } = {}): Uint8Array<ArrayBuffer> {
    this.#checkComplete(this.bytes);
    return encodeModule(this.#record, options.names ?? true);
  }

  text(): string {
    this.#checkComplete(this.text);
    return printModule(this.#record);
  }

  #setMemory(limits: MemoryLimits, from: ImportName | undefined, entry: Entry): void {
    const { minPages, maxPages, shared = false } = limits;
    if (this.#record.memory !== undefined) fail(entry, "memory: the module has one already");
    if (!isPages(minPages)) fail(entry, `memory: expected minPages from 0 to ${MAX_PAGES}, got ${minPages}`);
    if (maxPages !== undefined && (!isPages(maxPages) || maxPages < minPages)) {
      fail(entry, `memory: expected maxPages from ${minPages} to ${MAX_PAGES}, got ${maxPages}`);
    }
    if (shared && maxPages === undefined) fail(entry, "memory: a shared one needs maxPages");
    const memory: MemoryRecord = { minPages, maxPages, shared, from };
    this.#record.memory = memory;
  }

  #declare<P extends Params, R extends readonly ValueType[]>(
    name: string,
    options: FunctionOptions<P, R>,
    entry: Entry,
  ): DeclaredFunction<P, R> {
    const paramNames = Object.keys(options.params);
    const numeric = paramNames.find((param) => /^\d/.test(param));
    // Objects put such keys first, whatever order they were written in.
    if (numeric !== undefined)
      fail(entry, `function "${name}": a parameter's name must not begin with a digit, got "${numeric}"`);
    const handle: DeclaredFunction<P, R> = {
      name,
      params: Object.values(options.params),
      results: options.results,
      named: options.params,
    };
    const record: FunctionRecord = { handle, paramNames, locals: [], body: undefined };
    this.#record.functions.push(record);
    this.#bodies.set(handle, { record, isDefined: false });
    if (options.export !== undefined) {
      this.#takeExport(options.export, entry);
      this.#record.exports.push({ kind: "function", name: options.export, target: handle });
    }
    return handle;
  }

  #define<P extends Params, R extends readonly ValueType[]>(
    handle: DeclaredFunction<P, R>,
    write: (f: FunctionBuilder, params: ParamLocals<P>) => void,
    entry: Entry,
  ): void {
    const body = this.#bodies.get(handle);
    if (body === undefined) fail(entry, `function "${handle.name}" was not declared in this module`);
    if (body.isDefined) fail(entry, `function "${handle.name}" is defined already`);
    body.isDefined = true;
    const builder = new FunctionBody(body.record);
    const params = Object.fromEntries(builder.declareParams().map((local) => [local.name, local]));
    write(builder, params as unknown as ParamLocals<P>);
    builder.finish(entry);
  }

  #addGlobal<T extends ValueType>(
    name: string,
    type: T,
    mutable: boolean,
    init: ConstNode | undefined,
    from: ImportName | undefined,
  ): GlobalHandle<T> {
    const handle: GlobalHandle<T> = {
      name,
      type,
      mutable,
      init,
      from,
      get: () => {
        const node: GlobalNode & Expr<T> = { kind: "global", type, global: handle };
        return node;
      },
    };
    this.#record.globals.push(handle);
    return handle;
  }

  #constant(init: Expr | number | bigint, type: ValueType, what: string, entry: Entry): ConstNode {
    if (typeof init === "number" || typeof init === "bigint") return scalarConst(type, init, what, entry);
    if (init.kind !== "const" || init.type !== type) fail(entry, `${what}: expected a constant of type ${type}`);
    return init as Expr as ConstNode;
  }

  #takeExport(name: string, entry: Entry): void {
    if (this.#exportNames.has(name)) fail(entry, `export "${name}": the name is taken`);
    this.#exportNames.add(name);
  }

  #checkComplete(entry: Entry): void {
    for (const { handle, body } of this.#record.functions) {
      if (body === undefined) fail(entry, `function "${handle.name}" is declared, but not defined`);
    }
    const { memory, data } = this.#record;
    for (const segment of data) {
      const end = "offset" in segment ? (segment as ActiveData).offset + segment.bytes.length : 0;
      if (end > 0 && memory === undefined) fail(entry, "data: the module has no memory");
      if (memory !== undefined && end > memory.minPages * PAGE_BYTES) {
        fail(entry, `data: expected at least ${Math.ceil(end / PAGE_BYTES)} pages of memory, got ${memory.minPages}`);
      }
    }
  }
}

function isPages(pages: number): boolean {
  return Number.isInteger(pages) && pages >= 0 && pages <= MAX_PAGES;
}
