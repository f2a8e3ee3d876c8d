import type { Activation } from "../../graph/operations.ts";
import { f32x4, i32, v128 } from "../../wasm/instructions.ts";
import type { Local, V128 } from "../../wasm/value_types.ts";
import { FLOAT, LANES } from "../layout.ts";
import type { Kernel } from "../plan.ts";
import type { Target } from "../target.ts";
import { activate, activationConstants } from "./simd.ts";

/** One operand's distances. A pixel distance of 0 reads the same pixel for all: a scale for each channel. */
export interface Stride {
  readonly pixelBytes: number;
  readonly rowBytes: number;
}

/** activation(a ∘ b), vector by vector in the order of a and of the output. Units are rows. */
export interface ElementwiseSpec {
  readonly operation: "add" | "multiply" | "none";
  readonly activation: Activation;
  readonly width: number;
  readonly vectors: number;
  readonly operands: readonly Stride[];
  /** Whether b lies in another order: a table then holds, for each float of the output's pixel, its distance in b's pixel. */
  readonly isGathered: boolean;
  readonly output: Stride;
}

/** The kernel of a spec. Parameters: `operand0`, `operand1` where there is one, `output`, `table` where b is gathered. */
export function elementwiseKernel(name: string, spec: ElementwiseSpec, target: Target): Kernel {
  const names = spec.operands.map((_, i) => `operand${i}`);
  return {
    name,
    params: [...names, "output", ...(spec.isGathered ? ["table"] : [])],
    emit(f, p) {
      const constants = activationConstants(f, [spec.activation]);
      const strides = [...spec.operands, spec.output];
      const bases = [...names, "output"].map((param) => p[param] as Local<"i32">);
      const cursors = bases.map((_, i) => f.local(`at${i}`, "i32"));
      const entry = spec.isGathered ? f.local("entry", "i32") : undefined;
      f.for({ name: "row", from: p["start"] as Local<"i32">, to: p["end"] as Local<"i32">, step: 1 }, (row) => {
        f.repeat({ name: "column", from: 0, to: spec.width, step: 1 }, (column) => {
          cursors.forEach((cursor, i) => {
            const { pixelBytes, rowBytes } = strides[i] as Stride;
            const offset = i32.add(i32.mul(row, rowBytes), i32.mul(column, pixelBytes));
            f.set(cursor, i32.add(bases[i] as Local<"i32">, offset));
          });
          if (entry) f.set(entry, p["table"] as Local<"i32">);
          f.repeat({ name: "vector", from: 0, to: spec.vectors, step: 1 }, () => {
            const [a, b] = cursors.slice(0, -1) as [Local<"i32">, Local<"i32">?];
            let value = v128.load(a);
            if (b) {
              const other = entry ? gather(b, entry) : v128.load(b);
              value = spec.operation === "add" ? f32x4.add(value, other) : f32x4.mul(value, other);
            }
            const result = activate(f, target, spec.activation, value, constants);
            f.do(v128.store(cursors.at(-1) as Local<"i32">, result));
            // A gathered operand stays at its pixel: the table moves on instead.
            const moving = entry ? [a, cursors.at(-1) as Local<"i32">, entry] : cursors;
            for (const cursor of moving) f.set(cursor, i32.add(cursor, LANES * FLOAT));
          });
        });
      });
    },
  };
}

/** Four floats of a pixel as a vector, each at the distance that the table's next entries hold. */
function gather(pixel: Local<"i32">, entry: Local<"i32">): V128 {
  const place = (lane: number) => i32.add(pixel, i32.load(entry, { offset: lane * FLOAT }));
  let vector = v128.load32_zero(place(0));
  for (let lane = 1; lane < LANES; lane++) vector = v128.load32_lane(place(lane), vector, lane);
  return vector;
}
