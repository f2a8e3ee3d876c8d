import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  build,
  describe,
  drawBlock,
  drawNetwork,
  drawWiring,
  familyOf,
  formatShape,
  listVariants,
  type Network,
} from "depthwise";
import { outputOf, root } from "./run_program.ts";
import type { Figures } from "./site.ts";
import { connectionsTable, families, guidelineTable, passesTable, variantTable } from "./tables.ts";

/** Carries out a directive: its words in, Markdown out. */
type Directive = (words: readonly string[], figures: Figures) => string | Promise<string>;

/** What a page may ask for. A network may have options: `igcv2?smallStem=true&channels=16`. */
export const directives: Readonly<Record<string, Directive>> = {
  /** NETWORK BLOCK: the block's wiring. */
  block: ([name = "", block = ""], figures) =>
    figure(figures, `${name}-${block}`, drawBlock(networkOf(name), block), `Wiring of ${block} in ${titleOf(name)}`),
  /** NETWORK BLOCK CHANNEL: the block channel by channel. */
  wiring: ([name = "", block = "", channel = "0"], figures) =>
    figure(
      figures,
      `wiring-${name}-${block}-${channel}`,
      drawWiring(networkOf(name), block, { channel: Number(channel), width: 680 }),
      `Channels of ${block} in ${titleOf(name)}; the paths of channel ${channel} are bold`,
    ),
  /** NETWORK: all of it, in a wide and a narrow picture. */
  network: ([name = ""], figures) => networkFigure(networkOf(name), name, figures),
  /** NETWORK: one number. */
  macs: ([name = ""]) => millions(describe(networkOf(name)).macs),
  parameters: ([name = ""]) => millions(describe(networkOf(name)).parameters),
  /** FAMILY: authors, title, year, with a link. */
  paper: ([family = ""]) => paperOf(family),
  /** FAMILY: every published variant with its cost. */
  variants: ([family = ""]) => variantTable(family),
  /** FAMILY: where we differ from the paper, from the family's source file. */
  deviations: ([family = ""]) => deviationsOf(family),
  /** FAMILY: options for networks of one's own. */
  options: ([family = ""]) => optionsOf(family),
  /** FAMILY: what its figures were taken from. */
  sources: ([family = ""]) => sourcesOf(family),
  families: () => families(),
  /** NETWORK: paths between the channels of its blocks. */
  connections: ([name = ""]) => connectionsTable(networkOf(name)),
  /** NETWORK...: guideline 1's bound, fragmentation, elementwise share. */
  guidelines: (names) => guidelineTable(names.map((name) => networkOf(name))),
  /** NETWORK: what each pass of the compiler leaves of it. */
  passes: ([name = ""]) => passesTable(networkOf(name)),
  /** FILE: a program of `examples/`, and what it prints. */
  example: async ([file = ""]) => {
    const path = join("docs", "examples", file);
    const code = readFileSync(join(root, path), "utf8").trimEnd();
    return `\`\`\`ts\n${code}\n\`\`\`\n\nIt prints:\n\n\`\`\`text\n${await outputOf(path)}\n\`\`\``;
  },
  /** [VERB]: the command line's own help. */
  help: async (verb) => `\`\`\`text\n${await outputOf("packages/depthwise/src/cli.ts", [...verb, "--help"])}\n\`\`\``,
  /** ARGUMENTS...: what the command line prints. */
  run: async (args) =>
    `\`\`\`text\n$ depthwise ${args.join(" ")}\n${await outputOf("packages/depthwise/src/cli.ts", args)}\n\`\`\``,
  /** FOLDER: the README of a room, one heading lower; its first heading is left out. */
  readme: ([folder = ""]) => {
    const text = readFileSync(join(root, folder, "README.md"), "utf8");
    return text.replace(/^# .*\n+/, "").replaceAll(/^(#+) /gm, "#$1 ");
  },
};

/** `igcv2?smallStem=true&channels=16&branches=4,4` built. */
function networkOf(words: string): Network {
  const [name = "", query = ""] = words.split("?");
  const entries = [...new URLSearchParams(query)].map(([key, value]) => [key, optionValue(value)] as const);
  return build(name, Object.fromEntries(entries));
}

function optionValue(text: string): unknown {
  if (text === "true" || text === "false") return text === "true";
  if (text.includes(",")) return text.split(",").map(Number);
  return Number.isNaN(Number(text)) ? text : Number(text);
}

function titleOf(words: string): string {
  return words.split("?")[0] ?? "";
}

function figure(figures: Figures, name: string, svg: string, caption: string): string {
  const [, width = "", height = ""] = /width="([\d.]+)" height="([\d.]+)"/.exec(svg) ?? [];
  const address = figures.add(name, svg);
  return `<figure><img src="${address}" alt="${caption}" width="${width}" height="${height}" loading="lazy"><figcaption>${caption}</figcaption></figure>`;
}

function networkFigure(network: Network, name: string, figures: Figures): string {
  const caption = `${name}, block by block: areas are shares of the whole`;
  const wide = figures.add(`${name}-wide`, drawNetwork(network, { width: 688 }));
  const narrow = figures.add(`${name}-narrow`, drawNetwork(network, { width: 340 }));
  return [
    "<figure><picture>",
    `<source media="(max-width: 600px)" srcset="${narrow}">`,
    `<img src="${wide}" alt="${caption}" loading="lazy">`,
    `</picture><figcaption>${caption}</figcaption></figure>`,
  ].join("");
}

function millions(count: number): string {
  return `${Number((count / 1e6).toPrecision(3))} million`;
}

function paperOf(family: string): string {
  return familyOf(family).paper.replace(/arXiv:(\d{4}\.\d{5})/, "[arXiv:$1](https://arxiv.org/abs/$1)");
}

/** The list under "Deviations" in the docstring at the head of the family's file. */
function deviationsOf(family: string): string {
  const source = readFileSync(join(root, "packages/core/src/networks", `${family}.ts`), "utf8");
  const docstring = source.slice(0, source.indexOf("*/")).replaceAll(/^ \* ?/gm, "");
  const list = docstring.slice(docstring.indexOf("Deviations\n") + "Deviations\n".length).trim();
  if (!list.startsWith("- ")) throw new Error(`${family}.ts has no list of deviations in its docstring.`);
  return escapeHtml(list);
}

function optionsOf(family: string): string {
  const rules = Object.entries(familyOf(family).optionRules);
  return rules.map(([name, { description }]) => `- \`${name}\`: ${escapeHtml(description)}`).join("\n");
}

function sourcesOf(family: string): string {
  const sources = new Set(listVariants(familyOf(family).name).map(({ published }) => published.source));
  return [`- ${paperOf(family)}`, ...[...sources].map((source) => `- ${escapeHtml(source)}`)].join("\n");
}

/** For text that may hold what HTML would take for tags. */
export function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll("{{", "&#123;&#123;");
}

/** `224x224x3`. */
export function inputOf(network: Network): string {
  return formatShape(describe(network).input);
}
