import { FormatError } from "@depthwise/core";

/** Classes of TensorFlow's networks of ImageNet, whose first is the background; name lists leave it out. */
const classesWithBackground = 1001;

/**
 * Class names in index order: a JSON array of strings, or one name a line. For a network of 1001 classes, a list of 1000 names lacks the
 * background, which comes first.
 *
 * @param classes how many there must be
 * @param file for messages
 * @throws {FormatError} if it is neither, or there are more or fewer
 */
export function parseLabels(text: string, classes: number, file: string): readonly string[] {
  const labels = text.trimStart().startsWith("[") ? parseArray(text, file) : text.trimEnd().split(/\r?\n/);
  if (classes === classesWithBackground && labels.length === classes - 1) return ["background", ...labels];
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
