import { describe, type Network } from "@depthwise/core";
import { build, type FamilyName, families, familyOf, type ListedVariant, listVariants } from "@depthwise/core/networks";
import type { CommonOptions, Invocation } from "../command_line/invocation.ts";
import { optionLines } from "../command_line/network_help.ts";
import { startProgress } from "../command_line/progress.ts";
import { count } from "../command_line/quantities.ts";
import { type Column, table } from "../command_line/table.ts";
import { type Palette, paletteOf, print, printJson } from "../command_line/terminal.ts";

interface ListOptions extends CommonOptions {
  readonly family?: string;
}

/** A variant as `list --json` prints it. */
interface Entry {
  readonly name: string;
  readonly family: FamilyName;
  /** `[H, W, C]`. */
  readonly input: readonly number[];
  readonly classes: number;
  readonly parameters: number;
  readonly macs: number;
  readonly paper: ListedVariant["published"];
  readonly reconstructed?: string;
}

/** `depthwise list`. */
export async function list({ options }: Invocation<ListOptions>): Promise<undefined> {
  // familyOf takes the name of a variant too, and says which name is the nearest.
  const only = options.family === undefined ? undefined : familyOf(options.family).name;
  const entries = entriesOf(listVariants(only));
  if (options.json) printJson(entries);
  else print(only === undefined ? allFamilies(entries) : oneFamily(only, entries));
}

function entriesOf(variants: readonly ListedVariant[]): readonly Entry[] {
  const progress = startProgress("building networks");
  const entries = variants.map((variant, i) => {
    progress.update(i, variants.length, variant.name);
    return entryOf(variant, build(variant.name));
  });
  progress.end();
  return entries;
}

function entryOf({ name, family, published, reconstructed }: ListedVariant, network: Network): Entry {
  const { input, classes, parameters, macs } = describe(network);
  return {
    name,
    family,
    input: [...input],
    classes,
    parameters,
    macs,
    paper: published,
    ...(reconstructed === undefined ? {} : { reconstructed }),
  };
}

function allFamilies(entries: readonly Entry[]): string {
  const names = [...new Set(entries.map(({ family }) => family))];
  const sections = names.map((name) =>
    familySection(
      name,
      entries.filter(({ family }) => family === name),
    ),
  );
  return [
    ...sections,
    "depthwise list --family F shows the options of a family; depthwise describe MODEL its layers.",
  ].join("\n\n");
}

function oneFamily(name: FamilyName, entries: readonly Entry[]): string {
  return `${familySection(name, entries)}\n\nOptions, for networks of your own (depthwise describe ${name} --...):\n${optionLines(families[name].optionRules)}`;
}

/** The family's title and paper, its variants, and what the marks beside them mean. */
function familySection(name: FamilyName, entries: readonly Entry[]): string {
  const palette = paletteOf(process.stdout);
  const { title, paper } = families[name];
  const notes = notesOf(entries);
  const lines = [...notes].map(([text, mark]) => `  ${mark} ${text}`);
  return [
    `${palette.bold(title)}  ${palette.dim(paper)}`,
    table(columns(notes), entries, palette.dim),
    ...lines.map((line) => wrapped(line, palette)),
  ].join("\n");
}

/** Texts that explain figures, each with the mark that stands beside the names it is about. */
function notesOf(entries: readonly Entry[]): ReadonlyMap<string, string> {
  const texts = new Set(entries.flatMap(noteTexts));
  return new Map([...texts].map((text, i) => [text, `[${i + 1}]`]));
}

function noteTexts({ paper, reconstructed }: Entry): readonly string[] {
  return [
    ...(reconstructed === undefined ? [] : [`reconstructed: ${reconstructed}`]),
    ...(paper.difference === undefined ? [] : [`paper's figures differ: ${paper.difference}`]),
    `paper's figures: ${paper.source}`,
  ];
}

function columns(notes: ReadonlyMap<string, string>): readonly Column<Entry>[] {
  const optional = (value: number | undefined, format: (value: number) => string): string =>
    value === undefined ? "" : format(value);
  return [
    { title: "name", value: ({ name }) => name },
    { title: "input", align: "right", value: ({ input }) => input.join("x") },
    { title: "classes", align: "right", value: ({ classes }) => String(classes) },
    { title: "parameters", align: "right", value: ({ parameters }) => count(parameters) },
    { title: "paper", align: "right", value: ({ paper }) => optional(paper.parameters, count) },
    { title: "MACs", align: "right", value: ({ macs }) => count(macs) },
    { title: "paper", align: "right", value: ({ paper }) => optional(paper.macs, count) },
    { title: "top-1", align: "right", value: ({ paper }) => optional(paper.top1, (value) => `${value.toFixed(1)} %`) },
    {
      title: "notes",
      value: (entry) =>
        noteTexts(entry)
          .map((text) => notes.get(text))
          .join(""),
    },
  ];
}

/** Notes are long: broken between words, the next lines indented. */
function wrapped(text: string, palette: Palette): string {
  const width = 120;
  const lines: string[] = [];
  let line = "";
  for (const word of text.trimStart().split(" ")) {
    if (line !== "" && line.length + word.length + 3 > width) {
      lines.push(line);
      line = "   ";
    }
    line += line === "" ? word : ` ${word}`;
  }
  return [...lines, line].map((each) => palette.dim(`  ${each}`)).join("\n");
}
