/** Random modules: they validate, another assembler reads their text back to the byte, two engines agree on what they do. */
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import loadWabt from "wabt";
import { engines } from "../testing/wasm_engines.ts";
import { ALL_FEATURES, callInstruction, type OpRow, opRows } from "../testing/wasm_rows.ts";
import type { FunctionBuilder, FunctionHandle, Label } from "./function_builder.ts";
import { f32, f32x4, f64, i32, i64, i64x2, select } from "./instructions.ts";
import { createModule, type ModuleBuilder } from "./module_builder.ts";
import type { PassiveData } from "./tree.ts";
import type { Expr, I32, Local, Statement, ValueType } from "./value_types.ts";

const TYPES: readonly ValueType[] = ["i32", "i64", "f32", "f64", "v128"];
const INTEGERS: readonly ValueType[] = ["i32", "i64", "v128"];

/** Instructions without traps whose result is the same everywhere: nothing of floats, for NaNs differ between engines. */
const deterministic = opRows.filter(
  ({ name, immediates, operands, result }) =>
    ["none", "lane", "shuffle"].includes(immediates) &&
    [...operands, result].every((type) => type !== "f32" && type !== "f64") &&
    !/relaxed|f32x4|f64x2|div|rem/.test(name),
);

/** Writes a program that a list of random numbers chooses. */
class Writer {
  readonly #choices: readonly number[];
  readonly #rows: readonly OpRow[];
  readonly #types: readonly ValueType[];
  readonly #segment: PassiveData | undefined;
  readonly #functions: FunctionHandle[] = [];
  #next = 0;

  constructor(choices: readonly number[], rows: readonly OpRow[], types: readonly ValueType[], segment?: PassiveData) {
    this.#choices = choices;
    this.#rows = rows;
    this.#types = types;
    this.#segment = segment;
  }

