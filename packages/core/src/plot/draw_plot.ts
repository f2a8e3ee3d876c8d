import { type Drawing, element, line, type SvgElement, text } from "../draw/svg.ts";
import { textWidth } from "../draw/text_width.ts";
import { groupClass } from "../draw/theme.ts";
import {
  type Axes,
  drawAxes,
  framed,
  type LegendEntry,
  type PlotSize,
  type PlotWords,
  pointMark,
  polyline,
  ringMark,
  smallSize,
  widthOf,
} from "./frame.ts";
import { type Box, type LabelRequest, placeLabels } from "./place_labels.ts";
import type { Axis } from "./scale.ts";

/** A point of a plot. */
export interface PlotPoint {
  readonly x: number;
  readonly y: number;
  /** Ends of an interval around y, drawn as a whisker. */
  readonly low?: number | undefined;
  readonly high?: number | undefined;
  /** Stands beside the point where there is room, and is its tooltip. */
  readonly label?: string | undefined;
  /** Its tooltip, where nothing is to stand beside it. */
  readonly title?: string | undefined;
}

/** Points that belong together. */
export interface PlotSeries {
  /** In the legend; an empty name has no entry there. */
  readonly name: string;
  /** `points` and `rings` do not join them, `line` and `dashed` do, in the given order. */
  readonly kind: "points" | "rings" | "line" | "dashed";
  readonly points: readonly PlotPoint[];
  /** Number of its colour. Default: the series' place in the list. */
  readonly colour?: number;
  /** Of `points` and `rings`, in pixels. Default 3.5. */
  readonly radius?: number;
}

/** A plot of points and lines over two numeric axes: scatter, learning curves, calibration. */
export interface Plot extends PlotWords, PlotSize {
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly PlotSeries[];
  /** A line across at a value of y: a bound, a baseline. */
  readonly guides?: readonly { readonly y: number; readonly label: string }[];
}

const labelHeight = 13;

/**
 * Draws points and lines.
 *
 * @throws {OptionError} for a logarithmic axis with values that are not positive
 * @example
 * ```ts
 * const loss = { name: "loss", kind: "line", points: [{ x: 1, y: 2.3 }, { x: 2, y: 1.1 }] } as const;
 * writeSvg(drawPlot({ title: "Training", x: { label: "epoch" }, y: { label: "loss" }, series: [loss] }));
 * ```
 */
export function drawPlot(plot: Plot): Drawing {
  const width = widthOf(plot);
  const height = plot.height ?? Math.round(Math.min(420, Math.max(260, width * 0.62)));
  const entries = plot.series.map(({ name, kind, colour }, index) => ({
    name,
    colour: colour ?? index,
    mark: kind === "points" ? "point" : kind === "rings" ? "ring" : kind,
  })) satisfies readonly LegendEntry[];
  return framed(plot, width, entries, (top) => {
    const points = plot.series.flatMap((series) => series.points);
    const axes = drawAxes(
      plot,
      {
        x: points.map(({ x }) => x),
        y: [
          ...points.flatMap(({ y, low, high }) => [y, low ?? y, high ?? y]),
          ...(plot.guides ?? []).map(({ y }) => y),
        ],
      },
      { left: 0, top, width, height },
    );
    const marks = plot.series.map((series, index) => drawSeries(series, series.colour ?? index, axes));
    return { height, children: [...axes.children, ...drawGuides(plot, axes), ...marks, ...drawLabels(plot, axes)] };
  });
}

function drawSeries({ kind, points, radius = 3.5 }: PlotSeries, colour: number, axes: Axes): SvgElement {
  const stroke = `s${groupClass(colour)}`;
  const whiskers = points.flatMap(({ x, low, high }) =>
    low === undefined || high === undefined || !Number.isFinite(low + high)
      ? []
      : [line(axes.x.at(x), axes.y.at(low), axes.x.at(x), axes.y.at(high), { class: `whisker ${stroke}` })],
  );
  if (kind === "line" || kind === "dashed") {
    const places = points.map(({ x, y }) => [axes.x.at(x), axes.y.at(y)] as const);
    return element("g", {}, [...whiskers, polyline(places, `curve ${stroke}${kind === "dashed" ? " dashed" : ""}`)]);
  }
  const mark = kind === "points" ? pointMark : ringMark;
  const marks = points.map(({ x, y, label, title = label }) => {
    const shape = mark(axes.x.at(x), axes.y.at(y), colour, radius);
    return title === undefined ? shape : { ...shape, children: [element("title", {}, [title])] };
  });
  return element("g", {}, [...whiskers, ...marks]);
}

function drawGuides({ guides = [] }: Plot, { area, y }: Axes): readonly SvgElement[] {
  return guides.flatMap((guide) => [
    line(area.left, y.at(guide.y), area.left + area.width, y.at(guide.y), { class: "wire guide" }),
    text(area.left + area.width, y.at(guide.y) - 5, guide.label, { class: "small muted end" }),
  ]);
}

/** Labels of points, where there is room; a thin line leads to those that stand off. */
function drawLabels({ series }: Plot, { area, x, y }: Axes): readonly SvgElement[] {
  const points = series.flatMap(({ points, kind, radius = 3.5 }) =>
    points.map((point) => ({ ...point, px: x.at(point.x), py: y.at(point.y), radius: kind === "line" ? 1 : radius })),
  );
  const obstacles: Box[] = points.map(({ px, py, radius }) => ({
    left: px - radius,
    top: py - radius,
    width: 2 * radius,
    height: 2 * radius,
  }));
  const labelled = points.filter(({ label }) => label !== undefined && label !== "");
  const requests: readonly LabelRequest[] = labelled.map(({ px, py, label }) => ({
    x: px,
    y: py,
    width: textWidth(label ?? "", smallSize),
    height: labelHeight,
  }));
  return placeLabels(requests, area, obstacles).flatMap((box, index) => {
    const point = labelled[index];
    if (box === undefined || point === undefined) return [];
    const words = text(box.left, box.top + labelHeight - 3, point.label ?? "", { class: "small outlined" });
    if (!box.isFar) return [words];
    const endX = Math.min(Math.max(point.px, box.left), box.left + box.width);
    const endY = Math.min(Math.max(point.py, box.top), box.top + box.height);
    return [line(point.px, point.py, endX, endY, { class: "rule" }), words];
  });
}
