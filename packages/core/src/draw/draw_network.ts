import { nodesOf } from "../graph/graph.ts";
import { type Drawable, graphOf } from "./block_boxes.ts";
import { type BlockRow, blockRows, type Chip } from "./block_rows.ts";
import { countWords, shapeWords } from "./operation_words.ts";
import { group, line, rectangle, type SvgElement, text, writeSvg } from "./svg.ts";
import { fitText, textWidth } from "./text_width.ts";
import { styleSheet } from "./theme.ts";

/** Options of `drawNetwork`. */
export interface DrawNetworkOptions {
  /** Width of the picture in CSS pixels, at least 320. Default 900. Below 640 everything of a block stands in one column. */
  readonly width?: number;
}

const margin = 18;
const chipHeight = 20;
const chipGap = 14;
const chipLine = 26;
const rowPadding = 11;
const headHeight = 78;
/** Below this width names and outputs stand above the chips. */
const narrow = 640;
const narrowest = 320;

/** Where the columns stand. */
interface Columns {
  readonly width: number;
  readonly isNarrow: boolean;
  readonly name: { readonly left: number; readonly width: number };
  readonly chips: { readonly left: number; readonly width: number };
  readonly output: { readonly left: number; readonly width: number };
  /** Of the columns of squares; macs, then parameters. */
  readonly squares: readonly [number, number];
  /** Side of a square that stands for the whole. */
  readonly wholeSide: number;
  readonly squareWidth: number;
}

/**
 * A network, block by block from input to output: what a block computes, its output's size and channels, and its share of the network's
 * multiply-accumulates and parameters as the area of squares. Equal blocks that follow each other are one row.
 *
 * @param subject a network, or a graph
 * @returns the text of an SVG file; the same network gives the same text
 * @example
 * ```ts
 * const picture = drawNetwork(build("mobilenet_v2_1.0_224"));
 * ```
 */
export function drawNetwork(subject: Drawable, options: DrawNetworkOptions = {}): string {
  const graph = graphOf(subject);
  const rows = blockRows(graph);
  const macs = rows.reduce((sum, row) => sum + row.macs, 0);
  const parameters = rows.reduce((sum, row) => sum + row.parameters, 0);
  const columns = columnsOf(Math.max(narrowest, options.width ?? 900), rows, macs, parameters);
  const input = nodesOf(graph, "input")[0];
  const [macsWord, parametersWord] = columns.isNarrow ? ["MACs", "params"] : ["multiply-accumulates", "parameters"];
  const subtitle = `${countWords(macs)} ${macsWord} · ${countWords(parameters)} ${parametersWord} · input ${shapeWords(input?.shape ?? [])}`;
  const body: SvgElement[] = [];
  let top = headHeight;
  for (const row of rows) {
    const height = rowHeight(row, columns);
    body.push(line(margin, top, columns.width - margin, top, { class: "rule" }));
    body.push(group({}, drawRow(row, columns, top, height, macs, parameters)));
    top += height;
  }
  return writeSvg({
    width: columns.width,
    height: top + margin,
    title: graph.name,
    description: `${subtitle}. ${rows.map((row) => `${row.name}: ${row.chips.map(({ label }) => label).join(", ")} to ${shapeWords(row.output)}`).join("; ")}`,
    style: styleSheet(),
    children: [
      text(margin, 28, fitText(graph.name, 18, columns.width - 2 * margin), { class: "title" }),
      text(margin, 47, fitText(subtitle, 12, columns.width - 2 * margin), { class: "muted" }),
      ...drawHeads(columns),
      ...body,
    ],
  });
}

function columnsOf(width: number, rows: readonly BlockRow[], macs: number, parameters: number): Columns {
  const isNarrow = width < narrow;
  const squareWidth = isNarrow ? 64 : 104;
  const squaresLeft = width - margin - 2 * squareWidth;
  // The largest square is as high as a row can take.
  const largest = Math.max(0, ...rows.map((row) => Math.max(share(row.macs, macs), share(row.parameters, parameters))));
  const wholeSide = (isNarrow ? 34 : 40) / Math.sqrt(largest || 1);
  const squares = [squaresLeft, squaresLeft + squareWidth] as const;
  const common = { width, isNarrow, squares, wholeSide, squareWidth };
  const nameWidth = Math.max(90, ...rows.map((row) => textWidth(nameWords(row), 13) * 1.05 + 8));
  const outputWidth = Math.max(60, ...rows.map((row) => textWidth(shapeWords(row.output), 12) + 12));
  if (isNarrow) {
    const inner = squaresLeft - margin - 8;
    const column = { left: margin, width: inner };
    return { ...common, name: column, chips: column, output: column };
  }
  const nameColumn = Math.min(nameWidth, width * 0.26);
  const outputLeft = squaresLeft - outputWidth;
  const chipsLeft = margin + nameColumn + 10;
  return {
    ...common,
    name: { left: margin, width: nameColumn },
    chips: { left: chipsLeft, width: outputLeft - chipsLeft - 8 },
    output: { left: outputLeft, width: outputWidth },
  };
}

