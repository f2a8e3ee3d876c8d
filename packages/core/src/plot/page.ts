import { type Drawing, escapeXml, writeSvg } from "../draw/svg.ts";
import { plotStyle } from "./plot_style.ts";

/** A picture in a page: drawn once for phones and once for desktops, because a picture that is only made smaller cannot be read. */
export interface PageFigure {
  readonly kind: "figure";
  readonly draw: (width: number) => Drawing;
  readonly caption?: string;
}

/** Text. */
export interface PageText {
  readonly kind: "text";
  readonly text: string;
}

/** Statements, each with what came of it. */
export interface PageFindings {
  readonly kind: "findings";
  readonly findings: readonly Finding[];
}

/** A statement and what was found of it. */
export interface Finding {
  readonly verdict: "yes" | "no" | "partly" | "unknown";
  /** One or two words: `holds`, `does not hold`. */
  readonly word: string;
  readonly text: string;
}

/** A table: numbers right-aligned, words left-aligned. */
export interface PageTable {
  readonly kind: "table";
  readonly caption?: string;
  readonly columns: readonly { readonly title: string; readonly align?: "left" | "right" }[];
  readonly rows: readonly (readonly string[])[];
}

export type PagePart = PageFigure | PageText | PageFindings | PageTable;

/** A chapter of a page. */
export interface PageSection {
  readonly heading: string;
  readonly parts: readonly PagePart[];
}

/** A report as one self-contained HTML page. */
export interface Page {
  readonly title: string;
  /** What it is about, below the title. */
  readonly lead: string;
  /** Where and how it was measured: small facts in a row. */
  readonly facts?: readonly (readonly [name: string, value: string])[];
  readonly sections: readonly PageSection[];
}

/** Widths of figures in CSS pixels: on phones of 360 pixels and more, and elsewhere. */
const phoneWidth = 340;
const desktopWidth = 720;

/** Writes a page: no script, no address of anything outside; light and dark; readable when printed. */
export function writePage({ title, lead, facts = [], sections }: Page): string {
  const contents = sections.length < 3 ? "" : contentsOf(sections);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeXml(title)}</title>
<style>${pageStyle}${plotStyle()}</style>
</head>
<body>
<main>
<h1>${escapeXml(title)}</h1>
<p class="lead">${escapeXml(lead)}</p>
${facts.length === 0 ? "" : `<dl class="facts">${facts.map(([name, value]) => `<div><dt>${escapeXml(name)}</dt><dd>${escapeXml(value)}</dd></div>`).join("")}</dl>`}
${contents}
${sections.map(writeSection).join("\n")}
</main>
</body>
</html>
`;
}

function contentsOf(sections: readonly PageSection[]): string {
  const links = sections.map(
    ({ heading }, index) => `<li><a href="#section${index + 1}">${escapeXml(heading)}</a></li>`,
  );
  return `<nav><ol>${links.join("")}</ol></nav>`;
}

function writeSection({ heading, parts }: PageSection, index: number): string {
  return `<section>
<h2 id="section${index + 1}">${escapeXml(heading)}</h2>
${parts.map(writePart).join("\n")}
</section>`;
}

function writePart(part: PagePart): string {
  switch (part.kind) {
    case "text":
      return `<p>${escapeXml(part.text)}</p>`;
    case "findings":
      return `<ul class="findings">${part.findings.map(writeFinding).join("")}</ul>`;
    case "table":
      return writeTable(part);
    case "figure": {
      const caption = part.caption === undefined ? "" : `<figcaption>${escapeXml(part.caption)}</figcaption>`;
      // The page has the style sheet once, not every picture.
      const svg = (width: number) => writeSvg({ ...part.draw(width), style: "" });
      return `<figure><div class="desktop">${svg(desktopWidth)}</div><div class="phone">${svg(phoneWidth)}</div>${caption}</figure>`;
    }
  }
}

function writeFinding({ verdict, word, text }: Finding): string {
  return `<li><span class="verdict ${verdict}">${escapeXml(word)}</span> ${escapeXml(text)}</li>`;
}

function writeTable({ caption, columns, rows }: PageTable): string {
  const align = (index: number) => (columns[index]?.align === "right" ? ' class="number"' : "");
  const head = columns.map(({ title }, index) => `<th scope="col"${align(index)}>${escapeXml(title)}</th>`).join("");
  const body = rows
    .map((row) => `<tr>${row.map((cell, index) => `<td${align(index)}>${escapeXml(cell)}</td>`).join("")}</tr>`)
    .join("\n");
  const title = caption === undefined ? "" : `<caption>${escapeXml(caption)}</caption>`;
  return `<div class="scroll" tabindex="0"><table>${title}<thead><tr>${head}</tr></thead><tbody>
${body}
</tbody></table></div>`;
}

/** The colours are those of the drawings. */
const pageStyle = `
:root { --ink: #1f2328; --muted: #59636e; --paper: #ffffff; --rule: #d8dee4; --link: #0b5cad;
  --yes: #00664b; --no: #a03a00; --partly: #7a5c00; --unknown: #59636e }
body { margin: 0; background: var(--paper); color: var(--ink); line-height: 1.5;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif }
main { max-width: 760px; margin: 0 auto; padding: 24px 16px 64px }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 8px }
h2 { font-size: 1.25rem; margin: 40px 0 8px; padding-top: 12px; border-top: 1px solid var(--rule) }
p { margin: 10px 0 } h1, p { overflow-wrap: anywhere } .lead { color: var(--muted) } a { color: var(--link) }
.facts { display: flex; flex-wrap: wrap; gap: 4px 24px; margin: 12px 0; font-size: 0.85rem }
.facts dt { color: var(--muted); display: inline } .facts dt::after { content: ": " } .facts dd { display: inline; margin: 0 }
nav ol { columns: 2; column-gap: 36px; padding-left: 26px; font-size: 0.9rem } nav li { break-inside: avoid }
figure { margin: 20px 0 } figure svg { display: block; max-width: 100%; height: auto }
figcaption, caption { color: var(--muted); font-size: 0.85rem; text-align: left } figcaption { margin-top: 4px }
caption { padding: 6px 0; caption-side: top }
.phone { display: none }
.scroll { overflow-x: auto; margin: 16px 0 }
table { border-collapse: collapse; font-size: 0.85rem; font-variant-numeric: tabular-nums }
th, td { padding: 4px 14px 4px 0; text-align: left; white-space: nowrap; border-bottom: 1px solid var(--rule) }
th { vertical-align: bottom; font-weight: 600 } .number { text-align: right }
.findings { list-style: none; padding: 0 } .findings li { margin: 8px 0 }
.verdict { font-weight: 600; display: inline-block } .verdict::first-letter { text-transform: uppercase } .verdict::after { content: "." }
.yes { color: var(--yes) } .no { color: var(--no) } .partly { color: var(--partly) } .unknown { color: var(--unknown) }
@media screen and (max-width: 700px) { .desktop { display: none } .phone { display: block } nav ol { columns: 1 } }
@media screen and (prefers-color-scheme: dark) {
  :root { --ink: #e6e6ea; --muted: #a3a9b3; --paper: #1b1b1f; --rule: #3a4048; --link: #6ea8ec;
    --yes: #35c79c; --no: #f28a3c; --partly: #e0c63a; --unknown: #a3a9b3 }
}
@media print {
  main { max-width: none; padding: 0 } nav { display: none } .scroll { overflow: visible }
  th, td { white-space: normal; padding-right: 8px } table { font-size: 8.5pt }
  figure, tr, .findings li { break-inside: avoid } h2 { break-after: avoid }
}
`;
