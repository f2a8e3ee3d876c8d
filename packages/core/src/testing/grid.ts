import { expect } from "vitest";
import type { Graph } from "../graph/graph.ts";
import { compareWithInterpreter } from "./one_node.ts";

/** Of the largest value: sums of at most a few hundred float32 products in another order. */
const GRID_TOLERANCE = 5e-6;

/** Runs every case on guarded memory, and expects all of them to give what the interpreter gives. */
export async function expectAll<Case>(cases: readonly Case[], graphOf: (one: Case) => Graph): Promise<void> {
  expect(cases.length).toBeGreaterThan(0);
  const failures: string[] = [];
  for (const one of cases) {
    const outcome = await compareWithInterpreter(graphOf(one)).catch((error: unknown) => String(error));
    if (!(typeof outcome === "number" && outcome <= GRID_TOLERANCE))
      failures.push(`${JSON.stringify(one)}: ${outcome}`);
  }
  expect(failures).toEqual([]);
}

/** Every combination of the lists' elements. */
export function combinations<const T extends Readonly<Record<string, readonly unknown[]>>>(
  lists: T,
): { [K in keyof T]: T[K][number] }[] {
  return Object.entries(lists).reduce<Record<string, unknown>[]>(
    (partial, [key, values]) => partial.flatMap((one) => values.map((value) => ({ ...one, [key]: value }))),
    [{}],
  ) as { [K in keyof T]: T[K][number] }[];
}
