import type { Interpreter, Operand } from "./operand.ts";

/** x `[N, H, W, C]`, output `[N, top + H + bottom, left + W + right, C]`. */
export const interpretPad: Interpreter<"pad"> = ({ padding, value }, inputs, output) => {
  const [x] = inputs as [Operand];
  const [batch, height, width, channels] = x.shape as readonly [number, number, number, number];
  const [, outHeight, outWidth] = output.shape as readonly [number, number, number, number];
  output.data.fill(value);
  for (let n = 0; n < batch; n++) {
    for (let ih = 0; ih < height; ih++) {
      const from = (n * height + ih) * width * channels;
      const to = ((n * outHeight + ih + padding.top) * outWidth + padding.left) * channels;
      for (let i = 0; i < width * channels; i++) output.data[to + i] = x.data[from + i]!;
    }
  }
};

/** For each output row or column, the two cells that it lies between, and the second one's share. */
export interface Between {
  readonly first: number;
  readonly second: number;
  readonly share: number;
}

/**
 * Centres of cells lie at half pixels: output cell o has its centre at (o + 1/2)·size/count of the input. `nearest` takes the cell
 * that holds this point; `bilinear` the two cells with the nearest centres, the edge's cell standing for what lies beyond.
 */
export function sources(size: number, count: number, mode: "nearest" | "bilinear"): readonly Between[] {
  return Array.from({ length: count }, (_, o) => {
    if (mode === "nearest") {
      // Whole numbers are divided once, so that a point on a cell's edge is never rounded across it.
      const cell = Math.floor(((2 * o + 1) * size) / (2 * count));
      return { first: cell, second: cell, share: 0 };
    }
    const position = Math.min(Math.max(((o + 0.5) * size) / count - 0.5, 0), size - 1);
    const first = Math.floor(position);
    return { first, second: Math.min(first + 1, size - 1), share: position - first };
  });
}

/** x `[N, H, W, C]`, output `[N, height, width, C]`. */
export const interpretResize: Interpreter<"resize"> = ({ mode }, inputs, output) => {
  const [x] = inputs as [Operand];
  const [batch, height, width, channels] = x.shape as readonly [number, number, number, number];
  const rows = sources(height, output.shape[1] as number, mode);
  const columns = sources(width, output.shape[2] as number, mode);
  let index = 0;
  for (let n = 0; n < batch; n++) {
    for (const row of rows) {
      for (const column of columns) {
        for (let c = 0; c < channels; c++) {
          const cell = (ih: number, iw: number): number => x.data[((n * height + ih) * width + iw) * channels + c]!;
          const above = mix(cell(row.first, column.first), cell(row.first, column.second), column.share);
          const below = mix(cell(row.second, column.first), cell(row.second, column.second), column.share);
          output.data[index] = mix(above, below, row.share);
          index++;
        }
      }
    }
  }
};

/** A share of 0 gives the first alone, so that an infinite second one does not make NaN of it. */
function mix(first: number, second: number, share: number): number {
  return share === 0 ? first : (1 - share) * first + share * second;
}
