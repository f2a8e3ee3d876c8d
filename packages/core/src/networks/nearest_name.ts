/**
 * The name most like a mistyped one, or undefined if none is near. Case, `-` and `_` do not count.
 *
 * @param name as typed
 * @param names those that exist
 */
export function nearestName(name: string, names: Iterable<string>): string | undefined {
  const typed = canonical(name);
  // A third of the letters may be wrong: `mobilnetv2` is meant for `mobilenet_v2`, `resnet` for nothing here.
  let best = Math.max(1, Math.floor(typed.length / 3)) + 1;
  let nearest: string | undefined;
  for (const candidate of names) {
    const distance = editDistance(typed, canonical(candidate), best);
    if (distance < best) {
      best = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

/** `Did you mean "…"?`, or undefined if nothing is near: the hint of an error. */
export function suggestion(name: string, names: Iterable<string>): string | undefined {
  const nearest = nearestName(name, names);
  return nearest === undefined ? undefined : `Did you mean "${nearest}"?`;
}

function canonical(name: string): string {
  return name.toLowerCase().replaceAll(/[-_ ]/g, "");
}

/**
 * Letters to insert, delete, replace, or swap with their neighbour, to come from `a` to `b` (optimal string alignment).
 *
 * @param limit distances of at least this are returned as `limit`
 */
export function editDistance(a: string, b: string, limit: number = Number.POSITIVE_INFINITY): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const differs = a[row - 1] === b[column - 1] ? 0 : 1;
      let distance = Math.min(
        (last[column] as number) + 1,
        (current[column - 1] as number) + 1,
        (last[column - 1] as number) + differs,
      );
      const isSwapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (isSwapped) distance = Math.min(distance, (beforeLast[column - 2] as number) + 1);
      current.push(distance);
    }
    beforeLast = last;
    last = current;
  }
  return Math.min(last[b.length] as number, limit);
}
