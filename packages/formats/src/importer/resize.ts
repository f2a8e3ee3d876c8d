/** Resizing pictures: which of the many foreign rules are ours. */
import type { Pair, Value } from "@depthwise/core";
import type { View } from "./foreign_value.ts";
import type { Importer, Layout } from "./importer.ts";

/** How a foreign graph resizes along an axis. */
export interface ResizeRule {
  readonly mode: "nearest" | "bilinear";
  /** Where output cell `o` has its centre in the input, in cells; cell i has its own at i. */
  readonly position: (o: number, size: number, count: number) => number;
  /** The cell that is nearest, for `nearest`. */
  readonly nearest: (position: number) => number;
}

/** The longest side that is compared cell by cell. */
const LONGEST_SIDE = 2 ** 16;
/** Rounding of float32 scales. */
const TOLERANCE = 1e-4;

/**
 * A picture of another size.
 *
 * @throws {UnsupportedError} where the foreign rule takes other cells than ours
 */
export function resize(to: Importer, view: View, layout: Layout, [height, width]: Pair, rule: ResizeRule): View {
  const x = to.picture(view, layout);
  const [, h, w] = x.shape as readonly [number, number, number, number];
  if (h === height && w === width) return to.fromPicture(x, layout);
  expectOurs(to, h, height, rule);
  expectOurs(to, w, width, rule);
  return to.fromPicture(emitResize(to, x, [height, width], rule.mode), layout);
}

function emitResize(to: Importer, x: Value, [height, width]: Pair, mode: ResizeRule["mode"]): Value {
  return to.emit({ op: "resize", height, width, mode }, [x]);
}

/** Our rule: centres at half pixels, edges repeated. The foreign one is taken where it reads the same cells for every output cell. */
function expectOurs(to: Importer, size: number, count: number, { mode, position, nearest }: ResizeRule): void {
  if (!Number.isInteger(count) || count < 1 || count > LONGEST_SIDE || size > LONGEST_SIDE) {
    throw to.unsupported(`resizes a side of ${size} to ${count}`);
  }
  const clamp = (cell: number): number => Math.min(Math.max(cell, 0), size - 1);
  for (let o = 0; o < count; o++) {
    const foreign = position(o, size, count);
    const same =
      mode === "nearest"
        ? clamp(nearest(foreign)) === Math.floor(((2 * o + 1) * size) / (2 * count))
        : Math.abs(clamp(foreign) - clamp(((o + 0.5) * size) / count - 0.5)) < TOLERANCE;
    if (!same) {
      throw to.unsupported(
        `resizes ${size} cells to ${count} by another rule than ours, which has centres at half pixels`,
        "Export it with half-pixel centres, or with whole factors.",
      );
    }
  }
}
