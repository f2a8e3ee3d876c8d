/** The items in a random order (Fisher and Yates). */
export function shuffled<T>(items: readonly T[], below: (count: number) => number): readonly T[] {
  const order = [...items];
  for (let last = order.length - 1; last > 0; last--) {
    const other = below(last + 1);
    [order[last], order[other]] = [order[other] as T, order[last] as T];
  }
  return order;
}
