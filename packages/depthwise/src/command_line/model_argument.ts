import { OptionError } from "@depthwise/core";
import { familyOf, nearestName, type OptionRule } from "@depthwise/core/networks";
import type { Invocation } from "./invocation.ts";

/** A network as it was asked for: a variant or family and its options, or a file. */
export interface ModelArgument {
  /** `mobilenet_v2_0.5_160`, `mobilenet_v2`, `model.safetensors`. */
  readonly subject: string;
  readonly isFile: boolean;
  /** By the library's names: `{ smallStem: true }`. */
  readonly options: Readonly<Record<string, unknown>>;
}

/** One MODEL, and the words that are neither it nor its options. */
export interface OneModel {
  readonly model: ModelArgument;
  readonly rest: readonly string[];
}

/**
 * Takes MODEL and its options from the front of a command's words: `mobilenet_v2 --width 0.5 photo.jpg` has one word left.
 *
 * @throws {OptionError} if there is no MODEL, or an option that it does not have
 */
export function parseModel({ words, literal, verb, optionNames }: Invocation<unknown>): OneModel {
  const [model, ...rest] = parseWords(words, optionNames, "first");
  if (model === undefined || typeof model === "string") throw missingModel(verb);
  return { model, rest: [...(rest as string[]), ...literal] };
}

/**
 * Takes every word for a MODEL with the options that follow it: `mobilenet_v2 --width 0.5 squeezenet_1.1`.
 *
 * @throws {OptionError} as {@link parseModel}
 */
export function parseModels({ words, literal, verb, optionNames }: Invocation<unknown>): readonly ModelArgument[] {
  const models = parseWords([...words, ...literal], optionNames, "all") as readonly ModelArgument[];
  if (models.length === 0) throw missingModel(verb);
  return models;
}

/** The words that ask for a model: `mobilenet_v2 --width 0.5`. */
export function modelWords({ subject, options }: ModelArgument): string {
  return [
    subject,
    ...Object.entries(options).map(([name, value]) => `${dashed(name)} ${[value].flat().join("x")}`),
  ].join(" ");
}

/** @throws {OptionError} if words are left that the command has no use for */
export function refuseRest(rest: readonly string[], verb: string): void {
  if (rest.length === 0) return;
  throw new OptionError(`${verb}: one MODEL is expected, but "${rest[0]}" follows it.`);
}

function missingModel(verb: string): OptionError {
  return new OptionError(`${verb}: a MODEL is missing: a variant, a family with options, or a file.`, {
    hint: "depthwise list shows the names.",
  });
}

/** Models and other words in order. An option belongs to the model before it. */
function parseWords(
  words: readonly string[],
  verbOptions: readonly string[],
  which: "first" | "all",
): readonly (ModelArgument | string)[] {
  const parsed: (ModelArgument | string)[] = [];
  let current: (ModelArgument & { options: Record<string, unknown> }) | undefined;
  const queue = [...words];
  for (let word = queue.shift(); word !== undefined; word = queue.shift()) {
    if (word.length > 1 && word.startsWith("-")) {
      if (current === undefined) throw optionBeforeModel(word, verbOptions);
      const [name, value] = parseOption(word, queue, current, verbOptions);
      if (Object.hasOwn(current.options, name))
        throw new OptionError(`${current.subject}: option ${dashed(name)} stands twice.`);
      current.options[name] = value;
    } else if (which === "all" || current === undefined) {
      current = { subject: word, isFile: isFileName(word), options: {} };
      parsed.push(current);
    } else parsed.push(word);
  }
  return parsed;
}

/** A path, or a name that ends like a model file. */
function isFileName(word: string): boolean {
  return /[/\\]/.test(word) || /\.(safetensors|pth|pt|bin|ckpt|onnx|tflite|json|caffemodel)$/i.test(word);
}

function optionBeforeModel(word: string, verbOptions: readonly string[]): OptionError {
  const nearest = nearestName(word, verbOptions);
  return new OptionError(`Unknown option ${word}.`, {
    hint:
      nearest === undefined
        ? "Options of a network stand after its name: mobilenet_v2 --width 0.5."
        : `Did you mean ${nearest}? (Options of a network stand after its name.)`,
  });
}

/** Reads `--width 0.5`, `--width=0.5`, `--small-stem` or `--no-small-stem`; a value is taken from the queue. */
function parseOption(
  word: string,
  queue: string[],
  { subject, isFile }: ModelArgument,
  verbOptions: readonly string[],
): readonly [name: string, value: unknown] {
  const rules: Readonly<Record<string, OptionRule>> = isFile ? {} : familyOf(subject).optionRules;
  const [flag = word, inline] = splitOnce(word, "=");
  const isNegated = flag.startsWith("--no-") && ruleNamed(rules, `--${flag.slice(5)}`)?.rule.kind === "boolean";
  const found = ruleNamed(rules, isNegated ? `--${flag.slice(5)}` : flag);
  if (found === undefined) throw unknownOption(flag, subject, isFile, rules, verbOptions);
  const { name, rule } = found;
  if (rule.kind === "boolean") {
    if (inline !== undefined && inline !== "true" && inline !== "false")
      throw new OptionError(`${subject}: option ${flag} takes true or false, received "${inline}".`);
    return [name, (inline !== "false") !== isNegated];
  }
  const text = inline ?? queue.shift();
  if (text === undefined)
    throw new OptionError(`${subject}: option ${flag} needs a value.`, { hint: `${name}: ${rule.description}.` });
  return [name, parseValue(rule, text)];
}

function splitOnce(text: string, separator: string): readonly [string, string?] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

function ruleNamed(
  rules: Readonly<Record<string, OptionRule>>,
  flag: string,
): { readonly name: string; readonly rule: OptionRule } | undefined {
  const entry = Object.entries(rules).find(([name]) => dashed(name) === flag);
  return entry === undefined ? undefined : { name: entry[0], rule: entry[1] };
}

function unknownOption(
  flag: string,
  subject: string,
  isFile: boolean,
  rules: Readonly<Record<string, OptionRule>>,
  verbOptions: readonly string[],
): OptionError {
  const known = Object.keys(rules).map(dashed);
  const nearest = nearestName(flag, [...known, ...verbOptions]);
  if (nearest !== undefined) return new OptionError(`Unknown option ${flag}.`, { hint: `Did you mean ${nearest}?` });
  return new OptionError(`Unknown option ${flag}.`, {
    hint: isFile ? "A model file brings its own options." : `${subject} has ${known.join(", ")}.`,
  });
}

/** The value in the library's form; what is no such value stays text, for the check of the options to refuse. */
function parseValue(rule: OptionRule, text: string): unknown {
  switch (rule.kind) {
    case "number":
    case "integer":
      return toNumber(text);
    case "integers":
      return text.split(",").map(toNumber);
    case "size": {
      const sides = text.split("x").map(toNumber);
      return sides.length === 1 ? sides[0] : sides;
    }
    case "boolean":
    case "choice":
      return text;
    default:
      return rule.kind satisfies never;
  }
}

function toNumber(text: string): number | string {
  return text.trim() === "" || Number.isNaN(Number(text)) ? text : Number(text);
}

/** The library's `smallStem` as the command line has it: `--small-stem`. */
export function dashed(name: string): string {
  return `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
