import { OptionError } from "../errors.ts";
import { suggestion } from "./nearest_name.ts";
import type { OptionRule } from "./network.ts";

/**
 * Checks options against a family's rules: every name known, every value of its kind and in its range.
 *
 * @param subject whose options they are, for messages: `mobilenet_v2`
 * @throws {OptionError} naming the option, what it must be, what it is, and the nearest name of an unknown one
 */
export function checkOptions(
  subject: string,
  rules: Readonly<Record<string, OptionRule>>,
  options: Readonly<Record<string, unknown>>,
): void {
  for (const [name, value] of Object.entries(options)) {
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
    if (rule === undefined) {
      const known = Object.keys(rules);
      throw new OptionError(`${subject} has no option "${name}".`, {
        hint: suggestion(name, known) ?? `It has ${known.join(", ")}.`,
      });
    }
    const problem = problemOf(rule, value);
    if (problem !== undefined) {
      throw new OptionError(`${subject}: option "${name}" must be ${problem}, received ${show(value)}.`, {
        hint: `${name}: ${rule.description}.`,
      });
    }
  }
}

/** What the value should have been, or undefined if it is right. */
function problemOf(rule: OptionRule, value: unknown): string | undefined {
  switch (rule.kind) {
    case "boolean":
      return typeof value === "boolean" ? undefined : "true or false";
    case "choice": {
      const choices = rule.choices ?? [];
      return typeof value === "string" && choices.includes(value) ? undefined : `one of ${choices.join(", ")}`;
    }
    case "number":
      return isInRange(rule, value) ? undefined : `a number ${rangeOf(rule)}`;
    case "integer":
      return isWhole(rule, value) ? undefined : `a whole number ${rangeOf(rule)}`;
    case "integers":
      return Array.isArray(value) && value.every((item) => isWhole(rule, item))
        ? undefined
        : `a list of whole numbers ${rangeOf(rule)}`;
    case "size":
      return isWhole(rule, value) ||
        (Array.isArray(value) && value.length === 2 && value.every((item) => isWhole(rule, item)))
        ? undefined
        : "a whole number above 0, or two of them: height and width";
    default:
      return rule.kind satisfies never;
  }
}

function isInRange(rule: OptionRule, value: unknown): value is number {
  if (typeof value !== "number" || !Number.isFinite(value)) return false;
  return (rule.minimum === undefined ? value > 0 : value >= rule.minimum) && value <= (rule.maximum ?? value);
}

function isWhole(rule: OptionRule, value: unknown): boolean {
  return isInRange(rule, value) && Number.isInteger(value);
}

function rangeOf({ minimum, maximum }: OptionRule): string {
  const below = maximum === undefined ? "" : ` and at most ${maximum}`;
  return (minimum === undefined ? "above 0" : `of at least ${minimum}`) + below;
}

function show(value: unknown): string {
  return typeof value === "string" || Array.isArray(value) ? JSON.stringify(value) : String(value);
}
