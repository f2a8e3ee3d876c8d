import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InternalError } from "../errors.ts";
import type { FunctionBuilder, Label } from "./function_builder.ts";
import { f32, f32x4, f64, i32, i64, memory, select, v128 } from "./instructions.ts";
import { createModule, type ModuleBuilder } from "./module_builder.ts";
import type { Expr, F32, F64, I32, I64, Local, Statement, ValueType } from "./value_types.ts";

/** Compiles, and gives the export "run". */
function instantiate(m: ModuleBuilder): (...args: number[]) => unknown {
  const bytes = m.bytes();
  expect(WebAssembly.validate(bytes)).toBe(true);
  return new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports.run as (...args: number[]) => unknown;
}

/** Runs a body with two i32 parameters and one i32 result. */
function run(write: (f: FunctionBuilder, a: Local<"i32">, b: Local<"i32">) => void, a = 0, b = 0): unknown {
  const m = createModule();
  m.memory({ minPages: 1 });
  m.function("run", { params: { a: "i32", b: "i32" }, results: ["i32"], export: "run" }, (f, params) =>
    write(f, params.a, params.b),
  );
  return instantiate(m)(a, b);
}

/** The message of the error that this body makes. */
function errorOf(write: (f: FunctionBuilder, m: ModuleBuilder) => void, results: readonly ValueType[] = []): string {
  const m = createModule();
  m.memory({ minPages: 1 });
  try {
    m.function("kernel", { params: {}, results }, (f) => write(f, m));
    m.bytes();
  } catch (error) {
    expect(error).toBeInstanceOf(InternalError);
    return (error as InternalError).message;
  }
  return "no error";
}

