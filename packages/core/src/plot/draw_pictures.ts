import { type Drawing, element, rectangle, type SvgElement, text } from "../draw/svg.ts";
import { fitText } from "../draw/text_width.ts";
import { framed, lineHeight, type PlotSize, type PlotWords, smallSize, widthOf } from "./frame.ts";

/** Pictures side by side, each with words below: samples, mistakes. */
export interface Pictures extends PlotWords, PlotSize {
  readonly pictures: readonly {
    /** Address of the picture: a `data:` URL keeps a page self-contained. */
    readonly address: string;
    /** Lines below it, cut where they are too long. */
    readonly lines: readonly string[];
    /** Its tooltip, and what it shows for people who do not see it. */
    readonly title: string;
    /** Drawn with hard pixels: for pictures smaller than they are shown. Default false. */
    readonly pixelated?: boolean;
  }[];
}

const gap = 10;
/** Pictures are at least this wide, in pixels. */
const leastSide = 96;

/** Draws pictures in rows, as many to a row as fit. */
export function drawPictures(input: Pictures): Drawing {
  const { pictures } = input;
  const width = widthOf(input);
  const columns = Math.max(1, Math.floor((width - gap) / (leastSide + gap)));
  const side = (width - gap) / columns - gap;
  const lines = Math.max(0, ...pictures.map((picture) => picture.lines.length));
  const rowHeight = side + lines * lineHeight + 4 + gap;
  return framed(input, width, [], (top) => {
    const children = pictures.map(({ address, lines: words, title, pixelated = false }, index): SvgElement => {
      const left = gap + (index % columns) * (side + gap);
      const pictureTop = top + Math.floor(index / columns) * rowHeight;
      const style = pixelated ? "image-rendering: pixelated" : undefined;
      const place = { x: left, y: pictureTop, width: side, height: side };
      return element("g", {}, [
        element("title", {}, [title]),
        element("image", { ...place, href: address, preserveAspectRatio: "xMidYMid slice", style }),
        rectangle(left, pictureTop, side, side, { class: "frame rule" }),
        ...words.map((line, i) =>
          text(left, pictureTop + side + (i + 1) * lineHeight - 2, fitText(line, smallSize, side), {
            class: i === 0 ? "small" : "small muted",
          }),
        ),
      ]);
    });
    return { height: Math.ceil(pictures.length / columns) * rowHeight, children };
  });
}
