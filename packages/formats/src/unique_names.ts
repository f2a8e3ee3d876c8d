/** Gives names that are used once. */
export interface UniqueNames {
  /** `name`, or `name_2`, `name_3`, ... where that is taken; taken from then on. */
  take(name: string): string;
}

/** Names, none taken so far but the given ones. */
export function uniqueNames(taken: Iterable<string> = []): UniqueNames {
  const used = new Set(taken);
  /** For each name asked for more than once, the number to go on from: a file may ask for one name a hundred thousand times. */
  const next = new Map<string, number>();
  return {
    take(name) {
      let unique = name;
      let number = next.get(name) ?? 2;
      for (; used.has(unique); number++) unique = `${name}_${number}`;
      if (unique !== name) next.set(name, number);
      used.add(unique);
      return unique;
    },
  };
}
