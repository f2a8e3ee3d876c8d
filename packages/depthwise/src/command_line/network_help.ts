import { familyOf, type OptionRule } from "@depthwise/core/networks";
import { dashed } from "./model_argument.ts";

/** The options of a network's family for `--help`; empty for a name that is none. */
export function networkHelp(name: string): string {
  try {
    const family = familyOf(name);
    return `Options of ${family.name}:\n${optionLines(family.optionRules)}`;
  } catch {
    return ""; // the help is about the verb; running it will refuse the name
  }
}

/** One line an option: its flag, what it takes, what it is. */
export function optionLines(rules: Readonly<Record<string, OptionRule>>): string {
  const rows = Object.entries(rules).map(
    ([name, rule]) => [`${dashed(name)}${argumentOf(rule)}`, rule.description] as const,
  );
  const width = Math.max(...rows.map(([flag]) => flag.length));
  return rows.map(([flag, description]) => `  ${flag.padEnd(width)}  ${description}`).join("\n");
}

function argumentOf({ kind, choices = [] }: OptionRule): string {
  switch (kind) {
    case "boolean":
      return "";
    case "choice":
      return ` ${choices.join("|")}`;
    case "number":
      return " X";
    case "integer":
      return " N";
    case "integers":
      return " N,N,...";
    case "size":
      return " N|HxW";
    default:
      return kind satisfies never;
  }
}
