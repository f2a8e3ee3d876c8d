import { type Drawing, type SvgElement, text } from "../draw/svg.ts";
import { fitText } from "../draw/text_width.ts";
import { framed, lineHeight, type PlotSize, type PlotWords, pointMark, smallSize, widthOf } from "./frame.ts";

/** Small pictures of points in the plane, side by side, each as large as it can be: no axes, one unit of x as long as one of y. */
export interface Panels extends PlotWords, PlotSize {
  readonly panels: readonly {
    readonly title: string;
    readonly points: readonly (readonly number[])[];
  }[];
  /** Panels in a row. Default: as many as fit with 100 pixels each. */
  readonly columns?: number;
  /** Colours along the points: the first of `colours` stretches has the first colour, and so on. Default 1. */
  readonly colours?: number;
}

const gap = 10;
const leastSide = 100;

/** Draws small multiples of point clouds. */
export function drawPanels(input: Panels): Drawing {
  const { panels, colours = 1 } = input;
  const width = widthOf(input);
  const columns = input.columns ?? Math.max(1, Math.min(panels.length, Math.floor((width - gap) / (leastSide + gap))));
  const side = (width - gap) / columns - gap;
  return framed(input, width, [], (top) => {
    const children = panels.flatMap(({ title, points }, index): readonly SvgElement[] => {
      const left = gap + (index % columns) * (side + gap);
      const panelTop = top + Math.floor(index / columns) * (side + lineHeight + gap);
      const label = text(left + side / 2, panelTop + 11, fitText(title, smallSize, side), { class: "small middle" });
      return [label, ...drawCloud(points, left, panelTop + lineHeight, side, colours)];
    });
    return { height: Math.ceil(panels.length / columns) * (side + lineHeight + gap), children };
  });
}

function drawCloud(
  points: readonly (readonly number[])[],
  left: number,
  top: number,
  side: number,
  colours: number,
): readonly SvgElement[] {
  const radius = 1.6;
  const [xs, ys] = [points.map(([x = 0]) => x), points.map(([, y = 0]) => y)];
  const [lowX, highX, lowY, highY] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const span = Math.max(highX - lowX, highY - lowY) || 1;
  const scale = (side - 4 * radius) / span;
  return points.map(([x = 0, y = 0], index) =>
    pointMark(
      left + side / 2 + (x - (lowX + highX) / 2) * scale,
      top + side / 2 - (y - (lowY + highY) / 2) * scale,
      Math.floor((index * colours) / points.length),
      radius,
    ),
  );
}
