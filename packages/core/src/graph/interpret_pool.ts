import type { Interpreter, Operand } from "./operand.ts";
import type { OperationOf, Pair, Window } from "./operations.ts";

type Pool = OperationOf<"max_pool"> | OperationOf<"average_pool">;

/** A window on one axis: cells from `start` to before `end`, clipped to the picture, and how many cells it spans with padding. */
interface Span {
  readonly start: number;
  readonly end: number;
  /** Cells within the picture and its padding; what a ceil-mode window has beyond those is not counted (PyTorch's rule). */
  readonly padded: number;
}

/** The windows on one axis, in order. */
function spans(count: number, size: number, kernel: number, stride: number, before: number, after: number): Span[] {
  return Array.from({ length: count }, (_, position) => {
    const start = position * stride - before;
    const end = Math.min(start + kernel, size + after);
    return { start: Math.max(start, 0), end: Math.min(end, size), padded: end - start };
  });
}

/** Gives each window, with its place in every picture and channel, to `visit`. */
export function eachWindow(
  { kernel, stride, padding }: Window & { readonly kernel: Pair },
  pooled: Operand,
  picture: Operand,
  visit: (index: number, rows: Span, columns: Span, cell: (ih: number, iw: number) => number) => void,
): void {
  const [batch, height, width, channels] = picture.shape as readonly [number, number, number, number];
  const [, outHeight, outWidth] = pooled.shape as readonly [number, number, number, number];
  const rows = spans(outHeight, height, kernel[0], stride[0], padding.top, padding.bottom);
  const columns = spans(outWidth, width, kernel[1], stride[1], padding.left, padding.right);
  let index = 0;
  for (let n = 0; n < batch; n++) {
    for (const row of rows) {
      for (const column of columns) {
        for (let c = 0; c < channels; c++) {
          visit(index, row, column, (ih, iw) => ((n * height + ih) * width + iw) * channels + c);
          index++;
        }
      }
    }
  }
}

/** Gives each window's cells to `reduce`, and writes what it returns. */
function pool(
  operation: Pool,
  x: Operand,
  output: Operand,
  reduce: (rows: Span, columns: Span, cell: (ih: number, iw: number) => number) => number,
): void {
  eachWindow(operation, output, x, (index, rows, columns, place) => {
    output.data[index] = reduce(rows, columns, (ih, iw) => x.data[place(ih, iw)]!);
  });
}

/** The largest cell inside the picture; NaN if any of them is. */
export const interpretMaxPool: Interpreter<"max_pool"> = (operation, inputs, output) => {
  pool(operation, inputs[0] as Operand, output, (rows, columns, cell) => {
    let largest = Number.NEGATIVE_INFINITY;
    for (let ih = rows.start; ih < rows.end; ih++) {
      for (let iw = columns.start; iw < columns.end; iw++) largest = Math.max(largest, cell(ih, iw));
    }
    return largest;
  });
};

/** The sum of the cells inside the picture, over their number, or over the number of cells with padding. */
export const interpretAveragePool: Interpreter<"average_pool"> = (operation, inputs, output) => {
  pool(operation, inputs[0] as Operand, output, (rows, columns, cell) => {
    let sum = 0;
    for (let ih = rows.start; ih < rows.end; ih++) {
      for (let iw = columns.start; iw < columns.end; iw++) sum += cell(ih, iw);
    }
    const inside = (rows.end - rows.start) * (columns.end - columns.start);
    return sum / (operation.countIncludePad ? rows.padded * columns.padded : inside);
  });
};

/** x `[N, H, W, C]`, output `[N, 1, 1, C]`. */
export const interpretGlobalAveragePool: Interpreter<"global_average_pool"> = (_, inputs, output) => {
  const [x] = inputs as [Operand];
  const [batch, height, width, channels] = x.shape as readonly [number, number, number, number];
  const count = height * width;
  for (let n = 0; n < batch; n++) {
    for (let c = 0; c < channels; c++) {
      let sum = 0;
      for (let p = 0; p < count; p++) sum += x.data[(n * count + p) * channels + c]!;
      output.data[n * channels + c] = sum / count;
    }
  }
};
