import type { FunctionBuilder } from "../../wasm/function_builder.ts";
import { i32 } from "../../wasm/instructions.ts";
import type { I32, Local, Operand } from "../../wasm/value_types.ts";
import { FLOAT, LANES } from "../layout.ts";

/** A window that slides over rows and columns: where its input and output pixels are. All of it in bytes, but for the counts. */
export interface SlidingSpec {
  readonly outWidth: number;
  readonly strideRows: number;
  readonly strideColumns: number;
  readonly inputPixelBytes: number;
  readonly inputRowBytes: number;
  readonly outputPixelBytes: number;
  readonly outputRowBytes: number;
  /** Output columns that are computed together. */
  readonly tile: number;
}

/** Pointers of one tile and one vector of channels. */
export interface SlidingTile {
  /** The window's first cell for the tile's first output column. */
  readonly input: Local<"i32">;
  readonly output: Local<"i32">;
  readonly row: Local<"i32">;
  readonly column: Local<"i32">;
}

/**
 * The loop nest of depthwise convolutions and pools: rows ⊃ tiles of columns ⊃ vectors of channels. Channels are innermost, so that
 * the input is read in lines and each row's neighbours are still in cache when the next row reads them again. The last tile of a row
 * is moved back to end with the row: what it computes twice is the same.
 *
 * @param block vectors of four channels that the body does at once
 * @param blocks of them at each pixel
 * @param beforeVectors runs once a tile
 * @param body runs for each vector; it must not move the tile's pointers
 */
export function slidingTiles(
  f: FunctionBuilder,
  spec: SlidingSpec,
  block: number,
  blocks: Operand<"i32">,
  bases: { input: Local<"i32">; output: Local<"i32">; start: Local<"i32">; end: Local<"i32"> },
  beforeVectors: () => void,
  body: (tile: SlidingTile) => void,
): void {
  const { outWidth, tile } = spec;
  const input = f.local("in", "i32");
  const output = f.local("out", "i32");
  const column = f.local("column", "i32");
  f.for({ name: "row", from: bases.start, to: bases.end, step: 1 }, (row) => {
    const tileAt = (first: I32) => {
      f.set(column, first);
      const inputColumn = i32.mul(column, spec.strideColumns * spec.inputPixelBytes);
      f.set(input, i32.add(i32.add(bases.input, i32.mul(row, spec.strideRows * spec.inputRowBytes)), inputColumn));
      f.set(
        output,
        i32.add(i32.add(bases.output, i32.mul(row, spec.outputRowBytes)), i32.mul(column, spec.outputPixelBytes)),
      );
      beforeVectors();
      f.repeat({ name: "vector", from: 0, to: blocks, step: 1 }, () => {
        body({ input, output, row, column });
        f.set(input, i32.add(input, block * LANES * FLOAT));
        f.set(output, i32.add(output, block * LANES * FLOAT));
      });
    };
    const last = outWidth - tile;
    if (last === 0) tileAt(i32.const(0));
    else {
      const full = f.local("full", "i32");
      f.set(full, 0);
      f.loop((again) => {
        tileAt(full);
        // Past the last whole tile, the next one begins at `last`; after that one the row is done.
        const isDone = f.let("isDone", i32.ge_s(full, last));
        f.set(full, i32.add(full, tile));
        f.if(i32.gt_s(full, last), () => f.set(full, last));
        f.brIf(again, i32.eqz(isDone));
      });
    }
  });
}

/** Output columns to compute together: of the widths up to `most` the one that wastes least, the wider of equals. */
export function chooseTile(outWidth: number, most: number): number {
  let best = 1;
  let bestCost = Number.POSITIVE_INFINITY;
  for (let tile = Math.min(most, outWidth); tile >= 1; tile--) {
    const cost = (Math.ceil(outWidth / tile) * (tile + 1)) / outWidth;
    if (cost < bestCost - 1e-9) [best, bestCost] = [tile, cost];
  }
  return best;
}
