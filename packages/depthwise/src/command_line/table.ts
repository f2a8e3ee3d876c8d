/** A column of a table for people. */
export interface Column<Row> {
  readonly title: string;
  /** Numbers are right-aligned, words left-aligned. Default `left`. */
  readonly align?: "left" | "right";
  readonly value: (row: Row) => string;
}

/** What to do with a line of a table before it is printed. */
export type Paint = (text: string) => string;

/**
 * Rows in columns, two spaces between them, no line longer than it must be. A column that is empty in every row is left out.
 *
 * @param paintTitle for the line of titles
 */
export function table<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  paintTitle: Paint = (text) => text,
): string {
  const filled = columns
    .map(({ title, align = "left", value }) => ({ title, align, cells: rows.map(value) }))
    .filter(({ cells }) => cells.some((cell) => cell !== ""));
  const widths = filled.map(({ title, cells }) => Math.max(lengthOf(title), ...cells.map(lengthOf)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => {
        const blank = " ".repeat((widths[i] as number) - lengthOf(cell));
        return filled[i]?.align === "right" ? blank + cell : cell + blank;
      })
      .join("  ")
      .trimEnd();
  const body = rows.map((_, row) => line(filled.map(({ cells }) => cells[row] as string)));
  return [paintTitle(line(filled.map(({ title }) => title))), ...body].join("\n");
}

/** Code points: good enough for the names that stand in our tables. */
function lengthOf(text: string): number {
  return [...text].length;
}