function share(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

function nameWords({ name, repeats }: BlockRow): string {
  return repeats > 1 ? `${name}  ×${repeats}` : name;
}

function drawHeads({ isNarrow, name, chips, output, squares, squareWidth }: Columns): readonly SvgElement[] {
  const y = headHeight - 8;
  const head = (x: number, words: string) => text(x, y, words, { class: "muted small" });
  const figures = [
    head(squares[0] + squareWidth * 0.08, isNarrow ? "MACs" : "MACs, share"),
    head(squares[1] + squareWidth * 0.08, isNarrow ? "params" : "parameters, share"),
  ];
  if (isNarrow) return [head(name.left, "block, output, operations"), ...figures];
  return [head(name.left, "block"), head(chips.left, "operations"), head(output.left, "output"), ...figures];
}

function rowHeight(row: BlockRow, columns: Columns): number {
  const chipRows = placeChips(row.chips, columns.chips.width).lines;
  const chipsHeight = chipRows * chipLine - (chipLine - chipHeight);
  if (!columns.isNarrow) return Math.max(chipsHeight, 42) + 2 * rowPadding;
  return Math.max(18 + 18 + chipsHeight, 34 + 30) + 2 * rowPadding;
}

function drawRow(
  row: BlockRow,
  columns: Columns,
  top: number,
  height: number,
  macs: number,
  parameters: number,
): readonly SvgElement[] {
  const { name, output, chips, isNarrow } = columns;
  const middle = top + height / 2;
  const placed = placeChips(row.chips, chips.width);
  const chipsHeight = placed.lines * chipLine - (chipLine - chipHeight);
  const [nameY, outputY, chipsTop] = isNarrow
    ? [top + rowPadding + 12, top + rowPadding + 29, top + rowPadding + 36]
    : [middle + 4, middle + 4, middle - chipsHeight / 2];
  return [
    text(name.left, nameY, fitText(nameWords(row), 13.6, name.width), { class: "name" }),
    text(output.left, outputY, shapeWords(row.output)),
    ...drawChips(row.chips, placed.places, chips.left, chipsTop),
    ...drawSquare(columns, 0, row.macs, macs, middle),
    ...drawSquare(columns, 1, row.parameters, parameters, middle),
  ];
}

interface ChipPlaces {
  readonly places: readonly { readonly x: number; readonly line: number; readonly width: number }[];
  readonly lines: number;
}

/** Chips in lines of a given width. */
function placeChips(chips: readonly Chip[], width: number): ChipPlaces {
  let x = 0;
  let lineIndex = 0;
  const places = chips.map(({ label }) => {
    const own = textWidth(label, 11) + 12;
    if (x > 0 && x + own > width) {
      x = 0;
      lineIndex++;
    }
    const place = { x, line: lineIndex, width: own };
    x += own + chipGap;
    return place;
  });
  return { places, lines: Math.max(1, lineIndex + 1) };
}

function drawChips(
  chips: readonly Chip[],
  places: ChipPlaces["places"],
  left: number,
  top: number,
): readonly SvgElement[] {
  return chips.flatMap((chip, index) => {
    const place = places[index];
    if (place === undefined) return [];
    const y = top + place.line * chipLine;
    const x = left + place.x;
    const box = rectangle(x, y, place.width, chipHeight, { rx: 3, class: chip.kind });
    const words = text(x + place.width / 2, y + 14, chip.label, { class: "small middle" });
    if (index === 0 || place.x === 0) return [box, words];
    const before = x - chipGap;
    // An arrow where data flows on; two strokes where a branch begins beside.
    const between = chip.follows
      ? [line(before + 1, y + chipHeight / 2, x - 1, y + chipHeight / 2, { class: "wire" })]
      : [5, 9].map((offset) => line(before + offset, y + 4, before + offset, y + chipHeight - 4, { class: "wire" }));
    return [...between, box, words];
  });
}

/** A square whose area is a share of the whole, and the numbers. */
function drawSquare(
  { squares, wholeSide, isNarrow, squareWidth }: Columns,
  column: 0 | 1,
  part: number,
  whole: number,
  middle: number,
): readonly SvgElement[] {
  const ofWhole = share(part, whole);
  if (ofWhole === 0) return [];
  const side = Math.max(1, wholeSide * Math.sqrt(ofWhole));
  const colour = column === 0 ? "area" : "area2";
  const percent = ofWhole < 0.001 ? "<0.1%" : `${Number((100 * ofWhole).toPrecision(2))}%`;
  const left = squares[column] + squareWidth * 0.08;
  if (isNarrow) {
    const bottom = middle + 4;
    return [
      rectangle(left, bottom - side, side, side, { class: colour }),
      text(left, bottom + 13, countWords(part), { class: "small" }),
      text(left, bottom + 26, percent, { class: "small muted" }),
    ];
  }
  const textLeft = left + 46;
  return [
    rectangle(left + 40 - side, middle - side / 2, side, side, { class: colour }),
    text(textLeft, middle - 1, countWords(part), { class: "small" }),
    text(textLeft, middle + 13, percent, { class: "small muted" }),
  ];
}
