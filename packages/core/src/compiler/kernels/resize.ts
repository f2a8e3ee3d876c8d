import type { FunctionBuilder } from "../../wasm/function_builder.ts";
import { f32x4, i32, v128 } from "../../wasm/instructions.ts";
import type { I32, Local, V128 } from "../../wasm/value_types.ts";
import { FLOAT, LANES } from "../layout.ts";
import type { Kernel } from "../plan.ts";
import type { Stride } from "./elementwise.ts";

/** Pictures in another size. Units are output rows. */
export interface ResizeSpec {
  /** Nearest reads the first corner of each tap alone. */
  readonly mode: "nearest" | "bilinear";
  readonly outWidth: number;
  readonly vectors: number;
  readonly output: Stride;
}

/** Two positions along an axis and the share of the second: `before`, `after` in bytes, `share` as a float. */
export interface ResizeTap {
  readonly before: number;
  readonly after: number;
  readonly share: number;
}

/** Where each output position along an axis reads; for nearest both are the same. Half-pixel centres, edges repeated. */
export function resizeTaps(
  inSize: number,
  outSize: number,
  stepBytes: number,
  mode: "nearest" | "bilinear",
): readonly ResizeTap[] {
  return Array.from({ length: outSize }, (_, out) => {
    if (mode === "nearest") {
      const at = Math.min(Math.floor(((out + 0.5) * inSize) / outSize), inSize - 1) * stepBytes;
      return { before: at, after: at, share: 0 };
    }
    const center = Math.max(((out + 0.5) * inSize) / outSize - 0.5, 0);
    const before = Math.min(Math.floor(center), inSize - 1);
    const after = Math.min(before + 1, inSize - 1);
    return { before: before * stepBytes, after: after * stepBytes, share: center - before };
  });
}

/** Bytes of one tap in the tables. */
export const TAP_BYTES: number = 3 * FLOAT;

/** The pixels that an output pixel is mixed from, while a kernel walks over the output. */
export interface ResizeCorners {
  /** Top left, top right, bottom left, bottom right. */
  readonly pixels: readonly Local<"i32">[];
  /** Shares of the lower row and of the right column, in all lanes. */
  readonly down: Local<"v128">;
  readonly right: Local<"v128">;
  setRow(row: I32): void;
  /** After the row. */
  setColumn(column: I32): void;
}

/** @param tables of taps, one for each row and each column of the output */
export function resizeCorners(
  f: FunctionBuilder,
  picture: I32,
  tables: { readonly rows: I32; readonly columns: I32 },
): ResizeCorners {
  const pixels = ["topLeft", "topRight", "bottomLeft", "bottomRight"].map((corner) => f.local(corner, "i32"));
  const rowTap = f.local("rowTap", "i32");
  const columnTap = f.local("columnTap", "i32");
  const down = f.local("down", "v128");
  const right = f.local("right", "v128");
  return {
    pixels,
    down,
    right,
    setRow(row) {
      f.set(rowTap, i32.add(tables.rows, i32.mul(row, TAP_BYTES)));
      f.set(down, v128.load32_splat(rowTap, { offset: 2 * FLOAT }));
    },
    setColumn(column) {
      f.set(columnTap, i32.add(tables.columns, i32.mul(column, TAP_BYTES)));
      f.set(right, v128.load32_splat(columnTap, { offset: 2 * FLOAT }));
      pixels.forEach((pixel, i) => {
        const vertical = i32.load(rowTap, { offset: i < 2 ? 0 : FLOAT });
        const horizontal = i32.load(columnTap, { offset: i % 2 === 0 ? 0 : FLOAT });
        f.set(pixel, i32.add(picture, i32.add(vertical, horizontal)));
      });
    },
  };
}

/** Parameters: `input`, `output`, `rows` and `columns` (tables of taps). */
export function resizeKernel(name: string, spec: ResizeSpec): Kernel {
  return {
    name,
    params: ["input", "output", "rows", "columns"],
    emit(f, p) {
      const { input, output, rows, columns, start, end } = p as Record<
        "input" | "output" | "rows" | "columns" | "start" | "end",
        Local<"i32">
      >;
      const corners = resizeCorners(f, input, { rows, columns });
      const to = f.local("to", "i32");
      const mix = (a: V128, b: V128, share: Local<"v128">) => {
        const first = f.let("first", a);
        return f32x4.add(first, f32x4.mul(f32x4.sub(b, first), share));
      };
      f.for({ name: "row", from: start, to: end, step: 1 }, (row) => {
        corners.setRow(row);
        f.repeat({ name: "column", from: 0, to: spec.outWidth, step: 1 }, (column) => {
          corners.setColumn(column);
          f.set(
            to,
            i32.add(i32.add(output, i32.mul(row, spec.output.rowBytes)), i32.mul(column, spec.output.pixelBytes)),
          );
          f.repeat({ name: "byte", from: 0, to: spec.vectors * LANES * FLOAT, step: LANES * FLOAT }, (byte) => {
            const [topLeft, topRight, bottomLeft, bottomRight] = corners.pixels.map((pixel) =>
              v128.load(i32.add(pixel, byte)),
            ) as [V128, V128, V128, V128];
            if (spec.mode === "nearest") {
              f.do(v128.store(i32.add(to, byte), topLeft));
              return;
            }
            const top = f.let("top", mix(topLeft, topRight, corners.right));
            const bottom = f.let("bottom", mix(bottomLeft, bottomRight, corners.right));
            f.do(v128.store(i32.add(to, byte), mix(top, bottom, corners.down)));
          });
        });
      });
    },
  };
}