describe("counted loops", () => {
  const small = fc.integer({ min: -40, max: 40 });
  const step = fc.integer({ min: -9, max: 9 }).filter((value) => value !== 0);

  /** Trips and the sum of the counter, as JavaScript counts. */
  function model(from: number, to: number, by: number): { trips: number; sum: number } {
    let [trips, sum] = [0, 0];
    for (let i = from; by > 0 ? i < to : i > to; i += by) {
      trips++;
      sum += i;
    }
    return { trips, sum };
  }

  const kinds = ["constant", "local", "expression"] as const;

  /** A bound given in each way: a number, a parameter, a computed value. */
  function bound(kind: (typeof kinds)[number], value: number, param: Local<"i32">): I32 | number {
    return kind === "constant" ? value : kind === "local" ? param : i32.sub(i32.add(param, 3), 3);
  }

  it("count as JavaScript does, for every kind of bound", () => {
    fc.assert(
      fc.property(small, small, step, fc.constantFrom(...kinds), fc.constantFrom(...kinds), (from, to, by, a, b) => {
        const { trips, sum } = model(from, to, by);
        const result = run(
          (f, first, last) => {
            const acc = f.local("acc", "i32");
            f.for({ name: "i", from: bound(a, from, first), to: bound(b, to, last), step: by }, (i) => {
              f.set(acc, i32.add(acc, i32.add(i, 10_000)));
            });
            f.return(acc);
          },
          from,
          to,
        );
        expect(result).toBe(sum + 10_000 * trips);
      }),
    );
  });

  it("repeat with at least one trip, whatever the bounds", () => {
    fc.assert(
      fc.property(small, small, step, (from, to, by) => {
        const { trips, sum } = model(from, to, by);
        const result = run(
          (f, first, last) => {
            const acc = f.local("acc", "i32");
            f.repeat({ name: "i", from: first, to: last, step: by }, (i) =>
              f.set(acc, i32.add(acc, i32.add(i, 10_000))),
            );
            f.return(acc);
          },
          from,
          to,
        );
        expect(result).toBe(trips === 0 ? from + 10_000 : sum + 10_000 * trips);
      }),
    );
  });

  it("compare addresses above 2 GiB where asked to", () => {
    const trips = (unsigned: boolean): unknown =>
      run(
        (f, from, to) => {
          const acc = f.local("acc", "i32");
          f.for({ name: "p", from, to, step: 16, unsigned }, () => f.set(acc, i32.add(acc, 1)));
          f.return(acc);
        },
        0x7fffffe0,
        0x80000020 | 0,
      );
    expect(trips(true)).toBe(4);
    expect(trips(false)).toBe(0);
  });

  it("evaluate a computed bound once", () => {
    const result = run(
      (f, a) => {
        const trips = f.local("trips", "i32");
        f.for({ name: "i", from: 0, to: i32.load(64), step: 1 }, () => {
          f.do(i32.store(64, 0));
          f.set(trips, i32.add(trips, 1));
        });
        f.return(i32.add(trips, a));
      },
      100,
      0,
    );
    expect(result).toBe(100);
    const counted = run((f) => {
      const trips = f.local("trips", "i32");
      f.do(i32.store(64, 5));
      f.for({ name: "i", from: 0, to: i32.load(64), step: 1 }, () => {
        f.do(i32.store(64, 0));
        f.set(trips, i32.add(trips, 1));
      });
      f.return(trips);
    });
    expect(counted).toBe(5);
  });

  it("encode as loop, body, tee, branch", () => {
    const m = createModule();
    m.function("f", { params: { n: "i32" }, results: [] }, (f, { n }) => {
      f.repeat({ name: "i", from: 0, to: n, step: 4 }, () => f.drop(n));
    });
    const loop = [0x41, 0, 0x21, 1, 0x03, 0x40, 0x20, 0, 0x1a, 0x20, 1, 0x41, 4, 0x6a, 0x22, 1, 0x20, 0, 0x48, 0x0d, 0];
    expect(hex(m.bytes({ names: false }))).toContain(hex([...loop, 0x0b, 0x0b]));
  });

  it("need no check or no loop where the trips are known", () => {
    const text = (from: number, to: number): string => {
      const m = createModule();
      m.function("f", { params: {}, results: [] }, (f) => f.for({ name: "i", from, to, step: 2 }, (i) => f.drop(i)));
      return m.text();
    };
    expect(text(0, 4)).toMatch(/\(loop/);
    expect(text(0, 4)).not.toMatch(/\(if/);
    expect(text(0, 2)).not.toMatch(/\(loop|\(if/);
    expect(text(0, 2)).toMatch(/\(drop/);
    expect(text(2, 2)).not.toMatch(/\(loop|\(drop/);
  });

  it("guard their counter and their bound", () => {
    expect(errorOf((f) => f.for({ name: "i", from: 0, to: 9, step: 1 }, (i) => f.set(i, 3)))).toMatch(
      /local "i" is the counter or the bound/,
    );
    const withBound = (f: FunctionBuilder, after: boolean): void => {
      const end = f.let("end", i32.const(9));
      f.for({ name: "i", from: 0, to: end, step: 1 }, () => (after ? undefined : f.set(end, 0)));
      f.set(end, 0);
    };
    expect(errorOf((f) => withBound(f, false))).toMatch(/local "end" is the counter or the bound/);
    expect(errorOf((f) => withBound(f, true))).toBe("no error");
    expect(errorOf((f) => f.for({ name: "i", from: 0, to: 9, step: 0 }, () => {}))).toMatch(
      /loop "i": expected a step/,
    );
    expect(errorOf((f) => f.repeat({ name: "i", from: 9, to: 9, step: 1 }, () => {}))).toMatch(/at least one trip/);
    expect(errorOf((f) => f.for({ name: "i", from: 0, to: 0x7fffffff, step: 16 }, () => {}))).toMatch(/overflows at/);
  });
});

describe("control", () => {
  it("chooses between branches and returns from them", () => {
    const sign = (value: number): unknown =>
      run((f, a) => {
        f.if(
          i32.lt_s(a, 0),
          () => f.return(-1),
          () => {
            f.if(a, () => f.return(1));
            f.return(0);
          },
        );
      }, value);
    expect([sign(-7), sign(0), sign(9)]).toEqual([-1, 0, 1]);
  });

  it("repeats while a condition holds, statements of the condition included", () => {
    const log2 = (value: number): unknown =>
      run((f, a) => {
        const rest = f.let("rest", a);
        const count = f.local("count", "i32");
        f.while(
          () => f.let("next", i32.shr_u(rest, 1)),
          () => {
            f.set(rest, i32.shr_u(rest, 1));
            f.set(count, i32.add(count, 1));
          },
        );
        f.return(count);
      }, value);
    expect([log2(1), log2(2), log2(1000)]).toEqual([0, 1, 9]);
  });

  it("leaves blocks and repeats loops by their labels, from inside of others", () => {
    const result = run((f) => {
      const count = f.local("count", "i32");
      f.block((done) => {
        f.loop((again) => {
          f.set(count, i32.add(count, 1));
          f.if(i32.gt_s(count, 6), () => f.block(() => f.br(done)));
          f.brIf(again, i32.const(1));
          f.unreachable();
        });
      });
      f.return(count);
    });
    expect(result).toBe(7);
  });

  it("jumps through a table", () => {
    const chosen = (value: number): unknown =>
      run((f, a) => {
        const result = f.let("result", i32.const(0));
        f.block((end) => {
          f.block((otherwise) => {
            f.block((one) => {
              f.block((zero) => f.brTable(a, [zero, one, zero], otherwise));
              f.set(result, 10);
              f.br(end);
            });
            f.set(result, 11);
            f.br(end);
          });
          f.set(result, 99);
        });
        f.return(result);
      }, value);
    expect([0, 1, 2, 3, -1].map(chosen)).toEqual([10, 11, 10, 99, 99]);
  });

  it("nests a thousand blocks and leaves all of them at once", () => {
    const nest = (f: FunctionBuilder, depth: number, outermost: Label | undefined): void =>
      f.block((label) => {
        if (depth > 1) nest(f, depth - 1, outermost ?? label);
        else f.br(outermost ?? label);
      });
    const result = run((f, a) => {
      nest(f, 1000, undefined);
      f.return(i32.add(a, 1));
    }, 41);
    expect(result).toBe(42);
  });

  it("takes expressions that are thousands of operations deep", () => {
    const result = run((f, a) => {
      let sum: I32 = a;
      for (let i = 0; i < 3000; i++) sum = i % 2 === 0 ? i32.add(sum, 1) : i32.add(1, sum);
      f.return(sum);
    }, 5);
    expect(result).toBe(3005);
  });

  it("keeps the values of hundreds of locals of mixed types apart", () => {
    const result = run((f, a) => {
      const ints: Local<"i32">[] = [];
      const floats: Local<"f32">[] = [];
      const vectors: Local<"v128">[] = [];
      for (let i = 0; i < 150; i++) {
        ints.push(f.let(`int${i}`, i32.add(a, i)));
        floats.push(f.let(`float${i}`, f32.const(i)));
        vectors.push(f.let("vector", f32x4.splat(i)));
      }
      const correct = f.let("correct", i32.const(0));
      for (let i = 0; i < 150; i++) {
        const [int, float, vector] = [ints[i], floats[i], vectors[i]] as [Local<"i32">, Local<"f32">, Local<"v128">];
        const isRight = i32.and(f32.eq(float, i), f32.eq(f32x4.extract_lane(vector, 2), f32.convert_i32_s(int)));
        f.set(correct, i32.add(correct, isRight));
      }
      f.return(correct);
    });
    expect(result).toBe(150);
  });

  it("declares locals in as many groups as there are types", () => {
    const m = createModule();
    m.function("f", { params: { a: "i32" }, results: [] }, (f) => {
      for (let i = 0; i < 200; i++) f.local(`x${i}`, (["f32", "v128"] as const)[i % 2] ?? "f32");
    });
    // Body of nine bytes: two groups, 100 (0x64) of f32 (0x7d), 100 of v128 (0x7b), end.
    expect(hex(m.bytes({ names: false }))).toContain(hex([0x0a, 0x08, 0x01, 0x06, 0x02, 0x64, 0x7d, 0x64, 0x7b, 0x0b]));
  });

  it("selects, tees and keeps constants exact", () => {
    expect(run((f, a, b) => f.return(select(a, b, 7)), 1, 5)).toBe(5);
    expect(run((f, a, b) => f.return(select(a, b, 7)), 0, 5)).toBe(7);
    expect(run((f, a) => f.return(i32.mul(f.tee(a, i32.add(a, 1)), a)), 4)).toBe(25);
    const bits = (value: number): unknown => run((f) => f.return(i32.reinterpret_f32(f32.const(value))));
    expect(bits(-0)).toBe(0x80000000 | 0);
    expect(bits(Number.NaN)).toBe(0x7fc00000);
    expect(bits(0.1)).toBe(0x3dcccccd);
    const high = (value: number): unknown =>
      run((f) => f.return(i32.wrap_i64(i64.shr_u(i64.reinterpret_f64(f64.const(value)), 32))));
    expect(high(Number.NaN)).toBe(0x7ff80000);
    expect(high(-2)).toBe(0xc0000000 | 0);
    expect(run((f) => f.return(i32.const(0xffffffff)))).toBe(-1);
    expect(run((f) => f.return(i32.wrap_i64(i64.shr_u(i64.const(-(2n ** 63n)), 60))))).toBe(8);
  });
});

describe("calls", () => {
  it("recurse through a declaration", () => {
    const m = createModule();
    const fib = m.declare("fib", { params: { n: "i32" }, results: ["i32"], export: "run" });
    m.define(fib, (f, { n }) => {
      f.if(i32.lt_s(n, 2), () => f.return(n));
      f.return(i32.add(f.call(fib, [i32.sub(n, 1)]), f.call(fib, [i32.sub(n, 2)])));
    });
    expect(instantiate(m)(15)).toBe(610);
  });

  it("take several results, drop results and go through the table", () => {
    const m = createModule();
    const divide = m.function("divide", { params: { a: "i32", b: "i32" }, results: ["i32", "f32"] }, (f, { a, b }) =>
      f.return(i32.div_s(a, b), f32.convert_i32_s(i32.rem_s(a, b))),
    );
    const twice = m.function("twice", { params: { x: "i32" }, results: ["i32"] }, (f, { x }) =>
      f.return(i32.mul(x, 2)),
    );
    const square = m.function("square", { params: { x: "i32" }, results: ["i32"] }, (f, { x }) =>
      f.return(i32.mul(x, x)),
    );
    m.table([twice, square]);
    m.function("run", { params: { which: "i32" }, results: ["i32"], export: "run" }, (f, { which }) => {
      const [quotient, rest] = f.callAll(divide, [47, 10]) as [Local<"i32">, Local<"f32">];
      f.invoke(divide, [1, 1]);
      f.invoke(twice, [1]);
      const signature = { params: ["i32"], results: ["i32"] } as const;
      f.invokeIndirect(which, signature, [1]);
      const value = f.callIndirect(which, signature, [i32.trunc_f32_s(rest)]);
      f.return(i32.add(i32.mul(quotient, 100), value));
    });
    const call = instantiate(m);
    expect([call(0), call(1)]).toEqual([414, 449]);
    expect(() => call(2)).toThrow(WebAssembly.RuntimeError);
  });

  it("must be used once, no more and no less", () => {
    const withCall = (use: (f: FunctionBuilder, value: I32) => void): string =>
      errorOf((f, m) => {
        const one = m.function("one", { params: {}, results: ["i32"] }, (g) => g.return(1));
        use(f, f.call(one, []));
      });
    expect(withCall((f, value) => f.drop(value))).toBe("no error");
    expect(withCall(() => {})).toMatch(/function "kernel": the call of "one" is never used/);
    expect(withCall((f, value) => f.drop(i32.add(value, value)))).toMatch(/the value of a call is used twice/);
    // Made before a block, used after it.
    expect(
      withCall((f, value) => {
        f.block(() => {});
        f.drop(value);
      }),
    ).toBe("no error");
  });
});

describe("errors", () => {
  const here = /function_builder\.test\.ts:\d+:\d+/;
  const wrong = (value: unknown): never => value as never;

  it("name the instruction, what it expected and got, and the caller's line", () => {
    const message = errorOf((f) => f.drop(i32.add(wrong(f32.const(1)), 4)));
    expect(message).toMatch(/operand 1 of i32\.add: expected i32, got f32/);
    expect(message).toMatch(here);
    const cases: [RegExp, (f: FunctionBuilder) => unknown][] = [
      [
        /operand 2 of f32x4\.add: expected v128, got i32 \(local "x"\)/,
        (f) => f32x4.add(f32x4.splat(0), wrong(f.local("x", "i32"))),
      ],
      [/operand 1 of v128\.not: expected v128, got the number 3/, () => v128.not(wrong(3))],
      [/operand 1 of v128\.not: expected v128, got undefined/, () => v128.not(wrong(undefined))],
      [/operand 1 of i32\.eqz: expected i32, got a statement/, () => i32.eqz(wrong(i32.store(0, 0)))],
      [/i32\.add: expected 2 operands \(i32 i32\), got 1/, () => (i32.add as (x: number) => unknown)(1)],
      [/operand 1 of i32\.eqz: expected an integer of 32 bits, got 0\.5/, () => i32.eqz(0.5)],
      [/i32\.const: expected an integer of 32 bits, got 4294967296/, () => i32.const(2 ** 32)],
      [/i64\.const: expected a safe integer or a bigint, got 9007199254740992/, () => i64.const(2 ** 53)],
      [/i64\.const: expected an integer of 64 bits/, () => i64.const(2n ** 64n)],
      [/f32x4\.const: expected 4 lanes, got 3/, () => f32x4.const(1, 2, 3)],
      [/f32x4\.extract_lane: expected a lane from 0 to 3, got 4/, () => f32x4.extract_lane(f32x4.splat(0), 4)],
      [/v128\.load64_lane: expected a lane from 0 to 1, got 2/, () => v128.load64_lane(0, f32x4.splat(0), 2)],
      [/v128\.load: expected an offset of 0 or more/, () => v128.load(0, { offset: -1 })],
      [/offset of v128\.load: expected an integer of 32 bits/, () => v128.load(0, { offset: 2 ** 32 })],
      [/first value of select: expected|select: one of the two values/, () => select(1, 2, 3)],
      [/second value of select: expected f32, got i32/, () => select(1, f32.const(1), wrong(i32.const(1)))],
      [/let "x": expected an expression, got 3/, (f) => f.let("x", wrong(3))],
      [/local "x": expected f32, got i32/, (f) => f.set(f.local("x", "f32"), wrong(i32.const(1)))],
      [/condition of if: expected i32, got f32/, (f) => f.if(wrong(f32.const(1)), () => {})],
      [/do: expected a statement without result/, (f) => f.do(wrong(i32.const(1)))],
      [/return: expected 0 operands/, (f) => f.return(1)],
    ];
    for (const [pattern, write] of cases) {
      const text = errorOf((f) => void write(f));
      expect(text).toMatch(pattern);
      expect(text, text).toMatch(here);
    }
  });

  it("refuse what belongs to another function, block or module", () => {
    const other = createModule();
    const foreign = other.function("foreign", { params: {}, results: [] }, () => {});
    const foreignGlobal = other.global("g", "i32", 1, { mutable: true });
    const foreignData = other.passiveData(new Uint8Array(4));
    let stolen: Local<"i32"> | undefined;
    let kept: FunctionBuilder | undefined;
    let label: Label | undefined;
    other.function("victim", { params: { a: "i32" }, results: [] }, (f, { a }) => {
      stolen = a;
      kept = f;
      f.block((inner) => {
        label = inner;
      });
    });
    const local = stolen as Local<"i32"> | undefined as Local<"i32">;
    expect(errorOf((f) => f.drop(i32.eqz(local)))).toMatch(
      /local "a" is used in function "kernel", but belongs to another/,
    );
    expect(errorOf((f) => f.set(local, 1))).toMatch(/local "a" belongs to another function/);
    expect(errorOf((f) => f.br(label as Label | undefined as Label))).toMatch(
      /branch to "block": its block is not open/,
    );
    expect(errorOf((f) => f.invoke(foreign, []))).toMatch(/function "foreign" is not of this module/);
    expect(errorOf((f) => f.setGlobal(foreignGlobal, 1))).toMatch(/global "g" is not of this module/);
    expect(errorOf((f) => f.do(memory.init(foreignData, 0, 0, 1)))).toMatch(/data segment "of 4 bytes" is not of this/);
    expect(errorOf(() => (kept as FunctionBuilder | undefined as FunctionBuilder).unreachable())).toMatch(
      /the body is finished/,
    );
  });

  it("refuse a body that may end without its results", () => {
    const ends = (write: (f: FunctionBuilder) => void): string => errorOf(write, ["i32"]);
    const flag = i32.const(1);
    expect(ends(() => {})).toMatch(/expected i32 to be returned, but the body can end without/);
    expect(ends((f) => f.if(flag, () => f.return(1)))).toMatch(/can end without/);
    expect(ends((f) => f.block((label) => f.loop(() => f.brIf(label, flag))))).toMatch(/can end without/);
    const both = (f: FunctionBuilder): void =>
      f.if(
        flag,
        () => f.return(1),
        () => f.unreachable(),
      );
    expect(ends(both)).toBe("no error");
    expect(ends((f) => f.loop((again) => f.br(again)))).toBe("no error");
    expect(ends((f) => f.block(() => both(f)))).toBe("no error");
    expect(run((f, a) => both2(f, a), 1)).toBe(10);
    expect(run((f, a) => both2(f, a), 0)).toBe(20);
  });

  function both2(f: FunctionBuilder, flag: I32): void {
    f.if(
      flag,
      () => f.return(10),
      () => f.return(20),
    );
  }
});

describe("types", () => {
  it("hold at compile time", () => {
    const m = createModule();
    m.memory({ minPages: 1 });
    const none = m.function("none", { params: {}, results: [] }, () => {});
    const vector = m.function("vector", { params: {}, results: ["v128"] }, (f) => f.return(f32x4.splat(0)));
    const check = (f: FunctionBuilder, p: Local<"i32">, x: Local<"v128">): void => {
      const ok: (Expr<"v128"> | Statement)[] = [
        f32x4.add(x, f.call(vector, [])),
        f32x4.replace_lane(x, 1, 2.5),
        v128.load32_lane(p, x, 3, { offset: 4 }),
        v128.store(p, x),
        i32.atomic.store(p, 1),
        memory.fill(p, 0, 4),
      ];
      const scalars: [I64, F32, F64] = [i64.extend_i32_u(p), f32x4.extract_lane(x, 0), f64.promote_f32(f32.load(p))];
      // @ts-expect-error an i32 is not a vector
      f32x4.add(x, p);
      // @ts-expect-error a number is not a vector
      f32x4.add(x, 1);
      // @ts-expect-error a bigint is not an i32
      i32.add(p, 1n);
      // @ts-expect-error one operand too few
      f32x4.relaxed_madd(x, x);
      // @ts-expect-error a store has no value
      f.let("y", v128.store(p, x));
      // @ts-expect-error an addition does nothing
      f.do(i32.add(p, 1));
      // @ts-expect-error the local holds a vector
      f.set(x, i32.const(1));
      // @ts-expect-error no such instruction
      f32x4.fma(x, x, x);
      // @ts-expect-error a function without result has no value
      f32x4.add(x, f.call(none, []));
      expect(ok.length + scalars.length).toBe(9);
    };
    expect(check).toBeTypeOf("function"); // its body is for the type checker
  });
});

function hex(bytes: Uint8Array | readonly number[]): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
}
