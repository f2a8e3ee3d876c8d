import { rootClass } from "../draw/svg.ts";
import { styleSheet } from "../draw/theme.ts";

/** The ground of all drawings, light and dark: around text that lies over lines. */
const paper = ["#ffffff", "#1b1b1f"] as const;

/** Rules of plots beside those of all drawings: whiskers and halos take their colour from the class beside theirs. */
const rules: readonly string[] = [
  ".curve { fill: none; stroke-width: 2; stroke-linejoin: round }",
  ".dashed { stroke-dasharray: 5 4 }",
  ".whisker { fill: none; stroke-width: 1.4 }",
  ".mark { fill-opacity: 0.85 }",
  ".ring { fill: none; stroke-width: 1.6 }",
  ".frame { fill: none; stroke-width: 1 }",
  ".grid { stroke-width: 0.6 }",
  ".guide { stroke-width: 1.2; stroke-dasharray: 3 3 }",
];

/** The style sheet of plots: light, dark where the screen is, light again on paper. */
export function plotStyle(): string {
  const outline = (colour: string) =>
    `.${rootClass} .outlined { paint-order: stroke; stroke: ${colour}; stroke-width: 3px }`;
  return `${styleSheet()}${rules.map((rule) => `.${rootClass} ${rule}`).join("\n")}
${outline(paper[0])}
@media screen and (prefers-color-scheme: dark) { ${outline(paper[1])} }
`;
}
