import type { Stride } from "../../compiler/kernels/elementwise.ts";
import { FLOAT, LANES } from "../../compiler/layout.ts";
import type { FunctionBuilder } from "../../wasm/function_builder.ts";
import { i32 } from "../../wasm/instructions.ts";
import type { I32, Local } from "../../wasm/value_types.ts";

/** Bytes of a vector. */
export const VECTOR: number = LANES * FLOAT;

/** The pixels of a picture. */
export interface PictureSize {
  readonly height: number;
  readonly width: number;
}

/** A pointer that walks over a picture's pixels. */
export interface Walker {
  readonly stride: Stride;
  readonly pointer: Local<"i32">;
}

/** Rows ⊃ columns; the body sees the walkers at each pixel and must leave them there. */
export function eachPixel(
  f: FunctionBuilder,
  { height, width }: PictureSize,
  walkers: readonly Walker[],
  body: () => void,
): void {
  const advance = (bytes: (stride: Stride) => number) => {
    for (const { pointer, stride } of walkers) if (bytes(stride) !== 0) f.set(pointer, i32.add(pointer, bytes(stride)));
  };
  const line = (pixels: number) =>
    f.repeat({ name: "pixel", from: 0, to: pixels, step: 1 }, () => {
      body();
      advance((stride) => stride.pixelBytes);
    });
  if (walkers.every(({ stride }) => stride.rowBytes === width * stride.pixelBytes)) line(height * width);
  else {
    f.repeat({ name: "row", from: 0, to: height, step: 1 }, () => {
      line(width);
      advance((stride) => stride.rowBytes - width * stride.pixelBytes);
    });
  }
}

/** A walker from an address on. */
export function walker(f: FunctionBuilder, name: string, from: I32, stride: Stride): Walker {
  return { stride, pointer: f.let(name, from) };
}

/** Tiles of a size, `count` times, from `first` on. */
export interface Tiles {
  readonly first: number;
  readonly size: number;
  readonly count: number;
}

/** Splits `total` into tiles of `size` and one of what is left. */
export function tilesOf(total: number, size: number): readonly Tiles[] {
  const count = Math.floor(total / size);
  const rest = total % size;
  return [
    { first: 0, size, count },
    { first: count * size, size: rest, count: 1 },
  ].filter((tiles) => tiles.count > 0 && tiles.size > 0);
}
