import { beforeAll, describe, expect, it } from "vitest";
import loadWabt from "wabt";
import { InternalError } from "../errors.ts";
import { ALL_FEATURES } from "../testing/wasm_rows.ts";
import { f32x4, i32, i64, memory, v128 } from "./instructions.ts";
import { createModule, type ModuleBuilder } from "./module_builder.ts";

let wabt: Awaited<ReturnType<typeof loadWabt>>;
beforeAll(async () => {
  wabt = await loadWabt();
});

/** Everything that a module can have. */
function fullModule(): ModuleBuilder {
  const m = createModule({ name: "everything" });
  const counter = m.global("counter", "i32", 5, { mutable: true, export: "counter" });
  const big = m.global("big", "i64", -1n);
  const ones = m.global("ones", "v128", f32x4.const(1, 1, 1, 1));
  const limit = m.importGlobal("env", "limit", "i32");
  m.memory({ minPages: 2, maxPages: 4, shared: true, export: "memory" });
  const log = m.importFunction("env", "log", { params: ["i32", "f32"], results: ["i32"] });
  const start = m.function("start", { params: {}, results: [] }, (f) =>
    f.setGlobal(counter, i32.add(counter.get(), limit.get())),
  );
  m.start(start);
  const later = m.declare("later", { params: { x: "i32" }, results: ["i32"] });
  m.function("run", { params: { x: "i32" }, results: ["i32", "i64"], export: "run" }, (f, { x }) => {
    f.drop(f.call(log, [x, 0.5]));
    f.do(v128.store(x, ones.get(), { offset: 1024 }));
    const value = f.callIndirect(0, { params: ["i32"], results: ["i32"] }, [x]);
    f.return(value, big.get());
  });
  m.define(later, (f, { x }) => f.return(i32.mul(x, 3)));
  m.table([later, later], { export: "table" });
  m.data(0x1fff0, Uint8Array.of(1, 2, 3));
  const segment = m.passiveData(Uint8Array.of(9, 8, 7));
  m.function("fill", { params: {}, results: [], export: "fill" }, (f) => f.do(memory.init(segment, 0, 0, 3)));
  return m;
}

