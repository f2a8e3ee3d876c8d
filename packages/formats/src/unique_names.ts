/** Gives names that are used once. */
export interface UniqueNames {
  /** `name`, or `name_2`, `name_3`, ... where that is taken; taken from then on. */
  take(name: string): string;
}

/** Names, none taken so far but the given ones. */
export function uniqueNames(taken: Iterable<string> = []): UniqueNames {
  const used = new Set(taken);
  return {
    take(name) {
      let unique = name;
      for (let i = 2; used.has(unique); i++) unique = `${name}_${i}`;
      used.add(unique);
      return unique;
    },
  };
}
