import { expect, it } from "vitest";
import { f32x4, i8x16, i32, memory, select, v128 } from "./instructions.ts";
import { createModule } from "./module_builder.ts";

/** Checked by hand, line by line, against the specification of the text format. */
const EXPECTED = String.raw`(module $example
  (import "env" "now" (func $now (param i32)))
  (import "env" "memory" (memory 1 16 shared))
  (global $calls (mut i32) (i32.const 0))
  (export "run" (func $axpy_4x))
  (func $axpy_4x (param $x i32) (param $y i32) (param $bytes i32) (result i32)
    (local $end i32) (local $p i32) (local $v v128) (local $v.1 v128)
    ;; y += 2 x
    (local.set $end (i32.add (local.get $x) (local.get $bytes)))
    (local.set $v (v128.const f32x4 2 2 -0 nan))
    (local.set $p (local.get $x))
    (if (i32.lt_s (local.get $p) (local.get $end))
      (then
        (loop $p
          (local.set $v.1
            (f32x4.relaxed_madd
              (v128.load (local.get $p))
              (local.get $v)
              (v128.load offset=16 (i32.add (local.get $y) (i32.sub (local.get $p) (local.get $x))))))
          (v128.store offset=16
            (i32.add (local.get $y) (i32.sub (local.get $p) (local.get $x)))
            (i8x16.shuffle 4 5 6 7 0 1 2 3 8 9 10 11 12 13 14 15 (local.get $v.1) (local.get $v.1)))
          (v128.store32_lane 3 (local.get $p) (local.get $v.1))
          (br_if $p (i32.lt_s (local.tee $p (i32.add (local.get $p) (i32.const 16))) (local.get $end)))
        )
      )
    )
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (if (i32.eqz (local.get $bytes))
      (then
        (call $now (i32.const 7))
      )
      (else
        (memory.fill (i32.const 0) (i32.const 0) (i32.const 64))
      )
    )
    (select (local.get $end) (i32.const -1) (local.get $bytes))
  )
  (data (i32.const 8) "a\22\5c\0a")
)
`;

it("prints a small whole module as a person would write it", () => {
  const m = createModule({ name: "example" });
  m.importMemory("env", "memory", { minPages: 1, maxPages: 16, shared: true });
  const now = m.importFunction("env", "now", { params: ["i32"], results: [] });
  const calls = m.global("calls", "i32", 0, { mutable: true });
  m.function(
    "axpy 4x",
    { params: { x: "i32", y: "i32", bytes: "i32" }, results: ["i32"], export: "run" },
    (f, { x, y, bytes }) => {
      f.comment("y += 2 x");
      const end = f.let("end", i32.add(x, bytes));
      const scale = f.let("v", f32x4.const(2, 2, -0, Number.NaN));
      f.for({ name: "p", from: x, to: end, step: 16 }, (p) => {
        const sum = f.let(
          "v",
          f32x4.relaxed_madd(v128.load(p), scale, v128.load(i32.add(y, i32.sub(p, x)), { offset: 16 })),
        );
        f.do(
          v128.store(
            i32.add(y, i32.sub(p, x)),
            i8x16.shuffle(sum, sum, [4, 5, 6, 7, 0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15]),
            { offset: 16 },
          ),
        );
        f.do(v128.store32_lane(p, sum, 3));
      });
      f.setGlobal(calls, i32.add(calls.get(), 1));
      f.if(
        i32.eqz(bytes),
        () => f.invoke(now, [7]),
        () => f.do(memory.fill(0, 0, 64)),
      );
      f.return(select(bytes, end, -1));
    },
  );
  m.data(8, new TextEncoder().encode('a"\\\n'));
  expect(m.text()).toBe(EXPECTED);
});