describe("a module", () => {
  it("holds imports, globals, memory, table, start, exports and data", () => {
    const bytes = fullModule().bytes();
    expect(WebAssembly.validate(bytes)).toBe(true);
    const module = new WebAssembly.Module(bytes);
    expect(WebAssembly.Module.imports(module)).toEqual([
      { module: "env", name: "log", kind: "function" },
      { module: "env", name: "limit", kind: "global" },
    ]);
    expect(WebAssembly.Module.exports(module).map(({ name, kind }) => `${kind} ${name}`)).toEqual([
      "global counter",
      "memory memory",
      "function run",
      "table table",
      "function fill",
    ]);
    const logged: number[][] = [];
    const limit = new WebAssembly.Global({ value: "i32" }, 10);
    const log = (...args: number[]): number => logged.push(args);
    const { exports } = new WebAssembly.Instance(module, { env: { log, limit } });
    const { buffer } = exports.memory as WebAssembly.Memory;
    expect(buffer).toBeInstanceOf(SharedArrayBuffer);
    expect((exports.counter as WebAssembly.Global).value).toBe(15);
    expect((exports.run as (x: number) => unknown)(16)).toEqual([48, -1n]);
    expect(logged).toEqual([[16, 0.5]]);
    (exports.fill as () => void)();
    expect([...new Uint8Array(buffer, 0, 4)]).toEqual([9, 8, 7, 0]);
    expect([...new Uint8Array(buffer, 0x1fff0, 4)]).toEqual([1, 2, 3, 0]);
    expect([...new Float32Array(buffer, 1040, 4)]).toEqual([1, 1, 1, 1]);
  });

  it("gives the same bytes and text each time it is built or asked", () => {
    const module = fullModule();
    expect(module.bytes()).toEqual(module.bytes());
    expect(module.bytes()).toEqual(fullModule().bytes());
    expect(module.text()).toBe(fullModule().text());
  });

  it("is read back from its text, to the byte, by another assembler", () => {
    const parsed = wabt.parseWat("full.wat", fullModule().text(), ALL_FEATURES);
    expect(parsed.toBinary({}).buffer).toEqual(fullModule().bytes({ names: false }));
  });

  it("is disassembled by another assembler, names included", () => {
    const module = wabt.readWasm(fullModule().bytes(), { ...ALL_FEATURES, readDebugNames: true });
    module.applyNames();
    const text = module.toText({ foldExprs: true });
    for (const name of ["$everything", "$log", "$start", "$later", "$run", "$x", "$counter", "$big", "$limit"]) {
      expect(text).toContain(name);
    }
  });

  it("keeps names of any length and script, or none", () => {
    const m = createModule();
    const long = "f32_pointwise_6x8_relu6__relaxed_acc2/".repeat(500);
    m.function(long, { params: { größe: "i32" }, results: [], export: 'naïve "名前" 🦆' }, (f) =>
      f.drop(f.local(long, "f32")),
    );
    const bytes = m.bytes();
    const module = new WebAssembly.Module(bytes);
    expect(WebAssembly.Module.exports(module)[0]?.name).toBe('naïve "名前" 🦆');
    const [section] = WebAssembly.Module.customSections(module, "name");
    const names = new TextDecoder().decode(section);
    expect(names.split(long).length).toBe(3);
    expect(names).toContain("größe");
    expect(WebAssembly.Module.customSections(new WebAssembly.Module(m.bytes({ names: false })), "name")).toEqual([]);
    wabt.parseWat("names.wat", m.text(), ALL_FEATURES).validate();
    wabt.readWasm(bytes, { ...ALL_FEATURES, readDebugNames: true }).validate();
  });

  it("may be empty", () => {
    expect([...createModule().bytes({ names: false })]).toEqual([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
    expect(WebAssembly.validate(createModule().bytes())).toBe(true);
  });

  it("takes weights of many megabytes", () => {
    const m = createModule();
    m.memory({ minPages: 300 });
    const weights = new Uint8Array(16 * 2 ** 20).map((_, index) => index * 7);
    m.data(64, weights);
    const bytes = m.bytes();
    expect(WebAssembly.validate(bytes)).toBe(true);
    expect(bytes.subarray(-weights.length - 100).includes(7)).toBe(true);
    expect(m.text().length).toBeLessThan(2000);
    expect(m.text()).toContain(`;; shortened: ${weights.length - 256} more bytes`);
  });

  it("puts data at both ends of the address space", () => {
    const m = createModule();
    m.memory({ minPages: 65536 });
    m.data(0, Uint8Array.of(1));
    m.data(2 ** 32 - 1, Uint8Array.of(2));
    expect(WebAssembly.validate(m.bytes())).toBe(true);
    expect(m.text()).toContain("(data (i32.const -1)");
  });
});

describe("errors of a module", () => {
  const wrong: [string, RegExp, (m: ModuleBuilder) => unknown][] = [
    [
      "two memories",
      /memory: the module has one already/,
      (m) => [m.memory({ minPages: 1 }), m.importMemory("a", "b", { minPages: 1 })],
    ],
    ["shared without a maximum", /shared one needs maxPages/, (m) => m.memory({ minPages: 1, shared: true })],
    ["a maximum below the minimum", /maxPages from 2 to 65536, got 1/, (m) => m.memory({ minPages: 2, maxPages: 1 })],
    ["too many pages", /minPages from 0 to 65536, got 65537/, (m) => m.memory({ minPages: 65537 })],
    [
      "loads without memory",
      /i32\.load: the module has no memory/,
      (m) => [m.function("f", { params: {}, results: [] }, (f) => f.drop(i32.load(0))), m.bytes()],
    ],
    ["data without memory", /data: the module has no memory/, (m) => [m.data(0, new Uint8Array(1)), m.bytes()]],
    [
      "data beyond the memory",
      /expected at least 2 pages of memory, got 1/,
      (m) => [m.memory({ minPages: 1 }), m.data(65535, new Uint8Array(2)), m.bytes()],
    ],
    [
      "data at a fraction",
      /data: expected 1 bytes within 4 GiB, got the offset 0\.5/,
      (m) => m.data(0.5, new Uint8Array(1)),
    ],
    [
      "an export twice",
      /export "x": the name is taken/,
      (m) => [m.global("a", "i32", 0, { export: "x" }), m.memory({ minPages: 1, export: "x" })],
    ],
    [
      "a function without body",
      /function "f" is declared, but not defined/,
      (m) => [m.declare("f", { params: {}, results: [] }), m.bytes()],
    ],
    [
      "a body twice",
      /function "f" is defined already/,
      (m) => {
        const f = m.declare("f", { params: {}, results: [] });
        m.define(f, () => {});
        m.define(f, () => {});
      },
    ],
    [
      "a body for another module's function",
      /was not declared in this module/,
      (m) => m.define(createModule().declare("f", { params: {}, results: [] }), () => {}),
    ],
    [
      "a parameter named by a number",
      /must not begin with a digit, got "1"/,
      (m) => m.declare("f", { params: { a: "i32", 1: "i32" }, results: [] }),
    ],
    [
      "a start with results",
      /start: expected a function without/,
      (m) => m.start(m.function("f", { params: {}, results: ["i32"] }, (f) => f.return(1))),
    ],
    [
      "a start of another module",
      /function "f" is not of this module/,
      (m) => [m.start(createModule().declare("f", { params: {}, results: [] })), m.bytes()],
    ],
    ["two tables", /table: the module has one already/, (m) => [m.table([]), m.table([])]],
    [
      "an indirect call without table",
      /the module has no table/,
      (m) => [
        m.function("f", { params: {}, results: [] }, (f) => f.invokeIndirect(0, { params: [], results: [] }, [])),
        m.bytes(),
      ],
    ],
    [
      "a global that is computed",
      /global "g": expected a constant of type i32/,
      (m) => m.global("g", "i32", i32.add(1, 2)),
    ],
    [
      "an immutable global that is set",
      /global "g" is not mutable/,
      (m) => {
        const g = m.global("g", "i64", 2n ** 63n);
        m.function("f", { params: {}, results: [] }, (f) => f.setGlobal(g, i64.const(1)));
      },
    ],
    [
      "a function of too many locals",
      /function "f": expected at most 50000 locals, got 50001/,
      (m) => [
        m.function("f", { params: {}, results: [] }, (f) => {
          for (let i = 0; i <= 50_000; i++) f.local("x", "i32");
        }),
        m.bytes(),
      ],
    ],
  ];
  for (const [name, pattern, build] of wrong) {
    it(`refuse ${name}`, () => {
      expect(() => build(createModule())).toThrow(InternalError);
      expect(() => build(createModule())).toThrow(pattern);
    });
  }
});
