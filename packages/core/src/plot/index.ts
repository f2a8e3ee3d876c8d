export { type Drawing, type SvgElement, writeSvg } from "../draw/svg.ts";
export { type Bars, type BarValue, drawBars } from "./draw_bars.ts";
export { drawMatrix, type Matrix } from "./draw_matrix.ts";
export { drawPanels, type Panels } from "./draw_panels.ts";
export { drawPictures, type Pictures } from "./draw_pictures.ts";
export { drawPlot, type Plot, type PlotPoint, type PlotSeries } from "./draw_plot.ts";
export type { PlotSize, PlotWords } from "./frame.ts";
export {
  type Finding,
  type Page,
  type PageFigure,
  type PageFindings,
  type PagePart,
  type PageSection,
  type PageTable,
  type PageText,
  writePage,
} from "./page.ts";
export type { Axis } from "./scale.ts";