  /** A function with a body of random statements; `results` i64 values come out. */
  function(m: ModuleBuilder, name: string, results: readonly "i64"[]): void {
    const handle = m.function(name, { params: {}, results, export: name }, (f) => {
      const locals = Array.from({ length: 6 }, (_, index) => f.local(`x${index % 4}`, this.#pick(this.#types)));
      for (let count = this.#number(6); count >= 0; count--) this.#statement(f, locals, [], 3);
      f.return(...results.map(() => this.#expr(f, "i64", locals, 3)));
    });
    this.#functions.push(handle);
  }

  #number(limit: number): number {
    const choice = this.#choices[this.#next++ % this.#choices.length] ?? 0;
    return (choice + this.#next) % limit;
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#number(list.length)] as T;
  }

  #statement(f: FunctionBuilder, locals: readonly Local[], labels: readonly Label[], depth: number): void {
    const body =
      (more: readonly Label[] = []) =>
      (): void => {
        for (let count = this.#number(3); count >= 0; count--) {
          this.#statement(f, locals, [...labels, ...more], depth - 1);
        }
      };
    const condition = (): I32 => this.#expr(f, "i32", locals, 2) as I32;
    const statements = this.#rows.filter(({ result }) => result === undefined);
    switch (depth <= 0 ? this.#number(2) : this.#number(9)) {
      case 0:
      case 1: {
        const local = this.#pick(locals);
        f.set(local, this.#expr(f, local.type, locals, 3));
        break;
      }
      case 2:
        f.if(condition(), body());
        break;
      case 3:
        f.if(condition(), body(), body());
        break;
      case 4: {
        const unsigned = this.#number(2) === 1;
        const range = { name: "i", from: this.#number(4), to: this.#number(5), step: 1 + this.#number(2), unsigned };
        f.for(range, body());
        break;
      }
      case 5:
        f.repeat({ name: "j", from: f.let("from", i32.const(this.#number(3))), to: 4, step: 2 }, body());
        break;
      case 6:
        f.block((label) => {
          body([label])();
          f.brIf(label, condition());
          body([label])();
        });
        break;
      case 7:
        if (labels.length > 0) f.brIf(this.#pick(labels), condition());
        else f.comment("nothing");
        break;
      default:
        if (statements.length > 0) f.do(this.#instruction(f, this.#pick(statements), locals, 2) as Statement);
        else if (this.#functions.length > 0) f.invoke(this.#pick(this.#functions), []);
    }
  }

  #expr(f: FunctionBuilder, type: ValueType, locals: readonly Local[], depth: number): Expr {
    const known = locals.filter((local) => local.type === type);
    const kind = depth <= 0 ? this.#number(2) : this.#number(8);
    if (kind === 0 && known.length > 0) return this.#pick(known);
    if (kind <= 1) return this.#constant(type);
    const inner = (): Expr => this.#expr(f, type, locals, depth - 1);
    if (kind === 2) return select(this.#expr(f, "i32", locals, depth - 1) as I32, inner(), inner());
    if (kind === 3 && known.length > 0) {
      const local = this.#pick(known);
      return f.tee(local, inner());
    }
    const rows = this.#rows.filter(({ result }) => result === type);
    return this.#instruction(f, this.#pick(rows), locals, depth) as Expr;
  }

  #instruction(f: FunctionBuilder, row: OpRow, locals: readonly Local[], depth: number): Expr | Statement {
    const operands = row.operands.map((type) => this.#expr(f, type, locals, depth - 1));
    const lanes = Array.from({ length: 16 }, () => this.#number(32));
    const lane = this.#number(row.immediates === "lane" ? row.width : 16 / row.width);
    const segment = this.#segment === undefined ? {} : { segment: this.#segment };
    return callInstruction(row, operands, { offset: this.#number(300), lane, lanes, ...segment });
  }

  #constant(type: ValueType): Expr {
    const small = this.#number(300) - 100;
    const large = (small * 0x0123456789ab) % 2 ** 52;
    const number = this.#number(2) === 0 ? small : large;
    switch (type) {
      case "i32":
        return i32.const(number | 0);
      case "i64":
        return i64.const(number);
      case "f32":
        return f32.const(number / 7);
      case "f64":
        return f64.const(number / 7);
      case "v128":
        return this.#number(2) === 0 ? i64x2.const(BigInt(number), -3n) : f32x4.const(number, -0, Number.NaN, Infinity);
      default:
        return type satisfies never;
    }
  }
}

describe("random modules", () => {
  let wabt: Awaited<ReturnType<typeof loadWabt>>;
  beforeAll(async () => {
    wabt = await loadWabt();
  });
  const choices = fc.array(fc.nat({ max: 1000 }), { minLength: 30, maxLength: 300 });

  it("validate, and their text is read back to the byte", () => {
    const build = (numbers: readonly number[]): ModuleBuilder => {
      const m = createModule();
      m.memory({ minPages: 1 });
      const writer = new Writer(numbers, opRows, TYPES, m.passiveData(new Uint8Array(3)));
      for (const name of ["f", "g", "h"]) writer.function(m, name, ["i64", "i64"]);
      return m;
    };
    fc.assert(
      fc.property(choices, (numbers) => {
        const m = build(numbers);
        const bytes = m.bytes();
        expect(WebAssembly.validate(bytes)).toBe(true);
        const parsed = wabt.parseWat("random.wat", m.text(), ALL_FEATURES);
        parsed.validate();
        expect(parsed.toBinary({}).buffer).toEqual(m.bytes({ names: false }));
        const read = wabt.readWasm(bytes, { ...ALL_FEATURES, readDebugNames: true });
        read.applyNames();
        expect(read.toText({ foldExprs: true }).length).toBeGreaterThan(100);
        expect(build(numbers).bytes()).toEqual(bytes);
        for (const module of [parsed, read]) module.destroy();
      }),
      { numRuns: 60 },
    );
  });

  it("do the same in two engines", () => {
    fc.assert(
      fc.property(fc.array(choices, { minLength: 40, maxLength: 40 }), (programs) => {
        const m = createModule();
        for (const [index, numbers] of programs.entries()) {
          new Writer(numbers, deterministic, INTEGERS).function(m, `program${index}`, ["i64", "i64", "i64"]);
        }
        const module = m.bytes();
        const [v8, other] = [engines.V8(module), engines.wabt(module)];
        expect(other.size).toBe(programs.length);
        expect(other).toEqual(v8);
      }),
      { numRuns: 3 },
    );
  });
});
