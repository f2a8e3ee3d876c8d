import { OptionError } from "../errors.ts";
import { seededRandom } from "../random.ts";
import { membersOfClasses, shuffle } from "./epoch_draws.ts";
import type { LabeledSet } from "./pictures_in_memory.ts";

/** Indices of a set's pictures in two parts, each ascending. */
export interface Split {
  readonly kept: Uint32Array;
  readonly apart: Uint32Array;
}

/**
 * Puts a share of each class apart, drawn by the seed and the class's label alone. Of a class with two pictures or more, at least
 * one goes to each part; a single picture is kept.
 *
 * @param share 0 (nothing apart) to 0.9
 * @throws {OptionError} if the share is outside of that
 */
export function splitClasses(set: LabeledSet, share: number, seed: number): Split {
  if (!(share >= 0 && share <= 0.9)) {
    throw new OptionError(`share of validation: expected a number of 0 to 0.9 but received ${share}.`);
  }
  const isApart = new Uint8Array(set.length);
  for (const [index, members] of membersOfClasses(set).entries()) {
    const count = Math.max(1, Math.round(members.length * share));
    if (share === 0 || members.length < 2) continue;
    shuffle(members, seededRandom(seed, `split/${set.labels[index]}`));
    for (const picture of members.subarray(0, Math.min(count, members.length - 1))) isApart[picture] = 1;
  }
  const all = Uint32Array.from({ length: set.length }, (_, i) => i);
  return { kept: all.filter((i) => isApart[i] === 0), apart: all.filter((i) => isApart[i] === 1) };
}
