import { FormatError } from "@depthwise/core";
import type { SkippedFile } from "../pictures/list_pictures.ts";
import { type PictureSet, someOf } from "./data_set.ts";

/** What a reader of data found, before a split is drawn. */
export interface FoundData {
  readonly labels: readonly string[];
  readonly train: PictureSet;
  readonly validation: PictureSet | undefined;
  readonly test: PictureSet | undefined;
  readonly skipped: readonly SkippedFile[];
  readonly warnings: readonly string[];
}

/** More than any set of pictures has; classes are 16-bit numbers. */
const mostClasses = 65_535;

/**
 * The classes that have pictures, sorted by code unit, and a warning about those that have none.
 *
 * @param counted labels with the number of their pictures; a label may come several times
 * @throws {FormatError} if fewer than two classes have pictures, or too many
 */
export function foundLabels(
  source: string,
  counted: readonly (readonly [label: string, pictures: number])[],
): { names: readonly string[]; warnings: readonly string[] } {
  const counts = new Map<string, number>();
  for (const [label, pictures] of counted) counts.set(label, (counts.get(label) ?? 0) + pictures);
  const names = [...counts.keys()].filter((label) => counts.get(label)! > 0).sort((a, b) => (a < b ? -1 : 1));
  const empty = [...counts.keys()].filter((label) => counts.get(label) === 0);
  if (names.length < 2) {
    const [only] = names;
    throw new FormatError(
      `${source}: expected pictures of at least two classes but found ${only === undefined ? "none" : `only those of "${only}"`}.`,
      {
        file: source,
        hint:
          empty.length > 0
            ? `There are no pictures in ${someOf(empty)}.`
            : "A network learns to tell classes apart: give it one folder (or label) for each.",
      },
    );
  }
  if (names.length > mostClasses) {
    throw new FormatError(`${source}: expected at most ${mostClasses} classes but found ${names.length}.`, {
      file: source,
    });
  }
  const warnings = empty.length > 0 ? [`Classes without pictures are left out: ${someOf(empty)}.`] : [];
  return { names, warnings };
}
