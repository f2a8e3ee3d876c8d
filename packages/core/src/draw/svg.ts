/** A small writer of SVG: elements as data, written out well formed, whatever their text. It knows nothing of networks. */

/** Attributes by name; `undefined` leaves one out. Numbers are written with two decimals at most. */
export type SvgAttributes = Readonly<Record<string, string | number | undefined>>;

/** An element, its attributes and what is inside: elements, and text that is escaped when written. */
export interface SvgElement {
  readonly tag: string;
  readonly attributes: SvgAttributes;
  readonly children: readonly (SvgElement | string)[];
}

/** A whole picture. */
export interface Drawing {
  /** CSS pixels at natural size; the picture scales. */
  readonly width: number;
  readonly height: number;
  /** What it shows, for people who do not see it and for tooltips. */
  readonly title: string;
  readonly description: string;
  /** CSS rules. Their selectors begin with `.depthwise-drawing`, so that an inlined picture leaves its page alone. */
  readonly style: string;
  readonly children: readonly SvgElement[];
}

/** Class of the root element. */
export const rootClass = "depthwise-drawing";

/** An element. */
export function element(
  tag: string,
  attributes: SvgAttributes = {},
  children: readonly (SvgElement | string)[] = [],
): SvgElement {
  return { tag, attributes, children };
}

/** Text at a point; `class` says how it looks. */
export function text(x: number, y: number, content: string, attributes: SvgAttributes = {}): SvgElement {
  return element("text", { x, y, ...attributes }, [content]);
}

/** A rectangle by its left upper corner. */
export function rectangle(
  x: number,
  y: number,
  width: number,
  height: number,
  attributes: SvgAttributes = {},
): SvgElement {
  return element("rect", { x, y, width, height, ...attributes });
}

/** A straight line. */
export function line(x1: number, y1: number, x2: number, y2: number, attributes: SvgAttributes = {}): SvgElement {
  return element("line", { x1, y1, x2, y2, ...attributes });
}

/** Elements that share attributes. */
export function group(attributes: SvgAttributes, children: readonly SvgElement[]): SvgElement {
  return element("g", attributes, children);
}

/** The picture as the text of an SVG file. The same drawing gives the same text. */
export function writeSvg({ width, height, title, description, style, children }: Drawing): string {
  const root = element(
    "svg",
    {
      xmlns: "http://www.w3.org/2000/svg",
      class: rootClass,
      viewBox: `0 0 ${formatNumber(width)} ${formatNumber(height)}`,
      width,
      height,
      role: "img",
      "aria-label": title,
    },
    [
      element("title", {}, [title]),
      element("desc", {}, [description]),
      element("style", {}, [style]),
      rectangle(0, 0, width, height, { class: "paper" }),
      ...children,
    ],
  );
  return `${write(root)}\n`;
}

/** A number as SVG has it: two decimals, which is finer than a pixel of any screen. */
export function formatNumber(value: number): string {
  return String(Math.round(value * 100) / 100);
}

function write(part: SvgElement | string): string {
  if (typeof part === "string") return escapeXml(part);
  const attributes = Object.entries(part.attributes)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` ${name}="${escapeXml(typeof value === "number" ? formatNumber(value) : (value ?? ""))}"`)
    .join("");
  if (part.children.length === 0) return `<${part.tag}${attributes}/>`;
  const holdsText = part.children.some((child) => typeof child === "string");
  const separator = holdsText ? "" : "\n";
  return `<${part.tag}${attributes}>${separator}${part.children.map(write).join(separator)}${separator}</${part.tag}>`;
}

/** Text as XML 1.0 allows it: the five special characters escaped, characters that XML has no way to write replaced. */
export function escapeXml(value: string): string {
  return value
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&apos;")
    .replace(notXml, "\uFFFD");
}

/** Control characters except tab and line ends, lone surrogates, and the two noncharacters: not allowed in XML 1.0. */
const notXml = /[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu;
