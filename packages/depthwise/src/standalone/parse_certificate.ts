import { FormatError, parsePreprocessing } from "@depthwise/core";
import type { Certificate } from "./certificate.ts";

type Rule = (value: unknown) => boolean;

const isText: Rule = (value) => typeof value === "string" && value.length <= 1000;
/** Counts and addresses: what fits into 32-bit memory, or is a number of multiply-accumulates. */
const isCount: Rule = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const isHash: Rule = (value) => typeof value === "string" && /^[0-9a-f]{64}$/.test(value);
const isDifference: Rule = (value) => Number.isFinite(value) && (value as number) >= 0;
/** A name of ours in the same folder: never a path. */
const isFile: Rule = (value) => typeof value === "string" && /^[A-Za-z][\w.]*$/.test(value);
const isOneOf = (...values: readonly unknown[]): Rule => {
  return (value) => values.includes(value);
};
const listOf = (rule: Rule, most: number): Rule => {
  return (value) => Array.isArray(value) && value.length > 0 && value.length <= most && value.every(rule);
};
const optional = (rule: Rule): Rule => {
  return (value) => value === undefined || rule(value);
};
const fields = (rules: Readonly<Record<string, Rule>>): Rule => {
  return (value) =>
    typeof value === "object" &&
    value !== null &&
    Object.entries(rules).every(([name, rule]) => rule((value as Record<string, unknown>)[name]));
};
const namedHashes: Rule = (value) =>
  typeof value === "object" &&
  value !== null &&
  !Array.isArray(value) &&
  Object.entries(value).every(([name, hash]) => isFile(name) && isHash(hash));

function isPreprocessing(value: unknown): boolean {
  try {
    parsePreprocessing(JSON.stringify(value) ?? "");
    return true;
  } catch {
    return false; // the field is named in the message
  }
}

/** A memory of 4 GiB. */
const mostPages = 65_536;

const rules: { readonly [field in keyof Certificate]-?: Rule } = {
  certificate: isOneOf(1),
  compiler: isText,
  model: isText,
  parameters: isCount,
  macs: isCount,
  memory: fields({ total: isCount, weights: isCount, activations: isCount }),
  weights: fields({ type: isOneOf("f32", "f16", "int8"), bytes: isCount }),
  threads: (value) => isCount(value) && (value as number) >= 1,
  builds: listOf(
    fields({
      file: isFile,
      simd: isOneOf("relaxed", "plain"),
      pages: (value) => isCount(value) && (value as number) <= mostPages,
      input: isCount,
      output: isCount,
      sharedAt: optional(isCount),
      weights: optional(fields({ file: isFile, at: optional(isCount), bytes: isCount, offset: isCount })),
      codeSha256: isHash,
      weightsSha256: isHash,
    }),
    2,
  ),
  reference: fields({
    seed: isCount,
    input: listOf(isCount, 4),
    preprocessing: isPreprocessing,
    output: listOf(Number.isFinite, 1_000_000),
  }),
  largestDifference: isDifference,
  tolerance: isDifference,
  files: optional(namedHashes),
};

/**
 * Reads a certificate; every field is checked before it is used, for whoever verifies a file does not trust it.
 *
 * @throws {FormatError} naming the field
 */
export function parseCertificate(text: string, file: string): Certificate {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new FormatError(`${file}: expected a certificate, but it is not JSON.`, { file, cause });
  }
  if (typeof value !== "object" || value === null) throw new FormatError(`${file}: expected a certificate.`, { file });
  for (const [name, rule] of Object.entries(rules)) {
    if (rule((value as Record<string, unknown>)[name])) continue;
    throw new FormatError(`${file}: field ${name} is not what a certificate has there.`, { file });
  }
  return value as Certificate;
}
