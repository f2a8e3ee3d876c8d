import { f32, f32x4, i32, v128 } from "../../wasm/instructions.ts";
import type { Local } from "../../wasm/value_types.ts";
import { FLOAT, LANES } from "../layout.ts";
import type { Kernel } from "../plan.ts";
import type { Target } from "../target.ts";
import type { Stride } from "./elementwise.ts";
import { exponential } from "./simd.ts";

/** exp(x − max) / sum over a pixel's channels, which lie side by side. Units are rows. */
export interface SoftmaxSpec {
  readonly width: number;
  readonly channels: number;
  readonly input: Stride;
  readonly output: Stride;
}

/** Parameters: `input`, `output`. The output has room for whole vectors. */
export function softmaxKernel(name: string, spec: SoftmaxSpec, target: Target): Kernel {
  return {
    name,
    params: ["input", "output"],
    emit(f, p) {
      const { input, output, start, end } = p as Record<"input" | "output" | "start" | "end", Local<"i32">>;
      const from = f.local("from", "i32");
      const to = f.local("to", "i32");
      const most = f.local("most", "f32");
      const sum = f.local("sum", "f32");
      const vectors = Math.ceil(spec.channels / LANES);
      f.for({ name: "row", from: start, to: end, step: 1 }, (row) => {
        f.repeat({ name: "column", from: 0, to: spec.width, step: 1 }, (column) => {
          const offset = (stride: Stride) => i32.add(i32.mul(row, stride.rowBytes), i32.mul(column, stride.pixelBytes));
          f.set(from, i32.add(input, offset(spec.input)));
          f.set(to, i32.add(output, offset(spec.output)));
          const each = (body: (byte: Local<"i32">) => void) =>
            f.repeat({ name: "byte", from: 0, to: spec.channels * FLOAT, step: FLOAT }, body);
          f.set(most, Number.NEGATIVE_INFINITY);
          each((byte) => f.set(most, f32.max(most, f32.load(i32.add(from, byte)))));
          f.repeat({ name: "vector", from: 0, to: vectors * LANES * FLOAT, step: LANES * FLOAT }, (byte) => {
            const shifted = f32x4.sub(v128.load(i32.add(from, byte)), f32x4.splat(most));
            f.do(v128.store(i32.add(to, byte), exponential(f, target, shifted)));
          });
          f.set(sum, 0);
          each((byte) => f.set(sum, f32.add(sum, f32.load(i32.add(to, byte)))));
          each((byte) => f.do(f32.store(i32.add(to, byte), f32.div(f32.load(i32.add(to, byte)), sum))));
        });
      });
    },
  };
}
