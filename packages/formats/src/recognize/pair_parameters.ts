import type { Term } from "./terms.ts";

/**
 * Which parameter of one network is which of another's, where both compute the same function of them.
 *
 * @returns theirs by ours, or undefined if the terms differ, or a parameter of ours would have to be two of theirs
 */
export function pairParameters(ours: Term, theirs: Term): ReadonlyMap<string, string> | undefined {
  if (ours.id !== theirs.id) return undefined;
  const partners = new Map<Term, Term>();
  const pairs = new Map<string, string>();
  const stack: (readonly [Term, Term])[] = [[ours, theirs]];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const [mine, other] = next;
    const known = partners.get(mine);
    if (known !== undefined) {
      if (known !== other && !isSame(known, other)) return undefined;
      continue;
    }
    partners.set(mine, other);
    if (mine.parameter !== undefined) {
      const theirName = other.parameter as string;
      if ((pairs.get(mine.parameter) ?? theirName) !== theirName) return undefined;
      pairs.set(mine.parameter, theirName);
    }
    // Equal ids: as many operands, pairwise of equal ids.
    for (const [i, operand] of mine.operands.entries()) stack.push([operand, other.operands[i] as Term]);
  }
  return pairs;
}

/** Two nodes of one function that a file computes twice, from the same values. */
function isSame(a: Term, b: Term): boolean {
  return (
    a.id === b.id &&
    a.parameter === b.parameter &&
    a.operands.length === b.operands.length &&
    a.operands.every((operand, i) => operand === b.operands[i])
  );
}
