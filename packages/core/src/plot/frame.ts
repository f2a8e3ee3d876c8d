import { type Drawing, formatNumber, group, line, rectangle, type SvgElement, text } from "../draw/svg.ts";
import { fitText, textWidth } from "../draw/text_width.ts";
import { groupClass } from "../draw/theme.ts";
import type { Box } from "./place_labels.ts";
import { plotStyle } from "./plot_style.ts";
import { type Axis, type Scale, scaleOf } from "./scale.ts";

/** What every plot says of itself. */
export interface PlotWords {
  readonly title: string;
  /** For people who do not see it. Default: the title. */
  readonly description?: string;
}

/** How large a plot is drawn, in CSS pixels. */
export interface PlotSize {
  /** Default 640; at least 240. */
  readonly width?: number;
  /** Default: what suits the width. */
  readonly height?: number;
}

const narrowest = 240;
/** Font sizes of the style sheet: `.name` and `.small`. */
const nameSize = 13;
export const smallSize = 11;
/** Pixels between the lines of small text. */
export const lineHeight = 15;
const edge = 8;
const titleHeight = 26;

/** The width that was asked for, or the default. */
export function widthOf({ width = 640 }: PlotSize): number {
  return Math.max(narrowest, width);
}

/** One entry of a legend. */
export interface LegendEntry {
  readonly name: string;
  /** Number of its colour. */
  readonly colour: number;
  readonly mark: "point" | "ring" | "line" | "dashed" | "bar";
}

/** A legend in as many lines as it takes. */
export interface Legend {
  readonly height: number;
  draw(top: number): readonly SvgElement[];
}

/** Lays a legend out; nothing for a single entry without a name. */
function legendOf(entries: readonly LegendEntry[], width: number): Legend {
  const named = entries.filter(({ name }) => name !== "");
  const places: { readonly entry: LegendEntry; readonly x: number; readonly row: number }[] = [];
  let x = edge;
  let row = 0;
  for (const entry of named) {
    const needed = 22 + textWidth(entry.name, smallSize) + 12;
    if (x + needed > width && x > edge) {
      row++;
      x = edge;
    }
    places.push({ entry, x, row });
    x += needed;
  }
  return {
    height: named.length === 0 ? 0 : (row + 1) * lineHeight + 4,
    draw: (top) =>
      places.map(({ entry, x: left, row: line }) => {
        const middle = top + line * lineHeight + lineHeight / 2;
        return group({}, [
          swatch(entry, left, middle),
          text(left + 22, middle + 4, fitText(entry.name, smallSize, width - left - 22), { class: "small" }),
        ]);
      }),
  };
}

function swatch({ colour, mark }: LegendEntry, left: number, middle: number): SvgElement {
  const colourClass = groupClass(colour);
  if (mark === "point") return pointMark(left + 8, middle, colour, 4);
  if (mark === "ring") return ringMark(left + 8, middle, colour, 4);
  if (mark === "bar") return rectangle(left, middle - 5, 16, 10, { class: `f${colourClass}`, rx: 2 });
  const dashed = mark === "dashed" ? " dashed" : "";
  return line(left, middle, left + 16, middle, { class: `curve s${colourClass}${dashed}` });
}

/** A filled point. */
export function pointMark(x: number, y: number, colour: number, radius: number): SvgElement {
  return { tag: "circle", attributes: { cx: x, cy: y, r: radius, class: `mark f${groupClass(colour)}` }, children: [] };
}

/** A hollow point. */
export function ringMark(x: number, y: number, colour: number, radius: number): SvgElement {
  return { tag: "circle", attributes: { cx: x, cy: y, r: radius, class: `ring s${groupClass(colour)}` }, children: [] };
}

/** Straight lines through points. */
export function polyline(points: readonly (readonly [x: number, y: number])[], className: string): SvgElement {
  const list = points.map(([x, y]) => `${formatNumber(x)},${formatNumber(y)}`).join(" ");
  return { tag: "polyline", attributes: { points: list, class: className }, children: [] };
}

/** A drawing with its title and legend above what `draw` puts below. */
export function framed(
  words: PlotWords,
  width: number,
  entries: readonly LegendEntry[],
  draw: (top: number) => { readonly height: number; readonly children: readonly SvgElement[] },
): Drawing {
  const legend = legendOf(entries, width - edge);
  const hasTitle = words.title !== "";
  const top = (hasTitle ? titleHeight : 4) + legend.height;
  const { height, children } = draw(top);
  return {
    width,
    height: top + height,
    title: words.title === "" ? (words.description ?? "plot") : words.title,
    description: words.description ?? words.title,
    style: plotStyle(),
    children: [
      ...(hasTitle ? [text(edge, 18, fitText(words.title, nameSize, width - 2 * edge), { class: "name" })] : []),
      ...legend.draw(hasTitle ? titleHeight : 4),
      ...children,
    ],
  };
}

/** Two axes around an area. */
export interface Axes {
  readonly area: Box;
  readonly x: Scale;
  readonly y: Scale;
  readonly children: readonly SvgElement[];
}

const bottomRoom = 38;

/**
 * Draws axes with ticks, grid lines and labels.
 *
 * @param height of everything, axes included
 * @param isSquared one unit of x as long as one of y
 */
export function drawAxes(
  axes: { readonly x: Axis; readonly y: Axis },
  values: { readonly x: readonly number[]; readonly y: readonly number[] },
  box: Box,
): Axes {
  const bottom = box.top + box.height - bottomRoom;
  const top = box.top + lineHeight + 8;
  const y = scaleOf(axes.y, values.y, [bottom, top], Math.max(3, (bottom - top) / 44));
  const labelWidth = Math.max(...y.ticks.map(({ label }) => textWidth(label, smallSize)), 12);
  const left = box.left + labelWidth + 14;
  const right = box.left + box.width - 14;
  const x = scaleOf(axes.x, values.x, [left, right], Math.max(3, (right - left) / 72));
  const children = [
    ...y.ticks.flatMap(({ value, label }) => [
      line(left, y.at(value), right, y.at(value), { class: "rule grid" }),
      text(left - 6, y.at(value) + 4, label, { class: "small muted end" }),
    ]),
    ...x.ticks.flatMap(({ value, label }) => [
      line(x.at(value), top, x.at(value), bottom, { class: "rule grid" }),
      text(x.at(value), bottom + 15, label, { class: "small muted middle" }),
    ]),
    line(left, bottom, right, bottom, { class: "wire" }),
    line(left, top, left, bottom, { class: "wire" }),
    text(box.left + 8, box.top + 11, fitText(axes.y.label, smallSize, box.width - 16), { class: "small" }),
    text(right, bottom + 31, fitText(axes.x.label, smallSize, box.width - 16), { class: "small end" }),
  ];
  return { area: { left, top, width: right - left, height: bottom - top }, x, y, children };
}
