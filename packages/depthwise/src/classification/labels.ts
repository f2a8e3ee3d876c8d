import { FormatError } from "@depthwise/core";

/**
 * Class names in index order: a JSON array of strings, or one name a line.
 *
 * @param classes how many there must be
 * @param file for messages
 * @throws {FormatError} if it is neither, or there are more or fewer
 */
export function parseLabels(text: string, classes: number, file: string): readonly string[] {
  const labels = text.trimStart().startsWith("[") ? parseArray(text, file) : text.trimEnd().split(/\r?\n/);
  if (labels.length !== classes) {
    throw new FormatError(`${file}: expected ${classes} labels, one for each class, but it has ${labels.length}.`, {
      file,
    });
  }
  return labels;
}

function parseArray(text: string, file: string): readonly string[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new FormatError(`${file}: expected labels as a JSON array, but it is not JSON.`, { file, cause });
  }
  if (!Array.isArray(parsed) || !parsed.every((label) => typeof label === "string")) {
    throw new FormatError(`${file}: expected labels as a JSON array of strings.`, { file });
  }
  return parsed;
}
