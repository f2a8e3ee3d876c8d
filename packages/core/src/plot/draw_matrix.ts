import { type Drawing, element, rectangle, text } from "../draw/svg.ts";
import { fitText, textWidth } from "../draw/text_width.ts";
import { groupClass } from "../draw/theme.ts";
import { framed, lineHeight, type PlotSize, type PlotWords, smallSize, widthOf } from "./frame.ts";

/** A table of numbers as a picture: a confusion matrix, for instance. */
export interface Matrix extends PlotWords, PlotSize {
  /** What the rows are, and the columns: `true class`, `predicted class`. */
  readonly rowLabel: string;
  readonly columnLabel: string;
  readonly rows: readonly string[];
  readonly columns: readonly string[];
  /** A row of numbers for each row, not negative. */
  readonly values: readonly (readonly number[])[];
  /** How dark a cell is, 0 to 1. Default: its share of its row's sum. */
  readonly shade?: (value: number, row: number, column: number) => number;
  /** What a cell says. Default: the number, empty for 0. Cells too small for it say nothing; their tooltip does. */
  readonly format?: (value: number) => string;
}

/** Below this side, in pixels, cells have no text. */
const smallestWithText = 20;

/** Draws a matrix of shaded cells, rows downwards. */
export function drawMatrix(matrix: Matrix): Drawing {
  const { rows, columns, values, rowLabel, columnLabel } = matrix;
  const width = widthOf(matrix);
  const sums = values.map((row) => row.reduce((sum, value) => sum + value, 0));
  const shade = matrix.shade ?? ((value: number, row: number) => value / (sums[row] || 1));
  const format = matrix.format ?? ((value: number) => (value === 0 ? "" : String(value)));
  return framed(matrix, width, [], (top) => {
    const nameWidth = Math.min(width * 0.3, Math.max(...rows.map((name) => textWidth(name, smallSize)), 10) + 10);
    const side = Math.min(48, (width - nameWidth - 12) / Math.max(columns.length, 1));
    const columnNames = Math.min(110, Math.max(...columns.map((name) => textWidth(name, smallSize)), 10) + 8);
    const cellsTop = top + lineHeight + columnNames;
    const namesFit = side >= lineHeight - 2;
    const cells = values.flatMap((row, r) =>
      row.map((value, c) => {
        const dark = Math.min(1, Math.max(0, shade(value, r, c)));
        const [x, y] = [nameWidth + c * side, cellsTop + r * side];
        const label = format(value);
        const fits = side >= smallestWithText && textWidth(label, smallSize) <= side - 2;
        const tooltip = `${rows[r] ?? ""} → ${columns[c] ?? ""}: ${value}`;
        return element("g", {}, [
          element("title", {}, [tooltip]),
          rectangle(x, y, side, side, { class: "rule paper" }),
          rectangle(x, y, side, side, { class: `f${groupClass(0)}`, "fill-opacity": 0.85 * dark }),
          ...(fits && label !== "" ? [text(x + side / 2, y + side / 2 + 4, label, { class: "small middle" })] : []),
        ]);
      }),
    );
    const rowNames = rows.map((name, r) =>
      text(nameWidth - 6, cellsTop + (r + 0.5) * side + 4, fitText(name, smallSize, nameWidth - 8), {
        class: "small end",
      }),
    );
    const columnTexts = columns.map((name, c) => {
      const [x, y] = [nameWidth + (c + 0.5) * side + 4, cellsTop - 5];
      return text(x, y, fitText(name, smallSize, columnNames - 6), {
        class: "small",
        transform: `rotate(-90 ${x.toFixed(1)} ${y.toFixed(1)})`,
      });
    });
    const names = namesFit ? [...rowNames, ...columnTexts] : [];
    const heading = `${rowLabel} ↓   ${columnLabel} →`;
    return {
      height: cellsTop - top + rows.length * side + 8,
      children: [
        text(8, top + 11, fitText(heading, smallSize, width - 16), { class: "small muted" }),
        ...cells,
        ...names,
      ],
    };
  });
}
