import { rootClass } from "./svg.ts";

/** What a box stands for; each kind has its colour. */
export type BoxKind = "dense" | "grouped" | "depthwise" | "permute" | "pool" | "join" | "plain";

/** A colour on light ground (and on paper), and the one for dark screens. */
type Colour = readonly [light: string, dark: string];

const ink: Colour = ["#1f2328", "#e6e6ea"];
const muted: Colour = ["#59636e", "#a3a9b3"];
const paper: Colour = ["#ffffff", "#1b1b1f"];
const wire: Colour = ["#6e7781", "#8b949e"];
const hairline: Colour = ["#d8dee4", "#3a4048"];

const kinds: { readonly [K in BoxKind]: { readonly fill: Colour; readonly stroke: Colour } } = {
  dense: { fill: ["#dbe9fb", "#1d3350"], stroke: ["#3b78c3", "#6ea8ec"] },
  grouped: { fill: ["#e9e1f8", "#33274c"], stroke: ["#7a55b8", "#b595ee"] },
  depthwise: { fill: ["#fde8d3", "#462d12"], stroke: ["#c0680f", "#f0a04b"] },
  permute: { fill: ["#dcf3ed", "#12352f"], stroke: ["#16806b", "#4fc3ab"] },
  pool: { fill: ["#e8ebee", "#2b3036"], stroke: ["#69727d", "#9aa4af"] },
  join: { fill: ["#fff6d1", "#3a3210"], stroke: ["#9a7a08", "#d8b93e"] },
  plain: { fill: ["#f6f8fa", "#25282e"], stroke: ["#8c959f", "#7d8590"] },
};

/** Colours of groups of channels, told apart by most colour-blind people too (after M. Okabe and K. Ito). They repeat. */
const groupColours: readonly Colour[] = [
  ["#0072b2", "#4aa8e0"],
  ["#d55e00", "#f28a3c"],
  ["#009e73", "#35c79c"],
  ["#b0508a", "#e08bbd"],
  ["#a88a00", "#e0c63a"],
  ["#3aa0d8", "#8fd0f5"],
  ["#5d5d5d", "#b8b8b8"],
  ["#7a4fbf", "#b79af0"],
];

/** Class of the colour of a group of channels. */
export function groupClass(index: number): string {
  return `g${index % groupColours.length}`;
}

interface Rule {
  readonly selector: string;
  readonly fill?: Colour | undefined;
  readonly stroke?: Colour | undefined;
}

const colourRules: readonly Rule[] = [
  { selector: "text", fill: ink },
  { selector: ".paper", fill: paper },
  { selector: ".muted", fill: muted },
  { selector: ".wire", stroke: wire },
  { selector: ".arrow", fill: wire },
  { selector: ".rule", stroke: hairline },
  { selector: ".faint", stroke: hairline },
  { selector: ".dot", fill: ink },
  { selector: ".comb", fill: kinds.depthwise.stroke },
  { selector: ".area", fill: kinds.dense.stroke },
  { selector: ".area2", fill: kinds.grouped.stroke },
  ...Object.entries(kinds).map(([kind, { fill, stroke }]) => ({ selector: `.${kind}`, fill, stroke })),
  ...groupColours.map((colour, index) => ({ selector: `.s${groupClass(index)}`, stroke: colour })),
  ...groupColours.map((colour, index) => ({ selector: `.f${groupClass(index)}`, fill: colour })),
];

const shapeRules: readonly string[] = [
  "text { font-family: system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif; font-size: 12px }",
  ".title { font-size: 17px; font-weight: 600 }",
  ".name { font-size: 13px; font-weight: 600 }",
  ".small { font-size: 11px }",
  ".middle { text-anchor: middle }",
  ".end { text-anchor: end }",
  ".wire { fill: none; stroke-width: 1.5 }",
  ".lines { fill: none; stroke-width: 1.3 }",
  ".strong { stroke-width: 2.2 }",
];

/** The style sheet of every picture: light, dark where the screen is, light again on paper. No variables: plain renderers know none. */
export function styleSheet(): string {
  const colours = (shade: 0 | 1) =>
    colourRules.map(({ selector, fill, stroke }) => {
      const fillRule = fill === undefined ? "" : `fill: ${fill[shade]}`;
      const strokeRule = stroke === undefined ? "" : `stroke: ${stroke[shade]}`;
      return `.${rootClass} ${selector} { ${[fillRule, strokeRule].filter((rule) => rule !== "").join("; ")} }`;
    });
  return [
    "",
    ...shapeRules.map((rule) => `.${rootClass} ${rule}`),
    ...colours(0),
    "@media screen and (prefers-color-scheme: dark) {",
    ...colours(1),
    "}",
    "",
  ].join("\n");
}
