import { type Drawing, element, line, rectangle, type SvgElement, text } from "../draw/svg.ts";
import { fitText, textWidth } from "../draw/text_width.ts";
import { groupClass } from "../draw/theme.ts";
import { framed, lineHeight, type PlotSize, type PlotWords, smallSize, widthOf } from "./frame.ts";
import { type Axis, scaleOf } from "./scale.ts";

/** A bar's value. */
export interface BarValue {
  readonly value: number;
  /** Ends of an interval, drawn as a whisker. */
  readonly low?: number | undefined;
  readonly high?: number | undefined;
}

/** Bars in groups: for each row one bar a series, lying down, so that names have room on a phone. */
export interface Bars extends PlotWords, PlotSize {
  /** Of the values; begins at 0. Whiskers that go beyond its range end at it. */
  readonly axis: Axis;
  /** Names of the series, in the order of their bars. */
  readonly series: readonly string[];
  readonly rows: readonly {
    readonly name: string;
    /** One a series; undefined leaves a gap. */
    readonly values: readonly (BarValue | undefined)[];
  }[];
  /** A line across the rows at a value. */
  readonly guide?: number;
}

const barHeight = 11;
const barGap = 2;
const rowGap = 10;
const axisHeight = 36;

/** Draws bars, a row of names on their left. */
export function drawBars(bars: Bars): Drawing {
  const { rows, series, axis } = bars;
  const width = widthOf(bars);
  const entries = series.map((name, colour) => ({ name, colour, mark: "bar" as const }));
  return framed(bars, width, series.length > 1 ? entries : [], (top) => {
    const format = axis.format ?? ((value: number) => String(Number(value.toPrecision(3))));
    const longest = Math.max(0, ...rows.map(({ name }) => textWidth(name, smallSize)));
    const left = Math.min(width * 0.42, longest + 14);
    const valueRoom = Math.max(...rows.flatMap(({ values }) => values.map((bar) => endLabelWidth(bar, format))), 20);
    const right = width - valueRoom - 12;
    const values = rows.flatMap(({ values }) =>
      values.flatMap((bar) => (bar ? [bar.value, bar.high ?? bar.value] : [])),
    );
    const x = scaleOf({ fromZero: true, ...axis }, [...values, bars.guide ?? 0], [left, right], (right - left) / 64);
    const clamped = (value: number) => Math.min(right, Math.max(left, x.at(value)));
    const rowHeight = Math.max(lineHeight, series.length * (barHeight + barGap)) + rowGap;
    const bottom = top + rows.length * rowHeight;
    const drawn = rows.map(({ name, values }, index) => {
      const rowTop = top + index * rowHeight + rowGap / 2;
      const middle = rowTop + (rowHeight - rowGap) / 2;
      return element("g", {}, [
        text(left - 8, middle + 4, fitText(name, smallSize, left - 12), { class: "small end" }),
        ...values.flatMap((bar, colour) =>
          bar === undefined || !Number.isFinite(bar.value)
            ? []
            : drawBar(bar, colour, rowTop + colour * (barHeight + barGap), left, clamped, format),
        ),
      ]);
    });
    const ticks = x.ticks.flatMap(({ value, label }) => [
      line(x.at(value), top, x.at(value), bottom, { class: "rule grid" }),
      text(x.at(value), bottom + 14, label, { class: "small muted middle" }),
    ]);
    const guide =
      bars.guide === undefined ? [] : [line(x.at(bars.guide), top, x.at(bars.guide), bottom, { class: "wire guide" })];
    const label = text(right, bottom + 29, fitText(axis.label, smallSize, width - 24), { class: "small end" });
    return {
      height: bottom - top + axisHeight,
      children: [...ticks, line(left, top, left, bottom, { class: "wire" }), ...guide, ...drawn, label],
    };
  });
}

function endLabelWidth(bar: BarValue | undefined, format: (value: number) => string): number {
  return bar === undefined ? 0 : textWidth(format(bar.value), smallSize);
}

function drawBar(
  { value, low, high }: BarValue,
  colour: number,
  top: number,
  left: number,
  at: (value: number) => number,
  format: (value: number) => string,
): readonly SvgElement[] {
  const end = at(value);
  const middle = top + barHeight / 2;
  const body = rectangle(Math.min(left, end), top, Math.abs(end - left), barHeight, {
    class: `mark f${groupClass(colour)}`,
    rx: 1.5,
  });
  const furthest = Math.max(end, high === undefined ? end : at(high));
  const label = text(furthest + 5, middle + 4, format(value), { class: "small outlined" });
  if (low === undefined || high === undefined) return [body, label];
  const cap = (x: number) => line(x, middle - 3, x, middle + 3, { class: "whisker wire" });
  return [body, line(at(low), middle, at(high), middle, { class: "whisker wire" }), cap(at(low)), cap(at(high)), label];
}
